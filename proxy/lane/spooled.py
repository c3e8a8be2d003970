"""What of one exchange goes to the spool: that it was accepted, its bytes as they pass, and, exactly once, how it ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from proxy.exchange import Ending
from proxy.spool import frames

if TYPE_CHECKING:
    from proxy.lane.include_usage import UsageRemover
    from proxy.lane.lane import Lane
    from proxy.lane.routing import Route
    from proxy.lane.tee import Tee

# What is kept in memory of a body before it goes to the spool: large enough that a frame's cost vanishes, small enough for
# thousands of streams.
PART_BYTES: Final = 262_144
LARGE_REST: Final = 16_384  # bytes of bodies that are not copied once more to stand in one piece with their frame
PART_TICKS: Final = 2  # seconds after which even little is spooled, so that a crash loses no more than that
SWITCHED: Final = 101  # the status of an exchange whose bodies are the frames of a WebSocket session

monotonic_ns: Final = time.monotonic_ns

_ONE_LINE: Final = {10: " ", 13: " "}


class SpooledExchange:
    """See the module. `request` and `response` hold what has passed and is in no frame yet.

    Who lets bytes pass adds them there, and calls spool_request or spool_response when PART_BYTES have come together.
    """

    __slots__ = (
        "_accepted_ns",
        "_answered_spooled",
        "_finished",
        "_first_ns",
        "_flags",
        "_head_text",
        "_remover",
        "_started_ns",
        "_status",
        "exchange_id",
        "id_text",
        "lane",
        "request",
        "response",
        "route",
        "spooled_tick",
    )

    def __init__(self, lane: Lane, route: Route, flags: int, request: Tee, response: Tee) -> None:
        self.lane = lane
        self.route = route
        self._accepted_ns = time.time_ns()
        self.exchange_id, self.id_text = lane.ids.new(self._accepted_ns)
        self.request = request
        self.response = response
        self.spooled_tick = lane.tick
        self._flags = flags
        self._started_ns = monotonic_ns()
        self._first_ns = frames.NO_TIME  # of the answer's body
        self._status = 0  # no answer yet
        self._head_text = b""  # the answer's headers, as the log keeps them
        self._answered_spooled = False
        self._finished = False
        self._remover: UsageRemover | None = None  # we asked for usage, and the client did not

    def accept(self, text: bytes, body: bytes) -> bool:
        """Write ACCEPTED: from here on the exchange ends as exactly one row. False: it must be refused, for the log has no room."""
        kept = b"" if self._flags & frames.OMIT_REQUEST else body
        payload = frames.accepted(self.exchange_id, self._accepted_ns, self._flags, text, kept)
        capture = self.lane.capture
        taken = capture.accepted(payload, or_refuse=self.lane.refuses_unlogged)
        if capture.full_since and body:  # the beginning of the body is not in the spool
            self.request.cut((body,))
        return taken

    def spool_request(self) -> None:
        """Write PART: what has passed of the request, or of the session from the client, since the last one."""
        self._part(self.request, frames.CLIENT_FRAMES if self._status == SWITCHED else frames.REQUEST)

    def spool_response(self) -> None:
        """Write PART: what has passed of the answer, or of the session from the upstream; ANSWERED before the first."""
        self._spool_answered()
        self._part(self.response, frames.UPSTREAM_FRAMES if self._status == SWITCHED else frames.RESPONSE)

    def spool_what_waits(self, tick: int) -> None:
        """Once a second: write what has waited for long enough."""
        if tick - self.spooled_tick >= PART_TICKS:
            self.spooled_tick = tick
            self._spool_both()

    def _spool_both(self) -> None:
        if self.request.size:
            self.spool_request()
        if self.response.size:
            self.spool_response()

    def _part(self, tee: Tee, direction: int) -> None:
        self.spooled_tick = self.lane.tick
        after = monotonic_ns() - self._started_ns
        data = tee.take()
        if not self.lane.capture.more(self.exchange_id, frames.part(self.exchange_id, direction, after), data):
            tee.cut(data)

    def _spool_answered(self) -> None:
        if not self._answered_spooled:
            self._answered_spooled = True
            self.lane.capture.more(self.exchange_id, frames.answered(self.exchange_id, self._status, self._head_text))

    def _finish(self, ending: Ending, kind: str = "", why: str = "") -> None:
        """Write FINISHED, once."""
        if self._finished:
            return
        self._finished = True
        ended_ns = monotonic_ns() - self._started_ns
        if self._status == SWITCHED:  # what is still pending must keep its order and direction
            self._spool_both()
        request_rest, request_hash = self.request.finish()
        response_rest, response_hash = self.response.finish()
        response_bytes = self.response.total
        if self._remover is not None:  # what is kept is the upstream's answer; what is counted is what passed
            self._remover.finish()
            response_bytes, response_hash = self._remover.passed, self._remover.digest()
        flags = self._flags
        if self.request.truncated and not flags & frames.OMIT_REQUEST:
            flags |= frames.REQUEST_TRUNCATED
        if self.response.truncated and not flags & frames.OMIT_RESPONSE:
            flags |= frames.RESPONSE_TRUNCATED
        head = b"" if self._answered_spooled else self._head_text
        said = f"{kind}\n{why.translate(_ONE_LINE)}".encode("utf-8", "replace") if kind else b"\n"  # a line each, empty without a fault
        apart = len(request_rest) + len(response_rest) >= LARGE_REST
        payload = frames.finished(
            self.exchange_id, frames.ENDING_CODES[ending], flags, self._status, self._first_ns, ended_ns, self.request.total,
            response_bytes, request_hash, response_hash, said + b"\n" + head if head else said, request_rest, response_rest,
            apart=apart,
        )  # fmt: skip
        self.lane.capture.finished(self, payload, ending, kind, ended_ns, (request_rest, response_rest) if apart else ())

    def summary(self) -> tuple[int, int, int]:
        """Status, bytes in, bytes out: for the canonical log line."""
        return self._status, self.request.total, self.response.total
