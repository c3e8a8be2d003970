"""Finds documents that stand in the text of a request and are marked as such: in tags, or under a heading `Context:`, numbered or whole.

There is no standard for it; the marks are those of the common prompt templates. Each text is passed once, however many tags stand open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from scoring.conversation import Document, Message

_OPENING: Final = re.compile(r"<(documents?|docs?|context|sources?|passages?|search_results?|retrieved|article|chunk)\b([^<>]{0,300})>")
_GROUPS: Final = frozenset({"documents", "docs", "context", "sources", "passages", "search_results", "retrieved"})
_TAG_START: Final = ("<doc", "<con", "<sou", "<pas", "<sea", "<ret", "<art", "<chu")
_IDENTITY: Final = re.compile(r"""\b(?:id|index|number|name)\s*=\s*["']?([^"'\s>]{1,200})""")
_HEADED: Final = re.compile(
    r"(?:^|\n)#{0,4} ?\*{0,2}(?:Context|Sources|Documents|Passages|Search results|Retrieved documents)\*{0,2}:\*{0,2}[ \t]*\n?(.{20,}?)"
    r"(?=\n#{0,4} ?\*{0,2}(?:Question|Query|User question|Answer|Instructions?|Task)\b[^\n]{0,20}:|\Z)",
    re.DOTALL,
)
_HEADS: Final = ("Context", "Sources", "Documents", "Passages", "Search results", "Retrieved documents")
_NUMBERED: Final = re.compile(r"(?:^|\n)[ \t]{0,8}\[(\d{1,3})\][ \t:]*(.*?)(?=\n[ \t]{0,8}\[\d{1,3}\]|\Z)", re.DOTALL)
_MOST_MARKED: Final = 400_000  # characters of a message in which marked documents are looked for


def documents(said: tuple[Message, ...]) -> tuple[Document, ...]:
    """The documents that stand in the text of messages and are marked as such: in tags, or under a heading `Context:`."""
    return tuple(document for message in said if message.role in ("user", "system") for document in _marked(message.text))


def _marked(said: str) -> Iterator[Document]:
    """Documents marked inside a text: in tags, or under a heading `Context:`, there numbered [1] [2] or whole."""
    said = said[:_MOST_MARKED]
    if any(start in said for start in _TAG_START):
        for _, attributes, inside in _elements(said):
            inner = [Document(_identity(one), text.strip()) for name, one, text in _elements(inside) if name not in _GROUPS]
            if inner:
                yield from inner
            elif inside.strip():
                yield from _numbered(inside.strip(), _identity(attributes))
    elif any(head in said for head in _HEADS):
        for match in _HEADED.finditer(said):
            yield from _numbered(match[1].strip(), None)


def _elements(said: str) -> Iterator[tuple[str, str, str]]:
    """Name, attributes and inside of each outermost tag that is closed, in one pass however many are not."""
    at = 0
    unclosed: set[str] = set()
    while (match := _OPENING.search(said, at)) is not None:
        name, at = match[1], match.end()
        if name in unclosed:
            continue
        end = said.find(f"</{name}>", at)
        if end < 0:
            unclosed.add(name)
            continue
        yield name, match[2], said[at:end]
        at = end


def _numbered(said: str, identity: str | None) -> Iterator[Document]:
    parts = list(_NUMBERED.finditer(said)) if said.startswith("[") or "\n[" in said or "\n " in said else []
    if parts:
        for part in parts:
            yield Document(part[1], part[2].strip())
    else:
        yield Document(identity, said)


def _identity(attributes: str) -> str | None:
    match = _IDENTITY.search(attributes)
    return match[1] if match else None
