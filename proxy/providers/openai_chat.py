"""OpenAI's chat completions, whole and streamed, as dozens of compatible hosts speak them.

Source: platform.openai.com/docs/api-reference/chat, /chat-streaming. A chunk's `delta` and a whole answer's `message` are read alike.
"""

from __future__ import annotations

from typing import Any

from proxy.exchange import Captured, Reading, ToolCall
from proxy.providers.base import BaseReader
from proxy.providers.compatible import SENDS_DONE, metrics_of, reported_cost, usage_of
from proxy.providers.errors import ReadError, describe_error, read_error
from proxy.providers.fields import items, mapping, text, word
from proxy.streams.json_value import json_text


class _Call:
    """One tool call while it grows."""

    __slots__ = ("arguments", "id", "name")

    def __init__(self) -> None:
        self.id: str | None = None
        self.name = ""
        self.arguments: list[str] = []


class _Choice:
    """One choice while it grows."""

    __slots__ = ("calls", "finish", "reasoning", "refusal", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.calls: list[tuple[Any, _Call]] = []  # with the index they came under
        self.finish: str | None = None


class ChatReader(BaseReader):
    """Reads one chat completion."""

    dialect = "openai.chat"
    operation = "chat"
    source = "https://platform.openai.com/docs/api-reference/chat"
    reads = (
        "text, all choices' finish reasons, tool calls, refusal, reasoning, tokens (cached, written, reasoning, audio), tier, "
        "error, vLLM's and llama.cpp's timings"
    )
    unknown = "usage of a stream without `include_usage` (then estimated where all text is known); hidden reasoning's text"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._id: str | None = None
        self._model: str | None = None
        self._tier: str | None = None
        self._fingerprint: str | None = None
        self._usage: dict[str, Any] = {}
        self._gateway: dict[str, Any] = {}  # Vercel's routing, with a cost where usage has none
        self._metrics: str | None = None
        self._choices: dict[Any, _Choice] = {}
        self._error: ReadError | None = None
        self._done = False

    @staticmethod
    def recognises(document: Any) -> bool:
        """Whether a document or event looks like a chat completion."""
        if not isinstance(document, dict) or not isinstance(document.get("choices"), list):
            return False
        kind = document.get("object")
        if isinstance(kind, str) and kind.startswith("chat.completion"):
            return True
        first = mapping(document["choices"][0]) if document["choices"] else {}
        return isinstance(first.get("message"), dict) or isinstance(first.get("delta"), dict)

    def feed(self, name: str | None, data: Any) -> None:
        """Take one chunk, `[DONE]`, or the whole completion."""
        if type(data) is not dict:
            if data == "[DONE]":
                self._done = True
            elif name == "error":
                self._error = self._error or describe_error(data)
            elif not isinstance(data, str) or (self.captured.status or 0) >= 400:
                self._error = self._error or read_error(self.captured, data)
            return
        choices = data.get("choices")
        if type(choices) is list:
            for choice in choices:
                if type(choice) is dict:
                    self._choice(choice)
        if self._id is None or self._model is None:
            self._id = self._id or text(data.get("id")) or None
            self._model = self._model or text(data.get("model")) or None
            self._fingerprint = text(data.get("system_fingerprint")) or self._fingerprint
        if tier := data.get("service_tier"):
            self._tier = word(tier) or self._tier
        if usage := data.get("usage"):
            self._take_usage(usage)
        elif groq := mapping(data.get("x_groq")):
            self._take_usage(groq.get("usage"))
            if groq.get("error"):
                self._error = self._error or describe_error(groq["error"])
        if self._metrics is None and ("metrics" in data or "timings" in data):
            self._metrics = metrics_of(data)
        if "error" in data or not choices:
            self._odd(name, data)

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        choices = list(self._choices.values())
        if len(choices) > 1:
            choices = [self._choices[key] for key in sorted(self._choices, key=lambda key: key if type(key) is int else 1 << 30)]
        first = choices[0] if choices else _NOTHING
        kind, message = self._error or (None, None)
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=text(self.request.get("model")),
            response_model=self._model,
            response_id=self._id,
            usage=usage_of(self._usage, thoughts_apart="gemini" in (self._model or "")) if self._usage else None,
            service_tier_requested=word(self.request.get("service_tier")),
            service_tier=self._tier,
            finish_reasons=tuple([choice.finish for choice in choices if choice.finish is not None]),
            tool_calls=tuple(
                [ToolCall(call.id, call.name, "".join(call.arguments)) for choice in choices for _, call in choice.calls if call.name]
            ),
            output_text="".join(first.texts) or None,
            reasoning_text="".join(first.reasoning) or None,
            refusal="".join(first.refusal) or None,
            error_type=kind,
            error_message=message,
            terminal=self._terminal(choices) if self.is_stream else None,
            reported_cost_usd=self._cost(),
            system_fingerprint=self._fingerprint,
            metrics=self._metrics,
        )

    def _terminal(self, choices: list[_Choice]) -> bool | None:
        if self._error is not None:
            return False
        if self._done:
            return True
        finished = bool(choices) and all(choice.finish for choice in choices)
        return finished and (self.captured.dialect_hint or self.captured.upstream) not in SENDS_DONE

    def _cost(self) -> Any:
        cost = reported_cost(self._usage, self.captured.response_headers)
        return reported_cost(self._gateway) if cost is None and self._gateway else cost

    def _choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index")
        if type(index) is not int:
            index = len(self._choices) if self.is_stream is False else 0
        kept = self._choices.get(index)
        if kept is None:
            kept = self._choices[index] = _Choice()
        part = choice.get("delta" if self.is_stream else "message")  # Perplexity sends both, each full in its own kind of answer
        if type(part) is not dict:
            part = choice.get("message" if self.is_stream else "delta")
        if type(part) is dict:
            content = part.get("content")
            if type(content) is str:
                if content:
                    kept.texts.append(content)
            elif content is not None:
                _take_content(kept, content)
            if content is None or len(part) > 1:
                self._take_rest(kept, part, content)
        elif type(piece := choice.get("text")) is str and piece:
            kept.texts.append(piece)
        finish = choice.get("finish_reason")
        if finish is None:
            finish = mapping(choice.get("finish_details")).get("type") if "finish_details" in choice else None
        if finish is not None:
            kept.finish = word(finish) or kept.finish
        if choice.get("error"):
            self._error = self._error or describe_error(choice["error"])

    def _take_rest(self, kept: _Choice, part: dict[str, Any], content: Any) -> None:
        """Take what stands beside the content: reasoning, refusal, calls, audio, a gateway's notes."""
        reasoning = part.get("reasoning_content") or part.get("reasoning")
        if reasoning:
            if isinstance(reasoning, str):
                kept.reasoning.append(reasoning)
        elif details := part.get("reasoning_details"):
            for detail in items(details):
                kept.reasoning.append(text(mapping(detail).get("text")) or text(mapping(detail).get("summary")) or "")
        if refusal := text(part.get("refusal")):
            kept.refusal.append(refusal)
        if calls := part.get("tool_calls"):
            for call in items(calls):
                _take_call(kept, mapping(call))
        if (function := part.get("function_call")) and isinstance(function, dict):
            _take_call(kept, {"index": "function_call", "function": function})
        if not content and (transcript := text(mapping(part.get("audio")).get("transcript"))):
            kept.texts.append(transcript)
        if gateway := mapping(part.get("provider_metadata")).get("gateway"):
            self._gateway = mapping(gateway)

    def _take_usage(self, usage: Any) -> None:
        """Keep the last usage: hosts that send one with each chunk send what has come to be so far."""
        if type(usage) is dict and usage:
            self._usage = usage
            if tier := word(usage.get("service_tier")):
                self._tier = self._tier or tier

    def _odd(self, name: str | None, data: dict[str, Any]) -> None:
        """Look for an error where a chunk has one, or nothing else."""
        if self._error is None and (name == "error" or not data.get("choices")):
            self._error = read_error(self.captured, data)
            if self._error is None and name == "error":
                self._error = describe_error(data)
        elif self._error is None and data.get("error"):
            self._error = describe_error(data["error"])


class CortexReader(ChatReader):
    """Reads Snowflake Cortex's `inference:complete`: chunks like OpenAI's, without a finish reason or an end of their own."""

    dialect = "snowflake.complete"
    source = "https://docs.snowflake.com/user-guide/snowflake-cortex/cortex-rest-api"
    reads = "text, tool calls, tokens, error"
    unknown = "finish reasons and the end of a stream, which the dialect does not tell"

    def _terminal(self, choices: list[_Choice]) -> bool | None:
        return False if self._error is not None else None


_NOTHING = _Choice()


def _take_content(kept: _Choice, content: Any) -> None:
    """Take content that is no text: a list of parts (Mistral, Databricks), or an object (Cloudflare's JSON mode)."""
    if isinstance(content, dict):
        kept.texts.append(json_text(content))
    for told in items(content):
        if isinstance(told, str):
            kept.texts.append(told)
            continue
        part = mapping(told)
        kind = part.get("type")
        if kind == "thinking":
            kept.reasoning.append(_flat(part.get("thinking")))
        elif kind == "reasoning":
            kept.reasoning.append(_flat(part.get("summary") or part.get("text")))
        elif kind == "refusal":
            kept.refusal.append(text(part.get("refusal")) or "")
        elif piece := text(part.get("text")):
            kept.texts.append(piece)


def _flat(value: Any) -> str:
    """The text of a text, or of a list of parts with texts."""
    if isinstance(value, str):
        return value
    return "".join(text(mapping(part).get("text")) or "" for part in items(value))


def _take_call(kept: _Choice, data: dict[str, Any]) -> None:
    """Take a tool call or a piece of one.

    Pieces belong together by index. Hosts that send no index send whole calls, or pieces after the call's id; some count every parallel
    call as 0, which shows by another id that comes with a name.
    """
    function = data.get("function")
    if not isinstance(function, dict):
        function = mapping(data.get("custom"))
    index, identity, name = data.get("index"), text(data.get("id")) or None, text(function.get("name")) or ""
    call: _Call | None = None
    if index is not None:
        call = next((known for at, known in reversed(kept.calls) if at == index), None)
        if call is not None and name and identity is not None and call.id not in (None, identity):
            call = None
    elif identity is not None:
        call = next((known for _, known in kept.calls if known.id == identity), None)
    elif kept.calls and not name:
        call = kept.calls[-1][1]
    if call is None:
        call = _Call()
        kept.calls.append((index, call))
    call.id = call.id or identity
    call.name = call.name or name
    arguments = function.get("arguments", function.get("input"))
    if isinstance(arguments, str):
        call.arguments.append(arguments)
    elif arguments is not None:
        call.arguments.append(json_text(arguments))
