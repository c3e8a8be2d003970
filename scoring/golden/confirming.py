"""The rules of confirming: what a case must say before it is held against a release, and that what failed does fail it. Pure."""

from __future__ import annotations

from scoring.golden.assertions import BadOptions, prepared
from scoring.golden.case import HELD, BadCase, Confirmation, ExpectedSource, GoldenCase
from scoring.golden.grading import grade, passes


class Unconfirmable(BadCase):
    """The case does not say what right would be, or its failure passes it; the text says what is missing."""


def fault(case: GoldenCase) -> str | None:
    """Why a case may not be held against anything; None = it may.

    A confirmed case needs one of: what was expected, a check that `observed` fails, a rubric item with its verdict. A failure, confirmed
    or not, must not pass its own checks.
    """
    try:
        for one in case.checks:
            prepared(one.name, one.options)
    except BadOptions as error:
        return str(error)
    graded = grade(case, case.observed) if case.observed is not None else ()
    failing = any(one.passed is False for one in graded)
    judged = case.rubric is not None and case.rubric.verdict is not None
    if case.is_failure and case.observed is not None and graded and not failing:
        right = [one for one in graded if one.passed]
        told_wrong = judged and case.rubric is not None and case.rubric.verdict == "fail"
        if right and (passes(graded) or case.expected is None) and not told_wrong:
            return (
                f"it is a failure, and what production answered passes it ({right[0].name}: {right[0].reason}); say what was wrong with it"
            )
    if case.status not in HELD:
        return None
    if case.is_failure and judged and case.rubric is not None and case.rubric.verdict != "fail":
        judged = False
    asserted = failing if case.is_failure and case.observed is not None else bool(case.checks)
    if case.expected is None and not judged and not asserted:
        unfailed = f"; its checks ({', '.join(one.name for one in case.checks)}) do not fail what was observed" if case.checks else ""
        return f"nothing says what right would be: give a corrected answer, a check that the answer fails, or a rubric item{unfailed}"
    return None


def confirmed(case: GoldenCase, by: Confirmation, *, critical: bool | None = None) -> GoldenCase:
    """The case with one more confirmation, held from now on. Raises Unconfirmable.

    critical: None leaves it; a case that judges alone confirmed cannot be.
    """
    wanted = case.critical if critical is None else critical
    people = by.by == "human" or any(one.by == "human" for one in case.confirmation)
    if wanted and not people:
        raise Unconfirmable(
            f"case {case.id}: judges alone confirmed it, so it cannot be critical: have a person confirm it, or leave critical out"
        )
    changed = case.model_copy(
        update={
            "status": case.status if case.status in HELD else "confirmed",
            "critical": wanted,
            "confirmation": (*case.confirmation, by),
            "expected_source": case.expected_source or _source(case, by),
        }
    )
    wrong = fault(changed)
    if wrong is not None:
        raise Unconfirmable(f"case {case.id}: {wrong}")
    return changed


def retired(case: GoldenCase, note: str, who: str, at: str) -> GoldenCase:
    """The case as it stays in the file for the record, held against nothing any more."""
    said = {**case.metadata, "retired": {"who": who, "at": at, **({"note": note} if note else {})}}
    return case.model_copy(update={"status": "retired", "critical": False, "metadata": said})


def _source(case: GoldenCase, by: Confirmation) -> ExpectedSource | None:
    if case.expected is not None:
        return "human" if by.by == "human" else None
    return "assertion" if case.checks else "rubric" if case.rubric else None
