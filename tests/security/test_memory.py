"""What clients make up does not stay in a worker's memory: names, keys and heads that never come twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from config.settings import load
from proxy.lane.capture import Capture
from proxy.lane.lane import MAX_POOLS, Lane
from tests.helpers.client import Client, request
from tests.helpers.goldwash import Goldwash, memory_of
from tests.helpers.upstream import Upstream, answer

ROUNDS = 250
LONG = 50_000
MOST = 6_000_000
"""Bytes that a worker may grow by: buffers of the allocator; what was made up is 12 MB."""


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory, stage: Upstream) -> Iterator[Goldwash]:
    """A Goldwash that many strangers come to."""
    stage.on("/memory", answer(200, [], b"ok"))
    with Goldwash(tmp_path_factory.mktemp("crowded"), {"stage": {"url": stage.url}}) as running:
        yield running


@pytest.mark.parametrize("what", ["header names", "credentials", "metadata", "parameters", "proxy keys"])
def test_made_up_things_are_forgotten(crowded: Goldwash, what: str) -> None:
    """Hundreds of distinct, long ones leave the worker about as large as before."""

    def made_up(number: int) -> bytes:
        text = f"{number:06d}" + "a" * LONG
        if what == "header names":
            return request("GET", "/stage/memory", [(f"x-{text}", "1")])
        if what == "credentials":
            return request("GET", "/stage/memory", [("Authorization", f"Bearer {text}")])
        if what == "proxy keys":
            return request("GET", "/stage/memory", [("goldwash-key", text)])
        if what == "metadata":
            return request("GET", f"/stage/~feature={text}/memory")
        return request("GET", f"/stage/memory?{text}=1")

    def some(numbers: range) -> None:
        for number in numbers:
            with Client(crowded.port) as client:
                client.send(made_up(number))
                assert client.answer().status in {200, 401}

    (worker,) = crowded.pids("worker")
    some(range(40))
    before = memory_of(worker)
    some(range(40, 40 + ROUNDS))
    assert memory_of(worker) - before < MOST


async def test_pools_of_regions_that_nobody_uses_go(tmp_path: Path) -> None:
    """Each region that a client names is a pool of connections of its own; beyond some hundreds the unused ones are let go of."""
    file = tmp_path / "goldwash.toml"
    file.write_text(f'data_dir = "{tmp_path}"\n[upstreams.regional]\nurl = "http://{{region}}.invalid"')
    lane = Lane(load(file, {}), Mock(spec=Capture), b"x" * 32, asyncio.get_running_loop())
    for number in range(MAX_POOLS + 50):
        lane.pool(lane.router.route(b"/regional/locations/r%d/x" % number).route)
    assert len(lane._pools) == MAX_POOLS + 50
    lane._sweep()
    assert len(lane._pools) == 0
    assert lane._timer is not None
    lane._timer.cancel()
