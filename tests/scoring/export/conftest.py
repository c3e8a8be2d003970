"""A log with made-up exchanges and scores, loaded as the loader stamps them, and an export from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from config.settings import Settings, load
from proxy.log.attach import Log
from proxy.log.columns import EXCHANGES, batch, insert
from proxy.service.client import Access
from scoring.export import position
from scoring.export.position import Stream
from scoring.export.reading import NOWHERE
from scoring.export.telemetry import Export
from tests.scoring import made

NOW = datetime(2026, 3, 3, 8, tzinfo=UTC)


@dataclass
class Room:
    """A data directory and what is in it."""

    data_dir: Path
    loaded: datetime = datetime(2026, 3, 2, 12, tzinfo=UTC)

    def store(self, numbers: range, **columns: Any) -> list[dict[str, Any]]:
        """Exchanges by number, in one commit of the loader; the next one is stamped later."""
        self.loaded += timedelta(seconds=1)
        rows = [made.row(number, 80, **columns)[0] for number in numbers]
        log = Log.open("goldwash.duckdb", self.data_dir)
        db = log.cursor()
        db.register("arriving", batch(EXCHANGES, [[made._value(row.get(c.name), c.name) for c in EXCHANGES] for row in rows]))
        db.execute(insert("exchanges", EXCHANGES, "arriving", stamped=True), [self.loaded])
        db.close()
        log.close()
        return rows

    def score(self, exchange_id: str | None, number: int, **columns: Any) -> str:
        """A score; its id."""
        self.loaded += timedelta(seconds=1)
        record = str(UUID(int=(number + 1) << 64 | 0x7 << 76))
        values = {
            "record_id": record,
            "created_at": NOW,
            "loaded_at": self.loaded,
            "exchange_id": exchange_id,
            "name": "grounded",
            "kind": "judge",
            "value": 0.25,
            "passed": False,
            "reason": "the answer names a price that no document has",
            "scorer": "judge-1",
            "cost_usd": "0.001",
            **columns,
        }
        log = Log.open("goldwash.duckdb", self.data_dir)
        db = log.cursor()
        db.execute(f"INSERT INTO scores ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})", list(values.values()))
        db.close()
        log.close()
        return record

    def settings(self, endpoint: str, **otel: Any) -> Settings:
        """As an operator would have set them."""
        return load(None, {}, data_dir=str(self.data_dir), otel={"endpoint": endpoint, "timeout": 2.0, **otel})

    def export(self, endpoint: str, **otel: Any) -> Export:
        """An export that takes up where the file says, and from the beginning where there is none yet."""
        export = Export(self.settings(endpoint, **otel), position.load(self.data_dir))
        for name in export.names():
            export.progress.streams.setdefault(name, Stream(0, NOWHERE))
        return export

    def turn(self, export: Export, *names: str) -> int:
        """A turn of some streams, of all where none is named."""
        with Access(export.settings) as access:
            newest = export.newest(access, NOW)
            return sum(export.turn(name, access, NOW, newest=newest) for name in names or export.names())


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)
