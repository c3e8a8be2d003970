"""All recordings of this project's own, by provider, and a responder that plays them."""

from __future__ import annotations

import json

from tests.helpers.shelves.anthropic import ANTHROPIC
from tests.helpers.shelves.base import CALL, TEXT, Recording
from tests.helpers.shelves.bedrock import BEDROCK, BEDROCK_MODEL
from tests.helpers.shelves.cohere import COHERE
from tests.helpers.shelves.google import GOOGLE
from tests.helpers.shelves.mistral import MISTRAL
from tests.helpers.shelves.ollama import OLLAMA
from tests.helpers.shelves.openai import OPENAI
from tests.helpers.upstream import Answer, Responder, answer
from tests.helpers.wire import Message

__all__ = [
    "ANTHROPIC",
    "BEDROCK",
    "BEDROCK_MODEL",
    "CALL",
    "COHERE",
    "GOOGLE",
    "MISTRAL",
    "OLLAMA",
    "OPENAI",
    "SHELVES",
    "TEXT",
    "Recording",
    "find",
    "replay",
]

SHELVES: dict[str, dict[str, Recording]] = {
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


def replay(shelf: str, delay: float = 0.0) -> Responder:
    """A responder that plays one provider; what no recording matches gets 599 with the reason."""

    def respond(request: Message) -> Answer:
        recording = find(shelf, request)
        if recording is None:
            return answer(599, [("Content-Type", "text/plain")], f"no recording for {request.start_line} {bytes(request.body)!r}".encode())
        return recording.answer(delay)

    return respond
