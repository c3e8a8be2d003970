"""Whether the sources that the answer cites exist among the documents that were supplied.

Marks read: [1], [1, 3], [^2], [doc-7], [source: x], 【4†source】. Applies where documents were supplied (in the request or by
POST /api/context); `required` also fails an answer that cites nothing. The score is the citation hit rate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from scoring.checks.answers import prose
from scoring.checks.contract import Finding, Measured, excerpt
from scoring.checks.options import option
from scoring.logged import LoggedExchange

_NUMBERS: Final = re.compile(r"\[\^?(\d{1,3}(?:\s?[,;–-]\s?\d{1,3}){0,9})\](?![(\[:])")
_BRACKETED: Final = re.compile(r"【(\d{1,3})(?::\d{1,3})?†[^】]{0,80}】")  # OpenAI's file search
_NAMES: Final = re.compile(r"\[(?:doc(?:ument)?|source|ref|id)(?:[ _-]?(\d{1,4})|\s?[:#=]\s?([^\]\n]{1,80}))\](?!\()", re.IGNORECASE)

MEASURED: Final = Measured(hits=0)


@dataclass(frozen=True, slots=True)
class Options:
    """Whether citing is a duty."""

    required: bool = option(default=False, sentence="An answer with documents at hand must cite at least one.")


def check(exchange: LoggedExchange, options: Options) -> Finding | None:
    """See the file's first lines."""
    if not exchange.text or not exchange.is_answer or not ("[" in exchange.text or "【" in exchange.text or options.required):
        return None
    documents = exchange.documents
    if not documents:
        return None
    cited = cited_in(exchange.once(prose))
    if not cited:
        return Finding(False, "cites none of the documents", excerpt(exchange.text), score=0.0) if options.required else None
    known = {document.document_id.casefold() for document in documents if document.document_id}
    titles = {document.title.casefold() for document in documents if document.title}
    ranks = {str(number) for number in range(1, len(documents) + 1)}
    if not any(name.isdigit() for name in known):
        known |= ranks
    missing = [name for name in cited if name.casefold() not in known and name.casefold() not in titles]
    share = 1 - len(missing) / len(cited)
    if not missing:
        return Finding(True, "all cited sources exist", score=share, validated=MEASURED.validated)
    place = exchange.text.find(missing[0])
    return Finding(
        False,
        f"cites {', '.join(missing[:5])}, and {len(documents)} document{' was' if len(documents) == 1 else 's were'} supplied",
        excerpt(exchange.text, max(place, 0)),
        score=share,
        validated=MEASURED.validated,
    )


def cited_in(text: str) -> list[str]:
    """The sources a text cites, each once, in order: numbers as text, ids and titles as they are written."""
    found: dict[str, None] = {}
    for match in (*_NUMBERS.finditer(text), *(_BRACKETED.finditer(text) if "【" in text else ())):
        before = text[match.start() - 1 : match.start()]
        if match[0][0] == "[" and (before.isalnum() or before in ("_", "]", ")")):
            continue  # an index into something, in code or mathematics
        for part in re.split(r"[,;]", match[1]):
            first, dash, last = part.replace("–", "-").partition("-")
            numbers = range(int(first), int(last) + 1) if dash and int(first) <= int(last) <= int(first) + 50 else (int(first),)
            found.update(dict.fromkeys(map(str, numbers)))
    for match in _NAMES.finditer(text):
        found[(match[1] or match[2]).strip()] = None
    return list(found)
