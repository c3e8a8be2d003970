"""A writer's own counts beside its run: small, readable by others at any time, and left behind when it dies."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, Final

NAME: Final = "gauge"
_SIZE: Final = 4096


class Gauge:
    """One file of one JSON object, overwritten in place."""

    def __init__(self, run: Path) -> None:
        """run: the directory, which need not be there yet."""
        self._file = run / NAME
        self._fd = -1

    def write(self, counts: dict[str, Any]) -> None:
        """Show these counts. A full disk is no reason to stop: once written, the file keeps its blocks."""
        text = json.dumps(counts).encode()[: _SIZE - 1]
        with contextlib.suppress(OSError):
            if self._fd < 0:
                self._fd = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.pwrite(self._fd, text.ljust(_SIZE - 1) + b"\n", 0)

    def close(self) -> None:
        """Leave the last counts behind."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read(run: Path) -> dict[str, Any]:
    """The counts of a run; {} where there are none or they are being written."""
    try:
        found = json.loads((run / NAME).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
