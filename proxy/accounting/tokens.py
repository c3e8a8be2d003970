"""Counts tokens offline, with OpenAI's own vocabularies, in bounded time; the only file that knows which package does it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

MAX_PIECES = 2_000
"""More texts than this are counted as one: each costs a call of some microseconds, and a request may hold any number of them."""
MAX_CHARACTERS = 1_000_000
"""More text than this is judged by its beginning: about 40 ms of counting, whatever arrives."""

_OLD = re.compile(r"(?:gpt-4(?!o|\.\d|-5)|gpt-3\.?5|text-embedding-|davinci-002|babbage-002)")


@cache
def _vocabulary(name: str) -> Any:
    from rs_bpe import openai  # 96 MB for both vocabularies, which a log whose usage is always reported never needs

    return openai.cl100k_base() if name == "cl100k" else openai.o200k_base()


def vocabulary_of(model: str) -> str:
    """'cl100k' for OpenAI's models before GPT-4o, else 'o200k', which is also the nearest we have for other makers' models."""
    return "cl100k" if _OLD.match(model.rpartition("/")[2].removeprefix("ft:").lower()) else "o200k"


def count_tokens(pieces: Sequence[str], model: str) -> int:
    """Tokens of all the texts together, each begun afresh; exact for OpenAI's models up to the two limits, proportional beyond."""
    total = sum(map(len, pieces))
    if total > MAX_CHARACTERS or len(pieces) > MAX_PIECES:
        beginning = "".join(_until(pieces, MAX_CHARACTERS))
        return round(_count(beginning, model) * total / max(len(beginning), 1))
    return sum(_count(piece, model) for piece in pieces)


def _until(pieces: Sequence[str], limit: int) -> list[str]:
    taken: list[str] = []
    for piece in pieces:
        taken.append(piece[:limit])
        limit -= len(taken[-1])
        if limit <= 0:
            break
    return taken


def _count(text: str, model: str) -> int:
    if not text:
        return 0
    vocabulary = _vocabulary(vocabulary_of(model))
    try:
        return int(vocabulary.count(text))
    except UnicodeEncodeError:  # JSON can spell half a surrogate pair, which is no text
        return int(vocabulary.count(text.encode(errors="replace").decode()))
