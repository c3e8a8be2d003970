"""Puts before people what failed, what is in doubt and what users complained of: reasons in words, duplicates together, themes named.

One flag an exchange and queue: `failure` (a check or the judges failed it), `review` (people must decide: a user was unhappy, the judges
disagree, or none could tell) and `audit` (drawn at random, whatever was said). A flag that is there already stays as it is unless its
reasons change, so that a second run adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any, Final

from config.scoring import Scoring
from proxy.service.client import Access
from scoring.logged import LoggedExchange
from scoring.outbox import Outbox, record_id
from scoring.pages import WITHIN, Window, by_id, paged, rows
from scoring.pages import day as day_of
from scoring.population import FEEDBACK, UNHAPPY
from scoring.tasks import NEAR_DUPLICATE, Tasks
from scoring.themes import groups, themes

FAILURE: Final = "failure"
REVIEW: Final = "review"
AUDIT: Final = "audit"
MOST_OF_A_KIND: Final = 200
"""Exchanges of one feature that are flagged for the same check in a day; the flag says how many there were."""
MOST: Final = 5_000
"""Flags of a day."""
PAGE: Final = 200
SEVERITY: Final = {"thumbs_down": 0.9, "judge": 0.8, "disagreement": 0.7, "check": 0.5, "unscored": 0.4, "audit": 0.1}


@dataclass(slots=True)
class Flag:
    """An exchange that somebody should look at."""

    exchange_id: str
    queue: str  # failure | review | audit
    item: str  # the exchange, or the trace that it stands for
    names: list[str] = field(default_factory=list)  # what is wrong, the gravest first: thumbs_down, judge:free_chat, check:truncated …
    reasons: list[str] = field(default_factory=list)  # in words, in the same order
    score_record_id: str | None = None
    feature: str | None = None
    task: str | None = None
    of_so_many: int | None = None  # exchanges of the feature that the same check failed, where not all are flagged
    group: int = 0
    group_size: int = 1
    theme: str = ""

    @property
    def flag_id(self) -> str:
        """12 hex digits: the same exchange in the same queue has the same."""
        return sha256(f"{self.queue}|{self.exchange_id}".encode()).hexdigest()[:12]

    @property
    def reason(self) -> str:
        """All reasons in one sentence or more."""
        return "; ".join(self.reasons)

    def add(self, name: str, reason: str) -> None:
        """One more reason."""
        if name not in self.names:
            self.names.append(name)
            self.reasons.append(reason)


def flag(access: Access, outbox: Outbox, day: date, tasks: Tasks, options: Scoring, audited: Iterable[str], run_id: str) -> int:
    """Flag what a day holds; how many flags are new or changed. Raises ServiceError, SpoolFull."""
    span = day_of(day)
    found: dict[tuple[str, str], Flag] = {}
    _complaints(access, span, found)
    _verdicts(access, day, found)
    _checks(access, span, tasks, options, found)
    flags = sorted(found.values(), key=lambda one: (-_severity(one), one.exchange_id))[:MOST]
    looked_at = frozenset(audited)
    flags += _audit(access, day, looked_at)
    _describe(access, flags)
    known = _known(access, span)
    written = 0
    for one in flags:
        if known.get(one.flag_id) != one.reason:
            outbox.add("flags", _content(one, day, run_id), record_id("flag", one.flag_id, one.reason, like=one.exchange_id))
            written += 1
    return written


def _complaints(access: Access, span: Window, found: dict[tuple[str, str], Flag]) -> None:
    """Every thumbs-down, correction and report."""
    sql = f"""
        SELECT e.exchange_id::VARCHAR AS id, e.feature, string_agg(coalesce(nullif(f.comment, ''), f.value, ''), ' / ' ORDER BY f.record_id) AS said,
            bool_or(lower(f.name) = 'correction') AS corrected
        FROM {FEEDBACK} f JOIN exchanges e USING (exchange_id)
        WHERE {UNHAPPY} AND {WITHIN.format("e.")} AND e.purpose = 'app' GROUP BY ALL"""  # noqa: S608, E501  all of it is ours
    for row in paged(access, sql, "id", span.parameters):
        said = (row["said"] or "").strip(" /")[:300]
        words = "a user corrected the answer" if row["corrected"] else "a user was not content with the answer"
        one = found.setdefault((row["id"], REVIEW), Flag(row["id"], REVIEW, row["id"], feature=row["feature"]))
        one.add("thumbs_down", f"{words}: {said}" if said else words)


def _verdicts(access: Access, day: date, found: dict[tuple[str, str], Flag]) -> None:
    """What the judges failed, disagree on, or could not tell."""
    sql = """
        SELECT l.item, l.exchange_id::VARCHAR AS id, l.feature, l.task, l.state, l.passed, l.why, l.decided_by, l.rubric,
            l.properties ->> 'people' AS people, s.record_id::VARCHAR AS score_id, s.reason, s.evidence
        FROM score_ledger l LEFT JOIN scores s ON s.exchange_id = l.exchange_id AND s.kind = 'judge' AND s.fingerprint = l.fingerprint
        WHERE l.day = CAST($day AS DATE) AND l.inclusion_probability IS NOT NULL AND l.state IN ('scored', 'unscored')
            AND (l.passed = false OR l.state = 'unscored' OR (l.properties ->> 'people') = 'true')
        QUALIFY row_number() OVER (PARTITION BY l.item ORDER BY s.created_at DESC NULLS LAST) = 1"""
    for row in paged(access, sql, "item", {"day": day.isoformat()}):
        queue = REVIEW if row["people"] == "true" or row["state"] == "unscored" else FAILURE
        key = (row["id"], REVIEW) if (row["id"], REVIEW) in found else (row["id"], queue)
        one = found.setdefault(key, Flag(row["id"], queue, row["item"], feature=row["feature"]))
        one.item, one.task, one.score_record_id = row["item"], row["task"], row["score_id"]
        decided = row["decided_by"] or ""
        if decided.startswith("check:"):
            one.add(decided, f"{decided.removeprefix('check:').replace('_', ' ')}, whatever the judge said: {row['why']}")
        elif row["state"] == "unscored":
            one.add("unscored", f"no verdict could be had: {row['why']}")
        elif row["people"] == "true" and decided == "judge":
            one.add("disagreement", f"{row['why']}; the first said: {row['reason'] or ('pass' if row['passed'] else 'fail')}")
        elif row["passed"] is False:
            one.add(
                f"judge:{row['rubric']}",
                f"failed by the judge: {row['reason']}" if row["reason"] else f"it failed the rubric {row['rubric']}",
            )
        elif row["why"]:
            one.add("disagreement", row["why"])


def _checks(access: Access, span: Window, tasks: Tasks, options: Scoring, found: dict[tuple[str, str], Flag]) -> None:
    """What the checks failed that may flag: of each feature and check some, drawn by hash."""
    marks = [check.fingerprint for task in tasks.tasks for check in task.checks]
    sql = f"""
        SELECT s.record_id::VARCHAR AS score_id, s.exchange_id::VARCHAR AS id, e.feature, s.name, s.reason,
            count(*) OVER (PARTITION BY e.feature, s.name) AS n
        FROM scores s JOIN exchanges e USING (exchange_id)
        WHERE s.kind = 'check' AND s.passed = false AND (s.properties ->> 'validated') = 'true' AND {WITHIN.format("e.")}
            AND (s.name = $whole_day OR s.fingerprint IN (SELECT unnest($marks)))
        QUALIFY row_number() OVER (PARTITION BY e.feature, s.name ORDER BY sha256($seed || s.exchange_id::VARCHAR)) <= {MOST_OF_A_KIND}"""  # noqa: S608  all of it is ours
    given = {**span.parameters, "marks": sorted(set(marks)) or [""], "seed": options.sampling.seed, "whole_day": NEAR_DUPLICATE}
    for row in paged(access, sql, "score_id", given):
        key = (row["id"], REVIEW) if (row["id"], REVIEW) in found else (row["id"], FAILURE)
        one = found.setdefault(key, Flag(row["id"], FAILURE, row["id"], feature=row["feature"], score_record_id=row["score_id"]))
        one.add(f"check:{row['name']}", f"{row['name'].replace('_', ' ')}: {row['reason']}")
        if row["n"] > MOST_OF_A_KIND:
            one.of_so_many = row["n"]


def _audit(access: Access, day: date, audited: frozenset[str]) -> list[Flag]:
    if not audited:
        return []
    return [
        Flag(row["id"], AUDIT, row["item"], ["audit"], ["drawn at random for the audit"], row["score_id"], row["feature"], row["task"])
        for row in rows(
            access,
            "SELECT item, exchange_id::VARCHAR AS id, feature, task, NULL AS score_id FROM score_ledger "
            "WHERE day = CAST($day AS DATE) AND item IN (SELECT unnest($items)) ORDER BY item",
            {"day": day.isoformat(), "items": sorted(audited)},
        )
    ]


def _describe(access: Access, flags: Sequence[Flag]) -> None:
    """Group the flags and name their themes. Audits are left alone: a person is to see them without a hint."""
    told = [one for one in flags if one.queue != AUDIT]
    texts: dict[str, str] = {}
    ids = sorted({one.exchange_id for one in told})
    for start in range(0, len(ids), PAGE):
        texts |= {one.exchange_id: _text(one) for one in by_id(access, ids[start : start + PAGE]).values()}
    by_reason: dict[tuple[str | None, str], list[Flag]] = {}
    for one in told:
        by_reason.setdefault((one.feature, one.names[0]), []).append(one)
    heads: list[Flag] = []
    members: dict[str, list[Flag]] = {}
    for same in by_reason.values():
        numbers = groups([texts.get(one.exchange_id, "") for one in same])
        for one, number in zip(same, numbers, strict=True):
            head = same[number]
            if head is one:
                heads.append(one)
            members.setdefault(head.flag_id, []).append(one)
    of_head, names = themes([texts.get(one.exchange_id, "") for one in heads])
    for number, (head, theme) in enumerate(zip(heads, of_head, strict=True), 1):
        for one in members[head.flag_id]:
            one.group, one.group_size, one.theme = number, len(members[head.flag_id]), names[theme]


def _text(exchange: LoggedExchange) -> str:
    return f"{exchange.question[:2000]}\n{exchange.text[:2000]}"


def _known(access: Access, span: Window) -> Mapping[str, str]:
    """The flags of these exchanges as the log has them: id -> reason."""
    sql = f"""
        SELECT f.flag_id, arg_max(f.reason, f.created_at) AS reason FROM flags f JOIN exchanges e USING (exchange_id)
        WHERE {WITHIN.format("e.")} AND f.flag_id IS NOT NULL AND f."by" = 'goldwash score' GROUP BY f.flag_id"""  # noqa: S608
    return {row["flag_id"]: row["reason"] for row in paged(access, sql, "flag_id", span.parameters)}


def _content(one: Flag, day: date, run_id: str) -> dict[str, Any]:
    return {
        "exchange_id": one.exchange_id,
        "flag_id": one.flag_id,
        "run_id": run_id,
        "name": one.names[0],
        "kind": one.queue,
        "severity": _severity(one),
        "state": "open",
        "reason": one.reason,
        "score_record_id": one.score_record_id,
        "by": "goldwash score",
        "day": day.isoformat(),
        "item": one.item,
        "feature": one.feature,
        "task": one.task,
        "names": one.names,
        "group": f"{day.isoformat()}-{one.group}" if one.group else None,
        "group_size": one.group_size,
        "theme": one.theme or None,
        "of_so_many": one.of_so_many,
    }


def _severity(one: Flag) -> float:
    return max(SEVERITY[name.partition(":")[0]] for name in one.names) + 0.01 * min(len(one.names) - 1, 9)
