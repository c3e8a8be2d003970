"""Every type of a DuckDB result in every format that goes out."""

from __future__ import annotations

import csv
import io
import json

import duckdb
import pyarrow.ipc
import pyarrow.parquet
import pytest

from proxy.service.formats import CONTENT_TYPES, names_of, write

EVERY = """
SELECT 1::INTEGER AS i, 2::HUGEINT AS h, 170141183460469231731687303715884105727::HUGEINT AS big, 0.000000001::DECIMAL(18,9) AS cost,
    1.5::DOUBLE AS f, 'nan'::DOUBLE AS nan, 'infinity'::DOUBLE AS inf, true AS b, 'a"é🚰' AS s, NULL AS nothing,
    TIMESTAMPTZ '2026-11-20 10:00:00+02' AS tz, TIMESTAMP '2026-11-20 10:00:00.5' AS ts, DATE '2026-11-20' AS d, TIME '10:00:00' AS t,
    UUID '01a1fb59-03c6-7493-af9e-27a570dfe720' AS u, MAP {'k': 'v'} AS m, MAP {[1]: 2} AS odd, ['x', NULL] AS l, {'a': {'b': 1.50}} AS st,
    '\\x00\\xFF'::BLOB AS bl, '{"n": 1.10, "l": [1]}'::JSON AS j, 'NaN'::JSON AS nj, INTERVAL 90 MINUTE AS iv, 'one'::ENUM('one') AS e
"""


@pytest.fixture
def db() -> duckdb.DuckDBPyConnection:
    """A connection in UTC, as the log's are."""
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def written(db: duckdb.DuckDBPyConnection, sql: str, name: str, max_rows: int = 1000) -> tuple[bytes, int, bool]:
    """Bytes, rows, whether more were there."""
    file = io.BytesIO()
    rows, more = write(db.execute(sql), file, name, max_rows, lambda: None)
    return file.getvalue(), rows, more


def test_json_of_every_type(db: duckdb.DuckDBPyConnection) -> None:
    """Each type is what the format promises, to the digit."""
    text, rows, more = written(db, EVERY, "json")
    assert (rows, more) == (1, False)
    assert b'"cost":0.000000001' in text
    assert b'"big":170141183460469231731687303715884105727' in text
    assert b'"j":{"n": 1.10, "l": [1]}' in text
    assert json.loads(text) == [
        {
            "i": 1, "h": 2, "big": 170141183460469231731687303715884105727, "cost": 1e-9, "f": 1.5, "nan": None, "inf": None, "b": True,
            "s": 'a"é🚰', "nothing": None, "tz": "2026-11-20T08:00:00+00:00", "ts": "2026-11-20T10:00:00.500000", "d": "2026-11-20",
            "t": "10:00:00", "u": "01a1fb59-03c6-7493-af9e-27a570dfe720", "m": {"k": "v"}, "odd": {"key": [[1]], "value": [2]},
            "l": ["x", None], "st": {"a": {"b": 1.5}}, "bl": "AP8=", "j": {"n": 1.10, "l": [1]}, "nj": "NaN", "iv": "1:30:00", "e": "one",
        }
    ]  # fmt: skip


def test_json_lines_hold_an_object_each(db: duckdb.DuckDBPyConnection) -> None:
    """A line is a document."""
    text, _, _ = written(db, "SELECT unnest([1, 2]) AS a", "jsonl")
    assert text == b'{"a":1}\n{"a":2}\n'


def test_csv_says_null_as_nothing(db: duckdb.DuckDBPyConnection) -> None:
    """A header, RFC 4180 quoting, JSON for what is nested."""
    text, _, _ = written(db, EVERY, "csv")
    assert b"\r" not in text  # `| tail -1` would hand an id with a CR to the next command
    header, row = csv.reader(io.StringIO(text.decode()))
    got = dict(zip(header, row, strict=True))
    assert (got["s"], got["nothing"], got["cost"], got["b"]) == ('a"é🚰', "", "0.000000001", "true")
    assert (got["tz"], got["m"], got["l"], got["nan"]) == ("2026-11-20 08:00:00+00:00", '{"k":"v"}', '["x",null]', "NaN")


def test_arrow_and_parquet_keep_types(db: duckdb.DuckDBPyConnection) -> None:
    """Both read back equal, with decimals and maps as such."""
    sql = "SELECT i AS a, 0.5::DECIMAL(18,9) AS cost, MAP {'k': 'v'} AS m FROM range(3) t(i)"
    arrow = pyarrow.ipc.open_stream(written(db, sql, "arrow")[0]).read_all()
    parquet = pyarrow.parquet.read_table(io.BytesIO(written(db, sql, "parquet")[0]))
    assert arrow.to_pylist() == parquet.to_pylist()
    assert str(arrow.schema.field("cost").type) == "decimal128(18, 9)"


@pytest.mark.parametrize("name", CONTENT_TYPES)
@pytest.mark.parametrize(("n", "limit"), [(0, 5), (5, 5), (6, 5), (2500, 2000), (2000, 2000)])
def test_rows_beyond_the_limit_are_cut_off_and_told(db: duckdb.DuckDBPyConnection, name: str, n: int, limit: int) -> None:
    """Exactly the limit is whole; one more is cut."""
    text, rows, more = written(db, f"SELECT i FROM range({n}) t(i)", name, limit)
    assert (rows, more) == (min(n, limit), n > limit)
    if name == "json":
        assert len(json.loads(text)) == rows
    if name == "arrow":
        assert pyarrow.ipc.open_stream(text).read_all().num_rows == rows
    if name == "parquet":
        assert pyarrow.parquet.read_table(io.BytesIO(text)).num_rows == rows


def test_columns_of_one_name_stay_apart() -> None:
    """A second `a` gets a number, also where that is taken."""
    assert names_of([("a",), ("a",), ("a_1",), ("b",)]) == ["a", "a_1", "a_1_1", "b"]
