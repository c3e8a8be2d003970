"""One request's life, top to bottom: accepted, sent, answered, finished; every byte that passes is copied on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.exchange import Ending
from proxy.lane.include_usage import UsageRemover, without_length
from proxy.lane.request import Refused
from proxy.lane.spooled import PART_BYTES, SpooledExchange, monotonic_ns
from proxy.lane.tee import Tee
from proxy.spool import frames

if TYPE_CHECKING:
    from proxy.lane.client import ClientConnection
    from proxy.lane.held import HeldRequest
    from proxy.lane.lane import Lane
    from proxy.lane.routing import Route
    from proxy.lane.upstream import ResponseHead, UpstreamConnection


class LiveExchange(SpooledExchange):
    """One exchange between a client connection and an upstream connection. `moved` is the tick of its last byte."""

    __slots__ = (
        "_chunk_out",
        "_close_after",
        "_head",
        "_held",
        "_to_send",
        "client",
        "is_head",
        "moved",
        "request_sent",
        "upstream",
        "waits",
    )

    def __init__(self, lane: Lane, client: ClientConnection, route: Route, flags: int, request: Tee, response: Tee) -> None:
        super().__init__(lane, route, flags, request, response)
        self.client: ClientConnection | None = client
        self.upstream: UpstreamConnection | None = None
        self.is_head = False
        self.request_sent = False  # the whole request was given to the upstream connection
        self.waits = False  # for a connection
        self.moved = lane.tick
        self._head = b""  # of the answer, until its first piece passes
        self._chunk_out = False
        self._close_after = False
        self._to_send: list[bytes] = []
        self._held: HeldRequest | None = None

    # request, client to upstream

    def send_when_synced(self, data: bytes, *, whole: bool) -> None:
        """As send, but not before ACCEPTED is on the disk ([spool] fsync = "each")."""
        self.request_sent = whole
        self.waits = True
        self._to_send.append(data)
        self.lane.capture.when_synced(self._synced)

    def _synced(self) -> None:
        if not self.waits:  # the client has gone meanwhile
            return
        self.waits = False
        data = b"".join(self._to_send)
        self._to_send.clear()
        self.send(data, whole=self.request_sent)
        if not self.waits and self.client is not None:
            self.client.resume_reading()

    def send(self, data: bytes, *, whole: bool) -> None:
        """Give head (and what has come of the body) to an upstream connection, now or when one is there."""
        self.request_sent = whole
        connection = self.lane.pool(self.route).acquire(self)
        if connection is None:
            self._to_send.append(data)
            self.waits = True
            return
        self.upstream = connection
        connection.start(self)
        connection.transport.write(data)

    def pass_request(self, piece: bytes, framed: bytes, *, whole: bool) -> None:
        """Pass on more of the request's body, `framed` for the upstream, then keep a copy of the `piece` itself."""
        self.moved = self.lane.tick
        if self._held is not None:
            self.hold(self._held, piece, framed, whole=whole)
            if self._finished:  # it was refused
                return
        else:
            self.request_sent = whole
            if self.upstream is not None:
                if framed:
                    self.upstream.transport.write(framed)
            elif self.waits:
                self._to_send.append(framed)
        if piece:
            request = self.request
            request.add(piece)
            if request.size >= PART_BYTES:
                self.spool_request()

    def hold(self, held: HeldRequest, piece: bytes, framed: bytes, *, whole: bool) -> None:
        """Hold the request back, of which another piece is here, until it is known what is to be sent."""
        self._held = None
        try:
            data = held.add(piece, framed, whole=whole)
        except Refused as error:
            self._refuse(error.status, error.kind, str(error))
            return
        if data is None:
            self._held = held
            return
        if held.asks_usage:
            self._flags |= frames.USAGE_ASKED
            self._remover = UsageRemover()
        if self.lane.capture.syncs_each:
            self.send_when_synced(data, whole=whole)
        else:
            self.send(data, whole=whole)
        if not whole and self.waits and self.client is not None:
            self.client.pause_reading()

    def connected(self, connection: UpstreamConnection) -> None:
        """A connection is there: send what waited."""
        self.waits = False
        self.upstream = connection
        self.moved = self.lane.tick
        connection.start(self)
        connection.transport.write(b"".join(self._to_send))
        self._to_send.clear()
        if self.client is not None:
            self.client.resume_reading()

    def unreachable(self, status: int, kind: str, why: str) -> None:
        """No connection could be had."""
        self.waits = False
        self._to_send.clear()
        self._refuse(status, kind, why)

    # answer, upstream to client

    def interim(self, head: bytes) -> None:
        """Pass a 1xx answer on; HTTP/1.0 clients know none."""
        if self.client is not None and not self.client.is_http10:
            self.client.write(head)

    def response_head(
        self, status: int, head: ResponseHead, raw: bytes, *, has_length: bool = False, chunked: bool = False, fits: bool = False
    ) -> None:
        """Take the answer's head: its own lines, less hop-by-hop, plus ours; it goes on with the first piece of the body.

        `raw`: the head as it came, without its empty line, where nothing of it must be left out. `has_length`: by its length or
        without a body; `chunked`: in chunks; neither: until the upstream closes. `fits`: surely under the cap of what is kept.
        """
        self._status = status
        if head.kept:
            self._head_text = b"\n".join(head.kept)
        self.response = Tee(self.lane.body_cap, keep=not self._flags & frames.OMIT_RESPONSE, whole=fits)
        client = self.client
        if client is None:
            return
        ours = b"goldwash-id: %b\r\n\r\n" % self.id_text if self.lane.id_header else b"\r\n"
        lines: list[bytes] | None = None
        if self._remover is not None:
            lines = head.lines()
            if self._remover.applies(status, lines):
                lines, raw, has_length, chunked = without_length(lines), b"", False, False
            else:
                self._remover = None
        if raw and not client.closes_after:
            self._head = raw + ours
            return
        out = [b"HTTP/1.1 %d %b\r\n" % (status, head.reason), *(head.lines() if lines is None else lines)]
        if client.closes_after:
            self._close_after = True
        if not has_length:
            if client.is_http10:
                self._close_after = True
            else:
                out.append(b"Transfer-Encoding: chunked\r\n")
                self._chunk_out = not chunked
        elif b"transfer-encoding" in head.noted and not client.is_http10:  # an answer to HEAD tells what GET would
            out.append(b"Transfer-Encoding: chunked\r\n")
        if self._close_after:
            out.append(b"Connection: close\r\n")
        out.append(ours)
        self._head = b"".join(out)

    def response_piece(self, piece: bytes, raw: bytes) -> None:
        """Pass a piece of the answer's body on, then keep a copy. `raw`: the same in the upstream's framing."""
        client = self.client
        passed = piece if self._remover is None else self._remover.feed(piece)
        if client is not None:
            if self._chunk_out:
                raw = b"%x\r\n%b\r\n" % (len(passed), passed) if passed else b""
            elif client.is_http10:
                raw = passed
            if self._head:
                raw, self._head = self._head + raw, b""
            if raw:
                client.transport.write(raw)
        if piece:
            if self._first_ns == frames.NO_TIME:
                self._first_ns = monotonic_ns() - self._started_ns
            response = self.response
            response.add(piece)
            if response.size >= PART_BYTES:
                self.spool_response()

    def response_end(self) -> None:
        """The answer has passed whole."""
        self.upstream = None
        client = self.client
        if client is None:
            self._finish_orphan("the client hung up; the answer was taken to its end")
            return
        if self._remover is not None:
            self._release(client, self._remover)
        if self._chunk_out:
            client.write(b"0\r\n\r\n")
        self._finish(Ending.COMPLETE)
        self.client = None
        client.exchange_done(close=self._close_after)

    def _release(self, client: ClientConnection, remover: UsageRemover) -> None:
        """Pass on what was held to see whether it is the usage."""
        rest = remover.finish()
        if rest:
            client.write(b"%x\r\n%b\r\n" % (len(rest), rest) if self._chunk_out else rest)

    # what goes wrong

    def client_lost(self) -> None:
        """The client hung up before the end of the answer."""
        self.client = None
        if self.lane.finishes_for_gone_clients and self.request_sent:
            self.lane.orphans.add(self)
            if self.upstream is not None:
                self.upstream.resume()
            return
        self._drop_upstream()
        self._finish(Ending.CLIENT_GONE, "client_gone", "the client hung up before the end of the answer")

    def client_failed(self, kind: str, why: str) -> None:
        """The client broke the protocol or stopped sending in the middle of its request."""
        self.client = None
        self._drop_upstream()
        self._finish(Ending.CLIENT_GONE, kind, why)

    def upstream_lost(self, exc: Exception | None, *, begun: bool) -> None:
        """The upstream closed the connection before the end of its answer."""
        self.upstream = None
        why = str(exc) if exc is not None and str(exc) else "connection closed"
        if not begun:
            self._refuse(502, "upstream_closed", f"it closed the connection without an answer: {why}")
        elif self._status == 0:
            self._refuse(502, "upstream_closed", f"it closed the connection within the head of its answer: {why}")
        else:
            self._cut("upstream_closed", f"the upstream closed the connection in the middle of its answer: {why}")

    def upstream_garbage(self, why: str, *, begun: bool) -> None:
        """What the upstream sent is no HTTP/1.1."""
        self.upstream = None
        if begun:
            self._cut("upstream_protocol_error", why)
        else:
            self._refuse(502, "upstream_protocol_error", why)

    def check_time(self, tick: int) -> None:
        """Once a second: spool what has waited, and end what has been silent for too long."""
        self.spool_what_waits(tick)
        silent = tick - self.moved
        settings = self.route.settings
        client = self.client
        if client is not None and client.is_full:
            if silent >= settings.silence_timeout + 1:
                client.abort()  # ends this exchange as client_gone
        elif not self.request_sent and self._status == 0 and client is not None and not client.is_held:
            if silent >= self.lane.client_body_timeout + 1:
                client.refuse(408, "client_timeout", f"no byte of the request's body for {silent} s", self)
                self.client_failed("client_timeout", f"the client sent no byte of its body for {silent} s")
        elif self._status == 0:
            if silent >= settings.first_byte_timeout + 1:
                self._drop_upstream()
                self._refuse(504, "first_byte_timeout", f"no answer within {settings.first_byte_timeout:g} s")
        elif silent >= settings.silence_timeout + 1:
            self._drop_upstream()
            self._cut("silence_timeout", f"the upstream was silent for {settings.silence_timeout:g} s in the middle of its answer")

    def end_for_shutdown(self) -> None:
        """The worker stops and the drain limit is reached."""
        self._drop_upstream()
        if self._status:
            self._cut("shutdown", "Goldwash stopped before the answer ended")
        else:
            self._refuse(503, "shutdown", "Goldwash is stopping")

    def _finish_orphan(self, why: str) -> None:
        """End without a client."""
        self.lane.orphans.discard(self)
        self._finish(Ending.CLIENT_GONE, "client_gone", why)

    def _refuse(self, status: int, kind: str, why: str) -> None:
        """End without an answer of the upstream: the client gets ours."""
        client, self.client = self.client, None
        message = f"upstream {self.route.name} ({self.route.url}): {why}"
        self._status = status
        if client is None:
            self._finish_orphan(message)
            return
        client.refuse(status, kind, message, self)
        self._finish(Ending.UPSTREAM_ERROR, kind, message)

    def _cut(self, kind: str, why: str) -> None:
        """End in the middle of the answer: the client's connection is closed, so that it sees the cut too."""
        client, self.client = self.client, None
        if client is None:
            self._finish_orphan(why)
            return
        if self._remover is not None:
            self._release(client, self._remover)
        self._finish(Ending.PARTIAL, kind, why)
        client.close()

    def _drop_upstream(self) -> None:
        self.waits = False
        self._to_send.clear()
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.close()

    # back-pressure

    def upstream_full(self) -> None:
        """The upstream takes no more for now: stop reading from the client."""
        if self.client is not None:
            self.client.pause_reading()

    def upstream_ready(self) -> None:
        """The upstream takes more again."""
        if self.client is not None:
            self.client.resume_reading()

    def client_full(self) -> None:
        """The client takes no more for now: stop reading from the upstream."""
        if self.upstream is not None:
            self.upstream.pause()

    def client_ready(self) -> None:
        """The client takes more again."""
        if self.upstream is not None:
            self.upstream.resume()
