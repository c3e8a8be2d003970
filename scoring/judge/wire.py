"""What a question looks like on the wire: the request body of a dialect. Answers are read by the proxy's own readers."""

from __future__ import annotations

from typing import Any, Final

import orjson

from config.scoring import Judge
from proxy.exchange import Captured, Reading
from proxy.reading import read
from scoring.judge.prompt import Question

PATHS: Final = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
KEYS: Final = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
TOOL: Final = "grade"


def body(judge: Judge, question: Question) -> bytes:
    """The request body; the same question gives the same bytes."""
    make = _anthropic if judge.dialect == "anthropic" else _openai
    return orjson.dumps(make(judge, question))


def path(judge: Judge) -> str:
    """The path behind the upstream's name."""
    return judge.path or PATHS[judge.dialect]


def headers(judge: Judge, key: str | None) -> dict[str, str]:
    """What the dialect wants beside the body."""
    found = {"Content-Type": "application/json"}
    if judge.dialect == "anthropic":
        found["anthropic-version"] = "2023-06-01"
        if key:
            found["x-api-key"] = key
    elif key:
        found["Authorization"] = f"Bearer {key}"
    return found


def captured(judge: Judge, url: str, request: bytes, status: int, content_type: str, answer: bytes, at_ns: int) -> Captured:
    """One answered call in the form that readers take."""
    return Captured(
        upstream=judge.upstream,
        dialect_hint=None,
        upstream_url=url,
        method="POST",
        path=path(judge),
        query="",
        request_headers=(("content-type", "application/json"),),
        request_body=request,
        request_truncated=False,
        status=status,
        response_headers=(("content-type", content_type),),
        response_body=answer,
        response_truncated=False,
        accepted_at_ns=at_ns,
    )


def reading(call: Captured) -> Reading:
    """What the answer says: text, model, usage."""
    return read(call)


def said(found: Reading) -> str | None:
    """The judge's words: the arguments of the forced tool, else the text."""
    for call in found.tool_calls:
        if call.name == TOOL:
            return call.arguments
    return found.output_text


def _openai(judge: Judge, question: Question) -> dict[str, Any]:
    form: dict[str, Any] = {}
    if judge.structured == "json_schema":
        form["response_format"] = {"type": "json_schema", "json_schema": {"name": TOOL, "strict": True, "schema": question.schema}}
    elif judge.structured == "json_object":
        form["response_format"] = {"type": "json_object"}
    limit = {} if "max_completion_tokens" in judge.params else {"max_tokens": judge.max_tokens}
    return {
        "model": judge.model,
        "messages": [{"role": "system", "content": question.system}, {"role": "user", "content": question.user}],
        **limit,
        **judge.params,
        **form,
    }


def _anthropic(judge: Judge, question: Question) -> dict[str, Any]:
    form: dict[str, Any] = {}
    if judge.structured == "json_schema":
        tool = {"name": TOOL, "description": "State the seal and the grades.", "input_schema": question.schema}
        form = {"tools": [tool], "tool_choice": {"type": "tool", "name": TOOL}}
    return {
        "model": judge.model,
        "system": question.system,
        "messages": [{"role": "user", "content": question.user}],
        "max_tokens": judge.max_tokens,
        **judge.params,
        **form,
    }
