"""Mixed load for a long time, to see what grows: memory, descriptors, tasks and latency of each process, with a slope per hour.

Run as `python -m tests.faults.soak MINUTES`: chats, streams, large bodies, WebSockets, clients that vanish, upstreams that cut,
SQL readers and readers that hang up, all at once; nothing is killed.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from proxy.spool import gauge
from proxy.spool.reader import runs
from tests.faults.traffic import Crowd, Request, Stage
from tests.helpers.goldwash import Goldwash
from tests.helpers.waiting import eventually

EVERY: Final = 10.0  # seconds between two samples
WARM_UP: Final = 1 / 3  # of the time
CLIENTS: Final = 24
PAUSE: Final = 0.3
MIX: Final = {"chat": 100, "stream": 60, "slow": 10, "big": 2, "cut": 6, "gone": 6, "websocket": 6}
HEAVY: Final = "SELECT count(*) FROM range(100000000) a, range(1000) b"
LIGHT: Final = "SELECT provider, ending, count(*) AS n, sum(input_tokens) AS tokens FROM exchanges GROUP BY ALL"


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment. Sizes in MB."""

    at: float  # seconds since the start
    anonymous: float  # resident, without mapped files
    proportional: float  # PSS
    descriptors: int
    threads: int


@dataclass
class Watched:
    """What was seen of all processes."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    tasks: list[tuple[float, int]] = field(default_factory=list)
    pids: dict[str, set[int]] = field(default_factory=dict)
    latencies: list[tuple[float, float]] = field(default_factory=list)  # of chats: (at, seconds)
    kinds: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    queries: Counter[str] = field(default_factory=Counter)


def sample(pid: int, at: float) -> Sample:
    """Read a process from /proc. Raises OSError where it is gone."""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value, *_ = line.split()
        sizes[name.rstrip(":")] = int(value) / 1024
    threads = next(int(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Threads:"))
    return Sample(at, sizes["Anonymous"], sizes["Pss"], descriptors(pid), threads)


def descriptors(pid: int) -> int:
    """Open descriptors of a process."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def processes(goldwash: Goldwash) -> list[tuple[str, int]]:
    """(name, pid) of each process of an installation."""
    assert goldwash.process is not None
    return [("supervisor", goldwash.process.pid), *((kind, pid) for kind in ("worker", "service") for pid in goldwash.pids(kind))]


def watch(goldwash: Goldwash, seen: Watched, at: float) -> None:
    """Take one sample of each process."""
    for name, pid in processes(goldwash):
        with contextlib.suppress(OSError):
            seen.samples.setdefault(name, []).append(sample(pid, at))
            seen.pids.setdefault(name, set()).add(pid)
    for run in runs(goldwash.data_dir / "spool"):
        if (tasks := gauge.read(run.path).get("tasks")) is not None:
            seen.tasks.append((at, int(tasks)))


def ask(goldwash: Goldwash, seen: Watched, stop: threading.Event) -> None:
    """Readers: a small query every two seconds; now and then a heavy one whose reader hangs up."""
    turn = 0
    while not stop.wait(2.0):
        turn += 1
        try:
            if turn % 10 == 0:
                with socket.create_connection(("127.0.0.1", goldwash.admin_port), 5) as gone:
                    body = json.dumps({"sql": HEAVY, "format": "json"}).encode()
                    head = f"POST /api/sql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                    gone.sendall(head.encode() + body)
                    time.sleep(0.3)
                seen.queries["left alone"] += 1
            else:
                goldwash.sql(LIGHT)
                seen.queries["answered"] += 1
        except (OSError, AssertionError, http.client.HTTPException) as error:
            seen.queries[f"failed: {error!r}"[:100]] += 1


def slope(points: Iterable[tuple[float, float]]) -> float | None:
    """Growth per hour by least squares; points: (seconds, value). None for fewer than two."""
    points = list(points)
    if len(points) < 2:
        return None
    return statistics.linear_regression([at for at, _ in points], [value for _, value in points]).slope * 3600


def p99(values: list[float]) -> float | None:
    """The 99th percentile in ms; None for fewer than 100 values."""
    return statistics.quantiles(values, n=100)[98] * 1000 if len(values) >= 100 else None


def soak(minutes: float, directory: Path) -> Iterable[str]:
    """Run, and give the lines of the report as Markdown."""
    seen, length = Watched(), minutes * 60
    began = time.monotonic()

    def keep(request: Request) -> None:
        seen.kinds[request.kind] += 1
        if request.kind == "chat":
            seen.latencies.append((request.at - began, request.seconds))
        if not request.whole and request.kind not in ("cut", "gone"):
            seen.errors[f"{request.kind} {request.status}"] += 1

    with Stage() as stage, Goldwash(directory, {"openai": {"url": stage.url}}, sections={"sql": {"memory": "256MB"}}) as goldwash:
        stage.remembers = False
        stop = threading.Event()
        reader = threading.Thread(target=ask, args=(goldwash, seen, stop))
        crowd = Crowd(stage, goldwash.port, CLIENTS, MIX, PAUSE, keep=keep)
        began = time.monotonic()
        crowd.start()
        reader.start()
        while (at := time.monotonic() - began) < length:
            watch(goldwash, seen, at)
            time.sleep(EVERY)
        crowd.stop()
        stop.set()
        reader.join()
        eventually(lambda: goldwash.metrics().find("goldwash_exchanges_active 0") >= 0, within=10)
        time.sleep(2)
        idle = {name: descriptors(pid) for name, pid in processes(goldwash)}
        verified = json.loads(goldwash.cli("verify", "--json", timeout=300).stdout)
        size = (goldwash.data_dir / "goldwash.duckdb").stat().st_size / 1e6
    yield from _report(seen, minutes, verified, idle, size)


def _report(seen: Watched, minutes: float, verified: dict[str, Any], idle: dict[str, int], size: float) -> Iterable[str]:
    warm = minutes * 60 * WARM_UP
    total = sum(seen.kinds.values())
    mix = ", ".join(f"{kind} {count:,}" for kind, count in sorted(seen.kinds.items()))
    yield f"{minutes:g} minutes, {total:,} requests ({mix}); queries: {dict(seen.queries)}; errors: {dict(seen.errors)}"
    yield ""
    head = (
        "process",
        "starts",
        "anonymous MB: after warm-up",
        "at the end",
        "slope MB/h",
        "PSS MB",
        "descriptors: warm",
        "end",
        "no clients",
        "threads",
    )
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for name, samples in seen.samples.items():
        later = [one for one in samples if one.at >= warm] or samples
        grown = slope((one.at, one.anonymous) for one in later)
        cells = [
            name, len(seen.pids[name]), f"{_mean(later[:6]):.1f}", f"{_mean(later[-6:]):.1f}", "" if grown is None else f"{grown:+.1f}",
            f"{later[-1].proportional:.1f}", later[0].descriptors, later[-1].descriptors, idle.get(name, ""), later[-1].threads,
        ]  # fmt: skip
        yield "| " + " | ".join(str(cell) for cell in cells) + " |"
    yield ""
    window = min(180.0, minutes * 20)
    first = [seconds for at, seconds in seen.latencies if at < window]
    last = [seconds for at, seconds in seen.latencies if at > minutes * 60 - window]
    yield f"chats, p99: first {window / 60:g} min {_ms(p99(first))}, last {window / 60:g} min {_ms(p99(last))}; log file {size:,.0f} MB"
    if seen.tasks:
        tasks = [count for at, count in seen.tasks if at >= warm]
        yield f"tasks of the worker's loop after warm-up: {min(tasks)} to {max(tasks)}"
    totals = verified["totals"]
    yield (
        f"verify: accepted {totals['accepted']:,}, rows {totals['rows']:,}, lost {totals['lost']:,}, open {totals['open']:,}, "
        f"doubled {verified['doubled']:,}, unaccounted {verified['unaccounted']:,}"
    )


def _mean(samples: list[Sample]) -> float:
    return statistics.mean(one.anonymous for one in samples)


def _ms(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} ms"


if __name__ == "__main__":
    os.nice(5)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True, prefix="goldwash-soak-") as room:
        for line in soak(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0, Path(room)):
            sys.stdout.write(line + "\n")
