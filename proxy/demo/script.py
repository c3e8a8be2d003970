"""The demo's traffic: what the shop's three features send, by which provider's API, for which customers.

Each scene is one conversation; its requests go one after another. Models are real ones, so that the prices are real.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from proxy.demo.shop import HANDBOOK, LEAVES
from proxy.demo.upstream import BAD_KEY

KEY = "sk-demo-0000"
"""No secret: the demo's own server takes any key but the revoked one."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as an SDK would send it; the path begins with the upstream's name, as a base URL here does."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False  # the customer closes the window in the middle of the answer
    again: bool = False  # on 429 the client waits and tries again


Scene = tuple[Request, ...]


def scenes() -> tuple[Scene, ...]:
    """All conversations, in the order they begin."""
    return (*_support(), *_search(), *_summaries(), *_mishaps())


def count() -> int:
    """Requests in all; a retry after 429 is one more exchange."""
    return sum(1 + request.again for scene in scenes() for request in scene)


def _about(feature: str, user: str, version: str = "v3", session: str | None = None) -> dict[str, str]:
    told = {"feature": feature, "user": user, "prompt-version": version, "environment": "demo"} | ({"session": session} if session else {})
    return {f"goldwash-{name}": value for name, value in told.items()}


def _openai(model: str, question: str, about: dict[str, str], *, stream: bool = False, key: str = KEY, **flags: bool) -> Request:
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "system", "content": HANDBOOK}, {"role": "user", "content": question}],
        **({"stream": True, "stream_options": {"include_usage": True}} if stream else {}),
    }
    return Request("/openai/v1/chat/completions", body, {"authorization": f"Bearer {key}", **about}, **flags)


def _claude(model: str, messages: list[dict[str, Any]], about: dict[str, str], *, stream: bool = False, tools: bool = False) -> Request:
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": 1024,
        "system": [{"type": "text", "text": HANDBOOK, "cache_control": {"type": "ephemeral"}}],
        "messages": messages,
        **({"stream": True} if stream else {}),
    }
    if tools:
        schema = {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}
        body["tools"] = [{"name": "look_up_order", "description": "Where an order is.", "input_schema": schema}]
    return Request("/anthropic/v1/messages", body, {"x-api-key": KEY, "anthropic-version": "2023-06-01", **about})


def _gemini(model: str, question: str, about: dict[str, str], *, stream: bool = False) -> Request:
    body = {"systemInstruction": {"parts": [{"text": HANDBOOK}]}, "contents": [{"role": "user", "parts": [{"text": question}]}]}
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return Request(f"/google/v1beta/models/{model}:{verb}", body, {"x-goog-api-key": KEY, **about})


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _support() -> Iterator[Scene]:
    """The chat in the shop's corner: streams, prompt caching, a tool call, two prompt versions side by side."""
    questions = (
        ("mira", "When will my parcel arrive? I live on an island."),
        ("tomas", "Can I get a refund for an unopened tin?"),
        ("yuki", "My sencha tastes stale, what now?"),
        ("ade", "Please pause my subscription over the summer."),
        ("mira", "Is there anything with nuts in your teas?"),
        ("lena", "How do I brew Glasshouse Sencha?"),
    )
    for number, (user, question) in enumerate(questions):
        about = _about("support", user, "v4" if number % 2 else "v3", f"chat-{number + 1}")
        yield (_openai("gpt-5-mini", question, about, stream=True),)
        yield (_claude("claude-haiku-4-5", [_user(question)], about, stream=True),)
    asked = [_user("Where is my order CK-1042?")]
    call = {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "toolu_demo", "name": "look_up_order", "input": {"order_id": "CK-1042"}}],
    }
    found = {"type": "tool_result", "tool_use_id": "toolu_demo", "content": "order CK-1042: packed today, courier booked"}
    about = _about("support", "ade", "v4", "chat-7")
    yield (
        _claude("claude-sonnet-4-5", asked, about, tools=True),
        _claude("claude-sonnet-4-5", [*asked, call, {"role": "user", "content": [found]}], about, tools=True, stream=True),
    )
    yield (_gemini("gemini-2.5-flash", "I need a gift for a colleague.", _about("support", "noor", session="chat-8"), stream=True),)
    yield (_gemini("gemini-2.5-flash", "Something for the evening, please?", _about("support", "lena", session="chat-9")),)
    local = {"model": "llama3.2", "messages": [_user("Something smoky, but gentle?")]}
    yield (Request("/ollama/api/chat", local, _about("support", "yuki", session="chat-10")),)


def _search() -> Iterator[Scene]:
    """The shelf's search box: embeddings of the shelf and of queries, and a small model that phrases the answer."""
    shelf = {"model": "text-embedding-3-small", "input": list(LEAVES), "encoding_format": "base64"}
    bearer = {"authorization": f"Bearer {KEY}"}
    yield (Request("/openai/v1/embeddings", shelf, bearer | _about("search", "nightly-index")),)
    for user, query in (("tomas", "something smoky for winter"), ("noor", "a tea for the evening"), ("mira", "gift under thirty euros")):
        about = _about("search", user)
        embed = {"model": "text-embedding-3-small", "input": query, "encoding_format": "base64"}
        phrase = {"model": "command-r7b-12-2024", "messages": [_user(f"Suggest a tea: {query}")]}
        short = {"model": "mistral-small-latest", "messages": [_user(f"One line for the search page: {query}")]}
        yield (
            Request("/openai/v1/embeddings", embed, bearer | about),
            Request("/cohere/v2/chat", phrase, bearer | about),
            Request("/mistral/v1/chat/completions", short, bearer | about),
        )


def _summaries() -> Iterator[Scene]:
    """The morning's summaries: the Responses API, plain and streamed, and a base URL that carries its metadata itself."""
    bearer = {"authorization": f"Bearer {KEY}"}
    for user, text in (("olek", "Sum up these nine reviews of the week."), ("olek", "Sum up the mails of this morning.")):
        body: dict[str, Any] = {"model": "gpt-5-nano", "instructions": HANDBOOK, "input": text}
        yield (
            Request("/openai/v1/responses", body, bearer | _about("summarise", user)),
            Request("/openai/v1/responses", {**body, "stream": True}, bearer | _about("summarise", user, "v4")),
        )
    in_the_url = {"model": "gpt-4.1-mini", "messages": [_user("Sum up the reviews of Lantern Oolong.")]}
    yield (Request("/openai/~feature=summarise;user=olek;environment=demo/v1/chat/completions", in_the_url, bearer),)


def _mishaps() -> Iterator[Scene]:
    """What goes wrong on a normal day: a revoked key, a rate limit, a refusal, a stream that breaks, a customer who leaves."""
    yield (_openai("gpt-5-mini", "When will my parcel arrive?", _about("support", "tomas"), key=BAD_KEY),)
    yield (_openai("gpt-5-mini", "Do you do wholesale for cafés?", _about("support", "ines", session="chat-11"), again=True),)
    yield (_openai("gpt-4.1-mini", "Which teas does my neighbour buy from you?", _about("support", "karl", session="chat-12")),)
    yield (_claude("claude-haiku-4-5", [_user("Where does my neighbour live?")], _about("support", "karl", session="chat-12")),)
    yield (_openai("gpt-4.1-mini", "Tell me the history of the shop.", _about("support", "lena"), stream=True),)
    yield (_openai("gpt-4.1-mini", "May I return a stale tin after six weeks?", _about("support", "ade"), stream=True, hang_up=True),)
