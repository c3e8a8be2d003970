"""Reads anybody's judged rows from a file (CSV, Parquet, JSON Lines) into a sample; what cannot be read is named by row and column."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from scoring.estimates.sample import BadSample, Floats, Sample

WANTED: Final = ("verdict", "label")
"""Columns that a file must have."""
OPTIONAL: Final = ("p", "p_label", "stratum", "cluster")
MISSING: Final = frozenset({"", "nan", "na", "n/a", "none", "null", "unscored", "unlabelled"})
BINARY: Final = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}

Columns = dict[str, Sequence[Any]]


def read(path: Path) -> Sample:
    """The sample in a file, its kind told by its first bytes. Raises BadSample, OSError."""
    return parse(path.read_bytes(), str(path))


def parse(content: bytes, name: str) -> Sample:
    """As read, from bytes; `name` stands in errors."""
    columns, first = _columns(content, name)
    absent = [wanted for wanted in WANTED if wanted not in columns]
    if absent:
        raise BadSample(
            f"{name}: no column {' and no column '.join(absent)}; it has {', '.join(columns) or 'none'}. "
            "Wanted are item, verdict (1 = failure, 0 = pass, empty = unscored) and label (the same, by a person; empty = none)"
        )
    if not len(columns["verdict"]):
        raise BadSample(f"{name}: there are no rows")
    found: dict[str, Any] = {
        "verdict": _binaries(columns["verdict"], f"{name}: column verdict", first),
        "label": _binaries(columns["label"], f"{name}: column label", first),
        **{key: _shares(columns[key], f"{name}: column {key}", first) for key in ("p", "p_label") if key in columns},
        **{key: _names(columns[key]) for key in ("stratum", "cluster") if key in columns},
    }
    try:
        return Sample.of(**found)
    except BadSample as error:
        raise BadSample(f"{name}: {error}") from error


def _columns(content: bytes, name: str) -> tuple[Columns, int]:
    """Columns by lower-case name, and the number that people give to the first row."""
    if content[:4] == b"PAR1":
        return _parquet(content, name), 1
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadSample(f"{name}: byte {error.start} is not UTF-8: save it as UTF-8 CSV, JSON Lines or Parquet") from error
    if text.lstrip()[:1] == "{":
        return _json_lines(text, name), 1
    return _csv(text, name), 2


def _parquet(content: bytes, name: str) -> Columns:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(content))
    except (pa.ArrowInvalid, OSError) as error:
        raise BadSample(f"{name}: this is no whole Parquet file ({error})") from error
    return {str(key).strip().lower(): table.column(n).to_pylist() for n, key in enumerate(table.column_names)}


def _json_lines(text: str, name: str) -> Columns:
    import orjson

    rows: list[dict[str, Any]] = []
    for n, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise BadSample(f"{name}: line {n} is no JSON object ({error})") from error
        if not isinstance(row, dict):
            raise BadSample(f"{name}: line {n} is no JSON object: write one object a line")
        rows.append({str(key).strip().lower(): value for key, value in row.items()})
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: [row.get(key) for row in rows] for key in keys}


def _csv(text: str, name: str) -> Columns:
    header = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    try:
        keys = [key.strip().lower() for key in next(rows, [])]
        table = [row for row in rows if row]
    except csv.Error as error:
        raise BadSample(f"{name}: line {rows.line_num} is no CSV ({error})") from error
    for n, row in enumerate(table, 2):
        if len(row) != len(keys):
            raise BadSample(f"{name}: row {n} has {len(row)} fields and the header names {len(keys)}: quote fields that hold the delimiter")
    return {key: [row[n] for row in table] for n, key in enumerate(keys)}


def _binaries(values: Iterable[Any], place: str, first: int) -> Floats:
    """Failures as 1.0, passes as 0.0, nothing as nan."""
    return np.array([_binary(value, place, n) for n, value in enumerate(values, first)], np.float64)


def _binary(value: Any, place: str, row: int) -> float:
    if value is None:
        return math.nan
    found = BINARY.get(str(value).strip().lower())
    if found is not None:
        return found
    if str(value).strip().lower() in MISSING:
        return math.nan
    raise BadSample(f"{place}, row {row}: {value!r} is neither 1 (failure), 0 (pass) nor empty")


def _shares(values: Iterable[Any], place: str, first: int) -> Floats:
    return np.array([_share(value, place, n) for n, value in enumerate(values, first)], np.float64)


def _share(value: Any, place: str, row: int) -> float:
    if value is None or str(value).strip().lower() in MISSING:
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise BadSample(f"{place}, row {row}: {value!r} is no number; give a probability such as 0.05, or leave the column out") from error


def _names(values: Iterable[Any]) -> list[str | None]:
    return [None if value is None or str(value).strip() == "" else str(value).strip() for value in values]
