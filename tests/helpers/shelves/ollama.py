"""What Ollama answers: chat, whole and as JSON lines."""

from __future__ import annotations

from tests.helpers.shelves.base import TEXT, WORDS, Recording, document, ndjson, row_of

_OLLAMA_FACTS = {"model": "llama3.2", "created_at": "2026-10-01T12:00:00.000000Z"}
_OLLAMA_END = {
    "done_reason": "stop",
    "done": True,
    "total_duration": 900000000,
    "load_duration": 10000000,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 100000000,
    "eval_count": 19,
    "eval_duration": 700000000,
}
_OLLAMA_ROW = row_of("ollama", "llama3.2", None, 26, 19, output_text=TEXT, finish_reasons=["stop"], request_model="llama3.2")

OLLAMA = {
    "chat": Recording(
        "/api/chat",
        "llama3.2",
        document({**_OLLAMA_FACTS, "message": {"role": "assistant", "content": TEXT}, **_OLLAMA_END}),
        _OLLAMA_ROW,
    ),
    "chat_stream": Recording(
        "/api/chat",
        "llama3.2",
        ndjson(
            *({**_OLLAMA_FACTS, "message": {"role": "assistant", "content": word}, "done": False} for word in WORDS),
            {**_OLLAMA_FACTS, "message": {"role": "assistant", "content": ""}, **_OLLAMA_END},
        ),
        _OLLAMA_ROW,
        stream=True,
        content_type="application/x-ndjson",
    ),
}
