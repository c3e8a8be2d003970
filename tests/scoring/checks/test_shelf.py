"""The shelf: all checks by name, run together, and users' own beside them."""

from __future__ import annotations

import dataclasses
import importlib
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.checks import SHELF, overrides, prepare, run
from scoring.checks.near_duplicate import Options, sketch
from scoring.checks.options import BadOptions
from scoring.logged import LoggedExchange, link
from tests.scoring.checks.made import answered, asked

OWN = "tests.scoring.checks.own_checks"
ALL = prepare([line.name for line in SHELF])
FOLDER = Path(importlib.import_module("scoring.checks").__file__ or "").parent
NO_CHECKS = {"__init__", "answers", "contract", "options", "patterns", "reference", "schemas", "speed", "near_duplicate"}

words = st.text(max_size=40)
keys = st.sampled_from(
    """messages role content parts text type tools function functions name parameters input_schema toolConfig toolSpec inputSchema json
    functionDeclarations contents system systemInstruction input output call_id tool_call_id arguments tool_calls tool_use tool_result
    tool_use_id is_error toolUse toolResult functionCall functionResponse response documents document data id source response_format
    json_schema schema format generationConfig responseSchema text_format $ref properties items anyOf message chat_history preamble""".split()
) | st.text(max_size=5)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=15,
)
texts = st.one_of(
    words,
    st.lists(
        st.sampled_from(["I can't help ", "[1]", '"', "```", "https://a.example/?q=", "![x](", "\n> ", "12,5", "é", "\ud800", "中"])
    ).map("".join),
)


def _names(results):
    return [result.name for result in results]


def test_each_file_is_on_the_shelf_under_its_own_name():
    """One check a file, and no file forgotten."""
    files = {file.stem for file in FOLDER.glob("*.py")} - NO_CHECKS
    assert {line.name for line in SHELF} == files
    for line in SHELF:
        assert line.check.__module__ == f"scoring.checks.{line.name}"


def test_each_check_has_its_own_test_file():
    """With true, false and None cases."""
    here = Path(__file__).parent
    missing = [file.stem for file in FOLDER.glob("*.py") if file.stem not in NO_CHECKS and not (here / f"test_{file.stem}.py").exists()]
    assert missing == []


def test_each_option_has_a_sentence():
    """Which the page of checks shows."""
    for line in SHELF:
        for field in dataclasses.fields(line.options):
            assert field.metadata.get("sentence", "").endswith("."), f"{line.name}.{field.name}"


def test_checks_that_apply_are_told_and_others_left_out():
    """A plain answer is finished, not empty, not refused; it cites nothing."""
    names = _names(run(answered("Behind boulders."), ALL))
    assert {"truncated", "empty", "refusal"} <= set(names)
    assert not {"citations", "json_schema", "cost"} & set(names)


def test_users_own_checks_run_beside_the_shelf():
    """By module and function, with options checked where they declare them."""
    checks = prepare({f"{OWN}:terse": {"words": 2}, f"{OWN}:plain": {"pass": True}})
    assert [result.finding.passed for result in run(answered("three small words"), checks)] == [False, True]
    with pytest.raises(BadOptions, match="wrods"):
        prepare({f"{OWN}:terse": {"wrods": 2}})


def test_a_check_that_raises_leaves_its_item_unscored():
    """And the others run on."""
    results = run(answered("x"), prepare({f"{OWN}:broken": {}, "truncated": {}}))
    assert [result.finding.passed for result in results] == [None, True]
    assert "KeyError" in results[0].finding.reason


@pytest.mark.parametrize(
    ("name", "match"),
    [("jsn_schema", "choose from"), ("no.such.module:f", "importable"), (f"{OWN}:gone", "gone"), (f"{OWN}:NUMBER", "no function")],
)
def test_an_unknown_check_is_an_error_that_says_what_to_write(name, match):
    """A name not on the shelf, a module that is not there, a function that is none."""
    with pytest.raises(BadOptions, match=match):
        prepare([name])


def test_the_operator_can_vouch_for_a_check_or_silence_it():
    """`validated` decides whether its failures flag."""
    text = answered("I can't help with that.")
    for word in (True, False):
        (result,) = run(text, prepare({"refusal": {"validated": word}}))
        assert result.finding.flags is word
    with pytest.raises(BadOptions, match="true or false"):
        prepare({"refusal": {"validated": "yes"}})


def test_the_fingerprint_changes_with_the_options():
    """So that a score says which check it was, exactly."""
    one, other, again = (prepare({"latency": {"max_ms": n}})[0].fingerprint for n in (1, 2, 1))
    assert one == again != other


def test_gibberish_overrides_a_judge():
    """And other failures do not."""
    checks = prepare(["gibberish", "truncated"])
    assert overrides(run(answered("bcdfg hjklm npqrs tvwxz " * 10, finish_reasons=["length"]), checks)) is not None
    assert overrides(run(answered("half", finish_reasons=["length"]), checks)) is None


@given(
    request=json_values | st.fixed_dictionaries({"messages": st.lists(json_values, max_size=4), "tools": json_values}),
    text=texts,
    calls=json_values,
    reasons=st.lists(st.sampled_from(["stop", "length", "refusal", ""]), max_size=2),
)
def test_arbitrary_exchanges_never_raise(request, text, calls, reasons):
    """Not even inside `run`: no finding says that a check raised."""
    one, two = (answered(text, request, calls=calls, finish_reasons=reasons, cost_usd="0.1", duration_ms=1.0) for _ in range(2))
    link([one, two])
    for exchange in (one, two):
        for result in run(exchange, ALL):
            assert "raised" not in result.finding.reason
        sketch(exchange, Options())


@given(body=st.text(max_size=200), text=st.text(max_size=200), calls=st.text(max_size=50))
def test_arbitrary_bodies_never_raise(body, text, calls):
    """Bodies and columns that are no JSON are no reason to stop."""
    exchange = LoggedExchange.from_row(
        {
            "exchange_id": "x",
            "operation": "chat",
            "request_body": body,
            "response_body": body,
            "output_text": text,
            "tool_calls": calls,
            "finish_reasons": [text],
        }
    )
    assert all("raised" not in result.finding.reason for result in run(exchange, ALL))


@pytest.mark.parametrize("size", [200_000])
def test_a_very_long_answer_takes_no_very_long_time(size):
    """Each check is about linear in the answer, also where it is made to hurt."""
    for piece in (
        "a ",
        "[1] ",
        '"x y z w v u" ',
        "1,1 ",
        "https://a.example/?q=x ",
        "\n\n",
        "```\n",
        "I cannot ",
        "<context>",
        "[ ",
        "\n[1",
        "」「",
    ):
        text = piece * (size // len(piece))
        exchange = answered(text, asked(text))
        start = time.process_time()
        for result in run(exchange, ALL):
            assert "raised" not in result.finding.reason
        assert time.process_time() - start < 3, piece
