"""The morning report: what was scored, what it cost, rates with their intervals, new themes, what waits for people, the judge's health.

Pure; `gathering` reads the figures, `rendering` shows the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from scoring.calibration.report import Report as Calibrations
from scoring.calibration.report import document
from scoring.judge.decision import DISAGREE
from scoring.metrics import Metric
from scoring.rates import KINDS, Rate


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the page: a table with notes under it, whatever it is shown on."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of a day. Counts are of the log as it is now."""

    day: date
    traffic: Mapping[str, int]  # exchanges, checked, failed
    checks: Sequence[Mapping[str, Any]]  # name, failed, informs, unscored
    states: Sequence[Mapping[str, Any]]  # state, why, n
    judges: Sequence[Mapping[str, Any]]  # scorer, role, answers, unscored, cost_usd, unpriced, answered_as, disagreements
    runs: Sequence[Mapping[str, Any]]
    rates: Sequence[Rate]
    yesterday: Mapping[tuple[str, str], Rate]
    last_week: Mapping[tuple[str, str], Rate]
    metrics: Mapping[str, Sequence[Metric]]  # by task
    themes: Sequence[Mapping[str, Any]]
    waiting: Mapping[str, int]  # failure, review (one of each group), audit, second, candidates; and how many exchanges those groups are
    left_out: Mapping[str, int]  # exchanges that could not be sampled: why -> how many
    health: Calibrations | None  # of the judges, against people's labels of the last weeks; None = no judge gave a verdict

    def as_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        return {
            "day": self.day.isoformat(),
            "traffic": dict(self.traffic),
            "checks": [dict(one) for one in self.checks],
            "states": [dict(one) for one in self.states],
            "left_out": dict(self.left_out),
            "judges": [dict(one) for one in self.judges],
            "health": None if self.health is None else document(self.health),
            "rates": [asdict(one) for one in self.rates],
            "day_before": [asdict(one) for one in self.yesterday.values()],
            "week_before": [asdict(one) for one in self.last_week.values()],
            "metrics": {task: [asdict(one) for one in of_task] for task, of_task in self.metrics.items()},
            "themes": [dict(one) for one in self.themes],
            "waiting": dict(self.waiting),
        }

    def sections(self) -> list[Section]:
        """The page, from top to bottom."""
        return [
            *(self._scored(), *self._rates(), self._themes(), self._waiting(), self._failed_checks()),
            *(self._metrics(), self._judges(), self._health(), self._not_scored()),
        ]

    def _scored(self) -> Section:
        traffic = self.traffic
        states: dict[str, int] = {}
        for one in self.states:
            states[one["state"]] = states.get(one["state"], 0) + one["n"]
        cost = sum(float(one["cost_usd"] or 0) for one in self.judges)
        unpriced = sum(one["unpriced"] for one in self.judges)
        said = f"${cost:.4f}" + (f" and {unpriced:,} calls without a known price" if unpriced else "")
        return Section(
            "Scored",
            ("exchanges", "checked", "failed a check", "sampled", "scored", "unscored", "failed", "skipped", "judges' cost"),
            (
                (
                    f"{traffic['exchanges']:,}",
                    f"{traffic['checked']:,}",
                    f"{traffic['failed']:,}",
                    f"{sum(states.values()):,}",
                    *(f"{states.get(state, 0):,}" for state in ("scored", "unscored", "failed", "skipped")),
                    said,
                ),
            ),
        )

    def _rates(self) -> list[Section]:
        found = []
        for kind in ("all", *KINDS):
            lines = [one for one in self.rates if one.kind == kind]
            if not lines or (kind != "all" and len(lines) == 1 and kind != "feature"):
                continue
            table = tuple(
                (
                    one.name,
                    rate_words(one),
                    f"{one.n_labels:,} of {one.n:,}",
                    "not known" if one.judge_rate is None else f"{one.judge_rate:.1%}",
                    rate_words(self.yesterday.get((kind, one.name))),
                    rate_words(self.last_week.get((kind, one.name))),
                    "differs from the rest" if one.differs else "",
                )
                for one in lines
            )
            notes = _shared(lines) if any(one.rate is not None for one in self.rates) or kind == "all" else ()
            title = "Failure rate" if kind == "all" else f"Failure rate by {kind.replace('_', ' ')}"
            columns = (kind, "rate, 95% interval", "labelled", "judges and checks alone say", "day before", "week before", "")
            found.append(Section(title, columns, table, notes))
        return found

    def _failed_checks(self) -> Section:
        table = tuple((one["name"], f"{one['failed']:,}", f"{one['informs']:,}", f"{one['unscored']:,}") for one in self.checks)
        return Section("Checks that failed", ("check", "failed", "informs only", "could not tell"), table)

    def _metrics(self) -> Section:
        table = tuple(
            (task, one.name, value_words(one), f"{one.n:,}", one.note) for task, of_task in self.metrics.items() for one in of_task
        )
        notes = ("weighted as sampled; what rests on the judge alone carries its errors, which the failure rates above correct",)
        return Section("Metrics by task", ("task", "metric", "value", "items", ""), table, notes if table else ())

    def _themes(self) -> Section:
        table = tuple(
            (
                "new" if one["is_new"] else "",
                one["theme"],
                one["names"],
                f"{one['flags']:,}",
                f"{one['groups']:,}",
                one["example"],
            )
            for one in self.themes
        )
        notes = () if table else ("nothing was flagged",)
        return Section("Themes of what was flagged", ("", "theme", "because", "exchanges", "different", "for example"), table, notes)

    def _waiting(self) -> Section:
        waiting = self.waiting
        columns = ("failures", "to decide", "random audit", "for a second person", "golden candidates")
        names = ("failure", "review", "audit", "second", "candidates")
        notes = []
        if waiting["exchanges"] > waiting["failure"] + waiting["review"]:
            notes.append(f"of near-duplicates one is shown: these failures and doubts are {waiting['exchanges']:,} exchanges")
        return Section("Waiting for people", columns, (tuple(f"{waiting[key]:,}" for key in names),), tuple(notes))

    def _judges(self) -> Section:
        table = tuple(
            (
                one["scorer"],
                str(one["role"]).replace("_", " "),
                f"{one['answers']:,}",
                f"{one['unscored']:,}",
                one["answered_as"] or "(said nothing)",
                f"{one['tries'] - one['answers']:,}",
            )
            for one in self.judges
        )
        disagreements = sum(one["n"] for one in self.states if (one["why"] or "").startswith(DISAGREE))
        notes = [f"the judges disagree on {disagreements:,} items"] if disagreements else []
        notes += [
            f"{one['scorer']} is an alias: {one['answered_as']} answered; name that in config/scoring.toml"
            for one in self.judges
            if one["answered_as"] and one["answered_as"] != one["scorer"]
        ]
        return Section("Judges", ("judge", "as", "answers", "unscored", "answered as", "tried again"), table, tuple(notes))

    def _health(self) -> Section:
        """Each judge against people, people against each other, and why a judge may not be trusted."""
        if self.health is None:
            return Section("Judge health", (), ())
        table, notes = [], []
        for one in self.health.calibrations:
            said, moved = one.agreement, one.drift
            flips = "" if moved is None else f"{moved.repeats.flips:,} of {moved.repeats.n:,}" + (", drift" if moved.drifted else "")
            table.append(
                (
                    one.judge,
                    ", ".join(one.models) or "(said nothing)",
                    f"{one.n_labels:,}",
                    interval(said.kappa, said.kappa_low, said.kappa_high),
                    interval(said.tpr, said.tpr_low, said.tpr_high),
                    interval(said.tnr, said.tnr_low, said.tnr_high),
                    flips,
                    f"{one.n_unscored:,} of {one.n_verdicts:,}",
                )
            )
            notes += [f"{one.judge} by {', '.join(one.models) or one.fingerprint}: {reason}" for reason in one.stale]
        people = self.health.people
        if people is not None:
            said = people.agreement
            agreed = interval(said.kappa, said.kappa_low, said.kappa_high)
            notes.insert(0, f"people with each other: kappa {agreed} on {people.n:,} items labelled twice")
        columns = ("rubric", "model", "labels", "kappa with people", "failures seen", "passes seen", "anchors flipped", "unread")
        return Section("Judge health", columns, tuple(table), tuple(notes))

    def _not_scored(self) -> Section:
        table = tuple((one["state"], f"{one['n']:,}", one["why"]) for one in self.states if one["state"] != "scored" and one["why"])
        table += tuple(("not sampled", f"{n:,}", why) for why, n in self.left_out.items())
        drawn = sum(one["n"] for one in self.states)
        note = "everything that was drawn is scored" if drawn else "nothing was drawn: no exchange of the day can be sampled"
        if not self.traffic["exchanges"]:
            note = "the log holds no exchange of an app on this day: `goldwash score --date` names another (days are in UTC)"
        return Section("Not scored", ("", "items", "why"), table, (note,) if not table or not drawn else ())


def interval(point: float | None, low: float | None, high: float | None) -> str:
    """A figure with its interval."""
    return "not known" if point is None or low is None or high is None else f"{point:.2f} ({low:.2f} to {high:.2f})"


def value_words(one: Metric) -> str:
    """A metric's value; dollars are written as such, and never as a power of ten."""
    if one.value is None:
        return "not known"
    return f"${one.value:.6f}" if one.name.startswith("cost") else f"{one.value:.4g}"


def _shared(lines: Sequence[Rate]) -> tuple[str, ...]:
    """Warnings, each once, with the slices that it is about."""
    about: dict[str, list[str]] = {}
    for one in lines:
        for warning in one.warnings:
            about.setdefault(warning, []).append(one.name)
    return tuple(warning if names == ["all"] else f"{', '.join(names)}: {warning}" for warning, names in about.items())


def rate_words(one: Rate | None) -> str:
    """A rate with its interval; never one without the other."""
    if one is None:
        return ""
    if one.rate is None:
        return "not known: no labels"
    return f"{one.rate:.1%} ({one.low:.1%} to {one.high:.1%})" + (", by older labels" if one.method == "rogan-gladen" else "")
