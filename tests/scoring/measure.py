"""Measures the night on this machine: all checks and a 5% sample of a day, and the rate of judge calls, with each process's CPU and memory.

`python -m tests.scoring.measure checks 100000` and `python -m tests.scoring.measure judge 5000` print what docs/scoring.md shows.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from tests.helpers.goldwash import Goldwash, free_port
from tests.helpers.judge import MODEL
from tests.scoring.made import fill

DELAY = 0.2
CONCURRENCY = 64
FOR_EVER = {"log": {"bodies_days": 0, "rows_days": 0}}


class Watch(threading.Thread):
    """Notes the CPU and the largest memory of every process of an installation."""

    def __init__(self, goldwash: Goldwash) -> None:
        super().__init__(daemon=True)
        self._goldwash = goldwash
        self._over = threading.Event()
        self.seen: dict[int, tuple[str, float, float]] = {}  # pid -> what it is, CPU seconds, most MB without mapped files

    def run(self) -> None:
        while not self._over.wait(0.1):
            for pid, line in self._goldwash.children().items():
                with suppress(OSError, ValueError, StopIteration, IndexError):
                    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                    status = Path(f"/proc/{pid}/status").read_text()
                    anonymous = next(int(row.split()[1]) for row in status.splitlines() if row.startswith("RssAnon:")) / 1024
                    _, cpu, most = self.seen.get(pid, (line, 0.0, 0.0))
                    ticks = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
                    self.seen[pid] = (line, max(cpu, ticks), max(most, anonymous))

    def table(self) -> str:
        """A line a process."""
        self._over.set()
        self.join()
        lines = []
        for line, cpu, most in self.seen.values():
            words = line.split()
            name = next((word for word in ("proxy.service", "proxy.worker", "score", "up", "forkserver") if word in line), words[0])
            lines.append(f"  {name:<16} {cpu:7.1f} s CPU {most:8.0f} MB")
        return "\n".join(sorted(lines))


def checks(number: int) -> None:
    """Check so many exchanges with answers of 4 KB, and draw the sample."""
    with tempfile.TemporaryDirectory() as directory:
        goldwash = Goldwash(Path(directory), {"openai": {"url": "http://127.0.0.1:9"}}, sections=FOR_EVER)
        day = fill(goldwash.data_dir, number, 4100)
        with goldwash:
            watch = Watch(goldwash)
            watch.start()
            began = time.monotonic()
            done = goldwash.cli("score", "--date", day, timeout=3600)
            seconds = time.monotonic() - began
            print(done.stdout[-400:], done.stderr[-400:])
            print(f"{number:,} exchanges in {seconds:.1f} s; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
            print(watch.table())


def judge(number: int) -> None:
    """Take so many items to a judge that thinks for 200 ms, in a process of its own."""
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
                done = goldwash.cli("score", "--date", day, timeout=3600)
                print(done.stdout[-400:], done.stderr[-400:])
                calls = "SELECT count(*) AS n, epoch(max(ended_at)) - epoch(min(accepted_at)) AS s FROM exchanges WHERE purpose = 'judge'"
                row = goldwash.sql(calls)[0]
                rate, ideal = row["n"] / row["s"], CONCURRENCY / DELAY
                print(f"{row['n']:,} calls in {row['s']:.1f} s: {rate:.0f}/s, {rate / ideal:.0%} of the ideal {ideal:.0f}/s")
                print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
                print(watch.table())
    finally:
        judging.kill()
        judging.wait()


if __name__ == "__main__":
    {"checks": checks, "judge": judge}[sys.argv[1]](int(sys.argv[2]))
