"""Measures the night on this machine: all checks and a 5% sample of a day, and the rate of judge calls; each process with CPU and memory.

Run by scripts/night, which prints what docs/scoring.md shows and fails where a bar is missed. The bars are those of the full size.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.helpers.goldwash import Goldwash, free_port
from tests.helpers.judge import MODEL
from tests.scoring.made import fill

DELAY = 0.2
CONCURRENCY = 64
FOR_EVER = {"log": {"bodies_days": 0, "rows_days": 0}}
NAMES = ("proxy.service", "proxy.worker", "scoring.watch", "goldwash watch", "forkserver", "score", "up")
BAR_RATE = 1_000.0
"""Exchanges a second that are checked, sampled and reported: 100,000 in 100 s."""
BAR_MEMORY = 1024.0
"""MB of any process."""
BAR_SHARE = 0.85
"""Of the ideal rate of judge calls."""


class Watch(threading.Thread):
    """Notes the CPU and the largest memory of every process of an installation, commands that run on it included."""

    def __init__(self, goldwash: Goldwash) -> None:
        super().__init__(daemon=True)
        self._goldwash = goldwash
        self._over = threading.Event()
        self.seen: dict[int, tuple[str, float, float, float]] = {}  # pid -> what it is, CPU seconds, peak RSS and most own pages in MB

    def run(self) -> None:
        while not self._over.wait(0.1):
            for pid, line in self._goldwash.children().items():
                with suppress(OSError, ValueError, KeyError, IndexError):
                    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                    status = dict(row.split(":", 1) for row in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in row)
                    peak, own = (int(status[name].split()[0]) / 1024 for name in ("VmHWM", "RssAnon"))
                    _, _, _, most = self.seen.get(pid, (line, 0.0, 0.0, 0.0))
                    ticks = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
                    self.seen[pid] = (line, ticks, peak, max(own, most))

    def stop(self) -> float:
        """Print a line a process; the peak RSS of the largest, in MB."""
        self._over.set()
        self.join()
        lines = []
        for line, cpu, peak, own in self.seen.values():
            name = next((word for word in NAMES if word in line), Path(line.split()[0]).name)
            lines.append(f"  {name:<16} {cpu:7.1f} s CPU   peak RSS {peak:6.0f} MB   own memory {own:6.0f} MB")
        print("\n".join(sorted(lines)))
        return max((peak for _, _, peak, _ in self.seen.values()), default=0.0)


def checks(number: int) -> bool:
    """Check so many exchanges with answers of 4 KB, draw the sample of 5%, flag and report. Whether the bars were held."""
    with tempfile.TemporaryDirectory() as directory:
        goldwash = Goldwash(Path(directory), {"openai": {"url": "http://127.0.0.1:9"}}, sections=FOR_EVER)
        day = fill(goldwash.data_dir, number, 4100)
        with goldwash:
            watch = Watch(goldwash)
            watch.start()
            began = time.monotonic()
            done = goldwash.cli("score", "--date", day, "--json", timeout=3600)
            seconds = time.monotonic() - began
            said = _summary(done)
            print(f"{said['checked']:,} exchanges checked, {said['drawn']:,} drawn, {said['flags']:,} flags")
            print(f"{number:,} exchanges in {seconds:.1f} s wall: {number / seconds:,.0f}/s; {_load()}")
            peak = watch.stop()
    assert said["checked"] == number, said
    return _held(f"{number / seconds:,.0f} exchanges/s", number / seconds >= BAR_RATE) & _held(f"{peak:.0f} MB", peak < BAR_MEMORY)


def judge(number: int) -> bool:
    """Take so many items to a judge that thinks for 200 ms, in a process of its own. Whether the bar was held."""
    port = free_port()
    judging = subprocess.Popen([sys.executable, "-m", "tests.helpers.judge", str(port), str(DELAY)])
    try:
        with tempfile.TemporaryDirectory() as directory:
            upstreams = {"openai": {"url": "http://127.0.0.1:9"}, "judge": {"url": f"http://127.0.0.1:{port}"}}
            goldwash = Goldwash(Path(directory), upstreams, sections=FOR_EVER)
            day = fill(goldwash.data_dir, number)
            (Path(directory) / "config").mkdir()
            settings = f'concurrency = {CONCURRENCY}\n[sampling]\nrate = 1.0\nfloor = 0\n[judge]\nupstream = "judge"\nmodel = "{MODEL}"\n'
            (Path(directory) / "config" / "scoring.toml").write_text(settings)
            with goldwash:
                watch = Watch(goldwash)
                watch.start()
                said = _summary(goldwash.cli("score", "--date", day, "--json", timeout=3600))
                calls = "SELECT count(*) AS n, epoch(max(ended_at)) - epoch(min(accepted_at)) AS s FROM exchanges WHERE purpose = 'judge'"
                row = goldwash.sql(calls)[0]
                rate, ideal = row["n"] / row["s"], CONCURRENCY / DELAY
                print(f"{row['n']:,} calls in {row['s']:.1f} s: {rate:.0f}/s, {rate / ideal:.1%} of the ideal {ideal:.0f}/s; {_load()}")
                watch.stop()
    finally:
        judging.kill()
        judging.wait()
    assert said["states"] == {"scored": number}, said
    assert row["n"] == number
    return _held(f"{rate / ideal:.1%} of the ideal rate", rate / ideal >= BAR_SHARE)


def _summary(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _load() -> str:
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def _held(what: str, held: bool) -> bool:
    print(f"{'held' if held else 'MISSED'}: {what}")
    return held


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=["all", "checks", "judge"], default="all")
    parser.add_argument("--exchanges", type=int, default=100_000)
    parser.add_argument("--calls", type=int, default=5_000)
    given = parser.parse_args()
    held = True
    if given.what in ("all", "checks"):
        held &= checks(given.exchanges)
    if given.what in ("all", "judge"):
        held &= judge(given.calls)
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
