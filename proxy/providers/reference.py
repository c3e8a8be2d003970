"""Writes docs/dialects.md from the shelf itself, so that the page cannot lag behind the code.

`python -m proxy.providers.reference` prints the page; a test compares it with the file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from proxy.providers import SESSIONS, SHELF, compatible
from proxy.providers.compatible import Place
from proxy.streams.encoding import MAX_DECODED
from proxy.streams.websocket import MAX_MESSAGE

INTRODUCTION = """\
<!-- Made by scripts/docs from proxy/providers/; edit the code, not this page. -->
# Dialects

What Goldwash understands of each provider's traffic. A dialect is found by the path of the request, then by the looks of the answer (a
gateway may have renamed the path); `dialect` in `[upstreams.NAME]` overrides the upstream's name where a line below depends on it. What no
line fits is logged all the same: bytes, times, status, hashes, and errors in their usual shapes.

Every dialect gives the model asked for; where it says so also the answering model, the response's id and its error. Tokens are counted as
OpenTelemetry defines them: input includes cached tokens and tool-use prompts, output includes reasoning. The provider's own object stands
beside them in `usage_raw`. What was not said is NULL, never 0.

"""

FRAMINGS = """
## Framings

Server-sent events (CR, LF, CRLF, comments, a byte order mark, data on many lines, cut anywhere), lines of JSON, JSON arrays that stream,
Amazon's binary event stream with its checksums, WebSocket frames with permessage-deflate, and one JSON document, whole or cut off. Content
codings gzip, deflate, br and zstd are undone up to {decoded} MB; a WebSocket message is read up to {message} MB. What is broken or longer
is read as far as it goes, and `unread` says why it stopped. A stream is `complete` when its dialect's own terminal event passed, not
because HTTP ended well; a WebSocket session when a Close frame did.

## Streams whose usage nobody asked for

OpenAI-like hosts report a stream's usage only where the request says `stream_options.include_usage`. Without it Goldwash counts the tokens
itself where all the text is known (`usage_source = 'estimated'`, see pricing.md), and else leaves them NULL.

With `[upstreams.NAME] include_usage = true` the proxy asks for it: the request is held until it is whole, the option is put in as the first
key of its JSON object (no other byte changes, `Accept-Encoding` becomes `identity`), and exactly one event, the first that holds usage and
no choice, is taken out of the answer. Everything else passes byte for byte, the `"usage":null` of the other chunks included, which hosts
add when they are asked. `request_sha256` is that of what the client sent, `response_bytes` and `response_sha256` are those of what passed
to it; the stored answer is the upstream's own with its usage, and the property `goldwash.include_usage` says `asked`. A request that is no
JSON object with `"stream": true`, has `stream_options` of its own, waits for `100 Continue` or is over 16 MB passes as it is; so does an
answer that is no stream of events, or comes in a coding all the same.

## How this is tested

Own recordings and constructed answers of each dialect, whole, byte by byte and at random cuts; property tests that anything at all may
stand in a body; and `scripts/fuzz SECONDS`, which is guided by coverage over the readers, the parsers, the codings and the frames. Of
310,000 inputs in 21 minutes (November 2026, beside much else) one found something: which of two codings on one body was blamed for a break
depended on the pieces; it is mended, and a test holds it.

## What reading costs

`scripts/reading` loads exchanges through the real loader into a real DuckDB file and divides the CPU time of all threads by the rows: read,
priced, secrets taken out and stored, the best round of 2,000. On two shared cores under a load of 11 (where the price package's own
calculation took 73 µs) a chat answer of 1 KB took 118 µs and a stream of 50 chunks 349 µs; the bars are 120 and 600. Reading alone is 16
and 148 µs of that in a loop of its own, and pricing 3.
"""


def page() -> str:
    """The whole page as Markdown."""
    return "".join(_page())


def _page() -> Iterator[str]:
    yield INTRODUCTION
    yield "| dialect | operation | found by | what is read | what cannot be known | follows |\n|---|---|---|---|---|---|\n"
    found: dict[Any, list[str]] = {}
    for line in SHELF:
        found.setdefault(line.reader, []).append(_code(line.path) + (f" of {_code(line.upstream)}" if line.upstream else ""))
    for reader, paths in found.items():
        yield _row(reader, paths)
    yield "\n## WebSocket sessions\n\nOne exchange a session; its responses are rows of `turns`, each with its usage and cost.\n\n"
    yield "| dialect | operation | found by | what is read | what cannot be known | follows |\n|---|---|---|---|---|---|\n"
    for session in SESSIONS:
        yield _row(session.reader, [_code(session.path), f"a message like {_code(session.looks)}"])
    yield "\n## Where hosts that speak OpenAI's dialects put what OpenAI puts elsewhere\n\n"
    yield "Looked up only where OpenAI's own place is empty, whoever the upstream is.\n\n| what | place | who |\n|---|---|---|\n"
    for what, places in _PLACES:
        for place in places:
            yield f"| {what} | `{'.'.join(place.path)}` | {place.hosts} |\n"
    yield "\nStreams of these hosts end in `[DONE]`, and were cut without it; elsewhere a finish reason for each choice will do: "
    yield ", ".join(sorted(compatible.SENDS_DONE)) + ".\n"
    yield FRAMINGS.format(decoded=MAX_DECODED >> 20, message=MAX_MESSAGE >> 20)


_PLACES: tuple[tuple[str, tuple[Place, ...]], ...] = (
    ("cache reads", compatible.CACHE_READ),
    ("cache writes", compatible.CACHE_WRITE),
    ("reasoning", compatible.REASONING),
    ("searches on the web", compatible.WEB_SEARCHES),
    ("seconds of audio", compatible.AUDIO_SECONDS),
    ("pages", compatible.PAGES),
    ("cost in US dollars", (*compatible.COST_USD, compatible.COST_TICKS)),
)


def _row(reader: Any, paths: list[str]) -> str:
    cells = (f"`{reader.dialect}`", reader.operation or "", "<br>".join(paths), reader.reads, reader.unknown, f"<{reader.source}>")
    return f"| {' | '.join(cells)} |\n"


def _code(pattern: str) -> str:
    """A regular expression in a cell of a table."""
    return f"`{pattern.replace('|', chr(92) + '|')}`"


if __name__ == "__main__":
    sys.stdout.write(page())
