"""Answers in each provider's wire format, for the demo's upstream: a request's JSON in, status, content type and timed pieces out.

Pure: the clock and the serial number are handed in. The shapes follow the providers' public API references.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from proxy.demo.shop import Topic, tokens, topic_of


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request asks, whatever its dialect."""

    body: dict[str, Any]
    model: str
    question: str  # the last thing the customer said
    prompt_tokens: int  # of the whole request
    shared_tokens: int  # of the part that is the same in every request: the system prompt
    cached: bool  # the shared part was seen before
    serial: int
    now: int  # Unix seconds

    @property
    def topic(self) -> Topic:
        """The topic of the question."""
        return topic_of(self.question)

    @property
    def cache_read(self) -> int:
        """Tokens that come from the provider's prompt cache; providers cache from 1,024 tokens on."""
        return self.shared_tokens if self.cached and self.shared_tokens >= 1024 else 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: one piece for a plain answer, many for a stream."""

    status: int
    content_type: str
    pieces: tuple[bytes, ...]
    streamed: bool = False
    cut: bool = False  # the connection breaks in the middle
    retry_after: int | None = None  # seconds


def document(value: Any, status: int = 200, **extra: Any) -> Answer:
    """A JSON answer."""
    return Answer(status, "application/json", (json.dumps(value, ensure_ascii=False).encode(),), **extra)


def events(frames: Iterable[str], topic: Topic) -> Answer:
    """An SSE answer, cut where the topic is made to break off."""
    return Answer(200, "text/event-stream", tuple(frame.encode() for frame in frames), streamed=True, cut=topic.mood == "cut")


def words(text: str) -> list[str]:
    """A text in the pieces a model streams it in."""
    parts = text.split(" ")
    return [part if index == 0 else f" {part}" for index, part in enumerate(parts)]


def _data(value: Any) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def _event(value: dict[str, Any]) -> str:
    return f"event: {value['type']}\n{_data(value)}"


# OpenAI, and Mistral, which speaks the same


def _openai_usage(ask: Ask, text: str, thought: int) -> dict[str, Any]:
    output = tokens(text) + thought
    return {
        "prompt_tokens": ask.prompt_tokens,
        "completion_tokens": output,
        "total_tokens": ask.prompt_tokens + output,
        "prompt_tokens_details": {"cached_tokens": ask.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": thought, "audio_tokens": 0},
    }


def openai_chat(ask: Ask) -> Answer:
    """POST /v1/chat/completions, as one document or as SSE. https://platform.openai.com/docs/api-reference/chat"""
    topic, refused = ask.topic, ask.topic.mood == "refuse"
    thought = 64 if ask.model.startswith("gpt-5") else 0
    usage = _openai_usage(ask, topic.answer, thought)
    head = {"id": f"chatcmpl-demo{ask.serial:06d}", "created": ask.now, "model": ask.model, "service_tier": "default"}
    if not ask.body.get("stream"):
        message = {"role": "assistant", "content": None if refused else topic.answer, "refusal": topic.answer if refused else None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return document({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
    field = "refusal" if refused else "content"
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", field: ""}, None)]
    deltas += [({field: word}, None) for word in words(topic.answer)]
    deltas += [({}, "stop")]
    chunk = {**head, "object": "chat.completion.chunk"}
    frames = [_data({**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}) for delta, finish in deltas]
    if (ask.body.get("stream_options") or {}).get("include_usage"):
        frames.append(_data({**chunk, "choices": [], "usage": usage}))
    return events([*frames, "data: [DONE]\n\n"], topic)


def mistral_chat(ask: Ask) -> Answer:
    """POST /v1/chat/completions of Mistral, one document. https://docs.mistral.ai/api"""
    output = tokens(ask.topic.answer)
    choice = {"index": 0, "message": {"role": "assistant", "content": ask.topic.answer, "tool_calls": None}, "finish_reason": "stop"}
    usage = {"prompt_tokens": ask.prompt_tokens, "completion_tokens": output, "total_tokens": ask.prompt_tokens + output}
    head = {"id": f"demo{ask.serial:028x}", "object": "chat.completion", "created": ask.now, "model": ask.model}
    return document({**head, "choices": [choice], "usage": usage})


def openai_responses(ask: Ask) -> Answer:
    """POST /v1/responses, as one document or as SSE. https://platform.openai.com/docs/api-reference/responses"""
    text, thought = ask.topic.answer, 128
    output = tokens(text) + thought
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"id": f"msg_demo{ask.serial:06d}", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    usage = {
        "input_tokens": ask.prompt_tokens,
        "input_tokens_details": {"cached_tokens": ask.cache_read},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": ask.prompt_tokens + output,
    }
    head = {"id": f"resp_demo{ask.serial:06d}", "object": "response", "created_at": ask.now, "model": ask.model, "service_tier": "default"}
    done = {**head, "status": "completed", "error": None, "output": [item], "usage": usage}
    if not ask.body.get("stream"):
        return document(done)
    begun = {**head, "status": "in_progress", "error": None, "output": [], "usage": None}
    at = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    story: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "status": "in_progress", "content": []}},
        {"type": "response.content_part.added", **at, "part": {**part, "text": ""}},
        *({"type": "response.output_text.delta", **at, "delta": word} for word in words(text)),
        {"type": "response.output_text.done", **at, "text": text},
        {"type": "response.content_part.done", **at, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": done},
    ]
    return events((_event({**event, "sequence_number": number}) for number, event in enumerate(story)), ask.topic)


def openai_embeddings(ask: Ask) -> Answer:
    """POST /v1/embeddings, base64 as the official SDK asks for. https://platform.openai.com/docs/api-reference/embeddings"""
    given = ask.body.get("input")
    texts = given if isinstance(given, list) else [str(given)]
    size = int(ask.body.get("dimensions") or 256)
    data = []
    for index, text in enumerate(texts):
        vector = [((len(text) * (place + 7)) % 211 - 105) / 1000 for place in range(size)]
        coded = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": coded if ask.body.get("encoding_format") == "base64" else vector})
    usage = {"prompt_tokens": ask.prompt_tokens, "total_tokens": ask.prompt_tokens}
    return document({"object": "list", "model": ask.model, "data": data, "usage": usage})


# Anthropic


def anthropic_messages(ask: Ask) -> Answer:
    """POST /v1/messages, with prompt caching and a tool call, as one document or as SSE. https://docs.claude.com/en/api/messages"""
    block, stop = _anthropic_block(ask)
    said = block.get("text") or json.dumps(block.get("input"))
    read, written = ask.cache_read, 0 if ask.cached else ask.shared_tokens
    usage = {
        "input_tokens": ask.prompt_tokens - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": tokens(said) + 20,
        "service_tier": "standard",
    }
    head = {"id": f"msg_demo{ask.serial:06d}", "type": "message", "role": "assistant", "model": ask.model}
    if not ask.body.get("stream"):
        return document({**head, "content": [block], "stop_reason": stop, "stop_sequence": None, "usage": usage})
    return events((_event(event) for event in _anthropic_story(head, block, stop, usage)), ask.topic)


def _anthropic_block(ask: Ask) -> tuple[dict[str, Any], str]:
    last = (ask.body.get("messages") or [{}])[-1].get("content")
    answered = isinstance(last, list) and any(part.get("type") == "tool_result" for part in last)
    if ask.topic.word.startswith("order") and ask.body.get("tools") and not answered:
        tool = ask.body["tools"][0]["name"]
        return {"type": "tool_use", "id": f"toolu_demo{ask.serial:06d}", "name": tool, "input": {"order_id": "CK-1042"}}, "tool_use"
    return {"type": "text", "text": ask.topic.answer}, "refusal" if ask.topic.mood == "refuse" else "end_turn"


def _anthropic_story(head: dict[str, Any], block: dict[str, Any], stop: str, usage: dict[str, Any]) -> Iterator[dict[str, Any]]:
    begun = {**head, "content": [], "stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": begun}
    if block["type"] == "tool_use":
        yield {"type": "content_block_start", "index": 0, "content_block": {**block, "input": {}}}
        text = json.dumps(block["input"])
        for piece in (text[:7], text[7:]):
            yield {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}}
    else:
        yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        yield {"type": "ping"}
        for word in words(block["text"]):
            yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
    yield {"type": "content_block_stop", "index": 0}
    delta = {"stop_reason": stop, "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": usage["output_tokens"]}}
    yield {"type": "message_stop"}


# Gemini, Cohere, Ollama


def gemini(ask: Ask, *, streamed: bool) -> Answer:
    """POST …:generateContent, or …:streamGenerateContent?alt=sse. https://ai.google.dev/api/generate-content"""
    text, thought = ask.topic.answer, 48
    usage = {
        "promptTokenCount": ask.prompt_tokens,
        "candidatesTokenCount": tokens(text),
        "thoughtsTokenCount": thought,
        "totalTokenCount": ask.prompt_tokens + tokens(text) + thought,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": ask.prompt_tokens}],
    }
    if ask.cache_read:
        usage["cachedContentTokenCount"] = ask.cache_read
    tail = {"usageMetadata": usage, "modelVersion": ask.model, "responseId": f"demo{ask.serial:018d}"}

    def turn(piece: str, finish: str | None) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"parts": [{"text": piece}], "role": "model"}, "index": 0}
        return {"candidates": [candidate | ({"finishReason": finish} if finish else {})], **tail}

    if not streamed:
        return document(turn(text, "STOP"))
    parts = words(text)
    lines = ["".join(parts[start : start + 6]) for start in range(0, len(parts), 6)]
    frames = (f"data: {json.dumps(turn(line, 'STOP' if line is lines[-1] else None), ensure_ascii=False)}\r\n\r\n" for line in lines)
    return events(frames, ask.topic)


def cohere_chat(ask: Ask) -> Answer:
    """POST /v2/chat, one document. https://docs.cohere.com/reference/chat"""
    counted = {"input_tokens": ask.prompt_tokens, "output_tokens": tokens(ask.topic.answer)}
    message = {"role": "assistant", "content": [{"type": "text", "text": ask.topic.answer}]}
    usage = {"billed_units": counted, "tokens": {**counted, "input_tokens": ask.prompt_tokens + 62}}
    return document({"id": f"00000000-0000-4000-8000-{ask.serial:012d}", "finish_reason": "COMPLETE", "message": message, "usage": usage})


def ollama_chat(ask: Ask) -> Answer:
    """POST /api/chat as NDJSON, which is Ollama's default. https://github.com/ollama/ollama/blob/main/docs/api.md"""
    head = {"model": ask.model, "created_at": "2026-01-01T00:00:00Z"}
    lines: list[dict[str, Any]] = [
        {**head, "message": {"role": "assistant", "content": word}, "done": False} for word in words(ask.topic.answer)
    ]
    counts = {"prompt_eval_count": ask.prompt_tokens, "eval_count": tokens(ask.topic.answer), "total_duration": 900_000_000}
    lines.append({**head, "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop", **counts})
    return Answer(200, "application/x-ndjson", tuple(f"{json.dumps(line, ensure_ascii=False)}\n".encode() for line in lines), streamed=True)


# Errors


def unauthorised() -> Answer:
    """401 as OpenAI says it."""
    error = {
        "message": "Incorrect API key provided: sk-demo-***.",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
    return document({"error": error}, 401)


def rate_limited() -> Answer:
    """429 as OpenAI says it, with the time to wait."""
    error = {"message": "Rate limit reached. Try again in 1s.", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
    return document({"error": error}, 429, retry_after=1)
