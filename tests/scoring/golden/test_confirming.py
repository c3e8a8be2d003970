"""Confirming says what right would be, and what failed must fail it; grading says what deterministic code can say."""

from __future__ import annotations

from typing import Any

import pytest

from scoring.golden.case import Confirmation, GoldenCase, Observed, of
from scoring.golden.confirming import Unconfirmable, confirmed, fault, retired
from scoring.golden.grading import grade, passes

PERSON = Confirmation(by="human", who="ann", verdict="fail", at="2026-11-20")
JUDGE = Confirmation(by="judge", who="gpt-5", family="openai", verdict="fail", at="2026-11-20")
ASKED = {"dialect": "openai.chat", "operation": "chat", "body": {"messages": [{"role": "user", "content": "How long?"}]}}
WRONG = "It takes 90 days."


def case(**parts: Any) -> GoldenCase:
    return of({"input": ASKED, "observed": WRONG, **parts}, "x")


def check(name: str, **options: Any) -> dict[str, Any]:
    return {"name": name, "options": options}


@pytest.mark.parametrize(
    "parts",
    [
        {"expected": "It takes 14 days."},
        {"checks": [check("contains", values="14 days")]},
        {"checks": [check("contains", values="days"), check("not_contains", values="90")]},
        {"rubric": {"name": "r", "item": "i", "verdict": "fail"}},
        {"rubric": {"name": "r", "item": "i", "verdict": "fail"}, "checks": [check("contains", values="days")]},
        {"expected": {"facts": ["14 days"]}},
        {"expected": {"json": {"days": 14}}},
        {"expected": {"label": "refund"}},
        {"expected": {"refusal": True}},
        {"expected": {"tools": [{"name": "refund"}]}},
        {"expected": "It takes 14 days.", "checks": [check("contains", values="days")]},
        {"split": "representative", "checks": [check("contains", values="90 days")]},
    ],
)
def test_one_of_three_is_enough(parts: dict[str, Any]) -> None:
    """A corrected answer, a check that the answer fails, or a rubric item that it failed confirms a case."""
    done = confirmed(case(**parts), PERSON)
    assert done.status == "confirmed"
    assert done.expected_source == ("human" if "expected" in parts else "assertion" if "checks" in parts else "rubric")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({}, "nothing says what right would be"),
        ({"rubric": {"name": "r", "item": "i"}}, "nothing says what right would be"),
        ({"rubric": {"name": "r", "item": "i", "verdict": "pass"}}, "nothing says what right would be"),
        ({"checks": [check("latency", max_ms=10)]}, "do not fail what was observed"),
        ({"checks": [check("contains", values="90 days")]}, "passes it (contains: says what it must)"),
        ({"expected": "It takes  90 days."}, "passes it (expected.text"),
        ({"expected": {"facts": ["90 DAYS"]}}, "passes it (expected.facts"),
        ({"checks": [check("contians", values="a")]}, "not known"),
        ({"checks": [check("contains", vlaues="a")]}, "did you mean values"),
        ({"checks": [check("regex", pattern="(?i)a")]}, "only (…) and (?:…) are"),
        ({"split": "representative"}, "nothing says what right would be"),
    ],
)
def test_what_says_nothing_is_refused(parts: dict[str, Any], said: str) -> None:
    """A case without a way to fail it, or whose failure passes, is not confirmed; the text says what is missing."""
    with pytest.raises(Unconfirmable) as error:
        confirmed(case(**parts), PERSON)
    assert said in str(error.value)


def test_judges_alone_make_nothing_critical() -> None:
    """A case that judges confirmed becomes critical only when a person confirms it too."""
    one = confirmed(case(expected="14 days"), JUDGE)
    with pytest.raises(Unconfirmable, match="judges alone"):
        confirmed(one, JUDGE, critical=True)
    both = confirmed(one, PERSON, critical=True)
    assert both.critical
    assert both.judge_families == {"openai"}
    assert len(both.confirmation) == 2


def test_a_candidate_that_passes_its_own_checks_is_at_fault() -> None:
    """Also before it is confirmed; one without checks is not."""
    assert fault(case()) is None
    assert "passes it" in str(fault(case(checks=[check("contains", values="90")])))


def test_retiring_keeps_the_case() -> None:
    """A retired case stays with its history, and is critical no more."""
    gone = retired(confirmed(case(expected="14"), PERSON, critical=True), "no longer sold", "ann", "2026")
    assert (gone.status, gone.critical, gone.metadata["retired"]["note"]) == ("retired", False, "no longer sold")
    assert gone.confirmation


GRADED: list[tuple[dict[str, Any], str, bool | None]] = [
    ({"checks": [check("equals", value="a")]}, " a\n", True),
    ({"checks": [check("equals", value="a")]}, "A", False),
    ({"checks": [check("equals", value="a", ignore_case=True)]}, "A", True),
    ({"checks": [check("contains", values=["a", "b"])]}, "a", False),
    ({"checks": [check("contains", values=["a", "b"], need="any")]}, "a", True),
    ({"checks": [check("contains", values=["a"])]}, "", False),
    ({"checks": [check("not_contains", values=["A"], ignore_case=True)]}, "cat", False),
    ({"checks": [check("starts_with", value="ab")]}, "abc", True),
    ({"checks": [check("regex", pattern="^a.c$")]}, "abc", True),
    ({"checks": [check("not_regex", pattern="b")]}, "abc", False),
    ({"checks": [check("json_equals", value={"a": 1})]}, '```json\n{"a": 1}\n```', True),
    ({"checks": [check("json_fields", fields={"a.b": 1})]}, '{"a": {"b": 2}}', False),
    ({"checks": [check("json_fields", fields={"a.b": None})]}, '{"a": {"b": null}}', True),
    ({"checks": [check("tools_called", names=["f"])]}, "no call", False),
    ({"checks": [check("tools_called", names=[])]}, "no call", True),
    ({"checks": [check("latency", max_ms=1)]}, "a", None),
    ({"expected": "the same"}, "the  same", True),
    ({"expected": "the same"}, "another", None),
    ({"expected": {"label": "refund"}}, '"Refund."', True),
    ({"expected": {"choice": "tie"}}, "A", False),
    ({"expected": {"refusal": False}}, "Here you are: 14 days.", True),
    ({"expected": {"refusal": True}}, "I'm sorry, but I can't help with that.", True),
    ({"expected": {"retrieved_ids": ["d"]}}, "a", None),
    ({}, "a", None),
]


@pytest.mark.parametrize(("parts", "answer", "verdict"), GRADED)
def test_grading(parts: dict[str, Any], answer: str, verdict: bool | None) -> None:
    """Each kind of check and expectation passes, fails, or leaves it to a judge."""
    assert passes(grade(of({"input": ASKED, **parts}, "x"), Observed(text=answer))) is verdict


@pytest.mark.parametrize(
    ("called", "verdict"),
    [
        ([{"name": "f", "arguments": '{"b": 2, "a": 1}'}], True),
        ([{"name": "f", "arguments": '{"a": 1}'}], False),
        ([{"name": "g", "arguments": '{"a": 1, "b": 2}'}], False),
        ([{"name": "f", "arguments": '{"a": 1, "b": 2}'}, {"name": "f", "arguments": "{}"}], False),
        ([], False),
    ],
)
def test_tool_calls_are_compared_as_values(called: list[dict[str, Any]], verdict: bool) -> None:
    """Arguments are JSON, whatever the order of their keys; a call too many or too few is wrong."""
    one = of({"input": ASKED, "expected": {"tools": [{"name": "f", "arguments": {"a": 1, "b": 2}}]}}, "x")
    answer = Observed.model_validate({"tool_calls": called})
    assert passes(grade(one, answer)) is verdict
