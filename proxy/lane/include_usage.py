"""Asks an OpenAI-like upstream for the usage of a stream whose client did not, and takes exactly that event out of the answer again.

Off unless `[upstreams.NAME] include_usage` is set. What the client sent is logged and hashed as it came; the upstream's answer is
captured with its usage, and its hash is that of what passed to the client. Nothing here touches a socket: bytes in, bytes out.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

import orjson

from proxy.lane.held import HeldRequest
from proxy.spool.frames import WEBSOCKET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.lane.request import RequestPlan

OPTION: Final = b'"stream_options":{"include_usage":true}'
# The request is held until it is whole; a longer one goes on as it is.
MAX_HELD: Final = 16 << 20
# An event longer than this is not the one with the usage, and passes without being held to its end.
MAX_EVENT: Final = 65_536

_PATH: Final = re.compile(rb"/completions(?:\?|$)")
_CODINGS: Final = re.compile(rb"\r\naccept-encoding: [^\r]*", re.IGNORECASE)
_LINE_END: Final = rb"(?:\r\n|\r(?!\n)|\n)"
_EVENT_END: Final = re.compile(_LINE_END + _LINE_END)
_DATA: Final = re.compile(rb"(?:^|[\r\n])data:[ ]?([^\r\n]*)")


def may_stream(plan: RequestPlan) -> bool:
    """Whether a request may be one for chat completions or completions, going by its head.

    One that waits for "100 Continue" cannot be held: its body would never come.
    """
    expects = b"\nexpect:" in plan.before.lower() or b"\nexpect:" in plan.after.lower()
    return plan.method == b"POST" and not plan.flags & WEBSOCKET and not expects and _PATH.search(plan.target) is not None


def with_usage(body: bytes) -> bytes | None:
    """The body of a request with the option put in, no other byte touched; None where it asks for no stream, or has options of its own."""
    start = body.find(b"{") + 1
    if not start or b'"stream"' not in body or body[: start - 1].strip():
        return None
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if asked.get("stream") is not True or "stream_options" in asked:
        return None
    return body[:start] + OPTION + b"," + body[start:]


class AskingRequest(HeldRequest):
    """A request that may need the option."""

    def __init__(self, plan: RequestPlan, digits: bytes) -> None:
        """digits: of its Content-Length, b"" where it has none."""
        super().__init__()
        self._head = (plan.before, digits, plan.after)
        self._chunked = plan.chunked
        self._framed: list[bytes] = []

    def add(self, piece: bytes, framed: bytes, *, whole: bool) -> bytes | None:
        """See HeldRequest; one that is too long to be held goes on as it came."""
        self._pieces.append(piece)
        self._framed.append(framed)
        self._size += len(piece)
        if not whole and self._size <= MAX_HELD:
            return None
        asking = self._with_option() if whole else None
        if asking is not None:
            self.asks_usage = True
            return asking
        return b"".join((*self._head, *self._framed))

    def _with_option(self) -> bytes | None:
        """The whole request with the option in its body; None where it is to go as it came.

        It asks for an answer without a coding, in which the usage could not be found.
        """
        body = with_usage(b"".join(self._pieces))
        if body is None:
            return None
        before, digits, after = self._head
        head = b"".join((before, b"%d" % len(body) if digits else b"", after))
        framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if self._chunked else body
        return _CODINGS.sub(b"\r\nAccept-Encoding: identity", head) + framed


class UsageRemover:
    """Takes one event out of a stream: the first that holds usage and no choice. Feed it the body in any pieces.

    `passed` and `sha256` tell of the bytes that went on.
    """

    __slots__ = ("_held", "_in_long", "_seen", "_sha256", "found", "passed")

    def __init__(self) -> None:
        self.found = False
        self.passed = 0
        self._sha256 = hashlib.sha256()
        self._held = b""  # an event that is not whole yet
        self._seen = 0  # bytes of it that were searched for its end
        self._in_long = False  # what is held continues an event whose beginning has passed already

    @staticmethod
    def applies(status: int, lines: Sequence[bytes]) -> bool:
        """Whether an answer is a stream in which the event can be found. lines: name, ": ", value, CRLF of each header."""
        headers = {lines[at].lower(): lines[at + 2].strip().lower() for at in range(0, len(lines), 4)}
        coding = headers.get(b"content-encoding", b"identity")
        return status == 200 and coding == b"identity" and headers.get(b"content-type", b"").startswith(b"text/event-stream")

    def feed(self, piece: bytes) -> bytes:
        """Give what may go on now."""
        if self.found:
            return self._go_on(piece)
        held = self._held + piece
        out: list[bytes] = []
        start, search = 0, max(self._seen - 3, 0)
        while (end := _EVENT_END.search(held, search)) is not None:
            stop = end.end()
            if stop == len(held) and held[stop - 1 :] == b"\r":  # the line feed that may follow belongs to this event
                break
            event = held[start:stop]
            if not self.found and not self._in_long and is_usage(event):
                self.found = True
            else:
                out.append(event)
            self._in_long = False
            start = search = stop
        rest = held[start:]
        if self.found or len(rest) > MAX_EVENT:
            keep = 0 if self.found else 3  # an event's end may be cut in the middle
            out.append(rest[: len(rest) - keep])
            rest = rest[len(rest) - keep :]
            self._in_long = not self.found
        self._held, self._seen = rest, len(rest)
        return self._go_on(b"".join(out))

    def finish(self) -> bytes:
        """Give what was held to the end; call it again and nothing is left."""
        rest, self._held, self._seen = self._held, b"", 0
        if not self.found and not self._in_long and is_usage(rest):
            self.found = True
            return b""
        return self._go_on(rest)

    def digest(self) -> bytes:
        """SHA-256 of the bytes that went on."""
        return self._sha256.digest()

    def _go_on(self, data: bytes) -> bytes:
        self.passed += len(data)
        self._sha256.update(data)
        return data


def without_length(lines: Sequence[bytes]) -> list[bytes]:
    """An answer's header lines (name, ": ", value, CRLF of each) without its Content-Length, which no longer holds."""
    return [part for at in range(0, len(lines), 4) if lines[at].lower() != b"content-length" for part in lines[at : at + 4]]


def is_usage(event: bytes) -> bool:
    """Whether an event, as it came, is the one that the option brings: a usage, and an empty list of choices."""
    if b'"usage"' not in event or len(event) > MAX_EVENT:
        return False
    try:
        data = orjson.loads(b"\n".join(_DATA.findall(event)))
    except orjson.JSONDecodeError:
        return False
    return isinstance(data, dict) and data.get("choices") == [] and isinstance(data.get("usage"), dict)
