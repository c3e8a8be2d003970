"""What a person looks at next: one of each group, a random audit in between, every tenth item a second time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.review.queue import TWICE, Flagged, Labelled, origin_of, pairs, queue, split_of

START = datetime(2026, 3, 2, tzinfo=UTC)


def flag(name: str, kind: str = "failure", severity: float = 0.5, group: str | None = None, p_label: float | None = None) -> Flagged:
    return Flagged(f"{kind}-{name}", name, kind, severity, "because", group, p_label=p_label)


def label(name: str, who: str = "ann", passed: bool | None = True, after: int = 0) -> Labelled:
    return Labelled(name, who, passed, START + timedelta(seconds=after))


def test_one_of_each_group_the_gravest_first() -> None:
    """Near-duplicates come up once, as the gravest of them, and are done when one of them is labelled."""
    flags = [flag("a", group="g"), flag("b", severity=0.8, group="g"), flag("c", severity=0.6), flag("d", group="h")]
    waiting = queue(flags, [], "ann").streams["flagged"]
    assert [(item.exchange_id, item.alike) for item in waiting] == [("b", ("a",)), ("c", ()), ("d", ())]
    assert [item.exchange_id for item in queue(flags, [label("a", "bob", passed=False)], "ann").streams["flagged"]] == ["c", "d"]


def test_the_audit_comes_between() -> None:
    """Flagged items and audits alternate, and an item that is both counts as an audit with its probability."""
    flags = [*(flag(f"f{n}") for n in range(3)), *(flag(f"a{n}", "audit", p_label=0.5) for n in range(4)), flag("a0")]
    order = queue(flags, [], "ann").in_order()
    assert [item.origin for item in order] == ["queue", "audit", "queue", "queue", "audit", "audit", "audit"]
    assert {item.p_label for item in order if item.origin == "audit"} == {0.5}
    assert len({item.exchange_id for item in order}) == 7


def test_a_skip_passes_an_item_on() -> None:
    """Who skips an item does not see it again; others do."""
    flags = [flag("a"), flag("b")]
    said = [label("a", passed=None)]
    assert [item.exchange_id for item in queue(flags, said, "ann").streams["flagged"]] == ["b"]
    assert [item.exchange_id for item in queue(flags, said, "bob").streams["flagged"]] == ["a", "b"]
    assert queue(flags, said, "bob").doubles_missing == 0


@settings(max_examples=50, deadline=None)
@given(n=st.integers(0, 60))
def test_a_tenth_is_labelled_twice(n: int) -> None:
    """When two people have worked their queues off, at least a tenth of what is labelled was labelled by both, none of it by one twice."""
    said = [label(f"x{number}", "ann", after=number) for number in range(n)]
    assert queue([], said, "ann").streams["second"] == []
    while items := queue([], said, "bob").streams["second"]:
        assert items[0].is_second
        said.append(label(items[0].exchange_id, "bob", after=len(said)))
    both = pairs(said)
    assert len(both) >= TWICE * n
    assert len(both) <= TWICE * n + 1
    assert queue([], said, "bob").doubles_missing == 0


def test_pairs_take_each_persons_last_word() -> None:
    """Who changes their mind counts once, by what they said last; a skip is no word."""
    said = [
        label("a", "ann"),
        label("a", "bob", after=1),
        label("a", "ann", passed=False, after=2),
        label("b"),
        label("b", "bob", passed=None),
    ]
    assert pairs(said) == [(False, True)]


def test_splits_hold_groups_together() -> None:
    """A label of the audit is for the audit; the queue's are halved by group, so that no duplicate stands on both sides."""
    assert split_of("x", [flag("x", "audit"), flag("x")]) == "audit"
    assert origin_of([flag("x")]) == "queue"
    assert {split_of(f"x{n}", [flag(f"x{n}", group="g")]) for n in range(20)} in ({"rubric_dev"}, {"calibration"})
    halves = [split_of(f"x{n}", [flag(f"x{n}")]) for n in range(400)]
    assert 150 < halves.count("rubric_dev") < 250
