"""One connection to an upstream: frames the answer of the exchange it serves and hands every piece on as it comes."""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING, Final

import httptools

from proxy.lane.chunked import ChunkedDecoder, ChunkError
from proxy.lane.headers import FORWARD, KEEP, NOTE, HeaderPolicy, connection_tokens
from proxy.lane.websocket import WebSocketExchange

if TYPE_CHECKING:
    from proxy.lane.exchange import LiveExchange
    from proxy.lane.pool import Pool

# A head beyond this is no provider's; curl stops at 300 KB, nginx at 8.
MAX_HEAD: Final = 262_144

# How long an upstream may take over a session's last frames once its client has gone.
FLUSH_SECONDS: Final = 10
# Exchanges after which an upstream has shown that it keeps its connections.
PROVEN: Final = 2

_HEAD, _LENGTH, _CHUNKED, _UNTIL_CLOSE, _TUNNEL, _IDLE = range(6)


class ResponseHead:
    """What llhttp told of one answer's head; the collector of its callbacks."""

    __slots__ = ("_going", "_known", "_policy", "as_is", "kept", "noted", "reason")

    def __init__(self, policy: HeaderPolicy) -> None:
        self._policy = policy
        self._known = policy.response
        self.reason = b""
        self._going: list[bytes] = []  # name and value of each header that goes on
        self.kept: list[bytes] = []  # "name:value" of each header for the log
        self.noted: dict[bytes, bytes] = {}
        self.as_is = True  # nothing of it is hop-by-hop, but for the framing: the head can go on as it came

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        lower, bits = self._known.get(name) or self._policy.of_response(name)
        if bits & FORWARD:
            self._going.append(name)
            self._going.append(value)
        elif lower != b"transfer-encoding":
            self.as_is = False
        if bits & KEEP:
            self.kept.append(lower + b":" + value)
        if bits & NOTE:
            held = self.noted.get(lower)
            self.noted[lower] = value if held is None else held + b"," + value

    def lines(self) -> list[bytes]:
        """Name, ": ", value, CRLF of each header that goes on, for heads that cannot go on as they came."""
        going = self._going
        return [part for at in range(0, len(going), 2) for part in (going[at], b": ", going[at + 1], b"\r\n")]


class UpstreamConnection(asyncio.Protocol):
    """See the module. States: idle, the head of an answer, one of its body's framings, or a WebSocket tunnel."""

    __slots__ = (
        "_decoder",
        "_held",
        "_left",
        "_look",
        "_paused",
        "_reusable",
        "_state",
        "exchange",
        "pool",
        "rested_since",
        "served",
        "transport",
    )

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self.exchange: LiveExchange | None = None
        self.rested_since = 0
        self.served = 0  # exchanges that ended cleanly on it
        self._state = _IDLE
        self._held = b""
        self._left = 0
        self._decoder: ChunkedDecoder | None = None
        self._look: select.poll | None = None
        self._reusable = True
        self._paused = False

    # the connection's own life

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    @property
    def idle(self) -> bool:
        """Whether it rests in the pool."""
        return self.exchange is None

    def still_open(self) -> bool:
        """Whether the upstream has not closed it behind our back: one look at the socket, a microsecond, nothing is consumed.

        One that has kept it before, and answered on it within this second, is not looked at: the event loop has just done so. Of an
        upstream that was once seen to close right behind an answer, all are.
        """
        if self.transport.is_closing():
            return False
        if self.served >= PROVEN and self.rested_since == self.pool.lane.tick and not self.pool.abrupt:
            return True
        if self._look is None:
            # Over TLS bytes may rest unread that are no answer (session tickets); without it nobody has asked for any.
            watched = select.POLLRDHUP if self.pool.origin.tls else select.POLLRDHUP | select.POLLIN
            self._look = select.poll()
            self._look.register(self.transport.get_extra_info("socket").fileno(), watched)
        return not self._look.poll(0)

    def close(self) -> None:
        """Give the connection up."""
        self._state = _IDLE
        self.exchange = None
        self.transport.abort()

    def close_after_writing(self) -> None:
        """Give the connection up when all that was written to it has been sent, or soon after."""
        self._state = _IDLE
        self.exchange = None
        self.transport.close()
        self.pool.lane.loop.call_later(FLUSH_SECONDS, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        exchange = self.exchange
        self.pool.closed(self)
        if exchange is None:
            return
        self.exchange = None
        if self._state == _UNTIL_CLOSE and exc is None:
            exchange.response_end()
        elif self._state == _TUNNEL and isinstance(exchange, WebSocketExchange):
            exchange.tunnel_closed_by_upstream()
        else:
            if self._state == _HEAD and self.served:
                self.pool.lost(self)
            exchange.upstream_lost(exc, begun=bool(self._held) or self._state != _HEAD)

    def pause_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.upstream_full()

    def resume_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.upstream_ready()

    def pause(self) -> None:
        """Read nothing more for now: the client takes no more."""
        if not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    # one exchange

    def start(self, exchange: LiveExchange) -> None:
        """Serve an exchange: what comes next is its answer."""
        self.exchange = exchange
        self._state = _HEAD
        self._held = b""
        self._reusable = True
        if exchange.client is not None and exchange.client.is_full:  # of answers before this one, which it asked for in a row
            self.pause()

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:  # bytes nobody asked for: this connection cannot be trusted any more
            self.close()
            return
        exchange.moved = self.pool.lane.tick
        state = self._state
        if state == _CHUNKED:
            self._chunks(exchange, data)
        elif state == _LENGTH:
            left = self._left - len(data)
            if left > 0:
                self._left = left
                exchange.response_piece(data, data)
            elif left == 0:
                exchange.response_piece(data, data)
                self._end(exchange)
            else:
                self._reusable = False
                data = data[: self._left]
                exchange.response_piece(data, data)
                self._end(exchange)
        elif state == _HEAD:
            self._head(exchange, data)
        elif state == _UNTIL_CLOSE:
            exchange.response_piece(data, data)
        elif isinstance(exchange, WebSocketExchange):
            exchange.tunnel_from_upstream(data)

    def _head(self, exchange: LiveExchange, data: bytes) -> None:
        if self._held:
            data = self._held + data
            self._held = b""
        while data:  # once for each interim answer and the real one
            data = self._one_head(exchange, data)

    def _one_head(self, exchange: LiveExchange, data: bytes) -> bytes:
        """Read one head and what follows it; what is left is another head."""
        end = data.find(b"\r\n\r\n")
        if end > MAX_HEAD or (end < 0 and len(data) > MAX_HEAD):
            self._garbage(exchange, f"the head of its answer is over {MAX_HEAD} bytes")
            return b""
        if end < 0:
            if not b"HTTP/1.".startswith(data[:7]) and data[:7] != b"HTTP/1.":
                self._garbage(exchange, "it does not answer in HTTP/1.1")
            else:
                self._held = data
            return b""
        end += 4
        rest = data[end:]
        head = ResponseHead(self.pool.lane.headers)
        parser = httptools.HttpResponseParser(head)
        try:
            parser.feed_data(data[:end] if rest else data)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError as error:
            self._garbage(exchange, f"the head of its answer is malformed: {error}")
            return b""
        version = "1.1" if data.startswith(b"HTTP/1.1 ") else parser.get_http_version()
        if version not in ("1.0", "1.1"):
            self._garbage(exchange, f"it answers in HTTP/{version}")
            return b""
        status = parser.get_status_code()
        noted = head.noted
        connection = connection_tokens(noted[b"connection"]) if b"connection" in noted else ()
        if status < 200:
            if status == 101:
                if not isinstance(exchange, WebSocketExchange):
                    self._garbage(exchange, "it switched protocols without being asked to")
                    return b""
                self._state = _TUNNEL
                self._reusable = False
                exchange.tunnel_open(head)
                if rest and self.exchange is not None:
                    exchange.tunnel_from_upstream(rest)
                return b""
            exchange.interim(data[:end])
            return rest
        if b"close" in connection or (version == "1.0" and b"keep-alive" not in connection):
            self._reusable = False
        coding = noted.get(b"transfer-encoding")
        length = noted.get(b"content-length")
        raw_head = data[: end - 2] if head.as_is and version == "1.1" else b""
        if exchange.is_head or status in (204, 304):
            exchange.response_head(status, head, raw_head, has_length=True)
            exchange.response_piece(b"", b"")
            self._reusable = self._reusable and not rest
            self._end(exchange)
        elif coding is not None:
            if coding.lower() != b"chunked":
                self._garbage(exchange, f"its transfer coding {coding[:40]!r} is not supported")
                return b""
            self._state = _CHUNKED
            self._decoder = ChunkedDecoder()
            exchange.response_head(status, head, raw_head, chunked=True)
            self._chunks(exchange, rest)
        elif length is not None:
            if not length.isdigit():  # llhttp lets no odd value pass, but two equal ones arrive joined
                self._garbage(exchange, f"its Content-Length {length[:40]!r} is no number")
                return b""
            left = int(length)
            exchange.response_head(status, head, raw_head, has_length=True, fits=left <= self.pool.lane.body_cap)
            if len(rest) > left:
                self._reusable = False
                rest = rest[:left]
            exchange.response_piece(rest, rest)
            self._left = left - len(rest)
            if self._left:
                self._state = _LENGTH
            else:
                self._end(exchange)
        else:
            self._state = _UNTIL_CLOSE
            self._reusable = False
            exchange.response_head(status, head, b"")
            exchange.response_piece(rest, rest)
        return b""

    def _chunks(self, exchange: LiveExchange, data: bytes) -> None:
        decoder = self._decoder
        assert decoder is not None
        try:
            pieces, used = decoder.feed(data)
        except ChunkError as error:
            self._garbage(exchange, f"its chunked answer is malformed: {error}")
            return
        if used != len(data):
            self._reusable = False
            data = data[:used]
        if len(pieces) == 1:
            exchange.response_piece(pieces[0], data)
        else:
            exchange.response_piece(b"".join(pieces), data)
        if decoder.done:
            self._decoder = None
            self._end(exchange)

    def _end(self, exchange: LiveExchange) -> None:
        self.exchange = None
        self._state = _IDLE
        self.served += 1
        if self.served == 1:
            self.pool.proven(self)
        if self._reusable and exchange.request_sent and not self.transport.is_closing():
            if self._paused:  # the last bytes were more than the client took: that is no matter of the next exchange
                self.resume()
            self.pool.release(self)
        else:
            self.transport.abort() if exchange.request_sent else self.transport.close()
        exchange.response_end()

    def _garbage(self, exchange: LiveExchange, why: str) -> None:
        self.exchange = None
        begun = self._state != _HEAD
        self._state = _IDLE
        self.transport.abort()
        exchange.upstream_garbage(why, begun=begun)
