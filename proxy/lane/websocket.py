"""An exchange that asks to become a WebSocket session; once it is one, raw bytes pass both ways, with a copy in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.exchange import Ending
from proxy.lane.exchange import LiveExchange
from proxy.lane.spooled import PART_BYTES, SWITCHED, monotonic_ns
from proxy.lane.tee import Tee
from proxy.spool import frames

if TYPE_CHECKING:
    from proxy.lane.upstream import ResponseHead


class WebSocketExchange(LiveExchange):
    """An ordinary exchange up to the answer's head, and after it too where that is not 101.

    Who spoke when matters in a session: before one side is kept, the other side's bytes go to the spool.
    """

    __slots__ = ()

    def tunnel_open(self, head: ResponseHead) -> None:
        """The upstream switched protocols."""
        self._status = SWITCHED
        self._head_text = b"\n".join(head.kept)
        cap = self.lane.body_cap
        self.request = Tee(cap, keep=not self._flags & frames.OMIT_REQUEST, whole=False)
        self.response = Tee(cap, keep=not self._flags & frames.OMIT_RESPONSE, whole=False)
        client = self.client
        if client is None:  # it left, and the answer was to be taken to its end; a session has none of its own
            self._drop_upstream()
            self._finish_orphan("the client hung up before the session began")
            return
        out = [b"HTTP/1.1 101 %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" % (head.reason or b"Switching Protocols"), *head.lines()]
        if self.lane.id_header:
            out.append(b"goldwash-id: %s\r\n" % self.id_text)
        out.append(b"\r\n")
        client.write(b"".join(out))
        self._spool_answered()
        client.tunnel_ready()

    def tunnel_from_client(self, data: bytes) -> None:
        """Bytes of the session, client to upstream."""
        self.moved = self.lane.tick
        if self.upstream is not None:
            self.upstream.transport.write(data)
        if self.response.size:
            self.spool_response()
        self.request.add(data)
        if self.request.size >= PART_BYTES:
            self.spool_request()

    def tunnel_from_upstream(self, data: bytes) -> None:
        """Bytes of the session, upstream to client."""
        if self.client is not None:
            self.client.write(data)
        if self._first_ns == frames.NO_TIME:
            self._first_ns = monotonic_ns() - self._started_ns
        if self.request.size:
            self.spool_request()
        self.response.add(data)
        if self.response.size >= PART_BYTES:
            self.spool_response()

    def tunnel_closed_by_upstream(self) -> None:
        """The upstream ended the session."""
        self.upstream = None
        client, self.client = self.client, None
        self._finish(Ending.COMPLETE)
        if client is not None:
            client.close()

    def client_lost(self) -> None:
        """The client hung up; its last frames, a Close among them, may still be on their way."""
        if self._status != SWITCHED:
            super().client_lost()
            return
        self.client = None
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.close_after_writing()
        self._finish(Ending.CLIENT_GONE, "client_gone", "the client hung up before the end of the answer")

    def check_time(self, tick: int) -> None:
        """As of every exchange; but a session may rest: TCP tells when a side is gone."""
        if self._status == SWITCHED:
            self.spool_what_waits(tick)
        else:
            super().check_time(tick)
