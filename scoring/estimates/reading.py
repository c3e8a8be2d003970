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
USED: Final = frozenset((*WANTED, *OPTIONAL))
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
        file = pq.ParquetFile(io.BytesIO(content))
        names = {str(key).strip().lower(): str(key) for key in file.schema_arrow.names}
        table = file.read([key for known, key in names.items() if known in USED])
    except (pa.ArrowException, OSError) as error:
        raise BadSample(f"{name}: this is no whole Parquet file ({error})") from error
    return {known: table.column(key).to_pylist() if known in USED else () for known, key in names.items()}


def _json_lines(text: str, name: str) -> Columns:
    import orjson

    rows: list[dict[str, Any]] = []
    keys: dict[str, None] = {}
    for n, line in enumerate(text.split("\n"), 1):  # splitlines would cut at U+2028, which JSON allows within a string
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise BadSample(f"{name}: line {n} is no JSON object ({error})") from error
        if not isinstance(row, dict):
            raise BadSample(f"{name}: line {n} is no JSON object: write one object a line")
        row = {key.strip().lower(): value for key, value in row.items()}
        keys |= dict.fromkeys(row)
        rows.append({key: value for key, value in row.items() if key in USED})
    return {key: [row.get(key) for row in rows] if key in USED else () for key in keys}


def _csv(text: str, name: str) -> Columns:
    csv.field_size_limit(max(len(text), csv.field_size_limit()))  # a column of whole answers is none of our business, and no error
    header = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    columns: dict[str, list[str]] = {}
    try:
        keys = [key.strip().lower() for key in next(rows, [])]
        columns = {key: [] for key in keys}
        used = [(n, columns[key]) for n, key in enumerate(keys) if key in USED]
        for n, row in enumerate(filter(None, rows), 2):
            if len(row) != len(keys):
                raise BadSample(f"{name}: row {n} has {len(row)} fields and the header names {len(keys)}: quote what holds the delimiter")
            for place, column in used:
                column.append(row[place])
    except csv.Error as error:
        raise BadSample(f"{name}: line {rows.line_num} is no CSV ({error})") from error
    return dict(columns)


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
