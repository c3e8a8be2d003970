"""One request's life, top to bottom: accepted, sent, answered, finished; every byte that passes is copied on its way."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from proxy.exchange import Ending
from proxy.lane.include_usage import MAX_HELD, HeldRequest, UsageRemover, without_length
from proxy.lane.routing import Route
from proxy.lane.tee import Tee
from proxy.spool import frames

if TYPE_CHECKING:
    from proxy.lane.client import ClientConnection
    from proxy.lane.lane import Lane
    from proxy.lane.sigv4 import Signer
    from proxy.lane.upstream import ResponseHead, UpstreamConnection

# What is kept in memory of a body before it goes to the spool: large enough that a frame's cost vanishes, small enough for
# thousands of streams.
PART_BYTES: Final = 262_144
LARGE_REST: Final = 16_384  # bytes of bodies that are not copied once more to stand in one piece with their frame
PART_TICKS: Final = 2  # seconds after which even little is spooled, so that a crash loses no more than that
MAX_SIGNED: Final = 64 << 20

monotonic_ns: Final = time.monotonic_ns


class LiveExchange:
    """One exchange between a client connection and an upstream connection. `moved` is the tick of its last byte."""

    __slots__ = (
        "_accepted_ns",
        "_answered_spooled",
        "_asking",
        "_chunk_out",
        "_close_after",
        "_collected",
        "_finished",
        "_first_ns",
        "_flags",
        "_head",
        "_head_text",
        "_remover",
        "_signing",
        "_started_ns",
        "_status",
        "_to_send",
        "_tunnel_open",
        "client",
        "exchange_id",
        "id_text",
        "is_head",
        "is_websocket",
        "lane",
        "moved",
        "request",
        "request_sent",
        "response",
        "route",
        "spooled_tick",
        "upstream",
        "waits",
    )

    def __init__(self, lane: Lane, client: ClientConnection, route: Route, flags: int, request: Tee, response: Tee) -> None:
        self.lane = lane
        self.client: ClientConnection | None = client
        self.route = route
        self.upstream: UpstreamConnection | None = None
        self._accepted_ns = time.time_ns()
        self.exchange_id, self.id_text = lane.ids.new(self._accepted_ns)
        self.request = request
        self.response = response
        self.is_head = False
        self.is_websocket = bool(flags & frames.WEBSOCKET)
        self.request_sent = False  # the whole request was given to the upstream connection
        self.waits = False  # for a connection
        self.moved = self.spooled_tick = lane.tick
        self._flags = flags
        self._started_ns = monotonic_ns()
        self._first_ns = frames.NO_TIME
        self._status = 0
        self._head = b""
        self._head_text = b""
        self._answered_spooled = False
        self._chunk_out = False
        self._close_after = False
        self._finished = False
        self._tunnel_open = False
        self._to_send: list[bytes] = []
        self._collected: list[bytes] = []
        self._signing: tuple[Signer, bytes, bytes, Sequence[bytes]] | None = None
        self._asking: HeldRequest | None = None
        self._remover: UsageRemover | None = None  # we asked for usage, and the client did not

    # request, client to upstream

    def accept(self, text: bytes, body: bytes) -> bool:
        """Write ACCEPTED: from here on the exchange ends as exactly one row. False: it must be refused, for the log has no room."""
        kept = b"" if self._flags & frames.OMIT_REQUEST else body
        payload = frames.accepted(self.exchange_id, self._accepted_ns, self._flags, text, kept)
        capture = self.lane.capture
        taken = capture.accepted(payload, or_refuse=self.lane.refuses_unlogged)
        if capture.full_since and body:  # the beginning of the body is not in the spool
            self.request.cut((body,))
        return taken

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

    def pass_request(self, piece: bytes, framed: bytes, *, whole: bool, copy: bool = True) -> None:
        """Pass on more of the request's body, `framed` for the upstream, then keep a copy of the `piece` itself."""
        self.moved = self.lane.tick
        if self._signing is not None:
            self._collected.append(piece)
            if self.request.total > MAX_SIGNED:
                self._refuse(413, "too_large_to_sign", f"a request that is signed again can hold {MAX_SIGNED >> 20} MB at most")
                return
            if whole:
                signer, method, target, lines = self._signing
                self._signing = None
                self.send(signer.signed(self.route, method, target, lines, b"".join(self._collected)), whole=True)
                self._collected.clear()
        elif self._asking is not None:
            self._ask(self._asking, piece, framed, whole=whole)
        else:
            self.request_sent = whole
            if self.upstream is not None:
                if framed:
                    self.upstream.transport.write(framed)
            elif self.waits:
                self._to_send.append(framed)
        if copy and piece:
            request = self.request
            request.add(piece)
            if request.size >= PART_BYTES:
                self._part(request, frames.REQUEST)

    def sign_when_whole(self, signer: Signer, method: bytes, target: bytes, lines: Sequence[bytes]) -> None:
        """Hold the request back until all of its body is here: an AWS signature covers it."""
        self._signing = (signer, method, target, lines)

    def ask_for_usage(self, held: HeldRequest) -> None:
        """Hold the request back until all of its body is here: it may be a stream whose usage nobody asked for."""
        self._asking = held

    def _ask(self, held: HeldRequest, piece: bytes, framed: bytes, *, whole: bool) -> None:
        held.add(piece, framed)
        if not whole and held.size <= MAX_HELD:
            return
        self._asking = None
        data = held.asking() if whole else None
        if data is not None:
            self._flags |= frames.USAGE_ASKED
            self._remover = UsageRemover()
        send = self.send_when_synced if self.lane.capture.syncs_each else self.send
        send(data or held.as_it_came(), whole=whole)
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
                self._part(response, frames.RESPONSE)

    def response_end(self) -> None:
        """The answer has passed whole."""
        self.upstream = None
        client = self.client
        if client is None:
            self._finish(Ending.CLIENT_GONE, "client_gone", "the client hung up; the answer was taken to its end")
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
        if self.lane.finishes_for_gone_clients and self.request_sent and not self._tunnel_open:
            self.lane.orphans.add(self)
            if self.upstream is not None:
                self.upstream.transport.resume_reading()
            return
        if self._tunnel_open and self.upstream is not None:  # its last frames, a Close among them, may still be on their way
            upstream, self.upstream = self.upstream, None
            upstream.close_after_writing()
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
        if tick - self.spooled_tick >= PART_TICKS:
            self.spooled_tick = tick
            if self.request.size:
                self._part(self.request, frames.CLIENT_FRAMES if self._tunnel_open else frames.REQUEST)
            if self.response.size:
                self._part(self.response, frames.UPSTREAM_FRAMES if self._tunnel_open else frames.RESPONSE)
        silent = tick - self.moved
        settings = self.route.settings
        if self._tunnel_open:
            return  # a realtime session may rest; TCP tells when a side is gone
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
            self.upstream.transport.pause_reading()

    def client_ready(self) -> None:
        """The client takes more again."""
        if self.upstream is not None:
            self.upstream.transport.resume_reading()

    # WebSocket: both directions raw, frame by frame as they came

    def tunnel_open(self, head: ResponseHead) -> None:
        """The upstream switched protocols."""
        self._tunnel_open = True
        self._status = 101
        self._head_text = b"\n".join(head.kept)
        cap = self.lane.body_cap
        self.request = Tee(cap, keep=not self._flags & frames.OMIT_REQUEST, whole=False)
        self.response = Tee(cap, keep=not self._flags & frames.OMIT_RESPONSE, whole=False)
        client = self.client
        if client is None:
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
        self._keep_in_order(self.request, self.response, frames.UPSTREAM_FRAMES)
        self.request.add(data)
        if self.request.size >= PART_BYTES:
            self._part(self.request, frames.CLIENT_FRAMES)

    def tunnel_from_upstream(self, data: bytes) -> None:
        """Bytes of the session, upstream to client."""
        if self.client is not None:
            self.client.write(data)
        if self._first_ns == frames.NO_TIME:
            self._first_ns = monotonic_ns() - self._started_ns
        self._keep_in_order(self.response, self.request, frames.CLIENT_FRAMES)
        self.response.add(data)
        if self.response.size >= PART_BYTES:
            self._part(self.response, frames.UPSTREAM_FRAMES)

    def _keep_in_order(self, _this: Tee, other: Tee, direction: int) -> None:
        # Who spoke when matters in a session: before this side is kept, the other side's bytes go to the spool.
        if other.size:
            self._part(other, direction)

    def tunnel_closed_by_upstream(self) -> None:
        """The upstream ended the session."""
        self.upstream = None
        client, self.client = self.client, None
        self._finish(Ending.COMPLETE)
        if client is not None:
            client.close()

    # spool

    def _part(self, tee: Tee, direction: int) -> None:
        self.spooled_tick = self.lane.tick
        if direction in (frames.RESPONSE, frames.UPSTREAM_FRAMES):
            self._spool_answered()
        after = monotonic_ns() - self._started_ns
        data = tee.take()
        if not self.lane.capture.more(self.exchange_id, frames.part(self.exchange_id, direction, after), data):
            tee.cut(data)

    def _spool_answered(self) -> None:
        if not self._answered_spooled:
            self._answered_spooled = True
            self.lane.capture.more(self.exchange_id, frames.answered(self.exchange_id, self._status, self._head_text))

    def _refuse(self, status: int, kind: str, why: str) -> None:
        """End without an answer of the upstream: the client gets ours."""
        client, self.client = self.client, None
        message = f"upstream {self.route.name} ({self.route.url}): {why}"
        self._status = status
        if client is None:
            self._finish(Ending.CLIENT_GONE, "client_gone", message)
            return
        client.refuse(status, kind, message, self)
        self._finish(Ending.UPSTREAM_ERROR, kind, message)

    def _cut(self, kind: str, why: str) -> None:
        """End in the middle of the answer: the client's connection is closed, so that it sees the cut too."""
        client, self.client = self.client, None
        if client is None:
            self._finish(Ending.CLIENT_GONE, "client_gone", why)
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

    def _finish(self, ending: Ending, kind: str = "", why: str = "") -> None:
        """Write FINISHED, once."""
        if self._finished:
            return
        self._finished = True
        if self.client is None:
            self.lane.orphans.discard(self)
        ended_ns = monotonic_ns() - self._started_ns
        if self._tunnel_open:  # what is still pending must keep its order and direction
            if self.request.size:
                self._part(self.request, frames.CLIENT_FRAMES)
            if self.response.size:
                self._part(self.response, frames.UPSTREAM_FRAMES)
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


_ONE_LINE: Final = {10: " ", 13: " "}
