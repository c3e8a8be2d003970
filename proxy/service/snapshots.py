"""Copies the log into a plain DuckDB file, consistent, while rows keep coming in."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

import duckdb

from proxy.log.attach import EXPORT, Log


def snapshot(log: Log, data_dir: Path) -> Path:
    """A new file with all tables and views of the log as of now, in the one directory that SQL of ours may write to.

    Blocks for some 4 s a GB. The caller moves it to where it is wanted. Raises duckdb.Error, and leaves no file then.
    """
    directory = (log.file.parent if log.file else data_dir) / EXPORT
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"snapshot_{secrets.token_hex(8)}"
    file = directory / f"{name}.duckdb"
    cursor = log.cursor()
    try:
        row = cursor.execute("SELECT current_database()").fetchone()
        assert row is not None
        cursor.execute(f"ATTACH '{str(file).replace(chr(39), chr(39) * 2)}' AS {name} (READ_WRITE)")
        try:
            cursor.execute(f'COPY FROM DATABASE "{row[0]}" TO {name}')
        finally:
            cursor.execute(f"DETACH {name}")
    except BaseException:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
            file.with_name(f"{file.name}.wal").unlink(missing_ok=True)
        raise
    finally:
        with contextlib.suppress(duckdb.Error):
            cursor.close()
    file.chmod(0o600)
    return file


def sweep(log: Log, data_dir: Path) -> None:
    """Remove snapshots that nobody fetched before the service last ended."""
    directory = (log.file.parent if log.file else data_dir) / EXPORT
    for file in directory.glob("snapshot_*.duckdb*"):
        file.unlink(missing_ok=True)
