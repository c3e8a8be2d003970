"""A small part of the gate's measurements at each test: no false alarms beyond what is allowed, drops seen, the flywheel turning."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from scipy.stats import binom

from scoring.gate.benchmark import main
from scoring.gate.flywheel import KINDS, Deploys, Product, play
from scoring.gate.simulation import Setting, simulate


def _allowed(share: float, n: int) -> int:
    """Most that n comparisons may show, one chance in a thousand aside, if the true share is this."""
    return int(binom.isf(0.001, n, share))


@pytest.mark.parametrize(
    "setting",
    [Setting(0.1), Setting(0.3), Setting(0.3, has_reruns=True), Setting(0.2, slices=5, has_anchor=True, has_figures=True)],
    ids=["10% flaky", "30% flaky", "with reruns", "with everything"],
)
def test_no_change_is_seldom_called_a_failure(setting):
    """At most six in a hundred, floor included."""
    tally = simulate(setting, 150, seed=1)
    assert tally.nonzero == tally.failed <= _allowed(0.06, 150)


@pytest.mark.parametrize(
    ("setting", "power"),
    [
        (Setting(0.1, drop=0.05), 0.7),
        (Setting(0.1, 3, drop=0.05), 0.8),
        (Setting(0.3, 5, drop=0.05), 0.8),
        (Setting(0.2, drop=0.05, has_reruns=True), 0.8),
    ],
    ids=["1 run", "3 runs", "5 runs", "reruns"],
)
def test_five_points_are_seen(setting, power):
    """As often as the page says."""
    assert 60 - simulate(setting, 60, seed=1).failed <= _allowed(1 - power, 60)


def test_the_flywheel_turns():
    """Deploys without change pass, and each case that breaks again is caught and named."""
    counts = {kind: Deploys() for kind in KINDS}
    for seed in range(6):
        for kind, deploys in play(Product(cases=100), seed).items():
            counts[kind].add(deploys)
    assert counts["no change"].blocked <= _allowed(0.06, counts["no change"].tried)
    assert counts["breaks"].tried > 40
    assert counts["breaks"].blocked == counts["breaks"].named == counts["breaks"].tried


def test_the_tables_can_be_printed():
    """The chore's commands run."""
    for arguments in (["alarms"], ["power", "--kind", "thins"], ["flywheel"]):
        done = CliRunner().invoke(main, [*arguments, "--repetitions", "1"])
        assert done.exit_code == 0, done.output
        assert done.output.startswith("| ")
