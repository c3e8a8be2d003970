"""Loads DuckDB extensions from the wheels that carry them: nothing is downloaded, and nothing is written to anybody's home."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import duckdb


class NoExtension(Exception):
    """An extension is not installed for this DuckDB."""


def load(connection: duckdb.DuckDBPyConnection, *names: str) -> None:
    """Load extensions, in order, into the instance; DuckDB checks their signatures. Raises NoExtension, duckdb.Error.

    It must happen before `enable_external_access` is switched off, which refuses all loading.
    """
    for name in names:
        connection.execute(f"LOAD '{str(file(name)).replace(chr(39), chr(39) * 2)}'")


def file(name: str) -> Path:
    """Where an extension lies. Raises NoExtension."""
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    wheel = f"duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__}"
    if spec is None or spec.origin is None:
        raise NoExtension(f"DuckDB's extension {name} is not installed: pip install {wheel}")
    found = Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if not found.is_file():
        raise NoExtension(f"the installed extension {name} is for another DuckDB than {duckdb.__version__}: pip install {wheel}")
    return found
