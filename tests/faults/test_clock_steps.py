"""A wall clock that steps back or ahead in the middle of requests: durations are true, ids unique, the account is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.account import account
from tests.faults.traffic import Crowd, Stage, more
from tests.helpers.goldwash import Goldwash

STEPPING = Path(__file__).parent / "stepping"
HOUR = 3600


@pytest.mark.parametrize("order", [(-HOUR, 2 * HOUR)], ids=["back, then ahead"])
def test_steps(install, stage_of_faults: Stage, report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[int, ...]) -> None:
    """The clock of all processes steps by an hour each way under load; a step back makes no time negative and no id twice."""
    clock = tmp_path / "clock"
    clock.write_text("0")
    monkeypatch.setenv("FAULT_CLOCK", str(clock))
    monkeypatch.setenv("PYTHONPATH", str(STEPPING))
    goldwash: Goldwash = install()
    goldwash.start()
    crowd = Crowd(stage_of_faults, goldwash.port, 6, {"chat": 1, "stream": 3})
    with crowd:
        for offset in order:
            more(crowd, 60)
            clock.write_text(str(offset))
        more(crowd, 60)
    assert crowd.errors() == []
    found = account(goldwash, crowd.requests)
    assert (found.missing, found.unlike, found.answered_lost) == ([], [], [])
    assert (found.verified["unaccounted"], found.verified["doubled"], found.verified["totals"]["lost"]) == (0, 0, 0)
    longest = max(request.seconds for request in crowd.requests) * 1000
    (times,) = goldwash.sql(
        "SELECT min(duration_ms) AS shortest, max(duration_ms) AS longest, min(time_to_first_chunk_ms) AS first, "
        "count(DISTINCT date_trunc('hour', accepted_at)) AS hours, count(DISTINCT exchange_id) AS ids FROM exchanges"
    )
    assert times["shortest"] > 0
    assert times["first"] > 0
    assert times["longest"] <= longest + 50
    assert times["hours"] >= 3, "the clock did step"
    assert times["ids"] == found.verified["totals"]["rows"]
    report(found.line("clock steps back 1 h, ahead 3 h", len(order), 0, "durations monotonic, ids unique"))
