"""Golden cases travel to other tools and back: nothing is lost but what each format declares, and edits made there are taken over."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.golden.blobs import LONG
from scoring.golden.case import BadCase, GoldenCase, as_json, line, of
from scoring.golden.formats import SHELF, Format, Options, deflated, inflated, losses_of, named, read_file

BODY = {
    "model": "gpt-5",
    "temperature": 0,
    "tools": [{"type": "function", "function": {"name": "refund", "parameters": {"type": "object"}}}],
    "messages": [
        {"role": "system", "content": "Be {{ brief }}"},
        {"role": "user", "content": [{"type": "text", "text": "file:///etc/passwd, {% if a %} {# b #} 'q' \"d\"\nnew, line 😀"}]},
    ],
}
CONFIRMED = {"by": "human", "who": "ann", "verdict": "fail", "at": "2026-11-20T00:00:00+00:00", "note": "no"}
FULL: dict[str, Any] = {
    "status": "guarding",
    "critical": True,
    "slice": "support",
    "split": "regression",
    "weight": 2.5,
    "version": 3,
    "cluster": "trace-1",
    "tags": ["a", "b"],
    "owner": "team",
    "input": {
        "dialect": "openai.chat",
        "operation": "chat",
        "method": "POST",
        "path": "/v1/chat/completions",
        "body": BODY,
        "vars": {"name": "Ann", "n": 3},
        "headers": {"accept": "*/*"},
    },
    "context": [{"id": "d1", "text": "Refunds take 14 days.", "rank": 1, "relevance": 0.5, "title": "T", "source": "s"}, {"text": "x"}],
    "observed": {"text": "90 days", "tool_calls": [{"name": "refund", "arguments": '{"id": 1}', "id": "c1"}], "finish_reasons": ["stop"]},
    "expected": {"text": "14 days", "facts": ["14 days"], "label": "refund"},
    "expected_source": "human",
    "checks": [{"name": "contains", "options": {"values": ["14"]}}, {"name": "regex", "options": {"pattern": "\\d+ days\\s?$"}}],
    "rubric": {"name": "grounded", "item": "supported", "question": "Is it {{supported}}?", "verdict": "fail", "fingerprint": "f"},
    "source": {"exchange_id": "01a1fb9f-f63a-7882-a8ac-ea08392ee6d5", "trace_id": "a" * 32, "span_id": "b" * 16, "response_model": "m"},
    "confirmation": [CONFIRMED],
    "redaction": {"policies": ["email"], "replaced": {"email": 1}},
    "metadata": {"x": [1, {"y": None}]},
}
PLAIN: dict[str, Any] = {"input": {"dialect": "openai.chat", "body": {"messages": [{"role": "user", "content": "Hi"}]}}}
CLAUDE = {
    "system": "Be brief",
    "max_tokens": 5,
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]},
    ],
}
CASES = [
    of(FULL, "full"),
    of(PLAIN, "plain"),
    of({"input": {"dialect": "anthropic.messages", "operation": "chat", "body": CLAUDE}, "expected": {"json": {"a": [1]}}}, "claude"),
    of(
        {"input": {"vars": {"q": "only variables"}}, "expected": {"refusal": False, "tools": [{"name": "f", "arguments": {"a": 1}}]}},
        "vars",
    ),
    of(
        {
            **PLAIN,
            "input": {**PLAIN["input"], "vars": {"n": 1}},
            "observed": {},
            "checks": [{"name": "json_fields", "options": {"fields": {"a.b": 1}}}],
        },
        "x",
    ),
]
FORMATS = pytest.mark.parametrize("chosen", SHELF, ids=lambda one: one.name)


def without(case: GoldenCase, losses: list[str]) -> dict[str, Any]:
    """The case's JSON without what a format declares that it loses."""
    value = as_json(case)
    for loss in losses:
        here: Any = value
        *steps, last = loss.split(".")
        for step in steps:
            here = here.get(step, {})
        here.pop(last, None)
    return value


@FORMATS
def test_a_round_trip_loses_what_is_declared_and_no_more(chosen: Format) -> None:
    """A case that was exported and imported is the same but for the declared losses."""
    lost = [loss.field for loss in chosen.losses]
    for case in CASES:
        text = chosen.write([case], Options())
        back = chosen.read(text, "file")
        if chosen.losses and not back:
            continue  # the loss says that such a case is left out
        assert without(back[0], lost) == without(case, lost)
        if not chosen.losses:
            assert line(back[0]) == line(case)


@FORMATS
def test_the_same_cases_give_the_same_bytes(chosen: Format) -> None:
    """Export is a function of the cases; export, import, export gives the same bytes where nothing is lost."""
    text = chosen.write(CASES, Options())
    assert chosen.write(list(CASES), Options()) == text
    assert text.endswith("\n")
    assert chosen.write(chosen.read(text, "file"), Options()) == text


@FORMATS
def test_what_is_edited_there_is_taken_over(chosen: Format) -> None:
    """A question or an answer that somebody changed in another tool changes the case, its version and, for the question, its id."""
    if chosen.name == "goldwash":
        return
    case = of(
        {
            "input": {**PLAIN["input"], "operation": "chat"},
            "expected": {"text": "Hello"},
            "checks": [{"name": "equals", "options": {"value": "Hello"}}],
            "owner": "team",
        },
        "x",
    )
    text = chosen.write([case], Options())
    (back,) = chosen.read(_edited(chosen, text), "file")
    if chosen.name in ("promptfoo", "csv"):
        assert back.checks[0].options == {"value": "Goodbye"}
    else:
        assert back.expected is not None
        assert back.expected.text == "Goodbye"
    if not chosen.losses:
        assert (back.id, back.version, back.owner) == (case.id, 2, "team")


def _edited(chosen: Format, text: str) -> str:
    """The file with the answer changed in the tool's own field, and what travels under `goldwash` left alone."""
    if chosen.name == "csv":
        return text.replace("equals: Hello", "equals: Goodbye")
    rows = json.loads(text) if chosen.suffix == ".json" else [json.loads(one) for one in text.splitlines()]
    for row in rows if isinstance(rows, list) else [rows]:
        for key in ("outputs", "expected", "expectedOutput", "expected_output", "ideal", "expectations", "assert"):
            if key in row:
                row[key] = json.loads(json.dumps(row[key]).replace("Hello", "Goodbye"))
    return json.dumps(rows) if chosen.suffix == ".json" else "\n".join(map(json.dumps, rows))


@FORMATS
def test_long_strings_travel_whole(chosen: Format) -> None:
    """What stands in blobs is written out for tools that know no blobs, and taken out again; the id does not change."""
    image = "data:image/png;base64," + "A" * LONG
    whole = of(
        {
            "input": {"dialect": "openai.chat", "operation": "chat", "body": {"messages": [{"role": "user", "content": image}]}},
            "expected": "a cat",
        },
        "x",
    )
    blobs: dict[str, bytes] = {}
    small = deflated(whole, blobs)
    assert len(line(small)) < 2000
    assert small.id == whole.id
    assert inflated(small, blobs).input.body == whole.input.body
    again: dict[str, bytes] = {}
    (back,) = [deflated(one, again) for one in chosen.read(chosen.write([inflated(small, blobs)], Options()), "file")]
    assert (back.id, again) == (small.id, blobs)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40)


@pytest.mark.parametrize("chosen", [one for one in SHELF if not one.losses], ids=lambda one: one.name)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(question=TEXT, answer=TEXT, document=TEXT, variables=st.dictionaries(TEXT, TEXT, max_size=2))
def test_any_text_comes_back(chosen: Format, question: str, answer: str, document: str, variables: dict[str, str]) -> None:
    """Whatever stands in a case, a format without losses gives it back to the letter."""
    case = of(
        {
            "input": {"dialect": "openai.chat", "body": {"messages": [{"role": "user", "content": question}]}, "vars": variables},
            "context": [{"text": document}],
            "observed": answer,
            "expected": {"text": answer, "facts": [answer] if answer else []},
            "checks": [{"name": "not_contains", "options": {"values": [answer or "x"]}}],
        },
        "x",
    )
    (back,) = chosen.read(chosen.write([case], Options()), "file")
    assert line(back) == line(case)


@settings(max_examples=40, deadline=None)
@given(text=st.text() | st.binary().map(lambda data: data.decode("utf-8", "replace")), name=st.sampled_from([one.name for one in SHELF]))
def test_any_file_is_read_or_refused(text: str, name: str) -> None:
    """Whatever a file holds, it is read or refused with its place, never anything else."""
    try:
        named(name).read(text, "file")
    except BadCase as error:
        assert str(error).startswith("file")


FOREIGN = {
    "promptfoo": '{"vars":{"q":"3+5"},"assert":[{"type":"equals","value":"8"}]}',
    "csv": "q,__expected,__expected2\n3+5,8,contains: 8\n",
    "langsmith": '{"inputs":{"question":"3+5"},"outputs":{"answer":"8"}}',
    "braintrust": '{"input":"3+5","expected":"8","tags":["a"],"_xact_id":"1","root_span_id":"r"}',
    "openai_evals": '{"input":[{"role":"user","content":"3+5"}],"ideal":["8"]}',
    "deepeval": '[{"input":"3+5","expected_output":"8","actual_output":"9","retrieval_context":["sums"]}]',
    "mlflow": '[{"inputs":{"question":"3+5"},"expectations":{"expected_response":"8"}}]',
    "langfuse": '{"input":{"question":"3+5"},"expectedOutput":"8","id":"x","createdAt":"2026"}',
    "phoenix": '{"action":"create","name":"d","inputs":[{"question":"3+5"}],"outputs":[{"answer":"8"}],"metadata":[{}]}',
}


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_others_become_candidates(name: str) -> None:
    """A plain file of each tool gives a candidate that asks its question and expects its answer."""
    (case,) = named(name).read(FOREIGN[name], "file")
    assert case.question == "3+5"
    assert case.status == "candidate"
    assert case.source.tool == name
    expected = case.expected.text if case.expected else case.checks[0].options["value"]
    assert expected == "8"
    assert (case.split == "regression") is (case.observed is not None)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("langsmith", '{"outputs":{"a":1}}', "file:1: the input is empty"),
        ("deepeval", "[1]", "file: row 1: a int is no row"),
        ("phoenix", '{"inputs":[{"q":"a"}],"outputs":[]}', "outputs must be a list as long as inputs"),
        ("csv", "a,b\n1,2,3\n", "file: row 2: it has more fields than the head line"),
        ("openai_evals", '{"input":"a","ideal":["x",1]}', "file:1: ideal is"),
        ("langfuse", "{", "file:1: this is no JSON"),
    ],
)
def test_bad_rows_name_their_place(name: str, text: str, said: str) -> None:
    """A row that cannot be read is told with its line or number and the fix."""
    with pytest.raises(BadCase, match=r"^file") as error:
        named(name).read(text, "file")
    assert said in str(error.value)


def test_an_unknown_format_names_the_nearest() -> None:
    """A wrong name is told with the right one."""
    with pytest.raises(BadCase, match="did you mean promptfoo"):
        named("promtfoo")


def test_losses_are_said_for_these_cases() -> None:
    """What is lost is said only where a case has it, and so is what a tool will not grade."""
    said = losses_of(named("openai-evals"), [CASES[1]], Options())
    assert not any(one.startswith(("rubric", "checks", "context")) for one in said)
    assert any(one.startswith("rubric is lost") for one in losses_of(named("openai_evals"), CASES, Options()))
    assert losses_of(named("promptfoo"), [CASES[0]], Options()) == [
        "expected.text (no --judge) is carried and not graded there (1 cases)",
        "rubric.grounded.supported (no --judge) is carried and not graded there (1 cases)",
    ]
    assert losses_of(named("promptfoo"), [CASES[0]], Options(judge="openai:gpt-5")) == []


def test_a_judge_is_named_or_nothing_is_judged() -> None:
    """Assertions that a model grades name their provider, and are left out where none is given."""
    rows = {judge: json.loads(named("promptfoo").write([CASES[0]], Options(judge=judge))) for judge in (None, "openai:gpt-5-2025-08-07")}
    kinds = {judge: [one["type"] for one in row["assert"]] for judge, row in rows.items()}
    assert "llm-rubric" not in kinds[None]
    judged = [one for one in rows["openai:gpt-5-2025-08-07"]["assert"] if one["type"] in ("llm-rubric", "factuality")]
    assert [one["provider"] for one in judged] == ["openai:gpt-5-2025-08-07"] * 2
    text = named("promptfoo").write([CASES[0]], Options(judge="openai:gpt-5-2025-08-07"))
    assert line(named("promptfoo").read(text, "f")[0]) == line(CASES[0])


def test_two_rows_that_contradict_are_refused(tmp_path: Any) -> None:
    """The same question with two answers is no golden set; the same row twice is one case."""
    path = tmp_path / "f.jsonl"
    rows = ['{"input":"3+5","expected":"8"}', '{"input":"3+5","expected":"8"}']
    path.write_text("\n".join(rows))
    assert len(read_file(named("braintrust"), path, tmp_path)[0]) == 1
    path.write_text("\n".join([*rows, '{"input":"3+5","expected":"9"}']))
    with pytest.raises(BadCase, match="two rows ask the same"):
        read_file(named("braintrust"), path, tmp_path)
