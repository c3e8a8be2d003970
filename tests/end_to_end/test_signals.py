"""What an operator's signals do: renew, drain, stop; and that a stream under way is not cut by them."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.helpers.client import Client, fetch, request
from tests.helpers.goldwash import Goldwash, toml
from tests.helpers.load import Load
from tests.helpers.upstream import Answer, Do, Step, Upstream, answer, unfinished
from tests.helpers.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def instance(tmp_path: Path, stage: Upstream) -> Goldwash:
    """A Goldwash of one's own, not yet started, that drains for three seconds at most."""
    return Goldwash(tmp_path, {"stage": {"url": stage.url}}, sections={"proxy": {"drain_timeout": 3.0}})


def held_stream(stage: Upstream, path: str) -> threading.Event:
    """A stream whose last piece comes when the event is set."""
    gate = threading.Event()
    first, last = b"data: 1\n\n", b"data: 2\n\n"
    steps: list[Step] = []
    for step in answer(200, [], [first, last], framing="chunked").steps:
        steps += [gate, step] if isinstance(step, bytes) and last in step else [step]
    stage.on(path, Answer(steps))
    return gate


def begin(goldwash: Goldwash, path: str) -> Client:
    """A client that has the first piece of a stream."""
    client = Client(goldwash.port, timeout=15)
    client.send(request("GET", f"/stage{path}"))
    seen = b""
    while b"data: 1" not in seen:
        seen += client.read()
    return client


def test_hangup_renews_workers(instance: Goldwash, stage: Upstream) -> None:
    """SIGHUP: new workers with the new configuration, no request refused meanwhile, and a running stream ends on the old ones."""
    gate = held_stream(stage, "/renewed")
    stage.on("/load", lambda _: answer(200, [], b"ok"))
    with instance, Load(instance.port, "/stage/load", 4) as load, begin(instance, "/renewed") as client:
        (old,) = instance.pids("worker")
        text = instance.config.read_text()
        instance.config.write_text(text + toml({}, {"upstreams.fresh": {"url": stage.url}}))
        assert instance.process is not None
        instance.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: [pid for pid in instance.pids("worker") if pid != old])
        assert eventually(lambda: fetch(instance.port, "GET", "/fresh/load").status == 200)
        gate.set()
        seen = b""
        while piece := client.read():
            seen += piece
            if seen.endswith(b"0\r\n\r\n"):
                break
        assert b"data: 2\n\n" in seen
        assert eventually(lambda: old not in instance.pids("worker"), within=15)
        outcome = load.stop()
        assert outcome.broken == set()
        assert instance.row("path = '/renewed'")["ending"] == "complete"


def test_hangup_with_a_broken_configuration(instance: Goldwash, stage: Upstream) -> None:
    """SIGHUP with a configuration that cannot be used says so and keeps the old one."""
    stage.on("/kept", answer(200, [], b"ok"))
    with instance:
        instance.config.write_text("[proxy]\nprot = 1\n")
        assert instance.process is not None
        instance.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: "prot" in instance.output())
        assert fetch(instance.port, "GET", "/stage/kept").status == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_drains(instance: Goldwash, stage: Upstream, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM: no new connections, the running stream ends whole, its row is loaded, exit 0, nobody left."""
    gate = held_stream(stage, f"/drained-{number.name}")
    with instance, begin(instance, f"/drained-{number.name}") as client, Client(instance.port) as idle:
        assert instance.process is not None
        instance.process.send_signal(number)
        assert eventually(idle.ended)
        time.sleep(0.3)
        with pytest.raises(ConnectionError):
            fetch(instance.port, "GET", "/stage/late", timeout=2)
        gate.set()
        rest = b""
        while piece := client.read():
            rest += piece
        assert rest.endswith(b"0\r\n\r\n")
        assert instance.process.wait(20) == 0
        assert instance.children() == {}
        said = instance.cli("sql", "--format", "json", "SELECT ending FROM exchanges")
        assert '"complete"' in said.stdout, said.stderr


def test_drain_has_a_limit(instance: Goldwash, stage: Upstream) -> None:
    """A stream that does not end is cut after drain_timeout, and its row is loaded before the end."""
    stage.on("/endless", unfinished([b"data: 1\n\n"]))
    with instance, begin(instance, "/endless") as client:
        began = time.monotonic()
        assert instance.process is not None
        instance.process.send_signal(signal.SIGTERM)
        instance.process.wait(20)
        assert 2.5 < time.monotonic() - began < 12
        assert client.ended()
        said = instance.cli("sql", "--format", "json", "SELECT ending FROM exchanges")
        assert '"partial"' in said.stdout, said.stderr


def test_second_interrupt_ends_at_once(instance: Goldwash, stage: Upstream) -> None:
    """Who presses Ctrl-C twice does not wait; what was spooled is loaded at the next start."""
    stage.on("/stuck", Answer([Do.STALL]))
    stage.on("/before", answer(200, [], b"ok"))
    with instance, Client(instance.port) as client:
        fetch(instance.port, "GET", "/stage/before")
        client.send(request("GET", "/stage/stuck"))
        assert eventually(lambda: stage.to("/stuck"))
        assert instance.process is not None
        instance.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        began = time.monotonic()
        instance.process.send_signal(signal.SIGINT)
        instance.process.wait(10)
        assert time.monotonic() - began < 2
        assert eventually(lambda: instance.children() == {})
        instance.start()
        assert instance.row("path = '/before'")["ending"] == "complete"
        assert eventually(lambda: instance.rows("path = '/stuck'"))
        assert instance.row("path = '/stuck'")["ending"] == "lost"


def test_two_workers(tmp_path: Path, stage: Upstream) -> None:
    """--workers 2: both serve, both are in the ledger, and one of them may die without the other noticing."""
    stage.on("/load", lambda _: answer(200, [], b"ok"))
    with Goldwash(tmp_path, {"stage": {"url": stage.url}}, arguments=["--workers", "2"]) as goldwash:
        assert len(goldwash.pids("worker")) == 2
        with Load(goldwash.port, "/stage/load", 8, per_connection=1) as load:
            time.sleep(1)
            os.kill(goldwash.pids("worker")[0], signal.SIGKILL)
            time.sleep(1)
            outcome = load.stop()
        rows = goldwash.rows("feature = 'load'")
        assert len(rows) >= len(outcome.whole)
        assert len({row["worker"] for row in goldwash.sql("SELECT DISTINCT worker FROM ledger")}) == 2
        assert goldwash.cli("verify", "--max-lost", "8").returncode == 0
