"""Counts the tokens of an OpenAI-like exchange whose provider reported none, where all its text is known; else says nothing.

What the wire does not show is not guessed: pictures, sound, files, server-side tools, stored conversations, further choices and
hidden reasoning leave the usage unknown. How a chat becomes a prompt is OpenAI's published rule for GPT-3.5 and later; other
makers' models have other vocabularies and templates. The measured error of both stands in docs/pricing.md.
"""

from __future__ import annotations

import re
from typing import Any

from proxy.accounting.tokens import count_tokens
from proxy.exchange import Captured, Reading, Usage
from proxy.streams.json_value import json_text

A_MESSAGE = 3
"""Tokens around each message (OpenAI cookbook, "How to count tokens with tiktoken"); the role is counted as text."""
A_REPLY = 3
"""Tokens every reply is primed with (same source)."""
ALL_FUNCTIONS = 9
"""Tokens around the list of functions, 4 fewer beside a system message: measured on recorded exchanges, as are the two below."""
A_CALL = 7
"""Tokens around each tool call the model writes."""
SEVERAL_CALLS = 15
"""Further tokens where one message holds several calls: they are wrapped in a call of their own."""
TEMPLATES = (
    (re.compile(r".*gpt-oss"), 61, 10),  # the Harmony format's own system message, and its channels
    (re.compile(r".*llama-?3[.-][123]|.*llama3\.1"), 28, 1),  # "Cutting Knowledge Date: …"
)
"""Other makers' models whose chat template is published and adds to every exchange: (model, input tokens, output tokens)."""

_OPENAI = re.compile(r"(?:openai/|ft:)?(?:gpt-\d|gpt-3|chatgpt-|o\d|codex-|davinci-|babbage-)")
_HIDES_REASONING = re.compile(
    r"(?:.*/)?(?:o\d|gpt-[5-9]|codex-|grok-[34](?!.*non-reasoning)|grok-code|gemini-(?:2\.5|[3-9])|sonar-.*reasoning)"
)
_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "refusal"})
_ELSEWHERE = ("previous_response_id", "conversation", "prompt", "audio", "modalities", "web_search_options", "prediction", "suffix")


class _Unknown(Exception):
    """Something in the request whose tokens cannot be known from the wire."""


def estimate(captured: Captured, reading: Reading, request: Any) -> Usage | None:
    """The tokens of one exchange, counted by us; None where they were reported or cannot be known.

    request: the request body parsed as JSON. The caller marks the reading (`usage_estimated`) when it takes this usage over.
    """
    parts = {"openai.chat": _chat, "openai.responses": _responses, "openai.completions": _completion}.get(reading.dialect or "")
    if parts is None or reading.usage is not None or not isinstance(request, dict) or not _answered(captured, reading):
        return None
    model = (reading.response_model or reading.request_model or "").lower()
    if not _shows_all(request, reading, model):
        return None
    try:
        pieces, overhead = parts(request)
    except _Unknown:
        return None
    answer = [reading.output_text or "", reading.reasoning_text or "", reading.refusal or ""]
    for call in reading.tool_calls:
        answer += (call.name, call.arguments)
    written = _calls(len(reading.tool_calls)) + (1 if reading.dialect == "openai.responses" else 0)
    for template, before, after in TEMPLATES:
        if reading.dialect == "openai.chat" and template.match(model):
            overhead, written = overhead + before, written + after
    return Usage(
        input_tokens=count_tokens(pieces, model) + overhead,
        output_tokens=count_tokens(answer, model) + written,
        reasoning_tokens=count_tokens([reading.reasoning_text], model) if reading.reasoning_text else None,
    )


def _calls(number: int) -> int:
    return A_CALL * number + (SEVERAL_CALLS if number > 1 else 0)


def _answered(captured: Captured, reading: Reading) -> bool:
    """Whether the exchange succeeded, gave something, and was kept whole."""
    succeeded = (
        captured.status is not None and 200 <= captured.status < 300 and reading.error_type is None and reading.error_message is None
    )
    whole = not captured.request_truncated and not captured.response_truncated and reading.unread is None
    return succeeded and whole and bool(reading.output_text or reading.tool_calls or reading.refusal)


def _shows_all(request: dict[str, Any], reading: Reading, model: str) -> bool:
    """Whether what was generated is what was shown: one choice, and no reasoning behind the scenes."""
    several = any(request.get(key) not in (None, 1) for key in ("n", "best_of")) or len(reading.finish_reasons) > 1
    elsewhere = any(request.get(key) is not None for key in _ELSEWHERE if not (key == "prompt" and reading.dialect == "openai.completions"))
    reasoning = request.get("reasoning")
    effort = request.get("reasoning_effort") or (reasoning.get("effort") if isinstance(reasoning, dict) else None)
    hidden = _HIDES_REASONING.match(model) is not None and effort != "none"
    foreign = _OPENAI.match(model) is None and (reading.dialect == "openai.responses" or bool(reading.tool_calls) or _shapes(request))
    return not several and not elsewhere and not hidden and not foreign


def _shapes(request: dict[str, Any]) -> bool:
    """Whether the request carries functions or a schema, which every other maker writes into the prompt in a way of its own."""
    return any(request.get(key) for key in ("tools", "functions", "response_format", "text"))


def _completion(request: dict[str, Any]) -> tuple[list[str], int]:
    """Texts and further tokens of a completion's prompt: a text, or a list of token numbers."""
    prompt = request.get("prompt")
    if isinstance(prompt, str):
        return [prompt], 0
    if isinstance(prompt, list) and prompt and all(type(item) is int for item in prompt):
        return [], len(prompt)
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
        return [prompt[0]], 0
    raise _Unknown


def _chat(request: dict[str, Any]) -> tuple[list[str], int]:
    """Texts and further tokens of a chat: messages, functions and the answer's schema."""
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _Unknown
    pieces: list[str] = []
    overhead = A_REPLY
    for message in messages:
        if not isinstance(message, dict):
            raise _Unknown
        overhead += A_MESSAGE + _message(message, pieces)
    legacy = request.get("functions")
    functions = [_function(tool) for tool in _listed(request.get("tools"))] + [item for item in _listed(legacy) if isinstance(item, dict)]
    system = any(message.get("role") in ("system", "developer") for message in messages)
    overhead += _functions(functions, pieces) - (4 if functions and system else 0)
    schema = request.get("response_format")
    if isinstance(schema, dict) and "json_schema" in schema:
        inner = schema["json_schema"]
        pieces.append(json_text(inner.get("schema") if isinstance(inner, dict) else inner))
    return pieces, overhead


def _responses(request: dict[str, Any]) -> tuple[list[str], int]:
    """Texts and further tokens of a Responses request: instructions, input items, functions, schema."""
    pieces: list[str] = []
    overhead = A_REPLY
    instructions, given = request.get("instructions"), request.get("input")
    if isinstance(instructions, str) and instructions:
        overhead += A_MESSAGE + _message({"role": "developer", "content": instructions}, pieces)
    for item in [{"role": "user", "content": given}] if isinstance(given, str) else _listed(given):
        kind = item.get("type", "message") if isinstance(item, dict) else None
        if kind == "message":
            overhead += A_MESSAGE + _message(item, pieces)
        elif kind == "function_call":
            pieces += (_text(item.get("name")), _text(item.get("arguments")))
            overhead += A_CALL
        elif kind == "function_call_output":
            pieces.append(_text(item.get("output")))
            overhead += A_MESSAGE
        else:
            raise _Unknown
    functions = [_function(tool) for tool in _listed(request.get("tools"))]
    overhead += _functions(functions, pieces) - (6 if functions else 0)
    text = request.get("text")
    form = text.get("format") if isinstance(text, dict) else None
    if isinstance(form, dict) and "schema" in form:
        pieces.append(json_text(form["schema"]))
    return pieces, overhead


def _message(message: dict[str, Any], pieces: list[str]) -> int:
    """Adds a message's texts to `pieces`; returns what else it takes."""
    pieces.append(_text(message.get("role")))
    content = message.get("content")
    for part in content if isinstance(content, list) else [content]:
        words = part
        if isinstance(part, dict):
            if part.get("type", "text") not in _TEXT_PARTS:
                raise _Unknown
            words = part.get("text", part.get("refusal"))
        if words is not None:
            pieces.append(_text(words))
    extra = 0
    if isinstance(message.get("name"), str):
        pieces.append(message["name"])
        extra += 1
    calls = [call.get("function") if isinstance(call, dict) else None for call in _listed(message.get("tool_calls"))]
    for call in [*calls, *([message["function_call"]] if message.get("function_call") else [])]:
        if not isinstance(call, dict):
            raise _Unknown
        pieces += (_text(call.get("name")), _text(call.get("arguments")))
    return extra + _calls(len(calls) + (1 if message.get("function_call") else 0))


def _function(tool: Any) -> dict[str, Any]:
    """A function tool's definition, as chat nests it or as Responses does not; any other tool runs elsewhere."""
    if not isinstance(tool, dict) or tool.get("type", "function") != "function":
        raise _Unknown
    nested = tool.get("function", tool)
    if not isinstance(nested, dict):
        raise _Unknown
    return nested


def _functions(functions: list[dict[str, Any]], pieces: list[str]) -> int:
    """Adds the functions as the models are shown them, a TypeScript namespace; returns what else they take."""
    if not functions:
        return 0
    lines = ["namespace functions {\n"]
    for function in functions:
        if function.get("description"):
            lines.append(f"// {function['description']}")
        parameters = function.get("parameters")
        fields = _fields(parameters, 0) if isinstance(parameters, dict) and parameters.get("properties") else []
        lines += (
            [f"type {function.get('name')} = (_: {{", *fields, "}) => any;\n"]
            if fields
            else [f"type {function.get('name')} = () => any;\n"]
        )
    pieces.append("\n".join([*lines, "} // namespace functions"]))
    return ALL_FUNCTIONS


def _fields(schema: dict[str, Any], depth: int) -> list[str]:
    lines: list[str] = []
    properties = schema.get("properties")
    required = schema.get("required")
    for name, field in properties.items() if isinstance(properties, dict) else ():
        if not isinstance(field, dict):
            continue
        if field.get("description"):
            lines.append(f"// {field['description']}")
        optional = "" if isinstance(required, list) and name in required else "?"
        lines.append(f"{name}{optional}: {_type(field, depth)},")
    return lines


def _type(field: dict[str, Any], depth: int) -> str:
    if depth > 8:
        return "any"
    options = field.get("enum")
    if isinstance(options, list):
        return " | ".join(json_text(option) for option in options)
    either = field.get("anyOf")
    if isinstance(either, list):
        return " | ".join(_type(option, depth + 1) for option in either if isinstance(option, dict))
    kind = field.get("type")
    if kind == "array":
        items = field.get("items")
        return f"{_type(items, depth + 1)}[]" if isinstance(items, dict) else "any[]"
    if kind == "object":
        return "\n".join(["{", *_fields(field, depth + 1), "}"])
    return {"integer": "number", "string": "string", "number": "number", "boolean": "boolean", "null": "null"}.get(str(kind), "any")


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise _Unknown
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Unknown
    return value
