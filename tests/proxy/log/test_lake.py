"""The log in a DuckLake: the same loading, with nothing but appends, so that several log services can write at once."""

from __future__ import annotations

import time
from pathlib import Path

from proxy.log.attach import Log
from proxy.log.ingest import Loader
from proxy.log.redaction import Redactor
from proxy.spool import frames


def test_a_lake_is_loaded_exactly_once(tmp_path: Path, room):
    """Rows, records, ledger and positions go into a lake, and a loader that starts again takes up behind them (here with a catalog in a file)."""
    address = f"ducklake:{tmp_path / 'catalog.ducklake'}"
    traffic = room.traffic()
    flying = traffic.accept()
    for size in (1, 1, 50_000):  # the last in pieces
        traffic.exchange(response=b"x" * size)
    traffic.spool.append(frames.record(b"\1" * 16, time.time_ns(), "feedback", b'{"score":1}'))
    for turn in range(2):
        log = Log.open(address, tmp_path, "files")
        loader = Loader(log, tmp_path / "spool", room.loader._read, room.loader._price, Redactor())
        if turn:
            traffic.finish(flying)
        loader.step(time.time_ns())
        cursor = log.cursor()
        assert cursor.execute("SELECT accepted, complete, open FROM ledger_daily").fetchall() == [(4, 3 + turn, 1 - turn)]
        assert cursor.execute("SELECT count(*), count(DISTINCT exchange_id) FROM exchanges").fetchall() == [(3 + turn, 3 + turn)]
        assert cursor.execute("SELECT count(*), max(length(response_body)) FROM bodies").fetchall() == [(3 + turn, 50_000)]
        assert cursor.execute("SELECT score FROM feedback").fetchall() == [(1.0,)]
        assert cursor.execute("SELECT properties, finish_reasons FROM exchanges LIMIT 1").fetchall() == [({}, None)]
        cursor.close()
        loader.close()
        log.close()
