"""A log service that is stopped for long: the spool stays within its bound, oldest kept first, and what is shed is in the account."""

from __future__ import annotations

import os

from proxy.spool.bound import usage
from tests.faults.account import account
from tests.faults.test_full_disks import shed
from tests.faults.traffic import Crowd, Stage, more
from tests.helpers.goldwash import Goldwash
from tests.helpers.waiting import eventually

BOUND = 12_000_000
SEGMENT = 1 << 20


def test_spool_is_bounded(install, stage_of_faults: Stage, report) -> None:
    """SIGSTOP of the log service under load: traffic passes, the disk stays bounded, the ledger balances after SIGCONT."""
    goldwash: Goldwash = install(spool={"segment_mb": 1, "max_gb": BOUND / 1e9}, proxy={"workers": 2})
    goldwash.start()
    spool = goldwash.data_dir / "spool"
    crowd = Crowd(stage_of_faults, goldwash.port, 6, {"chat": 8, "big": 2, "stream": 1})
    (service,) = goldwash.pids("service")
    most = 0

    def long_enough() -> bool:
        nonlocal most
        most = max(most, usage(spool))
        return "max_gb" in goldwash.output() and len(crowd.requests) > 400

    with crowd:
        os.kill(service, 19)
        try:
            assert eventually(long_enough, within=60), (usage(spool), len(crowd.requests))
        finally:
            os.kill(service, 18)
        assert eventually(lambda: goldwash.output().count("spool_has_room_again") == goldwash.output().count("spool_full"), within=30)
        more(crowd, 30)
    assert crowd.errors() == []
    assert most <= BOUND + 2 * SEGMENT
    found = account(goldwash, crowd.requests)
    exchanges, size = shed(goldwash)
    assert size > 0
    assert len(found.missing) == exchanges
    assert (found.unlike, found.answered_lost) == ([], [])
    assert (found.verified["unaccounted"], found.verified["doubled"], found.verified["totals"]["shed"]) == (0, 0, exchanges)
    told = {line.split()[0]: float(line.split()[1]) for line in goldwash.metrics().splitlines() if line.startswith("goldwash_workers_shed")}
    assert told["goldwash_workers_shed_exchanges"] == exchanges
    assert told["goldwash_workers_shed_bytes"] >= size, "the last second may not be in the log yet"
    cut = goldwash.sql("SELECT count(*) AS n FROM exchanges WHERE request_truncated OR response_truncated")[0]["n"]
    note = f"spool at most {most / 1e6:.1f} of {BOUND / 1e6:.0f} MB + 1 segment a worker; {cut} kept without bodies, {exchanges} shed"
    report(found.line("log service stopped (SIGSTOP)", 1, 0, note))
