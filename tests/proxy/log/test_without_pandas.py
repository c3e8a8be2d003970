"""DuckDB's search for pandas is answered at once, and nothing else is changed by it."""

from __future__ import annotations

import importlib.util
import sys

import duckdb
import pyarrow as pa
import pytest

from proxy.log import without_pandas
from proxy.log.without_pandas import NAME, WithoutPandas


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> WithoutPandas:
    """The finder in front, whether pandas is installed here or not."""
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    found = WithoutPandas()
    monkeypatch.setattr(sys, "meta_path", [found, *(one for one in sys.meta_path if not isinstance(one, WithoutPandas))])
    return found


def test_pandas_is_absent_and_nothing_else_is(finder):
    """Its import fails as that of any module that is not installed; other names go on to the next finder."""
    with pytest.raises(ModuleNotFoundError, match="pandas"):
        importlib.import_module(NAME)
    assert finder.find_spec("json", None) is None


def test_duckdb_takes_parameters_and_arrow_tables_all_the_same(finder):
    """Lists of bytes and text, and a table that is registered."""
    db = duckdb.connect()
    assert db.execute("SELECT count(*) FROM (SELECT unnest($ids))", {"ids": [b"a", b"b"]}).fetchone() == (2,)
    db.register("arriving", pa.table({"a": ["x", None]}))
    assert db.execute("SELECT count(*) FROM arriving").fetchone() == (2,)


def test_it_is_installed_once_and_only_where_pandas_is_not(monkeypatch):
    """A second call adds nothing, and an installed pandas is left alone."""
    monkeypatch.setattr(sys, "meta_path", [one for one in sys.meta_path if not isinstance(one, WithoutPandas)])
    before = len(sys.meta_path)
    monkeypatch.setattr(without_pandas, "NAME", "json")
    without_pandas.install()
    assert len(sys.meta_path) == before
    monkeypatch.setattr(without_pandas, "NAME", "no_such_module_anywhere")
    without_pandas.install()
    without_pandas.install()
    assert len(sys.meta_path) == before + 1
