"""The bound counts everything under the spool, and keeps its last tenth for what must be written."""

from __future__ import annotations

from pathlib import Path

from proxy.spool.bound import Bound, usage


def test_usage_counts_all_runs(tmp_path: Path):
    """Segments of every run and files kept aside count with the room they take on the disk; a spool that is not there takes none."""
    assert usage(tmp_path / "nowhere") == 0
    for name in ("a/1.seg", "b/1.seg", "b/reserve.new", "kept.torn"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(8192))
    assert usage(tmp_path) >= 4 * 8192


def test_last_tenth(tmp_path: Path):
    """What may not use the last room ends at nine tenths."""
    bound = Bound(tmp_path, 100_000)
    assert bound.allows(90_000, last_room=False)
    assert not bound.allows(90_001, last_room=False)
    assert bound.allows(100_000, last_room=True)
    assert not bound.allows(100_001, last_room=True)
    (tmp_path / "file").write_bytes(bytes(65_536))
    assert not bound.allows(30_000, last_room=False)
    assert bound.allows(30_000, last_room=True)
