"""Processes that are killed in the middle of load: every accepted request is one row, and no client is answered wrongly."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.client import Client, fetch, request
from tests.helpers.goldwash import Goldwash
from tests.helpers.load import FEATURE, Load, Outcome
from tests.helpers.upstream import Upstream, answer, unfinished
from tests.helpers.waiting import eventually

CLIENTS = 8

pytestmark = pytest.mark.slow


@pytest.fixture
def instance(tmp_path: Path, stage: Upstream) -> Goldwash:
    """A Goldwash of one's own, not yet started."""
    stage.on("/load", lambda got: answer(200, [], [b"gold" * 20] * 3, framing="chunked", delay=0.002 if len(got.body) % 2 else 0))
    return Goldwash(tmp_path, {"stage": {"url": stage.url}}, sections={"spool": {"segment_mb": 1}})


def numbered(goldwash: Goldwash) -> dict[int, str]:
    """Rows of the load: number -> ending. Fails where a number has two."""
    rows = goldwash.rows(f"feature = '{FEATURE}'")
    numbers = [int(_first(row["properties"]["number"])) for row in rows]
    assert not [number for number, times in Counter(numbers).items() if times > 1]
    return {number: row["ending"] for number, row in zip(numbers, rows, strict=True)}


def _first(value: Any) -> str:
    return str(value[0] if isinstance(value, list) else value)


def check(goldwash: Goldwash, outcome: Outcome, most_lost: int) -> Counter[str]:
    """Compare what clients saw with the log; returns the endings."""
    rows = numbered(goldwash)
    assert len(outcome.whole) > 100
    assert outcome.whole - set(rows) == set(), "answered and not in the log"
    assert set(rows) - outcome.whole - outcome.broken == set(), "in the log and never sent"
    endings = Counter(rows.values())
    assert endings["lost"] <= most_lost
    assert {rows[number] for number in outcome.whole} <= {"complete", "lost"}
    verified = goldwash.cli("verify", "--max-lost", str(most_lost))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    return endings


def test_worker_killed(instance: Goldwash, stage: Upstream) -> None:
    """kill -9 of the worker, three times under load: it is back at once, nothing is doubled, only what was in flight is lost."""
    with instance, Load(instance.port, "/stage/load", CLIENTS) as load:
        for _ in range(3):
            time.sleep(0.7)
            (worker,) = instance.pids("worker")
            os.kill(worker, signal.SIGKILL)
            assert eventually(lambda dead=worker: [pid for pid in instance.pids("worker") if pid != dead])
        time.sleep(0.7)
        outcome = load.stop()
        endings = check(instance, outcome, most_lost=3 * CLIENTS)
        assert len(outcome.broken) <= 3 * CLIENTS
        assert endings["lost"] > 0


def test_what_had_arrived_is_kept(instance: Goldwash, stage: Upstream) -> None:
    """A stream that was under way when the worker died is lost with the part that had been spooled."""
    stage.on("/half", unfinished([b"data: gold\n\n"], [("Content-Type", "text/event-stream")]))
    with instance, Client(instance.port) as client:
        client.send(request("POST", "/stage/half", [], b'{"ask":"river"}'))
        while b"gold" not in client.read():
            pass
        time.sleep(3.2)  # what has come is spooled within two ticks of a second
        (worker,) = instance.pids("worker")
        os.kill(worker, signal.SIGKILL)
        assert eventually(lambda: instance.rows("path = '/half'"))
        row = instance.row("path = '/half'")
        assert (row["ending"], row["request_bytes"], row["response_bytes"], row["status"]) == ("lost", 15, 12, 200)
        (stored,) = instance.sql(f"SELECT * FROM bodies WHERE exchange_id = '{row['exchange_id']}'")
        assert "river" in json.dumps(stored)
        assert "gold" in json.dumps(stored)


def test_log_service_killed(instance: Goldwash, stage: Upstream) -> None:
    """kill -9 of the log service, three times under load: traffic notices nothing, and every row is there once."""
    with instance, Load(instance.port, "/stage/load", CLIENTS) as load:
        for _ in range(3):
            time.sleep(0.7)
            (service,) = instance.pids("service")
            os.kill(service, signal.SIGKILL)
            assert eventually(lambda dead=service: [pid for pid in instance.pids("service") if pid != dead])
        assert eventually(instance.ready, within=30)
        time.sleep(0.5)
        outcome = load.stop()
        assert outcome.broken == set()
        assert check(instance, outcome, most_lost=0) == {"complete": len(outcome.whole)}


def test_supervisor_killed(instance: Goldwash, stage: Upstream) -> None:
    """kill -9 of the supervisor leaves no orphan; the next start on the same directory loads what was left."""
    with instance:
        with Load(instance.port, "/stage/load", CLIENTS) as load:
            time.sleep(1)
            assert instance.process is not None
            os.kill(instance.process.pid, signal.SIGKILL)
            instance.process.wait(10)
            assert eventually(lambda: not instance.children(), within=20), instance.children()
            outcome = load.stop()
        instance.start()
        check(instance, outcome, most_lost=CLIENTS)
        assert fetch(instance.port, "POST", "/stage/load", [], b"x").status == 200


def test_everything_killed_at_once(instance: Goldwash, stage: Upstream) -> None:
    """All processes dead at one moment, as when memory runs out: the next start accounts for all."""
    with instance:
        with Load(instance.port, "/stage/load", CLIENTS) as load:
            time.sleep(1)
            instance.kill()
            outcome = load.stop()
        instance.start()
        check(instance, outcome, most_lost=CLIENTS)


def test_log_service_stopped_for_a_while(instance: Goldwash, stage: Upstream) -> None:
    """A log service that hangs delays rows, never traffic."""
    with instance:
        (service,) = instance.pids("service")
        os.kill(service, signal.SIGSTOP)
        try:
            with Load(instance.port, "/stage/load", CLIENTS) as load:
                time.sleep(1.5)
                outcome = load.stop()
        finally:
            os.kill(service, signal.SIGCONT)
        assert outcome.broken == set()
        assert check(instance, outcome, most_lost=0) == {"complete": len(outcome.whole)}
