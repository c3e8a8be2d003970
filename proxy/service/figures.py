"""The figures of the log service: gathered from log, spool, loader and process.

Unknown is left out, never 0: a metric that cannot be had is absent, and `absent()` can alert on it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb

from proxy.exchange import Ending
from proxy.service.exposition import Figure, one
from proxy.service.loading import Progress
from proxy.service.readers import resident_bytes
from proxy.service.standing import standing
from proxy.service.traffic import Traffic
from proxy.spool import gauge
from proxy.spool.reader import runs

KEEP: Final = 10.0
"""Seconds that counts over the whole log are kept: a scrape must not cost a scan each time."""

STALE: Final = 5.0
"""Seconds after which a gauge, written every second, says nothing any more."""

_ENDINGS: Final = tuple(ending.value for ending in Ending)


@dataclass(slots=True)
class Counts:
    """What the log holds, as of `at` (monotonic seconds)."""

    ledger: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)  # by host and worker
    exchanges: int | None = None
    unpriced: int | None = None
    no_usage: int | None = None
    estimated: int | None = None
    no_dialect: int | None = None
    size: int | None = None  # bytes of the file
    wal: int | None = None  # bytes beside it that wait for a checkpoint
    live: int | None = None  # bytes of it in use
    more: tuple[Figure, ...] = ()  # of the traffic, and of the watch
    at: float = float("-inf")


class Census:
    """Counts over the log, kept for KEEP seconds. refresh() from one thread at a time."""

    def __init__(self, cursor: Callable[[], duckdb.DuckDBPyConnection], file: Path | None) -> None:
        self._cursor, self._file = cursor, file
        self.counts = Counts()
        self.traffic = Traffic(own_host() if file is None else None)
        with contextlib.suppress(duckdb.Error):
            counting = cursor()
            self.traffic.begin(counting)
            counting.close()

    def refresh(self) -> Counts:
        """The counts, counted again where they are old."""
        if time.monotonic() - self.counts.at > KEEP:
            cursor = self._cursor()
            try:
                counts = _count(cursor, self._file)
                self.traffic.refresh(cursor)
                counts.more = (*self.traffic.figures(), *standing(cursor, datetime.now(UTC)))
                self.counts = counts
            finally:
                cursor.close()
        return self.counts


def _count(cursor: duckdb.DuckDBPyConnection, file: Path | None) -> Counts:
    names = ("accepted", *_ENDINGS, "shed")
    sums = ", ".join(f"CAST(sum({name}) AS BIGINT)" for name in names)
    counts = Counts(at=time.monotonic())
    for host, worker, *values in cursor.execute(f"SELECT host, worker, {sums} FROM ledger GROUP BY ALL ORDER BY ALL").fetchall():  # noqa: S608  our own names
        counts.ledger[host, worker] = dict(zip(names, values, strict=True))
    row = cursor.execute(
        "SELECT count(*), count(*) FILTER (cost_usd IS NULL), count(*) FILTER (input_tokens IS NULL AND output_tokens IS NULL), "
        "count(*) FILTER (usage_source = 'estimated'), count(*) FILTER (dialect IS NULL) FROM exchanges"
    ).fetchone()
    assert row is not None
    counts.exchanges, counts.unpriced, counts.no_usage, counts.estimated, counts.no_dialect = row
    if file is not None:
        with contextlib.suppress(OSError):
            counts.size = file.stat().st_size
            wal = file.with_name(file.name + ".wal")
            counts.wal = wal.stat().st_size if wal.exists() else 0
        block = cursor.execute(
            "SELECT block_size * used_blocks FROM pragma_database_size() WHERE database_name = current_database()"
        ).fetchone()
        counts.live = int(block[0]) if block else None
    return counts


@dataclass(frozen=True, slots=True)
class Workers:
    """What the living workers say of themselves."""

    alive: int = 0
    accepting: int = 0
    active: int = 0  # exchanges under way
    connections: int = 0  # of clients
    refused: int = 0  # requests answered by us, without an upstream
    spool_full: int = 0  # workers that cannot spool all now
    shed_exchanges: int = 0
    shed_bytes: int = 0
    upstream_open: int = 0
    upstream_dialled: int = 0
    upstream_reused: int = 0


def workers(spool: Path) -> Workers:
    """As their gauges stand; a gauge older than STALE is a worker that hangs."""
    found = [counts for run in runs(spool) if (counts := gauge.read(run.path)) and run.alive()]
    fresh = [counts for counts in found if time.time() - counts.get("at", 0) < STALE]

    def upstream(what: str) -> int:
        return sum((counts.get("upstream") or {}).get(what) or 0 for counts in found)

    return Workers(
        alive=len(found),
        accepting=sum(not counts.get("draining") for counts in fresh),
        active=sum(counts.get("active") or 0 for counts in found),
        connections=sum(counts.get("connections") or 0 for counts in found),
        refused=sum(counts.get("refused") or 0 for counts in found),
        spool_full=sum(bool(counts.get("spool_full_since")) for counts in found),
        shed_exchanges=sum(counts.get("shed_exchanges") or 0 for counts in found),
        shed_bytes=sum(counts.get("shed_bytes") or 0 for counts in found),
        upstream_open=upstream("open"),
        upstream_dialled=upstream("dialled"),
        upstream_reused=upstream("reused"),
    )


def figures(counts: Counts, progress: Progress, spool: Path, seen: Workers, queries: dict[str, int]) -> list[Figure]:
    """All metrics. queries: count of SQL queries by outcome."""
    segments, size = spool_size(spool)
    by_worker = [({"host": host, "worker": worker}, ledger) for (host, worker), ledger in counts.ledger.items()]
    return [
        one("goldwash_workers", "gauge", "Worker processes that live.", seen.alive),
        one("goldwash_workers_accepting", "gauge", "Workers that take new requests.", seen.accepting),
        one("goldwash_exchanges_active", "gauge", "Exchanges under way.", seen.active),
        one("goldwash_client_connections", "gauge", "Connections of clients.", seen.connections),
        one("goldwash_upstream_connections", "gauge", "Connections to upstreams, dials under way included.", seen.upstream_open),
        one(
            "goldwash_upstream_dials",
            "gauge",
            "Connections that living workers opened: over HTTPS a handshake each.",
            seen.upstream_dialled,
        ),
        one("goldwash_upstream_reuses", "gauge", "Requests of living workers on a connection that was there.", seen.upstream_reused),
        one("goldwash_refused_requests", "gauge", "Requests that living workers answered themselves (404, 400, 401).", seen.refused),
        one("goldwash_spool_full_workers", "gauge", "Workers that have no room to spool all they should.", seen.spool_full),
        one("goldwash_workers_shed_exchanges", "gauge", "Exchanges that living workers passed and could not spool.", seen.shed_exchanges),
        one("goldwash_workers_shed_bytes", "gauge", "Bytes, of bodies first, that living workers could not spool.", seen.shed_bytes),
        Figure(
            "goldwash_accepted_total",
            "counter",
            "Requests accepted, by the ledger of the log.",
            tuple((labels, ledger["accepted"]) for labels, ledger in by_worker),
        ),
        Figure(
            "goldwash_exchanges_total",
            "counter",
            "Accepted requests by how they ended.",
            tuple(({**labels, "ending": name}, ledger[name]) for labels, ledger in by_worker for name in _ENDINGS),
        ),
        Figure(
            "goldwash_shed_total",
            "counter",
            "Exchanges that passed and could not be spooled (counted as lost).",
            tuple((labels, ledger["shed"]) for labels, ledger in by_worker),
        ),
        one("goldwash_open_exchanges", "gauge", "Exchanges accepted and not ended yet, as the loader sees them.", progress.open),
        one("goldwash_rows_written_total", "counter", "Rows of exchanges written since this process started.", progress.rows),
        one("goldwash_records_written_total", "counter", "Opinions and events written since this process started.", progress.records),
        one("goldwash_spool_losses_total", "counter", "Places in the spool with missing or damaged frames.", progress.losses),
        one("goldwash_log_lag_seconds", "gauge", "Age of the oldest that may not be in the log yet.", progress.lag(time.time())),
        one("goldwash_spool_bytes", "gauge", "Bytes allocated by segments that are not wholly loaded or still written.", size),
        one("goldwash_spool_segments", "gauge", "Segments on disk.", segments),
        one("goldwash_load_errors_total", "counter", "Rounds that the log refused; each is tried again.", progress.errors),
        one("goldwash_insert_stall_seconds", "gauge", "Longest round of the loader in the last ten minutes.", progress.stall),
        one("goldwash_exchanges_stored", "gauge", "Exchanges in the log.", counts.exchanges),
        one("goldwash_stored_without_price", "gauge", "Exchanges in the log whose price is not known.", counts.unpriced),
        one("goldwash_stored_without_usage", "gauge", "Exchanges in the log whose usage is not known.", counts.no_usage),
        one("goldwash_stored_with_estimated_usage", "gauge", "Exchanges in the log whose usage is an estimate.", counts.estimated),
        one("goldwash_stored_without_dialect", "gauge", "Exchanges in the log that no dialect read.", counts.no_dialect),
        one("goldwash_log_bytes", "gauge", "Size of the log file.", counts.size),
        one("goldwash_log_wal_bytes", "gauge", "Size of the write-ahead log beside the log file.", counts.wal),
        one("goldwash_log_live_bytes", "gauge", "Bytes of the log file in use; the rest is reused first.", counts.live),
        Figure(
            "goldwash_queries_total", "counter", "SQL queries by outcome.", tuple(({"outcome": k}, v) for k, v in sorted(queries.items()))
        ),
        one("goldwash_process_resident_bytes", "gauge", "Resident memory of the log service.", resident_bytes()),
        one("goldwash_process_open_fds", "gauge", "Open descriptors of the log service.", sum(1 for _ in Path("/proc/self/fd").iterdir())),
        *counts.more,
    ]


def own_host() -> str:
    """This machine as `exchanges.host` names it."""
    return "".join(c if c.isalnum() or c in ".-" else "-" for c in socket.gethostname())[:80] or "host"


def spool_size(spool: Path) -> tuple[int, int]:
    """(segments, bytes allocated) under the spool directory."""
    segments = size = 0
    for run in runs(spool):
        with contextlib.suppress(FileNotFoundError):  # a run that was loaded just now
            for entry in os.scandir(run.path):
                if entry.name.endswith(".seg"):
                    with contextlib.suppress(FileNotFoundError):
                        size += entry.stat().st_blocks * 512
                        segments += 1
    return segments, size
