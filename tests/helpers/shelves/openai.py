"""What OpenAI answers: chat, tools, responses, embeddings, an error, and one answer that is compressed."""

from __future__ import annotations

import base64
import gzip
import struct
from typing import Any

from tests.helpers.shelves.base import CALL, TEXT, WORDS, Recording, document, named_sse, row_of, sse

CHAT_PATH = "/v1/chat/completions"


def _usage(prompt: int, completion: int, cached: int = 0, reasoning: int = 0) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0},
    }


def _chat(model: str, message: dict[str, Any], finish: str, usage: dict[str, Any], identifier: str) -> list[bytes]:
    choice = {"index": 0, "message": {"role": "assistant", "refusal": None, **message}, "logprobs": None, "finish_reason": finish}
    facts = {"id": identifier, "object": "chat.completion", "created": 1760000000, "model": model}
    return document({**facts, "choices": [choice], "usage": usage, "service_tier": "default", "system_fingerprint": "fp_river"})


def chat_stream(model: str, identifier: str, finish: str = "stop", **last: Any) -> list[bytes]:
    facts = {"id": identifier, "object": "chat.completion.chunk", "created": 1760000000, "model": model}
    deltas = [{"role": "assistant", "content": ""}, *({"content": word} for word in WORDS)]
    chunks = [{**facts, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    final = {**facts, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    if "usage" in last and last.pop("in_last_choice", False):
        return sse(*chunks, {**final, **last}, done=True)
    return sse(*chunks, final, {**facts, "choices": [], **last}, done=True)


def _response(identifier: str, model: str, status: str, output: list[Any], usage: Any) -> dict[str, Any]:
    return {
        "id": identifier,
        "object": "response",
        "created_at": 1760000000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": "medium", "summary": None},
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage,
        "user": None,
        "metadata": {},
    }


_SPOKEN = {
    "id": "msg_river",
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "content": [{"type": "output_text", "annotations": [], "text": TEXT}],
}
_THOUGHT = {"id": "rs_river", "type": "reasoning", "summary": []}
_RESPONSE_USAGE = {
    "input_tokens": 40,
    "input_tokens_details": {"cached_tokens": 16},
    "output_tokens": 90,
    "output_tokens_details": {"reasoning_tokens": 64},
    "total_tokens": 130,
}
_RESPONSE = _response("resp_river", "gpt-5-mini-2025-08-07", "completed", [_THOUGHT, _SPOKEN], _RESPONSE_USAGE)
_PART = {"item_id": "msg_river", "output_index": 0, "content_index": 0}


def _numbered(*events: dict[str, Any]) -> list[bytes]:
    return named_sse(*({**value, "sequence_number": number} for number, value in enumerate(events)))


_RESPONSE_STREAM = _numbered(
    {"type": "response.created", "response": _response("resp_stream", "gpt-5-mini-2025-08-07", "in_progress", [], None)},
    {"type": "response.in_progress", "response": _response("resp_stream", "gpt-5-mini-2025-08-07", "in_progress", [], None)},
    {"type": "response.output_item.added", "output_index": 0, "item": {**_SPOKEN, "status": "in_progress", "content": []}},
    {"type": "response.content_part.added", **_PART, "part": {"type": "output_text", "annotations": [], "text": ""}},
    *({"type": "response.output_text.delta", **_PART, "delta": word, "logprobs": []} for word in WORDS),
    {"type": "response.output_text.done", **_PART, "text": TEXT, "logprobs": []},
    {"type": "response.content_part.done", **_PART, "part": {"type": "output_text", "annotations": [], "text": TEXT}},
    {"type": "response.output_item.done", "output_index": 0, "item": _SPOKEN},
    {"type": "response.completed", "response": {**_RESPONSE, "id": "resp_stream", "output": [_SPOKEN]}},
)


_VECTOR = [0.25, -0.5, 0.125]

OPENAI = {
    "chat": Recording(
        CHAT_PATH,
        "gpt-4o-mini",
        _chat("gpt-4o-mini-2024-07-18", {"content": TEXT, "annotations": []}, "stop", _usage(21, 12, cached=8), "chatcmpl-river"),
        row_of(
            "openai", "gpt-4o-mini-2024-07-18", "chatcmpl-river", 21, 12, cache_read_tokens=8, output_text=TEXT, finish_reasons=["stop"]
        ),
    ),
    "chat_tool": Recording(
        CHAT_PATH,
        "gpt-4o",
        _chat(
            "gpt-4o-2024-08-06",
            {"content": None, "tool_calls": [{"id": "call_river", "type": "function", "function": CALL}]},
            "tool_calls",
            _usage(70, 18),
            "chatcmpl-tool",
        ),
        row_of("openai", "gpt-4o-2024-08-06", "chatcmpl-tool", 70, 18, output_text=None, finish_reasons=["tool_calls"]),
    ),
    "chat_stream": Recording(
        CHAT_PATH,
        "gpt-4o-mini",
        chat_stream("gpt-4o-mini-2024-07-18", "chatcmpl-stream", usage=_usage(21, 12), service_tier="default"),
        row_of("openai", "gpt-4o-mini-2024-07-18", "chatcmpl-stream", 21, 12, output_text=TEXT, finish_reasons=["stop"]),
        stream=True,
        content_type="text/event-stream; charset=utf-8",
    ),
    "responses": Recording(
        "/v1/responses",
        "gpt-5-mini",
        document(_RESPONSE),
        row_of("openai", "gpt-5-mini-2025-08-07", "resp_river", 40, 90, cache_read_tokens=16, reasoning_tokens=64, output_text=TEXT),
    ),
    "responses_stream": Recording(
        "/v1/responses",
        "gpt-5-mini",
        _RESPONSE_STREAM,
        row_of("openai", "gpt-5-mini-2025-08-07", "resp_stream", 40, 90, cache_read_tokens=16, reasoning_tokens=64, output_text=TEXT),
        stream=True,
        content_type="text/event-stream; charset=utf-8",
    ),
    "embeddings": Recording(
        "/v1/embeddings",
        "text-embedding-3-small",
        document(
            {
                "object": "list",
                "data": [{"object": "embedding", "index": 0, "embedding": base64.b64encode(struct.pack("<3f", *_VECTOR)).decode()}],
                "model": "text-embedding-3-small",
                "usage": {"prompt_tokens": 6, "total_tokens": 6},
            }
        ),
        {
            "provider": "openai",
            "response_model": "text-embedding-3-small",
            "input_tokens": 6,
            "usage_source": "provider",
            "ending": "complete",
        },
    ),
    "refused": Recording(
        CHAT_PATH,
        "gpt-none",
        document({"error": {"message": "The model `gpt-none` does not exist", "type": "invalid_request_error", "code": "model_not_found"}}),
        {"provider": "openai", "status": 404, "input_tokens": None, "output_tokens": None, "cost_usd": None, "ending": "complete"},
        status=404,
    ),
    "zipped": Recording(
        CHAT_PATH,
        "gpt-4.1-nano",
        [gzip.compress(_chat("gpt-4.1-nano-2025-04-14", {"content": TEXT}, "stop", _usage(30, 15), "chatcmpl-zipped")[0])],
        row_of("openai", "gpt-4.1-nano-2025-04-14", "chatcmpl-zipped", 30, 15, output_text=TEXT, finish_reasons=["stop"]),
        headers=[("Content-Encoding", "gzip")],
    ),
}
