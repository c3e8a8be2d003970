"""What the judge is shown of an exchange or a trace, and what is left out of long ones."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from scoring.conversation import Document
from scoring.judge.material import of_exchange, of_trace
from scoring.logged import LoggedExchange, link


def exchange(messages: list[dict[str, object]], answer: str = "Gold.", **columns: object) -> LoggedExchange:
    return LoggedExchange(
        exchange_id="e",
        operation="chat",
        output_text=answer,
        request_body=json.dumps({"messages": messages, **({"tools": columns.pop("tools")} if "tools" in columns else {})}),
        **columns,
    )


USER = {"role": "user", "content": "Where is gold?"}


def test_an_exchange_is_shown_in_labelled_passages():
    """Instructions, conversation, documents from beside the traffic, answer with its calls."""
    one = exchange([{"role": "system", "content": "Be brief."}, USER], contexts=(Document("d1", "Gold lies in bends.", "Rivers"),))
    shown = of_exchange(one)
    assert [passage.label for passage in shown.passages] == ["instructions", "conversation", "context", "answer"]
    assert "[document d1: Rivers] Gold lies in bends." in shown.text
    assert shown.has == {"context", "question"}
    assert shown.left_out == 0


def test_a_trace_is_shown_step_by_step():
    """How it began, what each step said and got back, the last answer apart."""
    first = exchange([USER], "", tool_calls='[{"id": "c1", "name": "look", "arguments": "{}"}]')
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    history: list[dict[str, object]] = [
        USER,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "two bends"},
    ]
    last = exchange(history, "In two bends.")
    link([first, last])
    shown = {passage.label: passage.text for passage in of_trace([first, last]).passages}
    assert shown["conversation"] == "[user] Where is gold?"
    assert "[step 1] [calls look] {}" in shown["steps"]
    assert "[result] two bends" in shown["steps"]
    assert shown["answer"] == "In two bends."


@given(st.integers(2000, 20_000), st.integers(0, 60_000), st.integers(0, 60_000), st.integers(0, 60_000))
def test_long_ones_are_cut_in_the_middle_and_say_so(most, system, question, answer):
    """What is shown stays near the limit, the beginning and the end of each passage are there, and a short one is whole."""
    one = exchange([{"role": "system", "content": "s" * system}, {"role": "user", "content": "q" * question}], "a" * answer)
    shown = of_exchange(one, most)
    total = system + question + answer
    assert len(shown.text) <= most + 600
    assert (shown.left_out > 0) == (total + 7 * bool(question) > most)
    if shown.left_out:
        assert "characters are left out here" in shown.text


def test_the_answer_gets_the_room_that_others_leave():
    """A long conversation does not push the answer out."""
    one = exchange([{"role": "user", "content": "q" * 100_000}], "a" * 5000 + "END")
    shown = {passage.label: passage.text for passage in of_exchange(one, 10_000).passages}
    assert shown["answer"] == "a" * 5000 + "END"
