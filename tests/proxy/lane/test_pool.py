"""A connection that rested is looked at before it is used again, except where the upstream has just shown that it keeps it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.lane.pool import Pool
from proxy.lane.routing import Origin
from proxy.lane.upstream import PROVEN, UpstreamConnection

NOBODY = cast("Any", SimpleNamespace(waits=False))


class _Transport:
    """A transport over a real socket whose other end the test holds."""

    made: list[_Transport] = []  # noqa: RUF012  all tests', closed after each

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.closed = False
        self.made.append(self)

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> socket.socket:
        assert name == "socket"
        return self.near

    def abort(self) -> None:
        self.closed = True


@pytest.fixture
def pool() -> Iterator[Pool]:
    lane: Any = SimpleNamespace(tick=5, loop=None)
    yield Pool(lane, Origin("h", 1, tls=False), limit=0, connect_timeout=1, idle_timeout=60)
    while _Transport.made:
        transport = _Transport.made.pop()
        transport.near.close()
        transport.far.close()


def rested(pool: Pool, served: int) -> tuple[UpstreamConnection, _Transport]:
    """A connection in the pool that has served so many exchanges."""
    connection, transport = UpstreamConnection(pool), _Transport()
    connection.connection_made(cast("Any", transport))
    connection.served = served
    pool.release(connection)
    return connection, transport


def test_one_that_the_upstream_closed_is_not_used(pool: Pool) -> None:
    """The first times it is looked at: the upstream may close after each answer without a word."""
    connection, transport = rested(pool, 0)
    transport.far.close()
    assert pool.acquire(NOBODY) is None
    assert transport.closed
    assert connection.idle


def test_one_that_was_kept_is_looked_at_after_a_second(pool: Pool) -> None:
    """Within the second the event loop tells; later an upstream's idle time-out may be at work."""
    connection, transport = rested(pool, PROVEN)
    transport.far.close()
    assert pool.acquire(NOBODY) is connection
    pool.release(connection)
    cast("Any", pool.lane).tick += 1
    assert pool.acquire(NOBODY) is None
    connection, transport = rested(pool, PROVEN)
    transport.closed = True  # the loop knows already
    assert pool.acquire(NOBODY) is None
