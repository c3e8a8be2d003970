"""What providers answer, written by this project in each one's documented form, with what the log must say about it.

An answer is kept as the pieces a provider would send (one event each), so that a stream can be played as a stream.
"""

from __future__ import annotations

import base64
import gzip
import json
import struct
from dataclasses import dataclass, field
from typing import Any

from tests.helpers.eventstream import event
from tests.helpers.upstream import Answer, answer
from tests.helpers.wire import Headers, Message

TEXT = "Gold is found where the river slows — grüße, 金."
"""Several bytes a character, so that a cut can fall inside one."""
WORDS = ["Gold is found", " where the river", " slows — grü", "ße, 金."]
CALL = {"name": "pan_for_gold", "arguments": '{"river":"Yukon","depth":2}'}


@dataclass(frozen=True)
class Recording:
    """One exchange: how it is asked for, what comes back, and its row."""

    path: str
    model: str | None  # as asked; None: any
    pieces: list[bytes]
    row: dict[str, Any]  # columns of `exchanges` that the log must hold
    stream: bool = False
    content_type: str = "application/json"
    headers: Headers = field(default_factory=list)
    status: int = 200

    @property
    def body(self) -> bytes:
        """The whole body as it passes."""
        return b"".join(self.pieces)

    def answer(self, delay: float = 0.0, piece: int | None = None) -> Answer:
        """The answer as a provider sends it: streams chunked, documents with their length."""
        headers = [("Content-Type", self.content_type), ("X-Request-Id", "req-of-the-tests"), *self.headers]
        framing = "chunked" if self.stream else "length"
        return answer(self.status, headers, self.pieces, framing=framing, delay=delay, piece=piece)


def document(value: object) -> list[bytes]:
    return [json.dumps(value, ensure_ascii=False).encode()]


def sse(*events: object, done: bool = False) -> list[bytes]:
    """Server-sent events with data alone."""
    lines = [f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode() for value in events]
    return [*lines, b"data: [DONE]\n\n"] if done else lines


def named_sse(*events: dict[str, Any]) -> list[bytes]:
    """Server-sent events that repeat their `type` as the event's name."""
    return [f"event: {value['type']}\ndata: {json.dumps(value, ensure_ascii=False)}\n\n".encode() for value in events]


def ndjson(*values: object) -> list[bytes]:
    return [json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values]


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


def _chat_stream(model: str, identifier: str, finish: str = "stop", **last: Any) -> list[bytes]:
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


def _row(provider: str, model: str, identifier: str | None, given: int, taken: int | None, **more: Any) -> dict[str, Any]:
    return {
        "provider": provider,
        "response_model": model,
        "response_id": identifier,
        "input_tokens": given,
        "output_tokens": taken,
        "usage_source": "provider",
        "ending": "complete",
        "status": 200,
        **more,
    }


_VECTOR = [0.25, -0.5, 0.125]
_COMPLETION = "/v1/chat/completions"

OPENAI = {
    "chat": Recording(
        _COMPLETION,
        "gpt-4o-mini",
        _chat("gpt-4o-mini-2024-07-18", {"content": TEXT, "annotations": []}, "stop", _usage(21, 12, cached=8), "chatcmpl-river"),
        _row("openai", "gpt-4o-mini-2024-07-18", "chatcmpl-river", 21, 12, cache_read_tokens=8, output_text=TEXT, finish_reasons=["stop"]),
    ),
    "chat_tool": Recording(
        _COMPLETION,
        "gpt-4o",
        _chat(
            "gpt-4o-2024-08-06",
            {"content": None, "tool_calls": [{"id": "call_river", "type": "function", "function": CALL}]},
            "tool_calls",
            _usage(70, 18),
            "chatcmpl-tool",
        ),
        _row("openai", "gpt-4o-2024-08-06", "chatcmpl-tool", 70, 18, output_text=None, finish_reasons=["tool_calls"]),
    ),
    "chat_stream": Recording(
        _COMPLETION,
        "gpt-4o-mini",
        _chat_stream("gpt-4o-mini-2024-07-18", "chatcmpl-stream", usage=_usage(21, 12), service_tier="default"),
        _row("openai", "gpt-4o-mini-2024-07-18", "chatcmpl-stream", 21, 12, output_text=TEXT, finish_reasons=["stop"]),
        stream=True,
        content_type="text/event-stream; charset=utf-8",
    ),
    "responses": Recording(
        "/v1/responses",
        "gpt-5-mini",
        document(_RESPONSE),
        _row("openai", "gpt-5-mini-2025-08-07", "resp_river", 40, 90, cache_read_tokens=16, reasoning_tokens=64, output_text=TEXT),
    ),
    "responses_stream": Recording(
        "/v1/responses",
        "gpt-5-mini",
        _RESPONSE_STREAM,
        _row("openai", "gpt-5-mini-2025-08-07", "resp_stream", 40, 90, cache_read_tokens=16, reasoning_tokens=64, output_text=TEXT),
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
        _COMPLETION,
        "gpt-none",
        document({"error": {"message": "The model `gpt-none` does not exist", "type": "invalid_request_error", "code": "model_not_found"}}),
        {"provider": "openai", "status": 404, "input_tokens": None, "output_tokens": None, "cost_usd": None, "ending": "complete"},
        status=404,
    ),
    "zipped": Recording(
        _COMPLETION,
        "gpt-4.1-nano",
        [gzip.compress(_chat("gpt-4.1-nano-2025-04-14", {"content": TEXT}, "stop", _usage(30, 15), "chatcmpl-zipped")[0])],
        _row("openai", "gpt-4.1-nano-2025-04-14", "chatcmpl-zipped", 30, 15, output_text=TEXT, finish_reasons=["stop"]),
        headers=[("Content-Encoding", "gzip")],
    ),
}

_CLAUDE = "claude-haiku-4-5-20251001"
_CLAUDE_USAGE = {
    "input_tokens": 12,
    "cache_creation_input_tokens": 30,
    "cache_read_input_tokens": 100,
    "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 25,
    "service_tier": "standard",
}


def _claude(identifier: str, content: list[Any], stop: str | None, usage: dict[str, Any], model: str = _CLAUDE) -> dict[str, Any]:
    facts = {"id": identifier, "type": "message", "role": "assistant", "model": model, "content": content}
    return {**facts, "stop_reason": stop, "stop_sequence": None, "usage": usage}


def _text_deltas(index: int = 0) -> list[dict[str, Any]]:
    return [{"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": word}} for word in WORDS]


_ANTHROPIC_EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": _claude("msg_stream", [], None, {**_CLAUDE_USAGE, "output_tokens": 1})},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    *_text_deltas(),
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "toolu_river", "name": CALL["name"], "input": {}},
    },
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"river":'}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '"Yukon","depth":2}'}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": {"output_tokens": 25}},
    {"type": "message_stop"},
]

ANTHROPIC = {
    "messages": Recording(
        "/v1/messages",
        "claude-haiku-4-5",
        document(_claude("msg_river", [{"type": "text", "text": TEXT}], "end_turn", _CLAUDE_USAGE)),
        _row(
            "anthropic",
            _CLAUDE,
            "msg_river",
            142,
            25,
            cache_read_tokens=100,
            cache_write_tokens=30,
            output_text=TEXT,
            finish_reasons=["end_turn"],
        ),
    ),
    "messages_stream": Recording(
        "/v1/messages",
        "claude-haiku-4-5",
        named_sse(*_ANTHROPIC_EVENTS),
        _row(
            "anthropic",
            _CLAUDE,
            "msg_stream",
            142,
            25,
            cache_read_tokens=100,
            cache_write_tokens=30,
            output_text=TEXT,
            finish_reasons=["tool_use"],
        ),
        stream=True,
        content_type="text/event-stream; charset=utf-8",
    ),
}

_GEMINI_USAGE = {"promptTokenCount": 9, "candidatesTokenCount": 14, "thoughtsTokenCount": 30, "totalTokenCount": 53}


def _gemini(text: str, finish: str | None, identifier: str, usage: dict[str, Any]) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0, **({"finishReason": finish} if finish else {})}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash", "responseId": identifier}


_GEMINI_ROW = _row(
    "google",
    "gemini-2.5-flash",
    "river-1",
    9,
    44,
    reasoning_tokens=30,
    output_text=TEXT,
    finish_reasons=["STOP"],
    request_model="gemini-2.5-flash",
)

GOOGLE = {
    "generate": Recording(
        "/v1/models/gemini-2.5-flash:generateContent",
        None,
        document(_gemini(TEXT, "STOP", "river-1", _GEMINI_USAGE)),
        _GEMINI_ROW,
        content_type="application/json; charset=UTF-8",
    ),
    "generate_stream": Recording(
        "/v1/models/gemini-2.5-flash:streamGenerateContent",
        None,
        sse(
            *(_gemini(word, None, "river-2", {"promptTokenCount": 9, "totalTokenCount": 9}) for word in WORDS[:-1]),
            _gemini(WORDS[-1], "STOP", "river-2", _GEMINI_USAGE),
        ),
        {**_GEMINI_ROW, "response_id": "river-2"},
        stream=True,
        content_type="text/event-stream",
    ),
}

_MISTRAL_USAGE = {"prompt_tokens": 17, "completion_tokens": 11, "total_tokens": 28}
_MISTRAL_CHOICE = {"index": 0, "message": {"role": "assistant", "content": TEXT, "tool_calls": None}, "finish_reason": "stop"}

MISTRAL = {
    "chat": Recording(
        _COMPLETION,
        "mistral-small-2506",
        document(
            {
                "id": "cmpl-river",
                "object": "chat.completion",
                "created": 1760000000,
                "model": "mistral-small-2506",
                "choices": [_MISTRAL_CHOICE],
                "usage": _MISTRAL_USAGE,
            }
        ),
        _row("mistral", "mistral-small-2506", "cmpl-river", 17, 11, output_text=TEXT, finish_reasons=["stop"]),
    ),
    "chat_stream": Recording(
        _COMPLETION,
        "mistral-small-2506",
        _chat_stream("mistral-small-2506", "cmpl-stream", usage=_MISTRAL_USAGE, in_last_choice=True),
        _row("mistral", "mistral-small-2506", "cmpl-stream", 17, 11, output_text=TEXT, finish_reasons=["stop"]),
        stream=True,
        content_type="text/event-stream; charset=utf-8",
    ),
}

_COHERE_USAGE = {"billed_units": {"input_tokens": 7, "output_tokens": 13}, "tokens": {"input_tokens": 500, "output_tokens": 15}}


def _cohere_delta(word: str) -> dict[str, Any]:
    return {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": word}}}}


COHERE = {
    "chat": Recording(
        "/v2/chat",
        "command-a-03-2025",
        document(
            {
                "id": "cohere-river",
                "message": {"role": "assistant", "content": [{"type": "text", "text": TEXT}]},
                "finish_reason": "COMPLETE",
                "usage": _COHERE_USAGE,
            }
        ),
        {"provider": "cohere", "response_id": "cohere-river", "output_text": TEXT, "finish_reasons": ["COMPLETE"], "ending": "complete"},
    ),
    "chat_stream": Recording(
        "/v2/chat",
        "command-a-03-2025",
        named_sse(
            {
                "type": "message-start",
                "id": "cohere-stream",
                "delta": {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}},
            },
            {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
            *map(_cohere_delta, WORDS),
            {"type": "content-end", "index": 0},
            {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": _COHERE_USAGE}},
        ),
        {"provider": "cohere", "response_id": "cohere-stream", "output_text": TEXT, "finish_reasons": ["COMPLETE"], "ending": "complete"},
        stream=True,
        content_type="text/event-stream",
    ),
}

_OLLAMA_FACTS = {"model": "llama3.2", "created_at": "2026-10-01T12:00:00.000000Z"}
_OLLAMA_END = {
    "done_reason": "stop",
    "done": True,
    "total_duration": 900000000,
    "load_duration": 10000000,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 100000000,
    "eval_count": 19,
    "eval_duration": 700000000,
}
_OLLAMA_ROW = _row("ollama", "llama3.2", None, 26, 19, output_text=TEXT, finish_reasons=["stop"], request_model="llama3.2")

OLLAMA = {
    "chat": Recording(
        "/api/chat",
        "llama3.2",
        document({**_OLLAMA_FACTS, "message": {"role": "assistant", "content": TEXT}, **_OLLAMA_END}),
        _OLLAMA_ROW,
    ),
    "chat_stream": Recording(
        "/api/chat",
        "llama3.2",
        ndjson(
            *({**_OLLAMA_FACTS, "message": {"role": "assistant", "content": word}, "done": False} for word in WORDS),
            {**_OLLAMA_FACTS, "message": {"role": "assistant", "content": ""}, **_OLLAMA_END},
        ),
        _OLLAMA_ROW,
        stream=True,
        content_type="application/x-ndjson",
    ),
}

BEDROCK_MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
_BEDROCK_ROOT = f"/model/{BEDROCK_MODEL.replace(':', '%3A')}"
_BEDROCK_USAGE = {"inputTokens": 33, "outputTokens": 22, "totalTokens": 55}
_BEDROCK_ROW = {
    "provider": "aws-bedrock",
    "request_model": BEDROCK_MODEL,
    "input_tokens": 33,
    "output_tokens": 22,
    "usage_source": "provider",
    "output_text": TEXT,
    "finish_reasons": ["end_turn"],
    "ending": "complete",
    "status": 200,
}
_INVOKED = _claude(
    "msg_bdrk_river", [{"type": "text", "text": TEXT}], "end_turn", {"input_tokens": 33, "output_tokens": 22}, "claude-3-haiku-20240307"
)
_COUNTS = {"inputTokenCount": 33, "outputTokenCount": 22, "invocationLatency": 500, "firstByteLatency": 200}
_INVOKE_EVENTS: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {**_INVOKED, "content": [], "stop_reason": None, "usage": {"input_tokens": 33, "output_tokens": 1}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    *_text_deltas(),
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 22}},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": _COUNTS},
]

BEDROCK = {
    "converse": Recording(
        f"{_BEDROCK_ROOT}/converse",
        None,
        document(
            {
                "output": {"message": {"role": "assistant", "content": [{"text": TEXT}]}},
                "stopReason": "end_turn",
                "usage": _BEDROCK_USAGE,
                "metrics": {"latencyMs": 500},
            }
        ),
        _BEDROCK_ROW,
    ),
    "converse_stream": Recording(
        f"{_BEDROCK_ROOT}/converse-stream",
        None,
        [
            event("messageStart", {"role": "assistant"}),
            *(event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}}) for word in WORDS),
            event("contentBlockStop", {"contentBlockIndex": 0}),
            event("messageStop", {"stopReason": "end_turn"}),
            event("metadata", {"usage": _BEDROCK_USAGE, "metrics": {"latencyMs": 500}}),
        ],
        _BEDROCK_ROW,
        stream=True,
        content_type="application/vnd.amazon.eventstream",
    ),
    "invoke": Recording(
        f"{_BEDROCK_ROOT}/invoke",
        None,
        document(_INVOKED),
        {**_BEDROCK_ROW, "response_id": "msg_bdrk_river"},
        headers=[("X-Amzn-Bedrock-Input-Token-Count", "33"), ("X-Amzn-Bedrock-Output-Token-Count", "22")],
    ),
    "invoke_stream": Recording(
        f"{_BEDROCK_ROOT}/invoke-with-response-stream",
        None,
        [event("chunk", {"bytes": base64.b64encode(json.dumps(value).encode()).decode(), "p": "abcdef"}) for value in _INVOKE_EVENTS],
        {**_BEDROCK_ROW, "response_id": "msg_bdrk_river"},
        stream=True,
        content_type="application/vnd.amazon.eventstream",
    ),
}

SHELVES = {
    "openai": OPENAI,
    "anthropic": ANTHROPIC,
    "google": GOOGLE,
    "mistral": MISTRAL,
    "cohere": COHERE,
    "ollama": OLLAMA,
    "aws-bedrock": BEDROCK,
}


def find(shelf: str, request: Message) -> Recording | None:
    """The recording that a request to a provider asks for: by path, and by model and `stream` where its body names them."""
    try:
        body = json.loads(bytes(request.body) or b"{}")
    except ValueError:
        return None
    for recording in SHELVES[shelf].values():
        asked = request.path == recording.path and (recording.model is None or body.get("model") == recording.model)
        if asked and (recording.model is None or bool(body.get("stream")) == recording.stream):
            return recording
    return None


def replay(shelf: str, delay: float = 0.0) -> Any:
    """A responder that plays one provider; what no recording matches gets 599 with the reason."""

    def respond(request: Message) -> Answer:
        recording = find(shelf, request)
        if recording is None:
            return answer(599, [("Content-Type", "text/plain")], f"no recording for {request.start_line} {bytes(request.body)!r}".encode())
        return recording.answer(delay)

    return respond
