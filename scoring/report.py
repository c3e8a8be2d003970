"""The morning report: what was scored, what it cost, rates with their intervals, new themes, what waits for people, the judge's health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any, Final

from config.settings import Settings
from proxy.service.client import Access
from scoring.checking import CHECKED, fingerprint
from scoring.measuring import measured
from scoring.metrics import Metric
from scoring.pages import WITHIN, Window, rows
from scoring.pages import day as day_of
from scoring.rates import KINDS, OLD_DAYS, Judged, Rate, judged, rates
from scoring.tasks import Tasks

MOST_THEMES: Final = 12
WEEK: Final = 7


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
    waiting: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        return {
            "day": self.day.isoformat(),
            "traffic": dict(self.traffic),
            "checks": [dict(one) for one in self.checks],
            "states": [dict(one) for one in self.states],
            "judges": [dict(one) for one in self.judges],
            "rates": [asdict(one) for one in self.rates],
            "metrics": {task: [asdict(one) for one in of_task] for task, of_task in self.metrics.items()},
            "themes": [dict(one) for one in self.themes],
            "waiting": dict(self.waiting),
        }

    def sections(self) -> list[Section]:
        """The page, from top to bottom."""
        return [
            *(self._scored(), *self._rates(), self._themes(), self._waiting(), self._failed_checks()),
            *(self._metrics(), self._judges(), self._not_scored()),
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
            (task, one.name, "not known" if one.value is None else f"{one.value:.4g}", f"{one.n:,}", one.note)
            for task, of_task in self.metrics.items()
            for one in of_task
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
        columns = ("failures", "to decide", "random audit", "golden candidates")
        return Section("Waiting for people", columns, (tuple(f"{waiting[key]:,}" for key in ("failure", "review", "audit", "candidates")),))

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
        disagreements = sum(one["n"] for one in self.states if (one["why"] or "").startswith("the judges disagree"))
        notes = [f"the judges disagree on {disagreements:,} items"] if disagreements else []
        notes += [
            f"{one['scorer']} is an alias: {one['answered_as']} answered; name that in config/scoring.toml"
            for one in self.judges
            if one["answered_as"] and one["answered_as"] != one["scorer"]
        ]
        return Section("Judges", ("judge", "as", "answers", "unscored", "answered as", "tried again"), table, tuple(notes))

    def _not_scored(self) -> Section:
        table = tuple((one["state"], f"{one['n']:,}", one["why"]) for one in self.states if one["state"] != "scored" and one["why"])
        return Section("Not scored", ("", "items", "why"), table, () if table else ("everything that was drawn is scored",))


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


def gather(settings: Settings, day: date, tasks: Tasks) -> Report:
    """The report of a day as the log has it now. Raises LogError, NoLog, ServiceError."""
    span = day_of(day)
    with Access(settings) as access:
        history = judged(access, day - timedelta(days=OLD_DAYS), day + timedelta(days=1))
        today, older = _on(history, day, day), _on(history, day - timedelta(days=OLD_DAYS), day - timedelta(days=1))
        previous = _on(history, day - timedelta(days=1), day - timedelta(days=1))
        week = _on(history, day - timedelta(days=WEEK), day - timedelta(days=1))
        return Report(
            day,
            _traffic(access, span, fingerprint(tasks)),
            _checks(access, span, tasks),
            _states(access, day),
            _judges(access, day),
            rows(access, "SELECT state, stage, content FROM judge_runs WHERE day = CAST($day AS DATE)", {"day": day.isoformat()}),
            rates(today, older),
            {(one.kind, one.name): one for one in rates(previous, older)},
            {(one.kind, one.name): one for one in rates(week)},
            measured(access, day, tasks),
            _themes(access, day),
            _waiting(access),
        )


def _on(history: Sequence[Judged], first: date, last: date) -> list[Judged]:
    return [row for row in history if first <= row.day <= last]


def _traffic(access: Access, span: Window, checks: str) -> Mapping[str, int]:
    found = rows(
        access,
        "SELECT count(*) AS exchanges, count(s.exchange_id) AS checked, count(*) FILTER (s.passed = false) AS failed "  # noqa: S608
        "FROM exchanges e LEFT JOIN scores s ON s.exchange_id = e.exchange_id AND s.kind = 'checks' AND s.fingerprint = $checks "
        f"WHERE {WITHIN.format('e.')} AND {CHECKED}",
        {**span.parameters, "checks": checks},
    )
    return found[0]


def _checks(access: Access, span: Window, tasks: Tasks) -> list[dict[str, Any]]:
    marks = sorted({check.fingerprint for task in tasks.tasks for check in task.checks})
    return rows(
        access,
        "SELECT s.name, count(*) FILTER (s.passed = false AND (s.properties ->> 'validated') = 'true') AS failed, "  # noqa: S608
        "count(*) FILTER (s.passed = false AND (s.properties ->> 'validated') = 'false') AS informs, "
        "count(*) FILTER (s.passed IS NULL) AS unscored FROM scores s JOIN exchanges e USING (exchange_id) "
        f"WHERE s.kind = 'check' AND (s.name = 'near_duplicate' OR s.fingerprint IN (SELECT unnest($marks))) AND {WITHIN.format('e.')} "
        "GROUP BY s.name ORDER BY failed DESC, informs DESC, s.name",
        {**span.parameters, "marks": marks},
    )


def _states(access: Access, day: date) -> list[dict[str, Any]]:
    return rows(
        access,
        "SELECT state, why, count(*) AS n FROM score_ledger WHERE day = CAST($day AS DATE) AND inclusion_probability IS NOT NULL "
        "GROUP BY ALL ORDER BY n DESC, state, why",
        {"day": day.isoformat()},
    )


def _judges(access: Access, day: date) -> list[dict[str, Any]]:
    return rows(
        access,
        "SELECT s.scorer, s.kind AS role, count(*) AS answers, count(*) FILTER (s.passed IS NULL) AS unscored, "
        "CAST(sum(s.cost_usd) AS DOUBLE) AS cost_usd, count(*) FILTER (s.cost_usd IS NULL) AS unpriced, "
        "string_agg(DISTINCT s.response_model, ', ' ORDER BY s.response_model) AS answered_as, "
        "CAST(sum(CAST(s.properties ->> 'tries' AS INTEGER)) AS BIGINT) AS tries "
        "FROM scores s JOIN (SELECT DISTINCT exchange_id FROM score_ledger WHERE day = CAST($day AS DATE)) l USING (exchange_id) "
        "WHERE s.kind IN ('judge', 'second_judge') GROUP BY ALL ORDER BY s.kind, s.scorer",
        {"day": day.isoformat()},
    )


def _themes(access: Access, day: date) -> list[dict[str, Any]]:
    """The day's themes, the largest first; new where no flag of the week before has a word of its name."""
    sql = """
        SELECT theme, count(DISTINCT exchange_id) AS flags, count(DISTINCT "group") AS groups, string_agg(DISTINCT name, ', ' ORDER BY name) AS names,
            arg_max(reason, severity) AS example
        FROM (SELECT *, properties ->> 'theme' AS theme, properties ->> 'group' AS "group" FROM flags
            WHERE (properties ->> 'day') = $day AND kind <> 'audit')
        WHERE theme IS NOT NULL GROUP BY theme ORDER BY flags DESC, theme"""  # noqa: E501
    found = rows(access, sql, {"day": day.isoformat()})
    earlier = rows(
        access,
        "SELECT DISTINCT properties ->> 'theme' AS theme FROM flags "
        "WHERE (properties ->> 'day') >= $first AND (properties ->> 'day') < $day",
        {"first": (day - timedelta(days=WEEK)).isoformat(), "day": day.isoformat()},
    )
    known = {word for row in earlier for word in (row["theme"] or "").replace(",", " ").split()}
    return [
        {**row, "example": (row["example"] or "")[:160], "is_new": not known & set(row["theme"].replace(",", " ").split())}
        for row in found[:MOST_THEMES]
    ]


def _waiting(access: Access) -> dict[str, int]:
    open_flags = rows(
        access,
        "SELECT kind, count(DISTINCT flag_id) AS n FROM flags f WHERE kind IN ('failure', 'review', 'audit') "
        "AND NOT EXISTS (SELECT 1 FROM labels l WHERE l.exchange_id = f.exchange_id) GROUP BY kind",
    )
    candidates = rows(
        access,
        "SELECT count(*) AS n FROM (SELECT case_id, arg_max(status, created_at) AS status FROM golden_cases GROUP BY case_id) "
        "WHERE status = 'candidate'",
    )
    return {"failure": 0, "review": 0, "audit": 0, **{row["kind"]: row["n"] for row in open_flags}, "candidates": candidates[0]["n"]}
