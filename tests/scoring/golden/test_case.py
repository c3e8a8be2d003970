"""The golden case: canonical lines, an id that follows from the input, and rules that hold wherever a case comes from."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scoring.golden.case import BadCase, GoldenCase, Input, identity, line, lines_of, of, parse, text_of

ASKED: dict[str, Any] = {
    "dialect": "openai.chat",
    "operation": "chat",
    "body": {"model": "a", "messages": [{"role": "user", "content": "Hi"}]},
}
CONFIRMED = {"by": "human", "who": "ann", "verdict": "fail", "at": "2026-11-20T00:00:00+00:00"}
JUDGED = {"by": "judge", "who": "gpt-5", "family": "openai", "verdict": "fail", "at": "2026-11-20T00:00:00+00:00"}


def case(**parts: Any) -> GoldenCase:
    return of({"input": ASKED, **parts}, "here")


def test_a_line_is_canonical() -> None:
    """Keys are sorted, what is not known is left out, and reading a line gives the same line."""
    one = case(tags=["b", "a", "b"], expected="Hello", context=[{"text": "", "id": "d"}], observed={})
    written = line(one)
    value = json.loads(written)
    assert list(value) == sorted(value)
    assert "owner" not in value
    assert value["tags"] == ["a", "b"]
    assert value["observed"] == {}
    assert line(parse(written, "x")) == written


def test_the_id_follows_from_what_is_asked() -> None:
    """The same question has the same id whoever asks which model, and another question another."""
    other = {**ASKED, "body": {**ASKED["body"], "model": "b", "stream": True, "user": "u"}, "path": "/elsewhere"}
    assert of({"input": other}, "x").id == case().id
    assert of({"input": {**ASKED, "body": {"messages": [{"role": "user", "content": "Ho"}]}}}, "x").id != case().id
    composed, decomposed = ({**ASKED, "body": {"messages": [{"role": "user", "content": said}]}} for said in ("é\r\n", "e\u0301"))
    assert of({"input": composed}, "x").id == of({"input": decomposed}, "x").id


def test_an_id_that_is_not_the_inputs_is_refused() -> None:
    """An edited input under its old id is told, with the right id."""
    with pytest.raises(BadCase, match=f"golden.jsonl:3: id: .*write '{case().id}'"):
        of({"input": ASKED, "id": "0" * 16}, "golden.jsonl:3")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"statsu": "x"}, "statsu: there is no such key; did you mean status"),
        ({"input": {**ASKED, "boddy": 1}}, "input.boddy: there is no such key; did you mean body"),
        ({"status": "done"}, "status: "),
        ({"weight": 0}, "weight: "),
        ({"weight": float("nan")}, "weight"),
        ({"expected": {}}, "says nothing"),
        ({"status": "confirmed"}, "confirmation says by nobody"),
        ({"status": "confirmed", "critical": True, "confirmation": [JUDGED]}, "no person confirmed"),
        ({"input": None}, "input: "),
    ],
)
def test_mistakes_name_key_and_fix(wrong: dict[str, Any], said: str) -> None:
    """What cannot be used is refused with the place, the key and what to write."""
    with pytest.raises(BadCase, match=r"f:1: .*") as error:
        of({"input": ASKED, **wrong}, "f:1")
    assert said in str(error.value)


def test_a_person_makes_a_case_critical() -> None:
    """Critical is for cases that a person confirmed, beside whatever judges said."""
    one = case(status="confirmed", critical=True, confirmation=[JUDGED, CONFIRMED])
    assert one.judge_families == {"openai"}


def test_files_are_sorted_and_hold_a_case_once() -> None:
    """A golden file is sorted by id; the same id twice is refused with both lines."""
    cases = [of({"input": {**ASKED, "vars": {"n": n}}}, "x") for n in range(5)]
    text = text_of(cases)
    assert [one.id for one in lines_of(text, "f")] == sorted(one.id for one in cases)
    assert text_of(lines_of(text, "f")) == text
    with pytest.raises(BadCase, match=r"f:6: id: .* stands in line 1 already"):
        lines_of(text + text.split("\n")[0], "f")
    with pytest.raises(BadCase, match="f:1: this is no JSON object"):
        lines_of("{", "f")


def test_lines_may_hold_any_character() -> None:
    """Line separators of Unicode, half surrogate pairs and NaN neither break a file nor change it twice."""
    one = of({"input": {**ASKED, "vars": {"x": "a\u2028b\u0085\ud800", "y": float("nan")}}}, "x")
    text = text_of([one])
    assert text.count("\n") == 1
    assert text_of(lines_of(text, "f")) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(body=JSON, text=st.text())
@example(body={"\r": None, "": False}, text="")
def test_any_body_comes_back(body: Any, text: str) -> None:
    """Whatever JSON was asked, a line of it reads back to the same line and the same id."""
    one = of({"input": {**ASKED, "body": body}, "observed": text}, "x")
    assert line(parse(line(one), "x")) == line(one)
    assert identity(parse(line(one), "x").input) == one.id
    assert isinstance(one.input, Input)


@settings(max_examples=100, deadline=None)
@given(value=JSON)
def test_any_json_is_a_case_or_refused(value: Any) -> None:
    """Whatever stands on a line is read or refused with its place, never anything else."""
    try:
        of(value, "f:1")
    except BadCase as error:
        assert str(error).startswith("f:1: ")
