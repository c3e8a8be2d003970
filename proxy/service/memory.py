"""How much memory DuckDB gets: what is configured, or what a checkpoint was found to need, up to a share of the machine.

DuckDB writes a column 2,048 rows at a time, and holds these rows' texts whole: 2,048 bodies of some megabytes do not fit into a limit
that is right for all else. A checkpoint that fails for that makes DuckDB refuse everything until the log is opened again, and would
fail again; so may the commit of a round. So the next start gets twice as much, noted beside the log; deleting the note starts over.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Final

NOTE: Final = "log.memory"
SHARE: Final = 0.6
"""Of the machine's memory that a checkpoint may be given at most."""
_LACKING: Final = re.compile(r"pin block|out of memory|could not allocate|memory limit", re.IGNORECASE)


def memory_bytes(text: str) -> int:
    """Bytes of DuckDB's size with unit: "1GB" or "512MiB"."""
    found = re.fullmatch(r"([\d.]+)\s*([KMGT])(i?)B", text)
    if found is None:
        raise ValueError(f"{text!r} is no size with a unit")
    power = "KMGT".index(found[2]) + 1
    return int(float(found[1]) * (1024**power if found[3] else 1000**power))


def machine_bytes() -> int:
    """Memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def needed(data_dir: Path, configured: int) -> int:
    """Bytes to open the log with: as configured, or what is noted where that is more."""
    with contextlib.suppress(OSError, ValueError):
        return max(configured, int((data_dir / NOTE).read_text()))
    return configured


def lacks_memory(error: str) -> bool:
    """Whether DuckDB says that its limit is too small."""
    return _LACKING.search(error) is not None


def grow(data_dir: Path, now: int, error: str, machine: int) -> int | None:
    """Note that more than `now` bytes are needed, where the error says so and the machine has them; how many, or None."""
    more = min(2 * now, int(machine * SHARE))
    if more <= now or not lacks_memory(error):
        return None
    (data_dir / NOTE).write_text(f"{more}\n")
    return more
