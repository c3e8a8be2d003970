"""Exactly once, proved by killing: the loader dies at random instants, and in the end each exchange is one row."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from proxy.log.attach import Log

PROGRAM = """
import sys, time
from pathlib import Path
from proxy.exchange import Reading
from proxy.log.attach import Log
from proxy.log.ingest import Loader, Unpriced

data = Path(sys.argv[1])
log = Log.open("goldwash.duckdb", data)
loader = Loader(log, data / "spool", lambda captured: Reading(), lambda *_: Unpriced("none"), rows=40, hold=2)
print("ready", flush=True)
while True:
    if not loader.step(time.time_ns()).more:
        time.sleep(0.001)
"""
ROUNDS = 20


def test_kills_at_random_instants_lose_and_double_nothing(room, tmp_path: Path):
    """Twenty loaders are killed with SIGKILL while traffic of two runs, with a long stream in each, is being loaded."""
    room.loader.close()
    room.log.close()
    seeded = random.Random(93)
    traffics = [room.traffic(f"w{n}", 1 << 14) for n in range(2)]
    streams = [traffic.accept() for traffic in traffics]
    expected = {uuid.UUID(bytes=stream) for stream in streams}
    for number in range(ROUNDS):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        until = time.monotonic() + seeded.uniform(0.0, 0.12)
        while time.monotonic() < until:
            for traffic, stream in zip(traffics, streams, strict=True):
                expected.add(uuid.UUID(bytes=traffic.exchange(response=b"x" * seeded.randrange(900))))
                traffic.part(stream, b"p")
            time.sleep(0.0005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if number == ROUNDS // 2:  # a worker dies too, and its stream with it
            traffics[1].spool.close()
            traffics[1] = room.traffic("w1", 1 << 14)
            streams[1] = traffics[1].accept()
            expected.add(uuid.UUID(bytes=streams[1]))
    for traffic in traffics:
        traffic.spool.close()
    room.log = Log.open("goldwash.duckdb", tmp_path)
    room.loader = room.new_loader()
    room.load()
    stored = [row[0] for row in room.sql("SELECT exchange_id FROM exchanges")]
    assert len(stored) == len(set(stored))
    assert set(stored) == expected
    assert room.balanced()
    assert room.sql("SELECT ending, count(*) FROM exchanges WHERE ending <> 'complete' GROUP BY 1") == [("lost", 3)]
    assert room.one("SELECT sum(exchanges), sum(complete), sum(lost) FROM rollups") == (len(expected), len(expected) - 3, 3)
    assert room.sql("SELECT * FROM losses") == []
    assert list((tmp_path / "spool").iterdir()) == []
