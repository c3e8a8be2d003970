"""What Gemini answers: content, whole and streamed, with thoughts."""

from __future__ import annotations

from typing import Any

from tests.helpers.shelves.base import TEXT, WORDS, Recording, document, row_of, sse

_GEMINI_USAGE = {"promptTokenCount": 9, "candidatesTokenCount": 14, "thoughtsTokenCount": 30, "totalTokenCount": 53}


def _gemini(text: str, finish: str | None, identifier: str, usage: dict[str, Any]) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0, **({"finishReason": finish} if finish else {})}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash", "responseId": identifier}


_GEMINI_ROW = row_of(
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
