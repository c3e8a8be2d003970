"""Lets a reader wait until a writer has spooled what it has already sent: the lane forwards first and spools right after.

The writer answers on a socket in the abstract namespace, named by its run; its answer comes from its event loop, so whatever
callback had sent bytes before has also spooled them. Nothing but a byte is told. Linux only; elsewhere waiting is not possible.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from typing import Final, cast

ANSWER: Final = b"\n"
PATIENCE: Final = 2.0
"""Seconds to wait for a writer; one that is stopped or overwhelmed must not hold up everybody."""


def _address(run: str) -> str:
    return f"\0goldwash/{run}"[:107]


class _Answers(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        stream.write(ANSWER)
        stream.close()


async def answer(run: str) -> asyncio.Server | None:
    """Answer for a run from the running loop; close the server to stop. None where the system has no such sockets."""
    if sys.platform != "linux":
        return None
    return await asyncio.get_running_loop().create_unix_server(_Answers, _address(run))


async def passed(run: str) -> bool:
    """Wait until the writer of a run has spooled what it has sent; False where it did not answer in time."""
    if sys.platform != "linux":
        return False
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(PATIENCE):
            # A socket of our own: uvloop connects to paths alone, and takes an abstract name for an empty one.
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
                asking.setblocking(False)
                await loop.sock_connect(asking, _address(run))
                return await loop.sock_recv(asking, 1) == ANSWER
    return False
