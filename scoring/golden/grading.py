"""Says whether an answer passes a golden case, as far as deterministic code can say it: its checks, and what is expected of it. Pure.

Free text that differs from the expected text is neither right nor wrong here: that is a judge's question, and the verdict is None.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from proxy.streams.json_value import Unparsable, json_text, parse_json
from scoring import conversation
from scoring.checks import label, refusal
from scoring.checks.contract import Finding, excerpt
from scoring.golden.assertions import prepared, run
from scoring.golden.case import Call, CaseCheck, Expected, GoldenCase, Observed
from scoring.logged import LoggedExchange


@dataclass(frozen=True, slots=True)
class Graded:
    """What one part of a case says of an answer."""

    name: str  # of the check, or `expected.…`
    passed: bool | None  # None: it does not apply, or cannot tell
    reason: str
    evidence: str | None = None
    applies: bool = True  # False: it has nothing to say of this answer
    score: float | None = None


def grade(case: GoldenCase, answer: Observed) -> tuple[Graded, ...]:
    """What each check and each expected part says of an answer, without the judge's part. Raises BadOptions for a check that is wrong."""
    exchange = answered(case, answer)
    found = [graded for one in case.checks for graded in checked(exchange, one)]
    if case.expected is not None:
        found += expectations(exchange, case.expected, label_field(case.checks))
    return tuple(found)


def checked(exchange: LoggedExchange, check: CaseCheck) -> list[Graded]:
    """What one check of a case says of an answer. Raises BadOptions.

    Where a case asks for JSON, JSON is asked for, whatever the request says: what is none fails its schema too.
    """
    results = run(exchange, [prepared(check.name, {**_ASKED.get(check.name, {}), **check.options})])
    if not results and check.name == "json_schema" and not exchange.calls:
        results = run(exchange, [prepared("valid_json", _ASKED["valid_json"])])
    if not results and check.name in _JSON and not (exchange.text or exchange.calls):
        return [Graded(check.name, False, "answers no JSON, and nothing else")]
    if not results:
        return [Graded(check.name, None, "does not apply to this answer", applies=False)]
    findings = [result.finding for result in results]
    return [Graded(check.name, one.passed, one.reason, one.evidence, score=one.score) for one in findings]


_ASKED: Final[dict[str, dict[str, Any]]] = {"valid_json": {"required": True}}
"""Options of a check that follow from its standing in a case."""
_JSON: Final = frozenset({"valid_json", "json_schema", "required_fields"})


def label_field(checks: tuple[CaseCheck, ...]) -> str:
    """Field of a JSON answer that holds its label, as the case's `label` check says; '' = the answer is the label."""
    return next((str(check.options["field"]) for check in checks if check.name == "label" and check.options.get("field")), "")


def passes(graded: tuple[Graded, ...]) -> bool | None:
    """The verdict of all parts: one failure fails; None where nothing fails and something, or everything, could not tell."""
    if any(one.passed is False for one in graded):
        return False
    return True if graded and all(one.passed for one in graded) else None


def answered(case: GoldenCase, answer: Observed) -> LoggedExchange:
    """The case with an answer, as the checks want it."""
    return LoggedExchange(
        exchange_id=case.source.exchange_id or case.id,
        dialect=case.input.dialect,
        operation=case.input.operation or "chat",
        method=case.input.method,
        path=case.input.path,
        ending="complete",
        is_stream=False,
        request_body=json.dumps(case.input.body),
        output_text=answer.text,
        tool_calls=json_text([{"id": call.id, "name": call.name, "arguments": _text(call.arguments)} for call in answer.tool_calls])
        if answer.tool_calls
        else None,
        refusal=answer.refusal,
        finish_reasons=answer.finish_reasons,
        contexts=tuple(conversation.Document(one.id, one.text, one.title, one.rank, one.relevance, one.source) for one in case.context),
    )


def expectations(exchange: LoggedExchange, expected: Expected, field: str = "") -> list[Graded]:
    """What each expected part says of an answer. field: of a JSON answer that holds the label."""
    found: list[Graded] = []

    def say(name: str, finding: Finding | None) -> None:
        if finding is not None:
            found.append(Graded(f"expected.{name}", finding.passed, finding.reason, finding.evidence))

    def asserted(name: str, options: dict[str, Any]) -> Finding:
        return run(exchange, [prepared(name, options)])[0].finding

    if expected.text is not None:
        same = " ".join(exchange.text.split()) == " ".join(expected.text.split())
        say("text", Finding(True, "is the expected text") if same else Finding(None, "differs from the expected text: a judge's question"))
    if expected.json_ is not None:
        say("json", asserted("json_equals", {"value": expected.json_}))
    if expected.facts:
        say("facts", asserted("contains", {"values": expected.facts, "ignore_case": True}))
    if expected.tools:
        say("tools", _tools(exchange, expected.tools))
    for name, wanted in (("label", expected.label), ("choice", expected.choice)):
        if wanted is not None:
            say(name, _label(exchange, wanted, field))
    if expected.refusal is not None:
        say("refusal", _refusal(exchange, wanted=expected.refusal))
    for name, given in (("retrieved_ids", expected.retrieved_ids), ("test_file", expected.test_file)):
        if given:
            found.append(Graded(f"expected.{name}", None, "needs the target's own run"))
    return found


def _label(exchange: LoggedExchange, wanted: str, field: str) -> Finding:
    given = label.answered(exchange, field)
    if given is not None and plain_label(given) == plain_label(wanted):
        return Finding(True, f"is {wanted}")
    return Finding(False, f"is not {wanted}" if given is not None else f"has no text in {field}", excerpt(given or exchange.text))


def _refusal(exchange: LoggedExchange, *, wanted: bool) -> Finding:
    """As the check says it; and where that has no text to go by: a tool call is no refusal, and nothing at all is neither."""
    said = refusal.check(exchange, refusal.Options(expected=wanted))
    if said is not None:
        return said
    if exchange.calls:
        return Finding(not wanted, f"calls {exchange.calls[0].name}: that is no refusal")
    return Finding(False, "answers nothing: that is neither an answer nor a refusal")


def plain_label(text: str) -> str:
    """A label without the marks around it, as scoring/checks/label.py reads one."""
    return text.strip(" \t\n\"'`*.").casefold()


def _tools(exchange: LoggedExchange, wanted: tuple[Call, ...]) -> Finding:
    """The same calls in any order, with equal arguments where the case gives some."""
    left = [(call.name, _value(call.arguments)) for call in exchange.calls]
    for call in wanted:
        value = _value(call.arguments)
        match = next((one for one in left if one[0] == call.name and (value is None or one[1] == value)), None)
        if match is None:
            return Finding(False, f"does not call {call.name} as expected", excerpt(_text(call.arguments)) or None)
        left.remove(match)
    if left:
        return Finding(False, f"calls {left[0][0]}, which was not expected")
    return Finding(True, "calls the expected tools")


def _value(arguments: Any) -> Any:
    if not isinstance(arguments, str):
        return arguments
    try:
        return parse_json(arguments)
    except Unparsable:
        return arguments


def _text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else "" if arguments is None else json_text(arguments)
