"""Waiting for what another process does, with a limit, so that no test sleeps longer than it must."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], within: float = 10.0, every: float = 0.02) -> T:
    """What `look` returns as soon as it is true; its last answer where that takes longer than `within` seconds."""
    until = time.monotonic() + within
    while not (found := look()) and time.monotonic() < until:
        time.sleep(every)
    return found
