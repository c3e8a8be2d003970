"""The shelf of dialects: one line each, and how an exchange finds its own."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from proxy.exchange import Captured
from proxy.providers import anthropic, anthropic_completions, gemini, gemini_embeddings, gemini_interactions, openai_chat, silent
from proxy.providers.contract import Reader


class Dialect(NamedTuple):
    """A line of the shelf. A dialect is found by its path (a regular expression searched in it), among the upstreams named if any are.

    A reader class may also say `recognises(document) -> bool` (a staticmethod): asked with the first document or event where no path fits.
    """

    reader: type[Reader]
    path: str
    upstream: str = ""  # a regular expression for the whole of the upstream's name or dialect hint; empty: any


# Order matters: the first line that fits wins, so special ones stand before general ones.
SHELF: tuple[Dialect, ...] = (
    Dialect(silent.AnthropicCountTokens, r"/messages/count_tokens$|/publishers/anthropic/models/count-tokens:rawPredict$"),
    Dialect(silent.AnthropicBatches, r"/v1/messages/batches(?:/|$)"),
    Dialect(anthropic.Messages, r"/v1/messages$|/publishers/anthropic/models/[^/]+:(?:streamRawPredict|rawPredict)$"),
    Dialect(anthropic_completions.Completions, r"/v1/complete$"),
    Dialect(silent.AnthropicOther, r"/v1/(?:files|skills|models|organizations)(?:/|$)", r"anthropic"),
    Dialect(gemini.GenerateContent, r":(?:generateContent|streamGenerateContent)$"),
    Dialect(gemini_embeddings.EmbedContent, r":(?:embedContent|batchEmbedContents)$"),
    Dialect(silent.GeminiCountTokens, r":(?:countTokens|computeTokens)$"),
    Dialect(gemini_embeddings.Predict, r":predict$"),
    Dialect(gemini_interactions.Interactions, r"/interactions(?:/[^/]+)?$"),
    Dialect(silent.GoogleOther, r"/v1(?:alpha|beta\d*|main)?/(?:.+/)?(?:models|operations|files|cachedContents|fileSearchStores|tunedModels)(?:[/:]|$)", r"google(?:-vertex)?|gemini|vertex"),
    Dialect(openai_chat.ChatReader, r"/chat/completions$"),
)

_COMPILED = tuple((line.reader, re.compile(line.path), re.compile(line.upstream) if line.upstream else None) for line in SHELF)


def find_reader(captured: Captured) -> type[Reader] | None:
    """Give the reader whose path fits, asking the dialect hint first and then the upstream's name; None: look at the bytes."""
    return _by_path(captured.path, captured.dialect_hint or "", captured.upstream)


@lru_cache(maxsize=4096)
def _by_path(path: str, hint: str, upstream: str) -> type[Reader] | None:
    for reader, fits, names in _COMPILED:
        if fits.search(path) and (names is None or names.fullmatch(hint) or names.fullmatch(upstream)):
            return reader
    return None


def recognise_reader(document: Any) -> type[Reader] | None:
    """Give the reader that knows a document or a stream's event by its looks; None: nobody does."""
    for line in SHELF:
        recognises = getattr(line.reader, "recognises", None)
        if recognises is not None and recognises(document):
            return line.reader
    return None
