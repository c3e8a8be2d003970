"""On which line of a TOML text a table or a key stands, so that a mistake can be pointed at: the parser of the standard library forgets."""

from __future__ import annotations

import re
from collections.abc import Sequence

_HEADER = re.compile(r"^\s*\[{1,2}([^\[\]]+)\]{1,2}\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def line_of(text: str, path: Sequence[str]) -> int | None:
    """The line, from 1, of the key or table `path`, or of what stands nearest above it; None where nothing of it is found.

    path: ("rule", "errors", "limit"). A key inside an inline table is found at the line where the table begins.
    """
    best: tuple[int, int] | None = None  # how much of the path, line
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        header, key = _HEADER.match(line), _KEY.match(line)
        if header:
            table = _parts(header.group(1))
            here = table
        elif key:
            here = (*table, *_parts(key.group(1)))
        else:
            continue
        shared = min(len(here), len(path))
        if here[:shared] == tuple(path[:shared]) and (best is None or shared > best[0]):
            best = (shared, number)
    return best[1] if best else None


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(text))
