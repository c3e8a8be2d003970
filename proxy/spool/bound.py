"""How much disk the spool of one machine may take, over all its writers and what a stopped loader has left lying."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LAST_ROOM: Final = 0.1
"""Share of the bound that is kept for heads and ends alone: an exchange without its bodies takes about a kilobyte."""


class SpoolFull(OSError):
    """No segment could be allocated; the frame was not written."""


@dataclass(frozen=True, slots=True)
class Bound:
    """`[spool] max_gb`. Whoever allocates asks first, so each writer may overshoot by one segment."""

    directory: Path
    bytes: int

    def allows(self, size: int, *, last_room: bool) -> bool:
        """Whether `size` bytes more may be allocated; `last_room`: for frames without bodies."""
        return usage(self.directory) + size <= (self.bytes if last_room else self.bytes * (1 - LAST_ROOM))


def usage(directory: Path) -> int:
    """Bytes on disk of everything under the spool directory."""
    total = 0
    with contextlib.suppress(FileNotFoundError):  # the loader deletes meanwhile
        for entry in os.scandir(directory):
            with contextlib.suppress(FileNotFoundError):
                total += usage(Path(entry.path)) if entry.is_dir(follow_symlinks=False) else entry.stat().st_blocks * 512
    return total
