"""A judge's answers as rows of the log: the answer itself, which a repeated run finds and does not pay again, and a row a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from config.scoring import Judge
from proxy.service.client import Access
from scoring.judge.client import Reply
from scoring.judge.decision import Verdict
from scoring.judge.parsing import confidence, grades, overall
from scoring.judge.prompt import Question
from scoring.judge.rubric import Rubric
from scoring.outbox import Outbox, record_id
from scoring.pages import BETWEEN, among, rows
from scoring.population import Item
from scoring.sampling import Drawn

JUDGE: Final = "judge"
SECOND: Final = "second_judge"
"""`kind` of a row that holds an answer; with `_item` behind it, of a row that holds one question's verdict."""
ANCHOR: Final = "anchor"
SECOND_ANCHOR: Final = "second_anchor"
"""`kind` of the first or second judge's answer about an anchor that is judged again; other readers of verdicts do not see it."""
ANCHORS: Final = frozenset({ANCHOR, SECOND_ANCHOR})


class Answer(NamedTuple):
    """What a judge answered, as the log keeps it."""

    text: str | None
    fault: str | None  # why it must not be believed
    response_model: str | None
    judge_exchange_id: str | None
    score_id: str | None  # of its row; None: not written yet


class About(NamedTuple):
    """What an answer is about, and by which instrument."""

    item: Item
    drawn: Drawn
    rubric: Rubric
    judge: Judge
    role: str  # JUDGE | SECOND | ANCHOR | SECOND_ANCHOR
    fingerprint: str
    request_hash: str
    run_id: str
    reading: str = ""  # of an anchor: the day on which it is judged again


def of(answer: Answer, posed: Question) -> Verdict:
    """The verdict in an answer; pure, so that it can be read again."""
    given = grades(answer.text, posed)
    if answer.fault is not None:
        return Verdict(None, answer.fault, None, given)
    passed, unscored = overall(given)
    return Verdict(passed, unscored, confidence(given), given)


def answered(reply: Reply) -> Answer:
    """The part of a reply that is kept."""
    return Answer(reply.text, reply.fault, reply.reading.response_model, reply.exchange_id, None)


def write(outbox: Outbox, about: About, verdict: Verdict, answer: Answer, reply: Reply | None) -> str:
    """All rows of a verdict; reply: None where the answer stands in the log. Returns the id of the answer's row."""
    score_id = answer.score_id or ""
    if reply is not None:
        content = {
            **_shared(about, answer),
            "name": about.rubric.name,
            "kind": about.role,
            "value": verdict.confidence,
            "passed": verdict.passed,
            "unscored": verdict.unscored,
            "reason": verdict.reason,
            "evidence": verdict.evidence,
            "cost_usd": None if reply.cost_usd is None else str(reply.cost_usd),
            "request_hash": about.request_hash,
            "answer": answer.text,
            "fault": answer.fault,
            "tries": reply.tries,
            **({"anchor": True, "reading": about.reading} if about.role in ANCHORS else {}),
        }
        score_id = outbox.add("scores", content, _id(about))
    for grade in verdict.grades if about.role not in ANCHORS else ():
        content = {
            **_shared(about, answer),
            "name": f"{about.rubric.name}.{grade.item.id}",
            "kind": f"{about.role}_item",
            "value": grade.confidence,
            "label": grade.verdict,
            "passed": None if answer.fault else grade.passed,
            "unscored": answer.fault or grade.unscored,
            "reason": grade.reason,
            "evidence": grade.quote,
        }
        outbox.add("scores", content, _id(about, grade.item.id))
    return score_id


@dataclass(frozen=True, slots=True)
class Known:
    """What the log says of an exchange already."""

    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)  # by fingerprint and hash of the request
    overrides: dict[str, str] = field(default_factory=dict)  # findings that no judge can overrule: check -> reason


def known(access: Access, exchange_ids: Sequence[str]) -> dict[str, Known]:
    """Answers and overruling findings by exchange id; exchanges without either are left out. Raises ServiceError."""
    if not exchange_ids:
        return {}
    found: dict[str, Known] = {}
    for row in rows(
        access,
        "SELECT exchange_id::VARCHAR AS id, record_id::VARCHAR AS score_id, kind, name, reason, fingerprint, response_model, "  # noqa: S608
        "judge_exchange_id::VARCHAR AS judge_exchange_id, properties ->> 'request_hash' AS request_hash, "
        "properties ->> 'answer' AS answer, properties ->> 'fault' AS fault FROM scores "
        f"WHERE {BETWEEN.format('')} AND exchange_id IN (SELECT CAST(unnest($ids) AS UUID)) AND (kind IN ('judge', 'second_judge') OR "
        "(kind = 'check' AND passed = false AND (properties ->> 'overrides_judge') = 'true' AND (properties ->> 'validated') = 'true')) "
        "ORDER BY name",
        among(exchange_ids),
    ):
        one = found.setdefault(row["id"], Known())
        if row["kind"] == "check":
            one.overrides[row["name"]] = row["reason"] or ""
        else:
            answer = Answer(row["answer"], row["fault"], row["response_model"], row["judge_exchange_id"], row["score_id"])
            one.answers[row["fingerprint"], row["request_hash"]] = answer
    return found


def _shared(about: About, answer: Answer) -> dict[str, Any]:
    return {
        "exchange_id": about.item.exchange_id,
        "run_id": about.run_id,
        "scorer": about.judge.model,
        "scorer_version": about.rubric.version,
        "fingerprint": about.fingerprint,
        "request_model": about.judge.model,
        "response_model": answer.response_model,
        "judge_exchange_id": answer.judge_exchange_id,
        "stratum": str(about.drawn.stratum),
        "inclusion_probability": about.drawn.probability,
        "item": about.item.item,
    }


def _id(about: About, *more: str) -> bytes:
    reading = (about.reading, about.run_id) if about.reading else ()  # asked of the log first: what was read is not due again
    return record_id(about.role, about.fingerprint, about.request_hash, *reading, *more, like=about.item.exchange_id)
