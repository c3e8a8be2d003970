"""Segments that were overwritten and truncated: what is whole is loaded, what is not is counted and kept aside for a person."""

from __future__ import annotations

import os
import stat

from proxy.spool.reader import runs
from tests.faults.account import account
from tests.faults.test_log_files import held, launched
from tests.faults.traffic import Crowd, Stage, more
from tests.helpers.goldwash import Goldwash
from tests.helpers.waiting import eventually

SEGMENTS = 6


def test_torn_in_the_middle(install, empty_log, stage_of_faults: Stage, report) -> None:
    """One segment is overwritten in the middle, one is cut in half, one is gone: the others load, and verify says what is missing."""
    goldwash: Goldwash = install()
    with held(empty_log(goldwash)):  # so that nothing is loaded, and deleted, before it is damaged
        launched(goldwash)
        crowd = Crowd(stage_of_faults, goldwash.port, 4, {"chat": 20, "big": 1, "stream": 2})
        with crowd:
            assert eventually(lambda: any(len(run.segments()) > SEGMENTS for run in runs(goldwash.data_dir / "spool")), within=40)
        assert crowd.errors() == []
        goldwash.kill()
    (run,) = [run for run in runs(goldwash.data_dir / "spool") if len(run.segments()) > SEGMENTS]
    with run.segment(2).open("r+b") as file:
        file.seek(run.segment(2).stat().st_size // 2)
        file.write(os.urandom(20_000))
    with run.segment(4).open("r+b") as file:
        file.truncate(run.segment(4).stat().st_size // 2)
    run.segment(5).unlink()
    goldwash.start()
    assert eventually(lambda: not any(other.path == run.path for other in runs(goldwash.data_dir / "spool")), within=30)
    found = account(goldwash, crowd.requests)
    verified = found.verified
    assert found.unlike == []
    assert verified["doubled"] == 0
    answered = sum(request.whole for request in crowd.requests)
    hurt = len(found.missing) + len(found.answered_lost)
    assert answered * 0.3 < answered - hurt, "the other segments are loaded"
    assert hurt <= verified["missing_frames"] + verified["damaged_places"]
    assert verified["unaccounted"] > 0, "what the spool cannot give back is not explained away"
    assert goldwash.cli("verify").returncode == 1
    kept = list((goldwash.data_dir / "spool").glob("*.torn"))
    assert len(kept) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
    note = f"3 of {SEGMENTS + 1} segments hurt: {verified['missing_frames']} frames missing, told by verify; {len(kept)} files kept aside"
    report(found.line("segments torn, cut, deleted", 1, 0, note))


def test_torn_under_a_running_loader(install, stage_of_faults: Stage, report, long_form) -> None:
    """A segment that is overwritten while it is written and read costs the frames that were hit, and nothing after them."""
    goldwash: Goldwash = install()
    goldwash.start()
    crowd = Crowd(stage_of_faults, goldwash.port, 4, {"chat": 20, "stream": 2})
    with crowd:
        more(crowd, 30)
        os.kill(goldwash.pids("service")[0], 19)
        more(crowd, 60)
        (run,) = [run for run in runs(goldwash.data_dir / "spool") if "-w0-" in run.name]
        with run.segment(run.segments()[-1]).open("r+b") as file:
            written = file.read().rstrip(b"\0")
            file.seek(int(len(written) * 0.9) & -8)
            file.write(os.urandom(500))
        os.kill(goldwash.pids("service")[0], 18)
        more(crowd, 60)
    assert crowd.errors() == []
    found = account(goldwash, crowd.requests)
    assert found.unlike == []
    assert len(found.missing) + len(found.answered_lost) <= 8
    last = crowd.requests[-40:]
    assert not {request.number for request in last} & {request.number for request in found.missing}
    report(found.line("segment torn while it is written", 1, 0, f"{found.verified['missing_frames']} frames missing, told by verify"))
