"""A logged exchange becomes a candidate: redacted the same everywhere, what was answered kept as observed; or it is refused with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.conversation import Document
from scoring.golden.blobs import LONG, MissingBlob, names, put_back, taken_out
from scoring.golden.capture import NotReplayable, capture
from scoring.golden.case import canonical, line, parse
from scoring.golden.surrogates import Surrogates
from scoring.logged import LoggedExchange

MAIL, OTHER, CARD, IBAN = "jane.roe@corp.org", "bob@corp.org", "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00"


def exchange(body: Any = None, **columns: Any) -> LoggedExchange:
    asked = body if body is not None else {"model": "m", "messages": [{"role": "user", "content": f"I am {MAIL}"}]}
    given_: dict[str, Any] = {
        "exchange_id": "01a1fb9f-f63a-7882-a8ac-ea08392ee6d5",
        "dialect": "openai.chat",
        "operation": "chat",
        "method": "POST",
        "path": "/v1/chat/completions?key=1",
        "status": 200,
        "purpose": "app",
        "request_body": asked if isinstance(asked, str) else json.dumps(asked),
        "output_text": f"Hello {MAIL.upper()}",
        **columns,
    }
    return LoggedExchange(**given_)


def test_conversations_stay_apart_though_their_names_are_hidden() -> None:
    """A surrogate is numbered anew in each case: as the conversation's name it would make all of them one, in which a gate sees nothing."""
    first, second, again = (capture(exchange(session_id=name)).case.cluster for name in ("chat-1", "chat-2", "chat-1"))
    assert first == again != second
    assert first is not None
    assert "chat" not in first
    assert capture(exchange(trace_id="trace-1", session_id="chat-1")).case.cluster == "trace-1"


def test_the_same_value_has_the_same_surrogate() -> None:
    """One address is one surrogate in input, context, answer, tool call and variables; another is another; the form stays."""
    case = capture(
        exchange(
            {"messages": [{"role": "user", "content": f"{OTHER} wrote to {MAIL}, +1 (415) 555-2671 or +14155552671"}]},
            contexts=(Document(MAIL, f"From {MAIL}", title=f"{CARD}"),),
            tool_calls=json.dumps([{"id": "c", "name": "mail", "arguments": json.dumps({"to": MAIL, "iban": IBAN})}]),
            properties=(("var-name", OTHER), ("team", "x")),
            user_id="customer-4711",
            trace_id="customer-4711",
        )
    ).case
    text = line(case)
    assert case.input.body["messages"][0]["content"] == "user1@example.com wrote to user2@example.com, +1 202-555-0101 or +1 202-555-0101"
    assert (case.context[0].id, case.context[0].text, case.context[0].title) == ("user2@example.com", "From user2@example.com", "[card:1]")
    assert case.observed is not None
    assert case.observed.text == "Hello user2@example.com"
    assert json.loads(case.observed.tool_calls[0].arguments) == {"to": "user2@example.com", "iban": "[iban:1]"}
    assert case.input.vars == {"name": "user1@example.com"}
    assert "4711" not in text
    assert case.input.path == "/v1/chat/completions"
    assert case.expected is None
    assert case.redaction.replaced == {"card": 1, "email": 2, "iban": 1, "phone": 1, "user": 1}
    for value in (MAIL, OTHER, CARD, IBAN, "4155552671", "customer-4711"):
        assert value.lower() not in text.lower()


def test_two_users_who_ask_the_same_are_one_case() -> None:
    """Surrogates are numbered in the case, so that the id does not depend on who asked."""
    ids = {
        capture(exchange({"messages": [{"role": "user", "content": f"I am {who}"}]}, output_text=answer)).case.id
        for who, answer in ((MAIL, "a"), (OTHER, "b"), ("[email:0123456789ab]", "c"))
    }
    assert len(ids) == 1


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [MAIL, OTHER, CARD, IBAN, "+49 30 901820", "user1@example.com", "[card:1]", "plain words", "sk-abcdefghijklmnopqrstuv"]
        )
    )
)
def test_redacting_twice_changes_nothing(parts: list[str]) -> None:
    """What is redacted holds nothing that would be redacted, and surrogates never meet words that were there."""
    once = Surrogates().text(" / ".join(parts))
    assert Surrogates().text(once) == once
    for secret in (MAIL, OTHER, CARD, IBAN, "sk-abcdef"):
        assert secret not in once
    assert once.count("user1@example.com") == parts.count("user1@example.com") or MAIL not in parts or "user1@example.com" not in parts


def test_numbers_keys_and_own_patterns() -> None:
    """Card numbers as JSON numbers, keys of objects and an operator's own patterns are redacted too; small numbers stay."""
    found = Surrogates({"ticket": "TCK-[0-9]{6}"}).value({MAIL: 4111111111111111, "n": 7, "t": ["TCK-123456", True, None, 1.5]})
    assert found == {"user1@example.com": "[card:1]", "n": 7, "t": ["[ticket:1]", True, None, 1.5]}


NOT_REPLAYABLE: list[tuple[dict[str, Any], str]] = [
    ({"request_truncated": True}, "truncated"),
    ({"request_body": None}, "omitted"),
    ({"request_body": "not json"}, "not_json"),
    ({"request_body": "[1]"}, "not_json"),
    ({"request_body_coding": "base64"}, "not_json"),
    ({"operation": "embeddings"}, "no_answer_asked"),
    ({"purpose": "judge"}, "not_production"),
    ({"body": {"previous_response_id": "resp_1", "input": "a"}}, "provider_held_history"),
    ({"body": {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]}}, "provider_held_file"),
    (
        {"body": {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}]}},
        "provider_held_file",
    ),
    ({"body": {"contents": [{"parts": [{"file_data": {"file_uri": "gs://b/o"}}]}]}}, "provider_held_file"),
    ({"body": {"contents": [], "cachedContent": "cachedContents/1"}}, "provider_held_cache"),
    ({"body": {"input": "a", "tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}}, "provider_held_store"),
    ({"body": {"prompt": {"id": "pmpt_1"}}}, "provider_held_prompt"),
]


@pytest.mark.parametrize(("columns", "reason"), NOT_REPLAYABLE)
def test_what_cannot_be_asked_again_is_refused(columns: dict[str, Any], reason: str) -> None:
    """What is cut off, left out or lies with the provider is not_replayable, with one word to count by and the fix."""
    with pytest.raises(NotReplayable, match="not_replayable") as error:
        capture(exchange(columns.pop("body", None), **columns))
    assert error.value.reason == reason


def test_words_that_look_like_files_are_no_files() -> None:
    """A tool's arguments, a schema or a text may hold any key and any address."""
    body = {
        "messages": [
            {"role": "user", "content": "see gs://bucket/x"},
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": '{"file_id": "1"}'}}]},
            {"role": "assistant", "content": [{"type": "tool_use", "input": {"file_id": "1", "url": "s3://x"}}]},
        ],
        "tools": [{"function": {"parameters": {"properties": {"file_id": {"type": "string"}}}}}],
        "metadata": {"conversation": "c"},
    }
    assert capture(exchange(body)).case.input.body["tools"]


def test_a_failed_call_was_no_answer() -> None:
    """Where production gave no answer, nothing was observed; an empty answer was one."""
    assert capture(exchange(status=500, error_type="server_error")).case.observed is None
    empty = capture(exchange(output_text=None)).case
    assert empty.observed is not None
    assert parse(line(empty), "x").observed == empty.observed


def test_long_strings_stand_in_blobs() -> None:
    """An image and a long document are references in the line; they come back whole, and their absence is told."""
    image = "data:image/png;base64," + "Qm" * LONG
    found = capture(exchange({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": image}}]}]}))
    assert len(line(found.case)) < 2_000
    assert list(found.blobs) == list(found.case.input.attachments) == names(found.case.input.body)
    assert put_back(found.case.input.body, found.blobs)["messages"][0]["content"][0]["image_url"]["url"] == image
    with pytest.raises(MissingBlob, match="commit it"):
        put_back(found.case.input.body, {})


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.text(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=5
    )
)
def test_taking_out_and_putting_back(value: Any) -> None:
    """Long strings come back where they stood."""
    whole = [value, "x" * (LONG + 1)]
    blobs: dict[str, bytes] = {}
    assert canonical(put_back(taken_out(whole, blobs), blobs)) == canonical(whole)
