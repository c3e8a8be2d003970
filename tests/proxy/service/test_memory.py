"""A checkpoint that needs more memory than is configured gets it at the next start, within what the machine has."""

from __future__ import annotations

from pathlib import Path

from proxy.service.memory import NOTE, grow, machine_bytes, needed

LACKS = "FATAL Error: … Failed to create checkpoint because of error: failed to pin block of size 4.7 MiB (953.3 MiB/953.6 MiB used)"
GB = 10**9


def test_doubles_up_to_a_share_of_the_machine(tmp_path: Path) -> None:
    """Twice as much each time, and no more than six tenths of what is there."""
    assert needed(tmp_path, GB) == GB
    assert grow(tmp_path, GB, LACKS, 4 * GB) == 2 * GB
    assert needed(tmp_path, GB) == 2 * GB
    assert grow(tmp_path, 2 * GB, LACKS, 4 * GB) == int(2.4 * GB)
    assert grow(tmp_path, int(2.4 * GB), LACKS, 4 * GB) is None
    assert needed(tmp_path, GB) == int(2.4 * GB)


def test_other_faults_change_nothing(tmp_path: Path) -> None:
    """A disk that is full needs no memory."""
    assert grow(tmp_path, GB, "FATAL Error: … No space left on device", 64 * GB) is None
    assert not (tmp_path / NOTE).exists()


def test_a_damaged_note_is_no_limit(tmp_path: Path) -> None:
    """What cannot be read counts as not there; what is configured is never undercut."""
    (tmp_path / NOTE).write_text("much")
    assert needed(tmp_path, GB) == GB
    (tmp_path / NOTE).write_text("5")
    assert needed(tmp_path, GB) == GB
    assert machine_bytes() > GB
