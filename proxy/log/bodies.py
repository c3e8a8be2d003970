"""How bodies lie in the log: small ones as they are, large ones in pieces and with room around them, so that memory stays bounded. Pure.

DuckDB reads and writes a column 2,048 rows at a time, with the texts of these rows whole, and keeps a text beyond a block of its file
(256 KB) in memory of its own until it is written. Bodies of megabytes, row after row, would need gigabytes for one checkpoint. So a large
body is a list of pieces that fit into blocks, and empty rows (without an exchange_id) follow it, one for each 8 KB: 2,048 rows hold 16 MB
of large bodies and one body more, whatever their size. The view `bodies` shows both tables as one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

PIECE: Final = 32 << 10
"""Characters of a piece. A row is small where neither body has more."""
ROOM: Final = 8 << 10
"""Bytes of large bodies for each row of their table."""
TABLES: Final = ("small_bodies", "large_bodies")

Row = tuple[Any, ...]


def divided(rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Rows of `small_bodies` (as they came) and of `large_bodies` with their empty rows. rows: in the order of columns.BODIES."""
    small: list[Row] = []
    large: list[Row] = []
    for row in rows:
        request, response = row[2], row[3]
        if (request is None or len(request) <= PIECE) and (response is None or len(response) <= PIECE):
            small.append(row)
            continue
        large.append((*row[:2], _pieces(request), _pieces(response), *row[4:]))
        large += [(None, row[1], None, None, None, None)] * ((_size(request) + _size(response)) // ROOM)
    return small, large


def _pieces(text: str | None) -> list[str] | None:
    return None if text is None else [text[start : start + PIECE] for start in range(0, len(text), PIECE)]


def _size(text: str | None) -> int:
    """Bytes, as DuckDB stores them."""
    return 0 if text is None else len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
