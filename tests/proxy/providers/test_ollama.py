"""Ollama's own API."""

from __future__ import annotations

from typing import Any

from tests.helpers.answers import NDJSON, answered, lines


def line(content: str, **more: Any) -> dict[str, Any]:
    """One line of a chat."""
    return {
        "model": "llama3",
        "created_at": "2025-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": content},
        "done": False,
    } | more


def test_a_chat_is_lines_and_the_last_one_counts() -> None:
    """Contents join; done ends it."""
    call = {"function": {"name": "look", "arguments": {"a": 1}}}
    body = lines(
        line("", message={"role": "assistant", "content": "", "thinking": "hm"}),
        line("A"),
        line("B"),
        line("", message={"role": "assistant", "content": "", "tool_calls": [call]}),
        line("", done=True, done_reason="stop", prompt_eval_count=17, eval_count=50),
    )
    reading = answered("/api/chat", body, headers=NDJSON, request={"model": "llama3"})
    assert (reading.output_text, reading.reasoning_text, reading.finish_reasons, reading.terminal) == ("AB", "hm", ("stop",), True)
    assert [(call.name, call.arguments) for call in reading.tool_calls] == [("look", '{"a":1}')]
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.output_tokens, reading.response_model) == (17, 50, "llama3")


def test_a_cached_prompt_is_not_counted_and_so_unknown() -> None:
    """No prompt_eval_count is no zero."""
    reading = answered("/api/generate", {"model": "llama3", "response": "Hi", "done": True, "done_reason": "stop", "eval_count": 38})
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.output_tokens, reading.output_text, reading.terminal) == (None, 38, "Hi", None)


def test_an_error_line_is_an_error() -> None:
    """The stream began with 200 and broke."""
    reading = answered("/api/chat", lines(line("He"), {"error": "unexpected EOF"}), headers=NDJSON)
    assert (reading.error_message, reading.terminal, reading.output_text) == ("unexpected EOF", False, "He")
    assert answered("/api/chat", lines(line("He")), headers=NDJSON).terminal is False


def test_embeddings_count_their_prompt() -> None:
    """/api/embed tells tokens, its older twin nothing."""
    reading = answered("/api/embed", {"model": "nomic", "embeddings": [[0.1]], "prompt_eval_count": 8})
    assert reading.usage is not None
    assert (reading.dialect, reading.usage.input_tokens, reading.usage.output_tokens) == ("ollama.embed", 8, None)
    assert answered("/api/embeddings", {"embedding": [0.1]}).usage is None


def test_showing_a_model_is_bookkeeping() -> None:
    """Nothing ran."""
    reading = answered("/api/show", {"license": "…", "model_info": {}}, upstream="ollama")
    assert (reading.dialect, reading.output_text, reading.usage) == ("ollama.other", None, None)
