"""A judge's page: agreement on the labels that count, and every reason not to trust it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from scoring.calibration.calibrate import STANDARD, Opinion, Policy, calibrations, people
from scoring.estimates.labels import Chosen, Label, choose

NOW = datetime(2025, 6, 1, tzinfo=UTC)


def opinion(item: str, passed: bool | None, **columns: object) -> Opinion:
    values = {
        "judge": "helpful",
        "fingerprint": "f1",
        "model": "m-1",
        "confidence": None,
        "p": 0.1,
        "p_label": 0.5,
        "trace": None,
        "order": None,
        "anchor": False,
        "is_question": False,
        "at": NOW - timedelta(days=3),
        **columns,
    }
    return Opinion(item=item, passed=passed, **values)


def label(item: str, passed: bool, who: str = "ann", **columns: object) -> Label:
    values = {"origin": "audit", "split": "audit", "p_label": 0.5, "at": NOW - timedelta(days=2), **columns}
    return Label(item, passed, who, **values)


def judged(n: int = 100, right: float = 0.9, seed: int = 1) -> tuple[list[Opinion], Chosen]:
    random = np.random.default_rng(seed)
    truth = random.random(n) < 0.7
    verdict = np.where(random.random(n) < right, truth, ~truth)
    opinions = [opinion(f"e{k}", bool(verdict[k]), confidence=0.95) for k in range(n)]
    return opinions, choose([label(f"e{k}", bool(truth[k])) for k in range(n)], "calibrate")


def calibrate(opinions: list[Opinion], chosen: Chosen, now: datetime = NOW, policy: Policy = STANDARD):
    return calibrations(opinions, chosen, now, level=0.95, seed=1, policy=policy)


def test_a_fresh_judge_is_usable():
    """A hundred random labels, two days old: agreement with its interval, and nothing stale."""
    (found,) = calibrate(*judged())
    assert (found.judge, found.fingerprint, found.models, found.n_labels, found.n_verdicts) == ("helpful", "f1", ("m-1",), 100, 100)
    assert found.agreement.kappa_low < found.agreement.kappa < found.agreement.kappa_high
    assert found.agreement.kappa > 0.5
    assert found.confidence is not None
    assert found.stale == ()


def test_fingerprints_are_instruments_of_their_own():
    """Another fingerprint is another calibration; the one without labels says so."""
    opinions, chosen = judged()
    found = calibrate([*opinions, opinion("new", True, fingerprint="f2")], chosen)
    assert [one.fingerprint for one in found] == ["f1", "f2"]
    assert found[1].stale == ("no label counts for it: label audit items (goldwash review)",)
    assert found[1].agreement.kappa is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"now": NOW + timedelta(days=60)}, "the last label is 62 days old"),
        ({"policy": Policy(fewest_labels=150)}, "100 labels, wanted are 150"),
    ],
)
def test_old_or_few_labels_are_stale(change, said):
    """Age and number."""
    (found,) = calibrate(*judged(), **change)
    assert any(said in reason for reason in found.stale)


def test_a_judge_of_chance_is_stale():
    """A coin agrees with people by chance alone, and unreadable answers are news as well."""
    opinions, chosen = judged(right=0.5)
    (found,) = calibrate([*opinions, *(opinion(f"u{k}", None) for k in range(20))], chosen)
    assert any("may be chance" in reason for reason in found.stale)
    assert any("17% of its answers could not be read" in reason for reason in found.stale)
    assert found.n_unscored == 20


def test_few_failures_are_stale():
    """Sixty labels of which two are failures say nothing of the TPR."""
    opinions = [opinion(f"e{k}", k > 2) for k in range(60)]
    (found,) = calibrate(opinions, choose([label(f"e{k}", k > 1) for k in range(60)], "calibrate"))
    assert any("2 labelled failures and 58 labelled passes" in reason for reason in found.stale)


def test_labels_picked_from_flags_are_said_to_be():
    """Where the random ones are too few, picked ones count too, unweighted, and that is a reason not to trust it."""
    opinions = [opinion(f"e{k}", k % 3 > 0, p_label=None) for k in range(60)]
    chosen = choose([label(f"e{k}", k % 3 > 0, origin="queue", split="calibration", p_label=None) for k in range(60)], "calibrate")
    (found,) = calibrate(opinions, chosen)
    assert found.n_labels == 60
    assert any("60 of its labels were picked from flags" in reason for reason in found.stale)


def test_frozen_anchors_show_another_judge():
    """The same fingerprint, the same anchors, and a tenth of the verdicts flipped: drift, in words."""
    opinions, chosen = judged()
    first = [opinion(f"a{k}", True, anchor=True, at=NOW - timedelta(days=9)) for k in range(100)]
    again = [opinion(f"a{k}", k >= 10, anchor=True, at=NOW - timedelta(days=1)) for k in range(100)]
    (found,) = calibrate([*opinions, *first, *again], chosen)
    assert found.drift is not None
    assert found.drift.drifted is True
    assert any("10 of 100 frozen anchors flipped" in reason for reason in found.stale)


def test_each_of_two_judges_is_held_against_itself():
    """The second judge says the opposite of the first of every anchor and stays with it: neither drifted; then it alone turns, unlabelled too."""
    days = (9, 5, 1)
    first = [opinion(f"a{k}", True, anchor=True, at=NOW - timedelta(days=day)) for k in range(50) for day in days]
    second = {"fingerprint": "f2", "is_second": True, "anchor": True}
    stays = [opinion(f"a{k}", False, **second, at=NOW - timedelta(days=day)) for k in range(50) for day in days]
    found = {one.fingerprint: one for one in calibrate([*first, *stays], choose([], "calibrate"))}
    assert [(one.drift.repeats.n, one.drift.repeats.flips) for one in found.values()] == [(50, 0), (50, 0)]
    turned = [opinion(f"a{k}", True, **second, at=NOW) for k in range(50)]
    found = {one.fingerprint: one for one in calibrate([*first, *stays, *turned], choose([], "calibrate"))}
    assert (found["f1"].drift.drifted, found["f2"].drift.drifted) == (False, True)
    assert "50 of 50 frozen anchors flipped: this judge is another than it was" in found["f2"].stale


def test_a_new_fingerprint_is_held_against_the_old_anchors():
    """Anchors that another fingerprint judged first count as before."""
    first = [opinion(f"a{k}", True, anchor=True, at=NOW - timedelta(days=9)) for k in range(50)]
    again = [opinion(f"a{k}", True, anchor=True, fingerprint="f2") for k in range(50)]
    found = {one.fingerprint: one for one in calibrate([*first, *again], choose([], "calibrate"))}
    assert found["f1"].drift is None
    assert found["f2"].drift is not None
    assert found["f2"].drift.drifted is False


def test_pairs_are_judged_both_ways():
    """The share of pairs whose verdict stays when the answers change places."""
    both = [opinion(f"p{k}", True, order="ab") for k in range(10)] + [opinion(f"p{k}", k > 2, order="ba") for k in range(10)]
    (found,) = calibrate(both, choose([], "calibrate"))
    assert found.orders is not None
    assert found.orders.consistency == pytest.approx(0.7)
    assert found.n_verdicts == 10


def test_people_are_held_against_each_other():
    """Kappa of those who labelled the same item."""
    twice = [label(f"e{k}", k % 2 == 0, who) for k in range(20) for who in ("ann", "bob")]
    found = people(choose(twice, "calibrate"), level=0.95, seed=1)
    assert found is not None
    assert (found.n, found.agreement.kappa) == (20, 1.0)
    assert people(choose([], "calibrate"), level=0.95, seed=1) is None
