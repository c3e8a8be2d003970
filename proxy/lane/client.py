"""One client connection: frames requests by llhttp, starts an exchange for each, and gives everything else to aiohttp."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

from proxy.lane.chunked import ChunkedDecoder, ChunkError
from proxy.lane.exchange import LiveExchange
from proxy.lane.held import HeldRequest, SignedRequest
from proxy.lane.include_usage import AskingRequest, may_stream
from proxy.lane.request import Refused, RequestPlan
from proxy.lane.routing import NotRouted
from proxy.lane.tee import Tee
from proxy.lane.websocket import WebSocketExchange
from proxy.spool import frames

if TYPE_CHECKING:
    from proxy.lane.lane import Lane

# Pipelined requests wait in memory up to here; then the client is not read any more until its turn comes.
MAX_PIPELINED: Final = 65_536
REASONS: Final = {
    400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found", 408: "Request Timeout",
    413: "Content Too Large", 431: "Request Header Fields Too Large", 501: "Not Implemented", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported",
}  # fmt: skip

_HEAD, _BODY, _CHUNKED, _ANSWER, _TUNNEL, _DISCARD, _CLOSED = range(7)


class ClientConnection(asyncio.Protocol):
    """See the module. States: reading a head, a body, waiting for the answer's end, a WebSocket tunnel, discarding, closed."""

    __slots__ = (
        "_decoder",
        "_exchange",
        "_held",
        "_keep_alive",
        "_left",
        "_paused",
        "_since",
        "_state",
        "closes_after",
        "is_full",
        "is_http10",
        "lane",
        "transport",
    )

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self.is_http10 = False
        self.closes_after = False
        self.is_full = False  # the client reads slower than the upstream sends
        self._exchange: LiveExchange | None = None
        self._held = b""
        self._left = 0
        self._decoder: ChunkedDecoder | None = None
        self._paused = False
        self._since = lane.tick
        self._state = _HEAD

    # the connection's own life

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.lane.clients.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lane.clients.discard(self)
        self._state = _CLOSED
        self._held = b""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.client_lost()

    def eof_received(self) -> bool:
        return False  # a client that stops sending is gone: none of the SDKs half-closes

    @property
    def is_busy(self) -> bool:
        """Whether an exchange is under way."""
        return self._exchange is not None

    @property
    def is_held(self) -> bool:
        """Whether we do not read from it, so that its silence is not its own."""
        return self._paused

    def pause_writing(self) -> None:
        self.is_full = True
        if self._exchange is not None:
            self._exchange.client_full()

    def resume_writing(self) -> None:
        self.is_full = False
        if self._exchange is not None:
            self._exchange.client_ready()

    def pause_reading(self) -> None:
        """Stop reading from the client until resume_reading."""
        if not self._paused and self._state != _CLOSED:
            self._paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read from the client again."""
        if self._paused and self._state != _CLOSED:
            self._paused = False
            self.transport.resume_reading()

    def close(self) -> None:
        """Close when everything written has been sent."""
        self._exchange = None
        self._state = _CLOSED
        self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        self.transport.abort()

    # requests

    def data_received(self, data: bytes) -> None:
        state = self._state
        if state == _HEAD:
            if not self._held:
                self._since = self.lane.tick
            self._head(self._held + data if self._held else data)
        elif state == _BODY:
            self._body(data)
        elif state == _CHUNKED:
            self._chunks(data)
        elif state == _ANSWER:
            self._held += data
            if len(self._held) > MAX_PIPELINED:
                self.pause_reading()
        elif state == _TUNNEL:
            if isinstance(self._exchange, WebSocketExchange):
                self._exchange.tunnel_from_client(data)
        elif state == _DISCARD:
            self._since = self.lane.tick if self._left > 0 else self._since
            self._left -= len(data)
            if self._left < 0:
                self.close()

    def _head(self, data: bytes) -> None:
        while data[:2] == b"\r\n":  # RFC 9112, 2.2: empty lines before a request line
            data = data[2:]
        end = data.find(b"\r\n\r\n")
        if end < 0 or end > self.lane.max_head:
            self._held = data
            if len(data) > self.lane.max_head:
                self.refuse(431, "head_too_large", f"the request's head is over {self.lane.max_head} bytes ([proxy] max_head_bytes)", None)
                self.lane.refused += 1
            elif b"\n" in data and b"\n" in data.replace(b"\r\n", b""):
                self.refuse(400, "bad_request", "the request's head holds a line that does not end in CRLF", None)
                self.lane.refused += 1
            return
        end += 4
        self._held = b""
        head = data[:end]
        try:
            plan, digits = self.lane.requests.read(head)
            if plan.own:
                self.lane.hand_over(self, data)
            else:
                self._begin(plan, digits, data[end:])
        except (Refused, NotRouted) as error:
            self.lane.refused += 1
            self.refuse(error.status, error.kind, str(error), None)

    def _begin(self, plan: RequestPlan, digits: bytes, rest: bytes) -> None:
        """Accept one request, then forward what has come of it. Raises Refused."""
        lane, route, flags = self.lane, plan.route, plan.flags
        if plan.proxy_key in lane.keys.spent:
            raise Refused(402, "budget_exceeded", lane.keys.spent[plan.proxy_key])
        length = int(digits) if digits else 0
        self.is_http10 = plan.http10
        self.closes_after = plan.closes or lane.draining
        signer = None
        if route.aws and plan.credential.startswith(b"AWS4-HMAC-SHA256"):
            signer = lane.signer(route)  # raises Refused where no credentials are configured
        request = Tee(lane.body_cap, keep=not flags & frames.OMIT_REQUEST, whole=not plan.chunked and length <= lane.body_cap)
        exchange: LiveExchange
        if flags & frames.WEBSOCKET:
            exchange = WebSocketExchange(lane, self, route, flags, request, lane.no_tee)
        else:
            exchange = LiveExchange(lane, self, route, flags, request, lane.no_tee)
        exchange.is_head = plan.method == b"HEAD"
        if plan.chunked:
            decoder = ChunkedDecoder()
            try:
                pieces, used = decoder.feed(rest) if rest else ([], 0)
            except ChunkError as error:
                raise Refused(400, "bad_request", f"the chunked request body is malformed: {error}") from None
            whole = decoder.done
            body = b"".join(pieces)
            raw = _chunk(body, decoder) if body or whole else b""
            self._held = rest[used:]
            self._decoder = decoder
        else:
            missing = length - len(rest)
            whole = missing <= 0
            if missing < 0:
                self._held = rest[length:]
                rest = rest[:length]
            body = raw = rest
            self._left = missing
        if body:
            request.add(body)
            request.take()
        if not exchange.accept(plan.text, body):
            raise Refused(503, "log_full", "the log has no room and on_log_failure is 'refuse'")
        self._exchange = exchange
        self._state = _ANSWER if whole else _CHUNKED if plan.chunked else _BODY
        held: HeldRequest | None = None
        if signer is not None:
            held = SignedRequest(signer, route, plan)
        elif route.settings.include_usage and may_stream(plan):
            held = AskingRequest(plan, digits)
        if held is not None:
            exchange.hold(held, body, raw, whole=whole)
            return
        data = b"".join((plan.before, digits, plan.after, raw))
        if lane.capture.syncs_each:
            exchange.send_when_synced(data, whole=whole)
        else:
            exchange.send(data, whole=whole)
        if not whole and exchange.waits:
            self.pause_reading()

    def _body(self, data: bytes) -> None:
        exchange = self._exchange
        size = len(data)
        if size > self._left:
            self._held = data[self._left :]
            data = data[: self._left]
            size = self._left
        self._left -= size
        whole = self._left == 0
        if exchange is None:  # answered before it was sent whole: the rest is read and thrown away
            if whole:
                self._next()
            return
        if whole:
            self._state = _ANSWER
        exchange.pass_request(data, data, whole=whole)

    def _chunks(self, data: bytes) -> None:
        exchange, decoder = self._exchange, self._decoder
        assert decoder is not None
        try:
            pieces, used = decoder.feed(data)
        except ChunkError as error:
            why = f"the chunked request body is malformed: {error}"
            self._exchange = None
            if exchange is not None:
                exchange.client_failed("bad_request", why)
            self.refuse(400, "bad_request", why, exchange)
            return
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._held = data[used:]
        if exchange is None:
            if decoder.done:
                self._next()
            return
        if decoder.done:
            self._state = _ANSWER
        if body or decoder.done:
            exchange.pass_request(body, _chunk(body, decoder), whole=decoder.done)

    # the exchange tells

    def exchange_done(self, *, close: bool) -> None:
        """The answer has passed whole: on to the next request."""
        self._exchange = None
        if close:
            self.close()
        elif self._state == _ANSWER:
            self._next()
        # else the rest of the request's body is still coming; it is thrown away as it comes
        else:
            self._since = self.lane.tick
            self.resume_reading()

    def _next(self) -> None:
        self._state = _HEAD
        self._since = self.lane.tick
        self._decoder = None
        if self._held:
            held, self._held = self._held, b""
            self.lane.loop.call_soon(self._pipelined, held)
        else:
            self.resume_reading()

    def _pipelined(self, data: bytes) -> None:
        if self._state == _HEAD:
            data, self._held = data + self._held, b""
            self.resume_reading()
            self._head(data)

    def tunnel_ready(self) -> None:
        """The session is open: bytes of the client go straight on."""
        self._state = _TUNNEL
        self.resume_reading()
        held, self._held = self._held, b""
        if held and isinstance(self._exchange, WebSocketExchange):
            self._exchange.tunnel_from_client(held)

    def refuse(self, status: int, kind: str, message: str, exchange: LiveExchange | None) -> None:
        """Answer with an error of ours, in a form the SDKs show, and close."""
        self._exchange = None
        if self.transport.is_closing():
            return
        message = f"Goldwash: {message}"
        error: dict[str, object] = {"type": kind, "message": message, "code": status, "source": "goldwash"}
        if exchange is not None:
            error["upstream"] = exchange.route.name
        body = json.dumps({"error": error, "message": message}).encode()  # some SDKs read the message at the top
        out = b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nx-amzn-ErrorType: %s\r\nConnection: close\r\n" % (
            status,
            REASONS.get(status, "Error").encode(),
            len(body),
            kind.encode(),
        )
        if status == 401:
            out += b"WWW-Authenticate: Goldwash-Key\r\n"
        if exchange is not None and self.lane.id_header:
            out += b"goldwash-id: %s\r\n" % exchange.id_text
        self.write(out + b"\r\n" + (b"" if exchange is not None and exchange.is_head else body))
        # Closing with unread bytes would reset the connection before the client has read the answer: read on for a while.
        if self._state in (_BODY, _CHUNKED) or self._held or exchange is None:
            self._state = _DISCARD
            self._left = 64 << 20
            self._held = b""
            self._since = self.lane.tick
            self.resume_reading()
            if self.transport.can_write_eof():
                self.transport.write_eof()
            else:
                self.close()
        else:
            self.close()

    def check_time(self, tick: int) -> None:
        """Once a second: end what takes too long. A tick may have begun just now, so a limit of T is over after T + 1 ticks."""
        exchange = self._exchange
        if exchange is not None:
            exchange.check_time(tick)
        elif self._state == _HEAD:
            waited = tick - self._since
            if self._held:
                if waited >= self.lane.client_head_timeout + 1:
                    self.refuse(
                        408, "client_timeout", f"the request's head did not arrive within {self.lane.client_head_timeout:g} s", None
                    )
            elif waited >= self.lane.client_idle_timeout + 1:
                self.close()
        elif self._state in (_DISCARD, _BODY, _CHUNKED) and tick - self._since > DISCARD_SECONDS:
            self.abort()

    def drain(self) -> None:
        """The worker stops: close if nothing is under way."""
        if self._exchange is None and self._state == _HEAD and not self._held:
            self.close()

    def end_for_shutdown(self) -> None:
        """The drain limit is reached."""
        if self._exchange is not None:
            self._exchange.end_for_shutdown()
        if self._state != _CLOSED:
            self.transport.abort()

    def write(self, data: bytes) -> None:
        """Send to the client."""
        self.transport.write(data)


DISCARD_SECONDS: Final = 5


def _chunk(body: bytes, decoder: ChunkedDecoder) -> bytes:
    """The request's body framed anew: extensions end here, trailers go on."""
    framed = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return framed + b"0\r\n" + decoder.trailers + b"\r\n" if decoder.done else framed
