"""Lets a test step the wall clock of a process: Python imports this at start from PYTHONPATH; the offset in seconds stands in a file."""

import os
import time

_file = os.environ.get("FAULT_CLOCK")
if _file:
    _now, _now_ns = time.time, time.time_ns

    def _offset() -> int:
        try:
            with open(_file) as opened:  # noqa: PTH123  read at every look at the clock
                return int(opened.read() or 0)
        except OSError:
            return 0

    time.time = lambda: _now() + _offset()
    time.time_ns = lambda: _now_ns() + _offset() * 1_000_000_000
