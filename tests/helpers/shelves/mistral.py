"""What Mistral answers: chat, with usage beside the last choice of a stream."""

from __future__ import annotations

from tests.helpers.shelves.base import TEXT, Recording, document, row_of
from tests.helpers.shelves.openai import CHAT_PATH, chat_stream

_MISTRAL_USAGE = {"prompt_tokens": 17, "completion_tokens": 11, "total_tokens": 28}
_MISTRAL_CHOICE = {"index": 0, "message": {"role": "assistant", "content": TEXT, "tool_calls": None}, "finish_reason": "stop"}

MISTRAL = {
    "chat": Recording(
        CHAT_PATH,
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
        row_of("mistral", "mistral-small-2506", "cmpl-river", 17, 11, output_text=TEXT, finish_reasons=["stop"]),
    ),
    "chat_stream": Recording(
        CHAT_PATH,
        "mistral-small-2506",
        chat_stream("mistral-small-2506", "cmpl-stream", usage=_MISTRAL_USAGE, in_last_choice=True),
        row_of("mistral", "mistral-small-2506", "cmpl-stream", 17, 11, output_text=TEXT, finish_reasons=["stop"]),
        stream=True,
        content_type="text/event-stream; charset=utf-8",
    ),
}
