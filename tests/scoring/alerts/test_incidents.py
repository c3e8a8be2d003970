"""One notification an incident: grouping, updates, reminders, the end, silences, floods and flapping, all with a clock that is handed in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.alerts.incidents import Incident, Notification, Pace, take
from scoring.alerts.states import Reading, Silence, State, Transition

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Rule:
    severity: str = "error"
    renotify: timedelta = timedelta(hours=4)
    group_by: tuple[str, ...] = ("rule",)


RULES: Mapping[str, Rule] = {"errors": Rule(), "latency": Rule("warning")}


def moved(
    at: datetime, after: State, feature: str = "search", rule: str = "errors", since: datetime | None = None, value: float = 0.05
) -> Transition:
    before: State = "firing" if after in {"resolved", "no_data"} else "pending"
    reading = Reading(rule, {"feature": feature}, at, value, 0.02, 0.01, 500, after == "firing", f"{value:.0%} of {feature} failed")
    return Transition(reading, before, after, since or at)


class Watch:
    """Steps through time as the watcher does, and keeps what was said."""

    def __init__(self, silences: tuple[Silence, ...] = (), rules: Mapping[str, Rule] = RULES) -> None:
        self.incidents: list[Incident] = []
        self.said: list[Notification] = []
        self.silences = list(silences)
        self.rules = rules

    def at(self, minute: float, *transitions: Transition) -> list[Notification]:
        self.incidents, said = take(transitions, self.incidents, self.silences, self.rules, START + minute * MINUTE)
        self.said += said
        return said

    def kinds(self) -> list[str]:
        return [one.kind for one in self.said]


def minute(number: float) -> datetime:
    return START + number * MINUTE


def test_an_incident_is_told_once_and_its_end_once() -> None:
    """Firing is one notification however often it is asked about; the end is another, and then there is nothing left to keep."""
    watch = Watch()
    (opened,) = watch.at(0, moved(minute(0), "firing"))
    assert (opened.kind, opened.severity, opened.slice, opened.value, opened.threshold) == (
        "opened",
        "error",
        {"feature": "search"},
        0.05,
        0.02,
    )
    assert opened.title == "errors: firing – feature=search"
    assert opened.text == "5% of search failed"
    for number in range(1, 60):
        assert watch.at(number, moved(minute(0), "firing")) == []
    (resolved,) = watch.at(60, moved(minute(60), "resolved", since=minute(0)))
    assert (resolved.kind, resolved.incident_id, resolved.since) == ("resolved", opened.incident_id, minute(0))
    assert watch.at(61) == []
    assert watch.at(60 + 61) == []
    assert watch.incidents == []


def test_what_is_not_firing_is_not_told() -> None:
    """Pending, no data and inactive open nothing."""
    watch = Watch()
    assert watch.at(0, moved(minute(0), "pending"), moved(minute(0), "no_data", "b"), moved(minute(0), "inactive", "c")) == []
    assert watch.incidents == []


def test_ten_thousand_features_at_once_are_one_notification() -> None:
    """It says how many, names the worst first, and takes little time; the end is one notification too."""
    watch = Watch()
    many = [moved(minute(0), "firing", f"f{number:05}", value=0.03 + number / 1e6) for number in range(10_000)]
    began = time.process_time()
    (opened,) = watch.at(0, *many)
    assert time.process_time() - began < 2.0
    assert opened.title == "errors: firing – 10,000 slices at once, worst feature=f09999"
    assert opened.text.splitlines()[-1] == "… and 9,990 more"
    assert (opened.firing, len(opened.slices), opened.slice) == (10_000, 50, {})
    said = watch.at(10, *(moved(minute(10), "resolved", f"f{number:05}", since=minute(0)) for number in range(10_000)))
    assert [one.kind for one in said] == ["resolved"]


def test_ten_thousand_features_are_one_however_they_group() -> None:
    """group_by = ["rule", "feature"] asks for an incident each; beyond twenty at once they are one all the same, and end as one."""
    watch = Watch(rules={"errors": Rule(group_by=("rule", "feature"))})
    (opened,) = watch.at(0, *(moved(minute(0), "firing", f"f{number:05}") for number in range(10_000)))
    assert opened.firing == 10_000
    said = watch.at(10, *(moved(minute(10), "resolved", f"f{number:05}", since=minute(0)) for number in range(10_000)))
    assert [one.kind for one in said] == ["resolved"]
    trickle = Watch(rules=watch.rules)
    for number in range(600):
        trickle.at(number / 10, moved(minute(number / 10), "firing", f"f{number:05}"))
    assert trickle.kinds().count("opened") <= 22


def test_a_trickle_of_ten_thousand_features_is_a_handful() -> None:
    """One feature after the other, each for five minutes: openings end in one that stays open, updates come ever more rarely."""
    watch = Watch()
    for number in range(2000):
        changes = [moved(minute(number), "firing", f"f{number}")]
        if number >= 5:
            changes.append(moved(minute(number), "resolved", f"f{number - 5}", since=minute(number - 5)))
        watch.at(number, *changes)
    assert len(watch.said) < 20, watch.kinds()
    assert watch.kinds().count("opened") == 1


def test_flapping_stays_open_until_it_is_calm() -> None:
    """Fires and mends every ten minutes for a day: three times it is told, then it stays open until an hour of calm."""
    watch = Watch()
    for number in range(0, 1440, 20):
        watch.at(number, moved(minute(number), "firing"))
        watch.at(number + 10, moved(minute(number + 10), "resolved", since=minute(number)))
    assert watch.kinds().count("opened") == 3
    assert watch.kinds().count("resolved") == 2
    assert len(watch.said) <= 16
    assert "for the third time" in next(one.title for one in reversed(watch.said) if one.kind == "opened")
    watch.at(1430 + 59)
    assert watch.said[-1].kind != "resolved"
    watch.at(1430 + 61)
    assert watch.said[-1].kind == "resolved"


def test_updates_wait_and_name_what_is_new() -> None:
    """A slice that joins is an update no sooner than five minutes after the last word; what was told is not told again."""
    watch = Watch()
    watch.at(0, moved(minute(0), "firing", "a"))
    assert watch.at(1, moved(minute(1), "firing", "b")) == []
    assert watch.at(4) == []
    (update,) = watch.at(5)
    assert (update.kind, update.firing) == ("updated", 2)
    assert watch.at(6, moved(minute(6), "resolved", "a", since=minute(0)), moved(minute(6), "firing", "c")) == []
    (second,) = watch.at(15)
    assert "1 of 3 have recovered" in second.text


def test_a_failure_hours_later_is_an_incident_of_its_own() -> None:
    """An old incident that drags on does not swallow a new one of another feature: whoever is paged must hear of it."""
    watch = Watch()
    (first,) = watch.at(0, moved(minute(0), "firing", "a"))
    (second,) = [one for one in watch.at(600, moved(minute(600), "firing", "b")) if one.kind == "opened"]
    assert first.incident_id != second.incident_id


def test_reminders_come_as_the_rule_says() -> None:
    """Every `renotify`, for as long as it fires."""
    watch = Watch()
    for number in range(0, 1440, 10):
        watch.at(number, *([moved(minute(0), "firing")] if not number else []))
    hours = [int((one.at - START).total_seconds() // 3600) for one in watch.said if one.kind == "reminded"]
    assert hours == [4, 8, 12, 16, 20]


def test_a_rule_can_group_by_feature() -> None:
    """group_by = ["rule", "feature"] makes an incident of each feature; ["feature"] one of all rules of a feature, as grave as the gravest."""
    each = Watch(rules={"errors": Rule(group_by=("rule", "feature"))})
    assert len(each.at(0, moved(minute(0), "firing", "a"), moved(minute(0), "firing", "b"))) == 2
    across = Watch(rules={"errors": Rule("critical", group_by=("feature",)), "latency": Rule("warning", group_by=("feature",))})
    (opened,) = across.at(0, moved(minute(0), "firing", rule="latency"), moved(minute(0), "firing", rule="errors"))
    assert (opened.rule, opened.severity) == ("errors, latency", "critical")
    assert "2 slices at once, worst errors: feature=search" in opened.title
    assert across.at(5, moved(minute(5), "resolved", rule="errors", since=minute(0))) == []
    (over,) = across.at(6, moved(minute(6), "resolved", rule="latency", since=minute(0)))
    assert over.kind == "resolved"


def test_the_worst_slice_says_where_it_is() -> None:
    """Where everything and its one feature are equally bad, the feature is named."""
    everything = Transition(Reading("errors", {}, minute(0), 0.05, 0.02, 0.01, 500, True, "5% failed"), "pending", "firing", minute(0))
    (opened,) = Watch().at(0, everything, moved(minute(0), "firing"))
    assert opened.title == "errors: firing – 2 slices at once, worst feature=search"


def test_no_data_is_not_mended() -> None:
    """A firing slice that is not heard of any more stays open and says so; after a day it is closed as unheard."""
    watch = Watch()
    watch.at(0, moved(minute(0), "firing"))
    watch.at(30, moved(minute(30), "no_data", since=minute(0)))
    (reminder,) = watch.at(240)
    assert "no data now" in reminder.text
    for number in range(300, 1440 + 40, 10):
        watch.at(number)
    assert watch.said[-1].kind == "resolved"
    assert "does not say that it is mended" in watch.said[-1].title


def test_data_that_comes_back_after_no_data_clears() -> None:
    """no_data → inactive is the end of an incident."""
    watch = Watch()
    watch.at(0, moved(minute(0), "firing"))
    watch.at(30, moved(minute(30), "no_data", since=minute(0)))
    (over,) = watch.at(40, Transition(Reading("errors", {"feature": "search"}, minute(40), 0.0, 0.02), "no_data", "inactive", minute(40)))
    assert over.kind == "resolved"


def silence(until: float, rule: str | None = "errors", slice_: Mapping[str, str] | None = None, from_: float = -60) -> Silence:
    return Silence("s1", "ann", "migration", minute(from_), minute(until), rule, slice_ or {})


def test_a_silence_counts_and_tells_at_its_end() -> None:
    """Three begin to fire inside, one mends: nobody hears of it until the end, and then of all, and of those still firing as an incident."""
    watch = Watch((silence(60),))
    for feature in "abc":
        assert watch.at(1, moved(minute(1), "firing", feature)) == []
    watch.at(10, moved(minute(10), "resolved", "a", since=minute(1)))
    watch.at(20, moved(minute(20), "firing", "a"))
    watch.at(30, moved(minute(30), "resolved", "a", since=minute(20)))
    ended, opened = watch.at(60)
    assert (ended.kind, ended.incident_id, ended.severity) == ("silence_ended", "silence-s1", "info")
    assert ended.title == "the silence of ann (migration) has ended: it held back 4 alerts"
    assert "errors (3)" in ended.text
    assert "2 still firing: errors: feature=b; errors: feature=c" in ended.text
    assert (opened.kind, opened.firing) == ("opened", 2)
    assert watch.at(61) == []


def test_what_mended_inside_a_silence_is_still_counted() -> None:
    """Even where nothing fires at the end, the end says what was missed, once."""
    watch = Watch((silence(60),))
    watch.at(1, moved(minute(1), "firing"))
    watch.at(5, moved(minute(5), "resolved", since=minute(1)))
    (ended,) = watch.at(61)
    assert "held back 1 alert" in ended.title
    assert "none fires now" in ended.text
    assert watch.incidents == []
    assert watch.at(62) == []


def test_a_silence_of_one_feature_holds_back_that_one_only() -> None:
    """The other features of the rule are told."""
    watch = Watch((silence(60, None, {"feature": "a"}),))
    (opened,) = watch.at(1, moved(minute(1), "firing", "a"), moved(minute(1), "firing", "b"))
    assert opened.slice == {"feature": "b"}
    assert "1 more under a silence" in opened.text


def test_a_silence_over_what_was_told_stops_reminders_and_not_the_end() -> None:
    """Whoever was paged hears that somebody has taken it on, no more while that lasts, and that it is over."""
    watch = Watch()
    watch.at(0, moved(minute(0), "firing"))
    watch.silences.append(silence(2000, from_=10))
    (silenced,) = watch.at(10)
    assert (silenced.kind, "silenced by ann until 2026-03-03 18:20 UTC (migration)" in silenced.title) == ("silenced", True)
    for number in range(20, 1000, 10):
        assert watch.at(number) == []
    (over,) = watch.at(1001, moved(minute(1001), "resolved", since=minute(0)))
    assert over.kind == "resolved"


def test_a_silence_that_is_lifted_early_tells_at_once() -> None:
    """Its end is moved to now."""
    watch = Watch((silence(600),))
    watch.at(1, moved(minute(1), "firing"))
    watch.silences[0] = silence(5)
    assert [one.kind for one in watch.at(5)] == ["silence_ended", "opened"]


def test_a_rule_that_is_taken_away_closes_its_incidents() -> None:
    """Nobody would ever say that they are over."""
    watch = Watch()
    watch.at(0, moved(minute(0), "firing"))
    watch.rules = {"latency": Rule()}
    (over,) = watch.at(1)
    assert (over.kind, over.text) == ("resolved", "its rule was taken away")
    assert watch.at(2) == []


def test_a_clock_that_steps_back_loses_nothing() -> None:
    """A day back in the middle: the end is told, reminders come again within their time."""
    watch = Watch()
    watch.at(1440, moved(minute(1440), "firing"))
    assert watch.at(0) == []
    (reminder,) = watch.at(241)
    assert reminder.kind == "reminded"
    (over,) = watch.at(300, moved(minute(300), "resolved", since=minute(0)))
    assert over.kind == "resolved"


def test_the_same_beginning_gives_the_same_incident() -> None:
    """Whoever died before the rows were stored, and does it again, makes no second incident, whatever the order."""
    changes = [moved(minute(0), "firing", "a"), moved(minute(0), "firing", "b")]
    first, said = take(changes, [], [], RULES, minute(0))
    again, repeated = take(reversed(changes), [], [], RULES, minute(0))
    assert (first, said) == (again, repeated)
    assert said[0].id == repeated[0].id


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from(["errors", "latency"]),
            st.sampled_from(["firing", "resolved", "no_data", "pending"]),
            st.integers(0, 90),
        ),
        max_size=60,
    ),
    st.booleans(),
)
def test_whatever_happens_all_that_was_opened_is_closed(steps: list[tuple[str, str, State, int]], silenced: bool) -> None:
    """Any order of states and times: each opening has one end before the next, and after all is calm nothing is left."""
    watch = Watch((silence(200),) if silenced else ())
    now = 0
    for feature, rule, after, wait in steps:
        now += wait
        watch.at(now, moved(minute(now), after, feature, rule))
    now += 300
    watch.at(now, *(moved(minute(now), "resolved", feature, rule) for feature in "abc" for rule in RULES))
    for later in range(now, now + 2000, 30):
        watch.at(later)
    assert watch.incidents == []
    open_: set[str] = set()
    for one in watch.said:
        if one.kind == "opened":
            assert one.incident_id not in open_
            open_.add(one.incident_id)
        elif one.kind != "silence_ended":
            assert one.incident_id in open_
            if one.kind == "resolved":
                open_.remove(one.incident_id)
    assert not open_


def test_the_pace_can_be_another() -> None:
    """An operator's own times hold."""
    changes = [moved(minute(0), "firing", "a")]
    pace = Pace(update=timedelta(minutes=1))
    incidents, _ = take(changes, [], [], RULES, minute(0), pace)
    _, said = take([moved(minute(1), "firing", "b")], incidents, [], RULES, minute(1), pace)
    assert [one.kind for one in said] == ["updated"]
