"""Waiting for a writer: its answer comes from its loop, and one that cannot answer holds nobody up for long."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest
import uvloop

from proxy.spool import barrier

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sockets in the abstract namespace are Linux's")


async def test_an_answer_comes_after_what_runs():
    """A callback that is running has ended when the answer is there."""
    server = await barrier.answer("run-of-a-test")
    assert server is not None
    ended = []

    def works() -> None:
        time.sleep(0.2)
        ended.append(True)

    asyncio.get_running_loop().call_soon(works)
    assert await barrier.passed("run-of-a-test")
    assert ended == [True]
    server.close()
    await server.wait_closed()


def test_it_works_on_the_loop_that_the_log_service_runs():
    """uvloop connects to abstract names otherwise than asyncio does: a flush asked nobody, and missed what had just been sent."""

    async def ask() -> bool:
        server = await barrier.answer("run-on-uvloop")
        assert server is not None
        try:
            return await barrier.passed("run-on-uvloop")
        finally:
            server.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(ask())


async def test_nobody_answers(monkeypatch: pytest.MonkeyPatch):
    """A run that is gone is told at once, one that is stopped after the patience."""
    assert not await barrier.passed("run-that-is-gone")
    monkeypatch.setattr(barrier, "PATIENCE", 0.1)
    silent = await asyncio.get_running_loop().create_unix_server(asyncio.Protocol, barrier._address("run-that-is-stopped"))
    assert not await barrier.passed("run-that-is-stopped")
    silent.close()
