"""Measures the gate on releases of which the truth is known: how often it cries wolf, and how often it sees a drop.

`scripts/simulate` prints the tables of docs/gate.md. The gate itself decides, with all of its shipped rules, on made-up runs: a flaky
case passes half the time, a steady one always or never. Seeded, so that a table can be made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, partial

import numpy as np

from scoring.gate.decide import Rerun, Reruns, decide
from scoring.gate.results import Result, Results
from scoring.gate.rules import Rules

DAY = date(2026, 1, 1)
"""Nothing in a simulation depends on it."""

Chances = np.ndarray[tuple[int], np.dtype[np.float64]]
Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class Setting:
    """One kind of comparison; shares are of all cases."""

    flaky: float  # pass half the time
    runs: int = 1
    drop: float = 0.0  # true difference in pass rate
    kind: str = (
        "breaks"  # how it drops: one of KINDS: steady cases fail now; or pass half the time; or every case fails a little more often
    )
    failing: float = 0.0  # always fail, on both sides, and are not marked known_failing
    cases: int = 200
    slices: int = 0
    conversation: int = 1  # cases cut from the same conversation, which pass or fail together in a run where they are flaky
    has_anchor: bool = False
    has_figures: bool = False  # costs and latencies, which vary from run to run
    has_reruns: bool = False


@dataclass(slots=True)
class Tally:
    """What came of many comparisons."""

    comparisons: int = 0
    failed: int = 0
    nonzero: int = 0
    unclear: int = 0
    reruns: int = 0
    rules: dict[str, int] = field(default_factory=dict)  # rule -> comparisons that it failed

    def share(self, n: int) -> float:
        """Of all comparisons."""
        return n / self.comparisons


def simulate(setting: Setting, repetitions: int, seed: int, rules: Rules | None = None) -> Tally:
    """Decides `repetitions` times on fresh runs."""
    rules = rules or Rules()
    tally = Tally()
    for repetition in range(repetitions):
        random = np.random.default_rng((seed, repetition))
        before = _before(setting)
        after = _after(before, setting)
        numbers = range(1, setting.runs + 1)
        base = Results(_rows(setting, before, numbers, random), name="base")
        candidate = Results(_rows(setting, after, numbers, random), name="candidate")
        anchor = Results(_rows(setting, before, numbers, random), name="anchor") if setting.has_anchor else None
        rerun = partial(_rerun, setting, before, after, random) if setting.has_reruns else None
        verdict = decide(base, candidate, rules, today=DAY, anchor=anchor, rerun=rerun)
        tally.comparisons += 1
        tally.failed += verdict.outcome == "failed"
        tally.nonzero += verdict.exit_code != 0
        tally.unclear += verdict.is_inconclusive
        tally.reruns += verdict.reruns
        for ruling in verdict.rulings:
            if ruling.state == "failed":
                tally.rules[ruling.rule] = tally.rules.get(ruling.rule, 0) + 1
    return tally


def _before(setting: Setting) -> Chances:
    """Each case's chance to pass; flaky and failing ones first, then those that always pass."""
    chances = np.ones(setting.cases)
    flaky, failing = round(setting.flaky * setting.cases), round(setting.failing * setting.cases)
    chances[:flaky] = 0.5
    chances[flaky : flaky + failing] = 0.0
    return chances


def _after(before: Chances, setting: Setting) -> Chances:
    lost = round(setting.drop * setting.cases)
    if not lost:
        return before
    if setting.kind == "thins":
        return np.asarray(before * (1 - setting.drop / float(before.mean())))
    after = before.copy()
    if setting.kind == "breaks":
        after[-lost:] = 0.0
    else:
        after[-2 * lost :] = 0.5
    return after


def _rows(
    setting: Setting, chances: Chances, numbers: Sequence[int], random: Random, which: Sequence[int] | None = None
) -> tuple[Result, ...]:
    rows: list[Result] = []
    together = setting.conversation
    for run in numbers:
        luck = np.repeat(random.random(-(-setting.cases // together)), together)[: setting.cases]
        passed = luck < chances
        chosen = range(setting.cases) if which is None else which
        made = [_result(i, run, bool(passed[i]), setting.slices, together) for i in chosen]
        if setting.has_figures:
            costs, times = random.lognormal(-4, 0.5, setting.cases), random.lognormal(7, 0.6, setting.cases)
            made = [replace(row, cost_usd=float(costs[i]), latency_ms=float(times[i])) for i, row in zip(chosen, made, strict=True)]
        rows += made
    return tuple(rows)


@cache
def _result(i: int, run: int, passed: bool, slices: int, together: int) -> Result:
    """The same values over and over: making them anew would be most of the work."""
    return Result(
        case=f"case-{i}",
        run=run,
        passed=passed,
        slice=f"slice-{i % slices}" if slices else None,
        cluster=f"conversation-{i // together}" if together > 1 else None,
    )


def _rerun(setting: Setting, before: Chances, after: Chances, random: Random, wish: Rerun) -> Reruns:
    which = [int(case.removeprefix("case-")) for case in wish.cases]
    numbers = range(wish.first, wish.first + wish.runs)
    return _rows(setting, before, numbers, random, which), _rows(setting, after, numbers, random, which)


FLAKY = (0.05, 0.1, 0.2, 0.3)
KINDS = ("breaks", "shakes", "thins")


def settings(drop: float, kind: str) -> Iterator[tuple[str, Setting]]:
    """The usual ways to run a set."""
    for flaky in FLAKY:
        setting = Setting(flaky, drop=drop, kind=kind)
        yield "1 run", setting
        yield "3 runs", replace(setting, runs=3)
        yield "5 runs", replace(setting, runs=5)
        yield "1 run with reruns", replace(setting, has_reruns=True)


def other_settings(drop: float, kind: str) -> Iterator[tuple[str, Setting]]:
    """Sets that are harder; with everything means five slices, an anchor, costs and latencies."""
    for flaky in FLAKY:
        setting = Setting(flaky, drop=drop, kind=kind)
        full = replace(setting, slices=5, has_anchor=True, has_figures=True)
        yield "1 run, with everything", full
        yield "1 run with reruns, with everything", replace(full, has_reruns=True)
        yield "1 run, and 5% that always fail", replace(setting, failing=0.05)
        yield "5 runs, and 5% that always fail", replace(setting, runs=5, failing=0.05)
        yield "1 run, conversations of 4", replace(setting, conversation=4)
        yield "1 run, 50 cases", replace(setting, cases=50)


def table(lines: Iterator[tuple[str, Setting]], repetitions: int, seed: int) -> Iterator[str]:
    """Lines of a Markdown table, one a setting."""
    yield "| flaky | how it is run | failed | non-zero exit | unclear | runs added |"
    yield "|---|---|---|---|---|---|"
    for name, setting in lines:
        tally = simulate(setting, repetitions, seed)
        yield (
            f"| {setting.flaky:.0%} | {name} | {tally.share(tally.failed):.3f} | {tally.share(tally.nonzero):.3f} "
            f"| {tally.share(tally.unclear):.3f} | {tally.share(tally.reruns):.0f} |"
        )
