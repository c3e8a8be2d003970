"""Reads what a logged request said to the model, whichever dialect it was said in: messages, tool calls and results, documents.

Shapes are told apart by their keys and not by the dialect's name, since gateways rename paths and models but not fields. Pure: JSON
values in, plain tuples out; a shape nobody knows gives nothing and never raises.
Sources: the providers' API references for chat completions, responses, messages, generateContent, Converse, Cohere chat v1 and v2,
Ollama, text completions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from proxy.providers.fields import items, mapping, text
from proxy.streams.json_value import json_text


class Call(NamedTuple):
    """A tool call: by the answer at hand, or by an earlier answer in the history."""

    call_id: str | None
    name: str
    arguments: str  # the provider's text where it sends text, else its JSON


class ToolResult(NamedTuple):
    """What the client says a tool gave back."""

    call_id: str | None
    name: str | None
    text: str
    is_error: bool  # the client's own mark; False also where its dialect has none


class Document(NamedTuple):
    """One retrieved text that was supplied with the question."""

    document_id: str | None
    text: str
    title: str | None = None
    rank: int | None = None
    relevance: float | None = None
    source: str | None = None


class Message(NamedTuple):
    """One message of the request."""

    role: str  # system | user | assistant | tool
    text: str
    calls: tuple[Call, ...] = ()
    results: tuple[ToolResult, ...] = ()
    documents: tuple[Document, ...] = ()
    attachments: int = 0  # images, files, sounds: what is no text


_ROLES: Final = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "model": "assistant",
    "chatbot": "assistant",
    "ai": "assistant",
    "tool": "tool",
    "function": "tool",
}

_NO_CONTENT: Final = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_text", "tool_addition", "refusal"})


def messages(request: Any) -> tuple[Message, ...]:
    """All messages of a request in order, the system's words first."""
    asked = mapping(request)
    found = list(_system(asked))
    if isinstance(asked.get("messages"), list):
        found += [_message(mapping(item)) for item in asked["messages"]]
    elif "contents" in asked:
        contents = asked["contents"]
        for item in contents if isinstance(contents, list) else [contents]:
            found.append(Message("user", item) if isinstance(item, str) else _message(mapping(item)))
    elif isinstance(asked.get("message"), str):
        found += _cohere_first(asked)
    elif isinstance(asked.get("input"), list):
        found += _responses(asked["input"])
    else:
        for key in ("input", "prompt", "inputText", "inputs"):
            said = asked.get(key)
            if isinstance(said, list):
                said = "\n".join(part for part in said if isinstance(part, str))
            if isinstance(said, str) and said:
                found.append(Message("user", said))
                break
    return tuple(found)


def documents(request: Any, said: tuple[Message, ...]) -> tuple[Document, ...]:
    """The documents a request supplies in fields of their own and as parts of messages."""
    found = [document for item in items(mapping(request).get("documents")) if (document := _document(item)) is not None]
    for message in said:
        found += message.documents
    return tuple(found)


def _system(asked: Mapping[str, Any]) -> Iterator[Message]:
    for key in ("system", "systemInstruction", "system_instruction", "instructions", "preamble"):
        said = asked.get(key)
        if said:
            words = _words(said.get("parts")) if isinstance(said, dict) else _words(said)
            if words:
                yield Message("system", words)


def _message(item: dict[str, Any]) -> Message:
    """One message of chat completions, Messages, Converse, Gemini or Cohere v2."""
    role = _ROLES.get(str(item.get("role", "user")).lower(), "user")
    content = item.get("content", item.get("parts"))
    if role == "tool":
        docs = tuple(_documents_of(content))
        said = _words(content) or "\n".join(document.text for document in docs)
        return Message("tool", "", (), (ToolResult(text(item.get("tool_call_id")), text(item.get("name")), said, False),), docs)
    calls = [_openai_call(call) for call in items(item.get("tool_calls"))]
    if isinstance(item.get("function_call"), dict):
        calls.append(_openai_call({"function": item["function_call"]}))
    if isinstance(content, str):
        return Message(role, content, tuple(calls))
    results: list[ToolResult] = []
    docs_found: list[Document] = []
    words: list[str] = []
    attachments = 0
    for part in items(content) if isinstance(content, list) else [content]:
        if isinstance(part, str):
            words.append(part)
        elif isinstance(part, dict):
            attachments += not _part(part, words, calls, results, docs_found)
    if results and not words:
        role = "tool"
    return Message(role, "\n".join(words), tuple(calls), tuple(results), tuple(docs_found), attachments)


def _part(part: dict[str, Any], words: list[str], calls: list[Call], results: list[ToolResult], docs: list[Document]) -> bool:
    """Read one part; False: it is no text (an image, a file, a sound)."""
    said = part.get("text")
    if isinstance(said, str):
        if not part.get("thought"):
            words.append(said)
        return True
    kind = part.get("type")
    if kind in ("tool_use", "server_tool_use", "mcp_tool_use"):
        calls.append(Call(text(part.get("id")), str(part.get("name") or ""), json_text(part.get("input"))))
    elif kind in ("tool_result", "mcp_tool_result"):
        content = part.get("content")
        docs.extend(_documents_of(content))
        results.append(ToolResult(text(part.get("tool_use_id")), None, _words(content), part.get("is_error") is True))
    elif kind in ("document", "search_result") or "document" in part:
        found = list(_documents_of([part]))
        docs.extend(found)
        return bool(found)
    elif "toolUse" in part:
        use = mapping(part["toolUse"])
        calls.append(Call(text(use.get("toolUseId")), str(use.get("name") or ""), json_text(use.get("input"))))
    elif "toolResult" in part:
        result = mapping(part["toolResult"])
        results.append(ToolResult(text(result.get("toolUseId")), None, _words(result.get("content")), result.get("status") == "error"))
    elif "functionCall" in part or "function_call" in part:
        call = mapping(part.get("functionCall") or part.get("function_call"))
        calls.append(Call(text(call.get("id")), str(call.get("name") or ""), json_text(call.get("args"))))
    elif "functionResponse" in part or "function_response" in part:
        answered = mapping(part.get("functionResponse") or part.get("function_response"))
        given = answered.get("response")
        failed = isinstance(given, dict) and given.get("error") not in (None, "", False) and "error" in given
        results.append(ToolResult(text(answered.get("id")), text(answered.get("name")), json_text(given), failed))
    elif "guardContent" in part:
        words.append(_words([mapping(mapping(part["guardContent"]).get("text"))]))
    else:
        return kind in _NO_CONTENT or "cachePoint" in part or "reasoningContent" in part
    return True


def _openai_call(call: Any) -> Call:
    function = mapping(mapping(call).get("function"))
    arguments = function.get("arguments")
    said = arguments if isinstance(arguments, str) else json_text(arguments)
    return Call(text(mapping(call).get("id")), str(function.get("name") or ""), said)


def _responses(entries: list[Any]) -> Iterator[Message]:
    """The items of the Responses API (and of Gemini's interactions)."""
    for entry in entries:
        item = mapping(entry)
        kind = item.get("type")
        if "role" in item and "content" in item:
            yield _message(item)
        elif kind in ("function_call", "custom_tool_call"):
            said = item.get("arguments", item.get("input"))
            call = Call(text(item.get("call_id")), str(item.get("name") or ""), said if isinstance(said, str) else json_text(said))
            yield Message("assistant", "", (call,))
        elif kind in ("function_call_output", "custom_tool_call_output"):
            output = item.get("output")
            yield Message("tool", "", (), (ToolResult(text(item.get("call_id")), None, _words(output), False),))
        elif isinstance(item.get("text"), str):
            yield Message("user", item["text"])
        elif isinstance(entry, str):
            yield Message("user", entry)


def _cohere_first(asked: Mapping[str, Any]) -> Iterator[Message]:
    """Cohere's chat v1."""
    for item in items(asked.get("chat_history")):
        said = mapping(item)
        yield Message(_ROLES.get(str(said.get("role", "user")).lower(), "user"), _words(said.get("message")))
    for item in items(asked.get("tool_results")):
        name = text(mapping(mapping(item).get("call")).get("name"))
        yield Message("tool", "", (), (ToolResult(None, name, json_text(mapping(item).get("outputs")), False),))
    yield Message("user", str(asked["message"]))


def _words(value: Any) -> str:
    """All text in a content value: text itself, parts with text, JSON as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if not isinstance(value, list):
        return _words([value])
    found: list[str] = []
    for part in value:
        if isinstance(part, str):
            found.append(part)
        elif isinstance(part, dict):
            said = part.get("text")
            if isinstance(said, str):
                found.append(said)
            elif "json" in part:
                found.append(json_text(part["json"]))
            elif part.get("type") == "search_result":
                found.append(_words(part.get("content")))
            elif "type" not in part and not {"image", "document", "source"} & part.keys():
                found.append(json_text(part))
    return "\n".join(found)


def _documents_of(parts: Any) -> Iterator[Document]:
    """Document parts: Anthropic's document and search_result, Converse's document, Cohere v2's document in a tool message."""
    for entry in items(parts):
        part = mapping(entry)
        if part.get("type") == "search_result":
            yield Document(text(part.get("source")), _words(part.get("content")), text(part.get("title")))
        elif isinstance(part.get("document"), dict):
            inner = part["document"]
            if "source" in inner:  # Converse
                said = mapping(inner["source"]).get("text")
                if isinstance(said, str):
                    yield Document(text(inner.get("name")), said, text(inner.get("name")))
            else:
                document = _document(inner)
                if document is not None:
                    yield document
        elif part.get("type") == "document":
            source = mapping(part.get("source"))
            said = source.get("data") if source.get("type") == "text" else _words(source.get("content"))
            if isinstance(said, str) and said:
                yield Document(None, said, text(part.get("title")))


def _document(item: Any) -> Document | None:
    """A document in a field of its own: a text, Cohere v1's flat one, or v2's with `data`."""
    if isinstance(item, str):
        return Document(None, item)
    given = mapping(item)
    data = given.get("data", given)
    if isinstance(data, str):
        said = data
    else:
        fields = {key: value for key, value in mapping(data).items() if key not in ("id", "title", "_excludes")}
        said = "\n".join(value if isinstance(value, str) else json_text(value) for value in fields.values())
    if not said:
        return None
    return Document(text(given.get("id")), said, text(mapping(data).get("title")))
