"""The label policy: what counts for estimates, what for calibration, and what for neither."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scoring.estimates import labels as policy
from scoring.estimates.labels import Label, choose

AT = datetime(2025, 5, 1, tzinfo=UTC)


def label(item: str, passed: bool | None, who: str | None = "ann", *, origin: str = "audit", hours: int = 0, **columns: object) -> Label:
    values = {"split": None, "p_label": None, **columns}
    return Label(item, passed, who, origin, at=AT + timedelta(hours=hours), **values)


@pytest.mark.parametrize(
    ("one", "estimate", "calibrate"),
    [
        (label("a", True), None, None),
        (label("a", True, origin="audit", split="audit"), None, None),
        (label("a", None), policy.UNDECIDED, policy.UNDECIDED),
        (label("a", True, origin="queue"), policy.CHOSEN, policy.CHOSEN),
        (label("a", True, origin="user"), policy.CHOSEN, policy.CHOSEN),
        (label("a", True, origin="queue", p_label=0.3), None, None),
        (label("a", True, origin="queue", split="calibration"), policy.CHOSEN, None),
        (label("a", True, origin="queue", split="rubric_dev"), policy.CHOSEN, policy.TUNED),
        (label("a", True, origin="audit", split="rubric_dev"), None, policy.TUNED),
        (label("a", True, saw_verdict=True), policy.SEEN, policy.SEEN),
    ],
)
def test_what_a_label_may_be_used_for(one, estimate, calibrate):
    """Estimates take the random audit or a known probability; calibration never takes what the rubric was tuned on."""
    for purpose, reason in (("estimate", estimate), ("calibrate", calibrate)):
        found = choose([one], purpose)
        assert dict(found.discarded) == ({} if reason is None else {reason: 1})
        assert set(found.truths) == ({"a"} if reason is None else set())


def test_an_item_tuned_on_is_lost_to_calibration():
    """A second label of it in another split does not bring it back."""
    both = [label("a", True, split="rubric_dev"), label("a", True, "bob", split="calibration", origin="queue")]
    assert choose(both, "calibrate").truths == {}


def test_the_majority_decides():
    """Two against one; one against one is left out, and counted; the pair of people is kept for their kappa."""
    votes = [label("a", True, "ann"), label("a", False, "bob", hours=1), label("a", False, "cy", hours=2)]
    found = choose([*votes, label("b", True, "ann"), label("b", False, "bob")], "estimate")
    assert {item: truth.passed for item, truth in found.truths.items()} == {"a": False}
    assert found.truths["a"].at == AT + timedelta(hours=2)
    assert found.discarded == {policy.SPLIT_VOTE: 2}
    assert list(found.pairs) == [(True, False), (True, False)]


def test_a_person_may_change_their_mind():
    """The last label of a person counts, whatever order they come in."""
    found = choose([label("a", False, hours=2), label("a", True)], "estimate")
    assert found.truths["a"].passed is False
    assert found.discarded == {policy.REPLACED: 1}
    assert found.pairs == []
