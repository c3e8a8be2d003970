"""Tries again what an outage, a rate limit or a time-out spoilt; gives a target up that fails call after call. Never for a wrong answer."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

from scoring.gate.reply import Reply

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 60.0
"""Seconds between two tries; doubled each time, with jitter, unless the target says how long."""
GIVE_UP: Final = 12
"""Cases failed in a row, all their tries included, after which a target counts as down."""
GIVE_UP_HOPELESS: Final = 3
"""The same for failures that no try will mend: a wrong key, address or account."""


class Again(Exception):
    """A try that may go better later; `seconds`: as long as the target asked to wait; `limited`: everybody should."""

    def __init__(self, why: str, seconds: float | None = None, *, limited: bool = False) -> None:
        super().__init__(why)
        self.seconds, self.limited = seconds, limited


class Refused(Exception):
    """An answer that another try will not change; `alike`: other cases will fare the same."""

    def __init__(self, why: str, *, alike: bool) -> None:
        super().__init__(why)
        self.alike = alike


class Patience:
    """The tries of one target. One event loop."""

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._in_a_row = 0
        self._not_before = 0.0
        self.down: str | None = None

    async def reply(self, once: Callable[[int], Awaitable[Reply]]) -> Reply:
        """What `once` (given the number of the try) answers at last; where nothing came, a Reply whose error says why."""
        for number in range(1, self._attempts + 1):
            if self.down is not None:
                return Reply(error=self.down, tries=number - 1)
            while (wait := self._not_before - time.monotonic()) > 0:  # noqa: ASYNC110  a time, and it may move meanwhile
                await asyncio.sleep(wait)
            try:
                answer = await once(number)
            except Again as again:
                if number == self._attempts:
                    return self._failed(f"{again} ({number} {'try' if number == 1 else 'tries'})", number, GIVE_UP)
                await self._pause(number, again)
            except Refused as refused:
                return self._failed(str(refused), number, GIVE_UP_HOPELESS if refused.alike else None)
            else:
                self._in_a_row = 0
                return answer
        raise AssertionError("a try ends with an answer or an error")

    def _failed(self, why: str, tries: int, most: int | None) -> Reply:
        if most is not None:
            self._in_a_row += 1
            if self._in_a_row >= most:
                self.down = f"the target is given up: {self._in_a_row} cases in a row failed, the last with {why}"
        return Reply(error=why, tries=tries)

    async def _pause(self, number: int, again: Again) -> None:
        pause = min(FIRST_PAUSE * 2.0 ** (number - 1), LONGEST_PAUSE) * random.uniform(0.5, 1.0)
        if again.seconds is not None:
            pause = max(pause, min(again.seconds, LONGEST_PAUSE))
        if again.limited:  # who asks now makes it worse for all
            self._not_before = max(self._not_before, time.monotonic() + pause)
        await asyncio.sleep(pause)
