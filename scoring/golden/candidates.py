"""Makes candidates of what the log holds: redacted, without duplicates, chosen to stand for many; and counts what had to be left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from proxy.service.client import Access
from scoring import pages
from scoring.checks import VALIDATED
from scoring.checks.options import BadOptions
from scoring.golden.capture import Captured, NotReplayable, capture
from scoring.golden.case import CaseCheck, GoldenCase, RubricItem, Split
from scoring.golden.confirming import fault
from scoring.golden.evidence import Evidence, gather, redacted
from scoring.golden.grading import grade, passes
from scoring.golden.likeness import NEARLY, choose, nearest, what_varies
from scoring.judge.rubric import Rubric
from scoring.tasks import Tasks

POOL: Final = 2_000
"""Labelled failures that are looked at, the newest: their likeness to each other is a matrix in memory."""
PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Options:
    """How candidates are made."""

    split: str = "regression"
    patterns: Mapping[str, str] = field(default_factory=dict)  # own redaction: kind → RE2
    rubrics: Mapping[str, Rubric] = field(default_factory=dict)  # where a failed question's words stand
    tasks: Tasks | None = None  # whose options the checks had that failed; None: the checks' own
    slice: str | None = None
    tags: tuple[str, ...] = ()
    owner: str | None = None
    keep_similar: bool = False
    most: int | None = None  # None: all of them


@dataclass(slots=True)
class Made:
    """What became of the exchanges."""

    added: list[Captured] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)  # exchange id, in words
    reasons: dict[str, int] = field(default_factory=dict)
    known: int = 0  # were in the set already

    def leave(self, exchange_id: str, reason: str, why: str) -> None:
        """One that is left out."""
        self.refused.append((exchange_id, why))
        self.reasons[reason] = self.reasons.get(reason, 0) + 1


def gathered(access: Access, ids: Sequence[str]) -> list[Evidence]:
    """What is known of exchanges, in the order of their ids. Raises ServiceError."""
    found: dict[str, Evidence] = {}
    for start in range(0, len(ids), PAGE):
        found |= gather(access, ids[start : start + PAGE])
    return [found[one] for one in dict.fromkeys(ids) if one in found]


def labelled_failures(access: Access) -> list[Evidence]:
    """The newest exchanges whose last label by a person is a failure. Raises ServiceError."""
    rows = pages.rows(
        access,
        "SELECT exchange_id::VARCHAR AS id FROM labels WHERE passed IS NOT NULL AND exchange_id IS NOT NULL "
        "GROUP BY exchange_id HAVING arg_max(passed, created_at) = false ORDER BY exchange_id DESC LIMIT $pool",
        {"pool": POOL},
    )
    return gathered(access, [row["id"] for row in rows])


def make(found: Sequence[Evidence], known: Sequence[GoldenCase], options: Options) -> Made:
    """Candidates of exchanges, beside the cases that are there. Pure."""
    made = Made()
    captured: dict[str, Captured] = {}
    ids = {case.id for case in known}
    for evidence in found:
        exchange_id = evidence.exchange.exchange_id
        try:
            one = capture(evidence.exchange, headers=evidence.headers, patterns=options.patterns, split=cast(Split, options.split))
        except NotReplayable as error:
            made.leave(exchange_id, f"not_replayable ({error.reason})", str(error))
            continue
        if one.case.id in ids:
            made.known += 1
            made.leave(exchange_id, "already there", f"case {one.case.id} asks exactly this already")
        elif one.case.id in captured:
            made.leave(exchange_id, "duplicate", f"case {one.case.id} asks exactly this already")
        else:
            captured[one.case.id] = one._replace(case=_with_evidence(one, evidence, options))
    cases = list(captured.values())
    if not options.keep_similar:
        cases = _distinct(cases, known, made)
    if options.most is not None and len(cases) > options.most:
        covered = [what_varies(case) for case in known if case.status != "retired"]
        chosen = choose([what_varies(one.case) for one in cases], options.most, covered=covered)
        for number in sorted(set(range(len(cases))) - set(chosen)):
            made.leave(cases[number].case.source.exchange_id or "", "not chosen", "others stand for it better")
        cases = [cases[number] for number in sorted(chosen)]
    made.added = cases
    return made


def _distinct(cases: list[Captured], known: Sequence[GoldenCase], made: Made) -> list[Captured]:
    """Those that no case before them nearly equals; retired cases do not count."""
    there = [case for case in known if case.status != "retired"]
    kept: list[Captured] = []
    names = [case.id for case in there] + [one.case.id for one in cases]
    for one, (other, alike) in zip(
        cases, nearest([what_varies(one.case) for one in cases], [what_varies(case) for case in there]), strict=True
    ):
        if alike >= NEARLY:
            why = f"case {names[other]} asks nearly this ({alike:.2f}); --keep-similar adds it all the same"
            made.leave(one.case.source.exchange_id or one.case.id, "near-duplicate", why)
        else:
            kept.append(one)
    return kept


def _failed_checks(evidence: Evidence, tasks: Tasks | None) -> list[CaseCheck]:
    """The checks that failed in the night, with the options that its task gives them."""
    found = {} if tasks is None else {task.name: task.tables for task in tasks.tasks}
    tables = found.get(evidence.task or "", {})
    return [
        CaseCheck(name=name, options={key: value for key, value in tables.get(name, {}).items() if key != VALIDATED})
        for name in dict.fromkeys(evidence.failed_checks)
    ]


def _fails(case: GoldenCase, check: CaseCheck) -> bool:
    """Whether a check of the night fails the observed answer here too; those over a whole day, and those of time and money, cannot."""
    try:
        one = case.model_copy(update={"checks": (check,), "expected": None})
        return case.observed is not None and passes(grade(one, case.observed)) is False
    except BadOptions:
        return False


def _with_evidence(captured: Captured, evidence: Evidence, options: Options) -> GoldenCase:
    """The candidate with what people and judges said: a corrected answer, the checks that failed, the item that the judge failed."""
    case = captured.case.model_copy(
        update={
            "slice": options.slice or captured.case.slice,
            "tags": tuple(sorted(set(options.tags))),
            "owner": options.owner,
        }
    )
    drafts: list[dict[str, object]] = []
    if evidence.corrections:
        expected = redacted(evidence.corrections[0], captured.surrogates)
        drafts.append({"expected": expected, "expected_source": "human", "redaction": captured.case.redaction})
    checks = tuple(check for check in _failed_checks(evidence, options.tasks) if _fails(case, check))
    if checks:
        drafts.append({"checks": checks})
    for failed in evidence.failed_items[:1]:
        asked = options.rubrics.get(failed.rubric)
        item = next((one for one in asked.item if one.id == failed.item), None) if asked else None
        drafts.append(
            {
                "rubric": RubricItem(
                    name=failed.rubric,
                    item=failed.item,
                    question=item.question if item else None,
                    good=item.good if item else "yes",
                    verdict="fail",
                    fingerprint=failed.fingerprint,
                )
            }
        )
    for draft in drafts:  # one that contradicts what was observed says nothing of use
        changed = case.model_copy(update=draft)
        if fault(changed) is None:
            case = changed
    return case
