"""The deterministic evaluators: each passes what is right, fails what is wrong with a reason, and says nothing of what it cannot know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scoring.checks.contract import Finding
from scoring.gate.evaluators import SHELF, Grade, concluded, evaluate
from scoring.gate.golden_files import read
from scoring.gate.reply import Reply
from scoring.gate.results import BadInput
from scoring.golden.assertions import SHELF as ASSERTIONS
from scoring.golden.case import Call, text_of
from scoring.golden.confirming import fault
from tests.scoring.gate.evaluators.made import by_human, case, reply

HERE = __name__


@pytest.mark.parametrize(
    ("parts", "right", "wrong", "why"),
    [
        ({"checks": [{"name": "equals", "options": {"value": "14 days"}}]}, " 14 days ", "15 days", "equals: is not the expected text"),
        ({"checks": [{"name": "contains", "options": {"values": ["14"]}}]}, "in 14 days", "soon", "contains: does not say '14'"),
        ({"checks": [{"name": "not_contains", "options": {"values": ["sorry"]}}]}, "yes", "sorry", "says 'sorry', which it must not"),
        ({"checks": [{"name": "regex", "options": {"pattern": r"\d+ days"}}]}, "14 days", "soon", "regex: does not match"),
        (
            {"checks": [{"name": "json_fields", "options": {"fields": {"a.b": 1}}}]},
            '{"a":{"b":1}}',
            '{"a":{"b":2}}',
            "wrong or missing: a.b",
        ),
        (
            {"checks": [{"name": "json_schema", "options": {"schema": {"type": "object", "required": ["id"]}}}]},
            '{"id": 1}',
            '{"it": 1}',
            "json_schema",
        ),
        ({"expected": {"json": {"a": [1, 2]}}}, '{"a": [1, 2]}', '{"a": [2, 1]}', "expected.json: is not the expected JSON"),
        ({"expected": {"facts": ["14 days"]}}, "Within 14 DAYS.", "Soon.", "expected.facts: does not say '14 days'"),
        ({"expected": {"label": "refund"}}, "**Refund**.", "shipping", "expected.label: is not refund"),
        ({"expected": {"choice": "A"}}, "A", "tie", "expected.choice: is not A"),
        ({"expected": {"refusal": False}}, "Here is how.", "I'm sorry, but I can't help with that.", "expected.refusal: refused in words"),
        ({"expected": {"refusal": True}}, "I'm sorry, but I can't help with that.", "Here is how.", "expected.refusal: answered"),
    ],
)
async def test_right_passes_and_wrong_fails_with_a_reason(parts: dict[str, Any], right: str, wrong: str, why: str):
    """A deterministic failure names the part of the case that found it."""
    passed = await evaluate(case(**parts), reply(right))
    assert (passed.passed, passed.error, passed.cost_usd) == (True, None, 0.0)
    failed = await evaluate(case(**parts), reply(wrong))
    assert (failed.passed, failed.deterministic, failed.families) == (False, True, ())
    assert why in failed.reason
    assert failed.grades[0].as_json()["passed"] is False


async def test_a_label_in_a_field_of_json_is_found_where_the_check_says():
    """The label check's field tells the classification where to look; both labels stand in the detail, for the figures of the set."""
    one = case(checks=[{"name": "label", "options": {"labels": ["refund", "other"], "field": "topic"}}], expected={"label": "refund"})
    right = await evaluate(one, reply('{"topic": "Refund", "why": "money back"}'))
    assert right.passed is True
    wrong = await evaluate(one, reply('{"topic": "other"}'))
    assert wrong.passed is False
    label = next(grade for grade in wrong.grades if grade.name == "expected.label")
    assert label.detail == {"expected": "refund", "given": "other"}


@pytest.mark.parametrize(
    ("calls", "passed"),
    [
        ((Call(name="refund", arguments='{"order": 7, "why": "late"}'),), True),
        ((Call(name="refund", arguments={"order": 8}),), False),
        ((), False),
        ((Call(name="refund", arguments={"order": 7, "why": "late"}), Call(name="delete_user", arguments={})), False),
    ],
)
async def test_tool_calls_are_compared_with_their_arguments(calls, passed):
    """Another argument, a call that is lacking and a call too many all fail."""
    wanted = case(expected={"tools": [{"name": "refund", "arguments": {"why": "late", "order": 7}}]})
    assert (await evaluate(wanted, reply(calls=calls))).passed is passed


@pytest.mark.parametrize(("wanted", "passed"), [(True, False), (False, True)])
async def test_a_tool_call_is_no_refusal(wanted, passed):
    """A model that is to refuse and acts without a word has not refused."""
    found = await evaluate(case(expected={"refusal": wanted}), reply(calls=(Call(name="wire_money", arguments={}),)))
    assert found.passed is passed
    assert "wire_money" in found.grades[0].reason
    assert found.grades[0].detail == {"expected": wanted, "refused": False}


async def test_latency_and_cost_of_the_reply_are_checked():
    """The checks of cost and latency look at this reply, not at what was captured."""
    slow = case(checks=[{"name": "latency", "options": {"max_ms": 100}}, {"name": "cost", "options": {"max_usd": 0.01}}])
    found = await evaluate(slow, reply("x", latency_ms=250.0, cost_usd=0.001))
    assert [(grade.name, grade.passed) for grade in found.grades] == [("latency", False), ("cost", True)]


async def test_a_target_that_did_not_answer_is_not_measured():
    """An outage is None with its reason, never a failure."""
    found = await evaluate(case(expected={"label": "x"}), Reply(error="connection refused"))
    assert (found.passed, found.error, found.grades) == (None, "connection refused", ())


async def test_a_case_that_says_nothing_is_not_measured():
    """There is nothing to hold the reply to, and the fix is named."""
    found = await evaluate(case(), reply("x"))
    assert found.passed is None
    assert "goldwash golden confirm" in (found.error or "")


async def test_a_reply_to_which_nothing_applies_fails():
    """Checks that do not apply show nothing to be right: an empty answer must not pass by silence."""
    found = await evaluate(case(checks=[{"name": "citations"}]), reply("No documents were supplied."))
    assert found.passed is False
    assert "no part of the case applies" in found.reason


async def test_without_a_judge_a_judges_question_is_not_measured():
    """The words that differ are no failure; the error names the setting."""
    found = await evaluate(case(expected={"text": "Refunds take 14 days."}), reply("Two weeks."))
    assert found.passed is None
    assert "[judge]" in (found.error or "")
    assert (await evaluate(case(expected={"text": "Refunds take  14 days."}), reply("Refunds take 14 days."))).passed is True


def own_check(exchange, options):
    """A check of (exchange, options)."""
    return Finding(options["word"] in exchange.text, "looked for the word")


def own_evaluator(case, reply, options):
    """An evaluator of (case, reply, options)."""
    return len(reply.answer.text) / options["longest"] if "longest" in options else case.id[:1] == options["begins"]


async def own_slow(case, reply, options):
    """An asynchronous one."""
    return Grade("own", options["say"], "as told")


def own_broken(case, reply, options):
    """One that raises."""
    raise ZeroDivisionError("oh")


@pytest.mark.parametrize(
    ("name", "options", "passed", "why"),
    [
        ("own_check", {"word": "gold"}, True, "looked for the word"),
        ("own_check", {"word": "lead"}, False, "looked for the word"),
        ("own_evaluator", {"longest": 8}, True, "0.5, and 0.5 is asked"),
        ("own_evaluator", {"longest": 8, "threshold": 0.6}, False, "0.5, and 0.6 is asked"),
        ("own_evaluator", {"begins": "?"}, False, "fails"),
        ("own_slow", {"say": False}, False, "as told"),
        ("own_broken", {}, None, "it raised ZeroDivisionError: oh"),
    ],
)
async def test_users_own_functions_stand_beside_ours(name, options, passed, why):
    """Both signatures are told apart; what one raises leaves the case unmeasured, and is told."""
    found = await evaluate(case(checks=[{"name": f"{HERE}:{name}", "options": options}]), reply("gold"))
    assert found.passed is passed
    assert why in found.grades[0].reason


def test_evaluators_options_are_checked_when_a_case_is_confirmed():
    """A wrong option is found before a release is held to the case, with its key."""
    wrong = case(checks=[{"name": "retrieval", "options": {"recal": 1}}], expected={"retrieved_ids": ["a"]})
    assert "did you mean recall?" in (fault(wrong) or "")
    fine = case(checks=[{"name": "retrieval", "options": {"recall": 1}}], expected={"retrieved_ids": ["a"]}, confirmation=[by_human()])
    assert fault(fine) is None


def test_grades_come_to_one_verdict():
    """One failure fails whatever else is unknown; one unknown leaves the rest undecided; who found a failure is kept."""
    yes, no, unknown = Grade("a", True, ""), Grade("b", False, "bad", family="openai"), Grade("c", None, "no judge")
    assert concluded((yes, unknown), 0.0).passed is None
    assert concluded((yes, unknown), 0.0).error == "c: no judge"
    both = concluded((yes, unknown, no), None)
    assert (both.passed, both.deterministic, both.families, both.cost_usd) == (False, False, ("openai",), None)
    assert concluded((no, Grade("d", False, "")), 0.0).deterministic is True


def test_every_grade_is_json():
    """What goes into a result file can be read back."""
    grade = Grade("a", None, "r", "e", 0.5, "openai", False, {"recall": 1.0})
    assert json.loads(json.dumps(grade.as_json()))["detail"] == {"recall": 1.0}


def test_names_of_the_shelf_are_the_cases_own():
    """An evaluator that a check asks for has that check among the assertions, so that confirming knows it."""
    assert {"retrieval", "unit_tests", "pairwise"} <= {line.name for line in SHELF} & {line.name for line in ASSERTIONS}


def test_a_check_that_cannot_be_run_is_bad_input_before_anything_is_asked(tmp_path: Path):
    """File, case, key and fix; a retired case keeps what it had."""
    wrong = case(checks=[{"name": "unit_tests", "options": {"sekonds": 3}}], expected={"test_file": "a.py"})
    file = tmp_path / "cases.jsonl"
    file.write_text(text_of([wrong]))
    with pytest.raises(BadInput, match=f"cases.jsonl: case {wrong.id}: check unit_tests: sekonds: no such option; did you mean seconds"):
        read([file])
    file.write_text(text_of([wrong.model_copy(update={"status": "retired"})]))
    assert len(read([file]).cases) == 1
