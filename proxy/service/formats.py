"""Writes the rows of a query as JSON, JSON lines, CSV, Arrow or Parquet: one writer a format, fed a batch at a time.

JSON: timestamps in ISO 8601 (UTC), decimals as numbers with all their digits, UUIDs as text, BLOBs in base64, maps as objects, JSON
columns as the value they hold, NaN and the infinities as null.
"""

from __future__ import annotations

import base64
import csv
import datetime as dt
import io
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import IO, Any, Final, Protocol

import duckdb
import orjson

BATCH: Final = 1000
"""Rows at a time: some MB of rows with bodies."""

_ORJSON: Final = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS
_INT64: Final = range(-(2**63), 2**64)


class Writer(Protocol):
    """Takes rows, puts bytes into the file it was made with."""

    def rows(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write a batch."""

    def end(self) -> None:
        """Write what closes the document; the file stays open."""


def names_of(description: Sequence[tuple[Any, ...]]) -> list[str]:
    """Column names, each once: a second `a` becomes `a_1`."""
    names: list[str] = []
    for column in description:
        name, n = column[0], 0
        while name in names:
            n += 1
            name = f"{column[0]}_{n}"
        names.append(name)
    return names


def plain(value: Any) -> Any:
    """A value as JSON can say it; for what orjson does not do by itself."""
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f")) if value.is_finite() else None
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, dt.timedelta):
        return str(value)
    return str(value)


def _encode(value: Any) -> bytes:
    try:
        return orjson.dumps(value, plain, _ORJSON)
    except TypeError:  # an integer beyond 64 bits, a key that is a list, half a surrogate pair
        return orjson.dumps(_rebuilt(value), plain, _ORJSON)


def _rebuilt(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _rebuilt(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rebuilt(item) for item in value]
    if isinstance(value, int) and value not in _INT64:
        return orjson.Fragment(str(value))
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return value


def _from_json(text: Any) -> Any:
    """A JSON column's value, unchanged to the digit; text that is no strict JSON (DuckDB takes NaN) stays text."""
    if not isinstance(text, str):
        return text
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return orjson.Fragment(text)


class Objects:
    """A row as a JSON object: what both JSON formats write."""

    def __init__(self, description: Sequence[tuple[Any, ...]]) -> None:
        self.names = names_of(description)
        self._json = [n for n, column in enumerate(description) if str(column[1]) == "JSON"]

    def encode(self, row: tuple[Any, ...]) -> bytes:
        """One object as bytes."""
        values: Sequence[Any] = row
        if self._json:
            values = list(row)
            for n in self._json:
                values[n] = _from_json(row[n])
        return _encode(dict(zip(self.names, values, strict=True)))


class Json:
    """One list of objects."""

    def __init__(self, file: IO[bytes], description: Sequence[tuple[Any, ...]]) -> None:
        self._file, self._objects, self._before = file, Objects(description), b"["

    def rows(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write a batch."""
        for row in rows:
            self._file.write(self._before + self._objects.encode(row))
            self._before = b",\n"

    def end(self) -> None:
        """Close the list."""
        self._file.write(b"[]\n" if self._before == b"[" else b"]\n")


class JsonLines:
    """An object a line."""

    def __init__(self, file: IO[bytes], description: Sequence[tuple[Any, ...]]) -> None:
        self._file, self._objects = file, Objects(description)

    def rows(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write a batch."""
        for row in rows:
            self._file.write(self._objects.encode(row) + b"\n")

    def end(self) -> None:
        """Nothing closes it."""


class Csv:
    """RFC 4180 with a header line, but LF ends a line, so that a shell finds no CR; NULL is empty, lists and maps are JSON."""

    def __init__(self, file: IO[bytes], description: Sequence[tuple[Any, ...]]) -> None:
        self._file = file
        self._write([names_of(description)])

    def _write(self, rows: Sequence[Sequence[Any]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(rows)
        self._file.write(text.getvalue().encode("utf-8", "replace"))

    def rows(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write a batch."""
        self._write([[cell(value) for value in row] for row in rows])

    def end(self) -> None:
        """Nothing closes it."""


def cell(value: Any) -> str:
    """A value as one piece of text, for CSV and tables; NULL is ''."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict | list):
        return _encode(value).decode()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return str(value)


class Arrow:
    """An Arrow IPC stream, or a Parquet file, of the record batches of a result."""

    def __init__(self, file: IO[bytes], schema: Any, parquet: bool) -> None:
        if parquet:
            import pyarrow.parquet

            self._writer: Any = pyarrow.parquet.ParquetWriter(file, schema, compression="zstd")
        else:
            import pyarrow.ipc

            self._writer = pyarrow.ipc.new_stream(file, schema)

    def batch(self, batch: Any) -> None:
        """Write a pyarrow.RecordBatch."""
        self._writer.write_batch(batch)

    def end(self) -> None:
        """Write the footer."""
        self._writer.close()


ROW_FORMATS: Final[dict[str, Callable[[IO[bytes], Sequence[tuple[Any, ...]]], Writer]]] = {"json": Json, "jsonl": JsonLines, "csv": Csv}
"""Formats written row by row."""

CONTENT_TYPES: Final = {
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
"""Every format, with its media type."""


def write(
    result: duckdb.DuckDBPyConnection,
    file: IO[bytes],
    name: str,
    max_rows: int,
    between: Callable[[], None],
) -> tuple[int, bool]:
    """Write the pending result of a connection to a file; (rows, whether more were there).

    name: one of CONTENT_TYPES. between: called after each batch; what it raises ends the writing.
    """
    return _rows(result, file, name, max_rows, between) if name in ROW_FORMATS else _batches(result, file, name, max_rows, between)


def _rows(result: duckdb.DuckDBPyConnection, file: IO[bytes], name: str, max_rows: int, between: Callable[[], None]) -> tuple[int, bool]:
    description = result.description
    if description is None:
        raise duckdb.InvalidInputException("the statement gives no rows")
    writer = ROW_FORMATS[name](file, description)
    n = 0
    while n < max_rows and (rows := result.fetchmany(min(BATCH, max_rows - n))):
        writer.rows(rows)
        n += len(rows)
        between()
    more = n == max_rows and bool(result.fetchmany(1))
    writer.end()
    return n, more


def _batches(result: duckdb.DuckDBPyConnection, file: IO[bytes], name: str, max_rows: int, between: Callable[[], None]) -> tuple[int, bool]:
    reader = result.to_arrow_reader(BATCH)
    writer = Arrow(file, reader.schema, name == "parquet")
    n, more = 0, False
    for batch in reader:
        if n + batch.num_rows > max_rows:
            more, batch = True, batch.slice(0, max_rows - n)  # noqa: PLW2901  what is over the limit is left out
        writer.batch(batch)
        n += batch.num_rows
        between()
        if more:
            break
    writer.end()
    return n, more
