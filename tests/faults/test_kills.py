"""Each process dies by SIGKILL at random moments under load: nothing is doubled, nothing is missing, only what was in flight is lost."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter

import pytest

from tests.faults.account import account
from tests.faults.traffic import Crowd, Stage, more
from tests.helpers.client import fetch
from tests.helpers.goldwash import Goldwash
from tests.helpers.waiting import eventually

CLIENTS = 8
CHECKED_EVERY = 10  # rounds


def kill_child(goldwash: Goldwash, kind: str) -> None:
    """SIGKILL for the worker or the log service; return when another has taken its place."""
    before = goldwash.pids(kind)
    assert before, f"no {kind} lives"
    os.kill(before[0], signal.SIGKILL)
    assert eventually(lambda: set(goldwash.pids(kind)) - set(before), within=30), f"no new {kind}"


def kill_supervisor(goldwash: Goldwash) -> None:
    """SIGKILL for the supervisor; when its children have let go, start it again on the same directory."""
    assert goldwash.process is not None
    os.kill(goldwash.process.pid, signal.SIGKILL)
    goldwash.process.wait(10)
    assert eventually(lambda: not goldwash.children(), within=60), goldwash.children()
    goldwash.start(within=60)


def kill(goldwash: Goldwash, victim: str) -> None:
    """One death."""
    if victim == "supervisor":
        kill_supervisor(goldwash)
    elif victim == "all":
        goldwash.kill()
        goldwash.start(within=60)
    else:
        kill_child(goldwash, victim)


@pytest.mark.parametrize(("victim", "short", "share"), [("worker", 2, 0.4), ("service", 2, 0.3), ("supervisor", 1, 0.15), ("all", 1, 0.15)])
def test_killed(install, stage_of_faults: Stage, report, rounds, victim: str, short: int, share: float) -> None:
    """SIGKILL under load, again and again: accepted = rows, none doubled, lost only with a worker and only what was under way."""
    goldwash: Goldwash = install()
    number = short if rounds is None else max(1, round(rounds * share))
    seeded = random.Random(number)
    crowd = Crowd(stage_of_faults, goldwash.port, CLIENTS, {"chat": 6, "stream": 4, "big": 1, "cut": 1, "gone": 1, "websocket": 1})
    goldwash.start()
    deaths = 0
    while deaths < number:
        crowd.start()
        for _ in range(min(CHECKED_EVERY, number - deaths)):
            more(crowd, seeded.randrange(CLIENTS, 25 * CLIENTS))  # it is at work again
            time.sleep(seeded.uniform(0.0, 0.3))
            kill(goldwash, victim)
            deaths += 1
        assert eventually(lambda: fetch(goldwash.port, "GET", "/goldwash/health").status < 500, within=10)
        time.sleep(0.3)
        crowd.stop()
        assert eventually(goldwash.ready, within=60)
        found = account(goldwash, crowd.requests)
        kills_worker = deaths if victim in ("worker", "all") else 0
        assert (found.missing, found.unlike) == ([], [])
        assert (found.verified["unaccounted"], found.verified["doubled"]) == (0, 0), found.verified
        assert len(found.answered_lost) <= kills_worker, "one answer at most can be sent and not yet noted when a worker dies"
        assert found.endings["lost"] <= kills_worker * CLIENTS
        # Who was cut and came again while all are being killed one after the other is cut twice.
        cuts = {"service": 0, "all": 2}.get(victim, 1) * deaths * CLIENTS
        assert len(crowd.errors()) <= cuts, Counter(request.kind for request in crowd.errors())
    note = f"{len(found.answered_lost)} of the lost had been answered"
    report(found.line(f"kill -9 {victim}", deaths, len(crowd.errors()), note if kills_worker else ""))
