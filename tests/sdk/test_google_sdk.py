"""The official google-genai SDK through Goldwash by its base URL alone: generate content, streamed and not."""

from __future__ import annotations

from google import genai

from tests.helpers.goldwash import Goldwash
from tests.helpers.recordings import GOOGLE, TEXT
from tests.helpers.rows import Mark


def client_of(goldwash: Goldwash) -> genai.Client:
    return genai.Client(api_key="AIza-of-the-tests", http_options={"base_url": goldwash.url("google")})


def test_generate(goldwash: Goldwash) -> None:
    """An answer comes whole; thoughts count as output and as reasoning."""
    mark = Mark(goldwash)
    with client_of(goldwash) as client:
        got = client.models.generate_content(model="gemini-2.5-flash", contents="Where is gold found?")
    assert got.text == TEXT
    row = mark.row({**GOOGLE["generate"].row, "is_stream": False})
    assert float(row["cost_usd"]) > 0


def test_generate_stream(goldwash: Goldwash) -> None:
    """A streamed answer gives the same text and the usage of its last event."""
    mark = Mark(goldwash)
    with client_of(goldwash) as client:
        stream = client.models.generate_content_stream(model="gemini-2.5-flash", contents="Where is gold found?")
        assert "".join(chunk.text or "" for chunk in stream) == TEXT
    mark.row({**GOOGLE["generate_stream"].row, "is_stream": True})
