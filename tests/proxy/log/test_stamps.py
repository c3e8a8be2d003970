"""loaded_at: when a row came into the log, later from commit to commit whatever the clock and the traffic say."""

from __future__ import annotations

import time

from proxy.spool import frames

DAY_NS = 86_400_000_000_000
SECOND = 1_000_000_000


def stamps(room) -> list[tuple[int, int]]:
    """(loaded_at in microseconds, rows), in order."""
    return room.sql("SELECT epoch_us(loaded_at), count(*) FROM exchanges GROUP BY ALL ORDER BY ALL")


def test_stamps_grow_though_the_clock_goes_back(room):
    """A clock that is set back an hour, also over a restart: each commit is stamped after the one before."""
    traffic = room.traffic()
    now = int(time.time()) * SECOND
    traffic.exchange()
    traffic.exchange()
    room.loader.step(now)
    traffic.exchange()
    room.loader.step(now - 3600 * SECOND)
    assert stamps(room) == [(now // 1000, 2), (now // 1000 + 1, 1)]
    room.restart()
    traffic.exchange(at_ns=now - 9 * DAY_NS)
    room.loader.step(now - 7200 * SECOND)
    assert stamps(room) == [(now // 1000, 2), (now // 1000 + 1, 1), (now // 1000 + 2, 1)]


def test_opinions_are_stamped_and_cannot_say_it_themselves(room):
    """Scores and feedback too; a client that sends loaded_at finds it among the properties."""
    traffic = room.traffic()
    said = b'{"name":"x","loaded_at":"2000-01-01","score":1}'
    traffic.spool.append(frames.record(b"\1" * 16, time.time_ns(), "feedback", said))
    traffic.spool.append(frames.record(b"\2" * 16, time.time_ns(), "scores", said))
    now = int(time.time()) * SECOND
    room.loader.step(now)
    for table in ("feedback", "scores"):
        assert room.sql(f"SELECT epoch_us(loaded_at), properties ->> '$.loaded_at' FROM {table}") == [(now // 1000, "2000-01-01")]
