"""What clients make up does not stay in a worker's memory: names, keys, regions and heads that never come twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.client import Client, request
from tests.helpers.goldwash import Goldwash, memory_of
from tests.helpers.upstream import Upstream, answer

ROUNDS = 250
LONG = 50_000
MOST = 6_000_000
"""Bytes that a worker may grow by: buffers of the allocator; what was made up is 12 MB."""


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory, stage: Upstream) -> Iterator[Goldwash]:
    """A Goldwash with an upstream whose region clients name."""
    stage.on("/memory", answer(200, [], b"ok"))
    regional = {"url": f"http://{{region}}.localhost:{stage.port}", "connect_timeout": 2.0}
    with Goldwash(tmp_path_factory.mktemp("crowded"), {"stage": {"url": stage.url}, "regional": regional}) as running:
        yield running


@pytest.mark.parametrize("what", ["header names", "credentials", "metadata", "parameters", "regions", "proxy keys"])
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
        if what == "parameters":
            return request("GET", f"/stage/memory?{text}=1")
        return request("GET", f"/regional/v1/projects/p/locations/r{number}/x")

    def some(numbers: range) -> None:
        for number in numbers:
            with Client(crowded.port) as client:
                client.send(made_up(number))
                assert client.answer().status in {200, 401, 502, 504, 599}

    (worker,) = crowded.pids("worker")
    some(range(40))
    before = memory_of(worker)
    some(range(40, 40 + ROUNDS))
    assert memory_of(worker) - before < MOST
