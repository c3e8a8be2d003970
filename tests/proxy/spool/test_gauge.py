"""A writer's counts can be read while it lives and when it is dead, and failing to write them stops nothing."""

from __future__ import annotations

import stat
from pathlib import Path

from proxy.spool import gauge
from proxy.spool.gauge import Gauge


def test_the_last_counts_are_read(tmp_path: Path):
    """Counts are overwritten in place, shorter ones too, and outlive the writer; nobody else may read them."""
    writer = Gauge(tmp_path)
    writer.write({"accepted": 10**30, "why": "x" * 500})
    writer.write({"accepted": 2})
    assert gauge.read(tmp_path) == {"accepted": 2}
    writer.close()
    assert gauge.read(tmp_path) == {"accepted": 2}
    assert stat.S_IMODE((tmp_path / gauge.NAME).stat().st_mode) == 0o600


def test_a_run_that_is_not_there_yet(tmp_path: Path):
    """Where the run could not be made, nothing is written and nothing raised; later it is."""
    run = tmp_path / "run"
    writer = Gauge(run)
    writer.write({"accepted": 1})
    assert gauge.read(run) == {}
    run.mkdir()
    writer.write({"accepted": 2})
    assert gauge.read(run) == {"accepted": 2}
    writer.close()
    writer.close()


def test_garbage_is_no_count(tmp_path: Path):
    """A file that holds something else tells nothing."""
    for text in (b"", b"{", b"[1]", b"\xff\xfe"):
        (tmp_path / gauge.NAME).write_bytes(text)
        assert gauge.read(tmp_path) == {}
