"""Writes the log's file anew, so that what was erased from it is gone from the disk, and looks whether it is.

DELETE, CHECKPOINT and VACUUM leave the bytes in a DuckDB file (seen: planted strings stayed through all three). A marker in the data
directory stands from before the rows are changed until the new file has the old one's place, so that a crash in between is made good at the
next start.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Final

import duckdb

from proxy.log.attach import CATALOG, Log

MARKER: Final = "forget.pending"
CHUNK: Final = 256 << 20  # bytes of a file that are looked through at a time


def mark(data_dir: Path) -> None:
    """Note that the file must be written anew. Raises OSError."""
    descriptor = os.open(data_dir / MARKER, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        json.dump({"pid": os.getpid()}, handle)
        handle.flush()
        os.fsync(handle.fileno())
    _sync(data_dir)


def pending(data_dir: Path) -> bool:
    """Whether the file must be written anew."""
    return (data_dir / MARKER).exists()


def rewrite(data_dir: Path, file: Path, memory: str) -> None:
    """Write the log's file anew from what is alive in it, and let it take the old one's place; nobody may have it open.

    Killed at any moment, it leaves the old file or the new one, and the marker until the new one stands. Needs room for both. Raises
    duckdb.Error or OSError.
    """
    fresh = file.with_name(f"{file.name}.fresh")
    spill = data_dir / "duckdb.tmp"
    for left in (fresh, _wal(fresh)):
        left.unlink(missing_ok=True)
    if file.exists():
        db = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": memory, "temp_directory": str(spill)})
        try:
            db.execute(f"ATTACH {_quoted(file)} AS old")
            db.execute("CHECKPOINT old")
            db.execute(f"ATTACH {_quoted(fresh)} AS fresh")
            db.execute("COPY FROM DATABASE old TO fresh")
            db.execute("CHECKPOINT fresh")
            db.execute("DETACH fresh")
            db.execute("DETACH old")
        finally:
            db.close()
        fresh.chmod(0o600)
        if _wal(file).exists():  # rows that are not in the file: never seen after a checkpoint without another connection
            raise OSError(f"{_wal(file)} is there after a checkpoint: stop who has the log open, and run it again")
        _sync(fresh)
        fresh.replace(file)
        _sync(file.parent)
    shutil.rmtree(spill, ignore_errors=True)
    (data_dir / MARKER).unlink(missing_ok=True)


def clean_lake(log: Log, data_dir: Path) -> None:
    """Write the lake's files anew that hold erased rows, and delete every older state of it. Raises duckdb.Error.

    The catalog may hold small rows itself: what it deletes goes from its disk by its own means (Postgres: VACUUM).
    """
    cursor = log.cursor()
    try:
        for call in (
            f"CALL ducklake_flush_inlined_data('{CATALOG}')",
            f"CALL ducklake_rewrite_data_files('{CATALOG}', delete_threshold => 0.0)",
            f"CALL ducklake_expire_snapshots('{CATALOG}', older_than => now()::TIMESTAMPTZ)",
            f"CALL ducklake_cleanup_old_files('{CATALOG}', cleanup_all => true)",
        ):
            cursor.execute(call).fetchall()
    finally:
        cursor.close()
    (data_dir / MARKER).unlink(missing_ok=True)


def holding(data_dir: Path, texts: list[str]) -> dict[str, list[str]]:
    """Which of these texts lie in which files under the data directory, as bytes: text -> names of files."""
    found: dict[str, list[str]] = {}
    wanted = {text: text.encode() for text in texts}
    for file in sorted(data_dir.rglob("*")):
        try:
            if not file.is_file():
                continue
            data = file.read_bytes() if file.stat().st_size < CHUNK else None
            for text, needle in wanted.items():
                if (needle in data) if data is not None else _in_large(file, needle):
                    found.setdefault(text, []).append(str(file.relative_to(data_dir)))
        except FileNotFoundError:  # loaded and deleted meanwhile
            continue
    return found


def _in_large(file: Path, needle: bytes) -> bool:
    with file.open("rb") as handle:
        held = b""
        while piece := handle.read(CHUNK):
            if needle in held + piece:
                return True
            held = piece[-len(needle) :]
    return False


def _wal(file: Path) -> Path:
    return file.with_name(f"{file.name}.wal")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _quoted(file: Path) -> str:
    return "'" + str(file).replace("'", "''") + "'"
