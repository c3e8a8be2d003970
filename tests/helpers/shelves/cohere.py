"""What Cohere answers: v2 chat, whole and streamed, with billed units."""

from __future__ import annotations

from typing import Any

from tests.helpers.shelves.base import TEXT, WORDS, Recording, document, named_sse

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
