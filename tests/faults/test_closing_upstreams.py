"""Upstreams that close pooled connections just as they are used again: nothing is ever sent twice, and every request has its row."""

from __future__ import annotations

from tests.faults.account import account
from tests.faults.traffic import Crowd, Stage, more
from tests.helpers.goldwash import Goldwash

MOST_BROKEN = 0.05  # what crosses a FIN on its way cannot be known before


def test_closed_just_as_it_is_reused(install, stage_of_faults: Stage, report, rounds) -> None:
    """Each answer is followed by a FIN that crosses the next request on its way: that one gets 502 at worst, and is never sent again."""
    goldwash: Goldwash = install()
    goldwash.start()
    crowd = Crowd(stage_of_faults, goldwash.port, 8, {"curt": 1, "chat": 1})
    wanted = 500 if rounds is None else 5000
    with crowd:
        more(crowd, wanted, within=600)
    twice = [number for number, times in stage_of_faults.numbers.items() if times > 1]
    assert twice == [], "a request was sent again that may have been acted on"
    broken = crowd.errors()
    assert {request.status for request in broken} <= {502}
    assert len(broken) <= len(crowd.requests) * MOST_BROKEN
    found = account(goldwash, crowd.requests)
    assert (found.missing, found.unlike) == ([], [])
    assert found.verified["unaccounted"] == 0
    assert found.endings["upstream_error"] == len(broken)
    report(found.line("pooled connection closed as it is reused", 1, len(broken), "502 with a row; none was sent twice"))
