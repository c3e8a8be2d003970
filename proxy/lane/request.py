"""Reads a request's head once and says all that the lane needs of it; a head that was seen before costs a look-up.

A client's heads are mostly the same but for the digits of Content-Length, so a plan is kept by the head without them. The same
bytes always give the same plan, so nothing is guessed; and only heads that came twice are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import httptools

from proxy.lane.headers import FORWARD, KEEP, KEY_HEADER, NOTE, HeaderPolicy, connection_tokens, key_in_query, masked_query
from proxy.lane.routing import NotRouted, Route, Router
from proxy.spool import frames

OWN_PATH: Final = b"/goldwash/"
# Plans hold heads with keys in them, as the connections' own buffers do: few, and forgotten all at once.
MAX_PLANS: Final = 512
MAX_PLANNED_HEAD: Final = 4096
_LENGTHS: Final = (b"\r\nContent-Length: ", b"\r\ncontent-length: ")


_SINGLE: Final = frozenset((b"host", b"content-length", b"transfer-encoding"))
"""What must not come twice: two readers could believe different ones."""
_PROXY_KEY: Final = b"goldwash-proxy-key:"
"""The line of an ACCEPTED frame that names the proxy key; no client can send it, since the header policy keeps no name that ends so."""
HEALTH_PATH: Final = b"/goldwash/health"


class Refused(Exception):
    """A request that is not forwarded; status and message go to the client, whose connection is closed."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


@dataclass(frozen=True, slots=True, eq=False)
class RequestPlan:
    """What is to be done with one request, but for the digits of its Content-Length."""

    own: bool  # asks for /goldwash/…: aiohttp's
    http10: bool
    closes: bool  # the client wants the connection closed after the answer
    method: bytes
    target: bytes  # for the upstream
    route: Route
    flags: int  # of the ACCEPTED frame
    chunked: bool  # else by length
    text: bytes  # of the ACCEPTED frame
    before: bytes  # the head for the upstream, up to the digits of Content-Length (all of it where it has none)
    after: bytes  # the rest of that head
    lines: tuple[bytes, ...]  # name, ": ", value, CRLF of each header that goes on: for who signs them again
    credential: bytes
    proxy_key: str = ""  # the name of the key that was shown


class _Head:
    """What llhttp tells of a head; the collector of its callbacks."""

    __slots__ = ("_known", "_policy", "kept", "lines", "noted", "repeated", "target")

    def __init__(self, policy: HeaderPolicy) -> None:
        self._policy = policy
        self._known = policy.request
        self.target = b""
        self.lines: list[bytes] = []
        self.kept: list[bytes] = []
        self.noted: dict[bytes, bytes] = {}
        self.repeated = b""  # a framing header that came twice

    def on_url(self, piece: bytes) -> None:
        self.target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        lower, bits = self._known.get(name) or self._policy.of_request(name)
        if bits & FORWARD:
            self.lines += (name, b": ", value, b"\r\n")
        if bits & KEEP:
            self.kept.append(lower + b":" + value)
        if bits & NOTE:
            value = value.strip(b" \t")
            if lower in self.noted:
                if lower == b"connection":
                    value = self.noted[lower] + b"," + value
                elif lower in _SINGLE:
                    self.repeated = lower
            self.noted[lower] = value


class RequestReader:
    """Heads to plans.

    key_hash: of a provider key. admit: the name of the proxy key that was shown for an upstream (None: for /goldwash/…), or Refused.
    """

    def __init__(
        self,
        router: Router,
        policy: HeaderPolicy,
        key_hash: Callable[[bytes], bytes],
        admit: Callable[[bytes, str | None, bytes, bytes], str] = lambda *_: "",
    ) -> None:
        self._router = router
        self._policy = policy
        self._key_hash = key_hash
        self._admit = admit
        self._plans: dict[bytes, RequestPlan] = {}
        self._seen: set[int] = set()

    def read(self, head: bytes) -> tuple[RequestPlan, bytes]:
        """The plan for a head (with its empty line) and the digits of its Content-Length (b"" where it has none).

        Raises Refused, NotRouted.
        """
        key, digits = _without_length(head)
        plan = self._plans.get(key)
        if plan is not None and (digits.isdigit() and len(digits) < 16 if plan.after else not digits):
            return plan, digits
        plan, length = self._read(head)
        if length == digits and not plan.own and len(head) <= MAX_PLANNED_HEAD:
            self._remember(key, plan)
        return plan, length

    def forget(self) -> None:
        """Drop all plans: who may do what has changed."""
        self._plans.clear()

    def _remember(self, key: bytes, plan: RequestPlan) -> None:
        mark = hash(key)
        if mark not in self._seen:
            if len(self._seen) >= MAX_PLANS * 8:
                self._seen.clear()
            self._seen.add(mark)
            return
        if len(self._plans) >= MAX_PLANS:
            self._plans.clear()
        self._plans[key] = plan

    def _read(self, head: bytes) -> tuple[RequestPlan, bytes]:
        found = _Head(self._policy)
        parser = httptools.HttpRequestParser(found)
        try:
            parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError as error:
            raise Refused(400, "bad_request", f"the request is malformed: {error}") from None
        noted, version, method = found.noted, parser.get_http_version(), parser.get_method()
        if found.repeated:
            raise Refused(400, "bad_request", f"the request has two {found.repeated.decode()} headers")
        if version not in ("1.0", "1.1"):
            raise Refused(505, "bad_request", f"HTTP/{version} is not spoken here: use HTTP/1.1")
        http10 = version == "1.0"
        if b"host" not in noted and not http10:
            raise Refused(400, "bad_request", "the request has no Host header (RFC 9112, 3.2)")
        if method == b"CONNECT":
            raise Refused(400, "bad_target", "CONNECT is for HTTP proxies: use Goldwash as base URL instead")
        if method == b"TRACE":
            raise Refused(400, "bad_method", "TRACE sends a request's keys back to whoever reads the answer: no provider needs it")
        length, chunked = _framing(noted, http10)
        tokens: set[bytes] = connection_tokens(noted[b"connection"]) if b"connection" in noted else set()
        if not tokens.isdisjoint(_SINGLE):  # taken out as hop-by-hop, they would leave a body that nobody expects
            raise Refused(400, "bad_request", "the Connection header names a header that says where the request ends or goes")
        shown, origin, site = noted.get(KEY_HEADER, b""), noted.get(b"origin", b""), noted.get(b"sec-fetch-site", b"")
        if found.target.startswith(OWN_PATH):
            if found.target.partition(b"?")[0] != HEALTH_PATH:
                self._admit(shown, None, origin, site)
            nowhere = self._router.nowhere
            return RequestPlan(True, http10, True, method, found.target, nowhere, 0, chunked, b"", b"", b"", (), b""), length
        try:
            target = self._router.route(found.target)
        except NotRouted:  # which upstreams there are is not for everybody
            self._admit(shown, None, origin, site)
            raise
        proxy_key = self._admit(shown or target.proxy_key, target.route.name, origin, site)
        lines, flags = found.lines, _flags(noted, tokens, method)
        named = tokens.difference((b"close", b"keep-alive", b"upgrade", b"te"))
        if named:
            lines = [part for i in range(0, len(lines), 4) if lines[i].lower() not in named for part in lines[i : i + 4]]
        path, _, query = target.rest.partition(b"?")
        credential = _credential(noted, query)
        text = b"\n".join(
            (
                target.route.facts,
                method,
                masked_query(path) if b"=" in path else path,
                masked_query(query) if query else b"",
                self._key_hash(credential) if credential else b"",
                target.metadata,
                *found.kept,
                *((_PROXY_KEY + proxy_key.encode(),) if proxy_key else ()),
            )
        )
        before = [method, b" ", target.rest, b" HTTP/1.1\r\n", target.route.host_line]
        after: list[bytes] = []
        for i in range(0, len(lines), 4):
            part = after or before
            part += lines[i : i + 4]
            if length and lines[i].lower() == b"content-length":
                del before[-2:]
                after.append(b"\r\n")
        assert bool(after) == bool(length)
        end = after or before
        if chunked:
            end.append(b"Transfer-Encoding: chunked\r\n")
        if flags & frames.WEBSOCKET:
            end.append(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
        end.append(b"\r\n")
        return RequestPlan(
            own=False,
            http10=http10,
            closes=http10 or b"close" in tokens,
            method=method,
            target=target.rest,
            route=target.route,
            flags=flags,
            chunked=chunked,
            text=text,
            before=b"".join(before),
            after=b"".join(after),
            lines=tuple(lines),
            credential=credential,
            proxy_key=proxy_key,
        ), length


def _without_length(head: bytes) -> tuple[bytes, bytes]:
    """A head without the digits of its Content-Length, and these; the head and b"" where the header is not in its usual spelling."""
    for spelling in _LENGTHS:
        start = head.find(spelling)
        if start > 0:
            start += len(spelling)
            end = head.find(b"\r\n", start)
            return head[:start] + head[end:], head[start:end]
    return head, b""


def _framing(noted: dict[bytes, bytes], http10: bool) -> tuple[bytes, bool]:
    """Digits of Content-Length, and whether the body is chunked. Raises Refused where neither is certain."""
    coding, length = noted.get(b"transfer-encoding"), noted.get(b"content-length")
    if coding is not None:
        if coding.lower() != b"chunked" or http10 or length is not None:
            raise Refused(501, "bad_request", f"the transfer coding {coding[:40]!r} is not supported: send chunked or a Content-Length")
        return b"", True
    if length is None:
        return b"", False
    if not length.isdigit() or len(length) > 15:
        raise Refused(400, "bad_request", f"Content-Length {length[:40]!r} is no number")
    return length, False


def _flags(noted: dict[bytes, bytes], tokens: set[bytes], method: bytes) -> int:
    flags = 0
    if b"upgrade" in tokens and method == b"GET" and noted.get(b"upgrade", b"").lower() == b"websocket":
        flags |= frames.WEBSOCKET
    omit = noted.get(b"goldwash-omit", b"").lower()
    if omit in (b"request", b"both") or noted.get(b"helicone-omit-request", b"").lower() == b"true":
        flags |= frames.OMIT_REQUEST
    if omit in (b"response", b"both") or noted.get(b"helicone-omit-response", b"").lower() == b"true":
        flags |= frames.OMIT_RESPONSE
    return flags


def _credential(noted: dict[bytes, bytes], query: bytes) -> bytes:
    return (
        noted.get(b"authorization")
        or noted.get(b"x-api-key")
        or noted.get(b"api-key")
        or noted.get(b"x-goog-api-key")
        or noted.get(b"ocp-apim-subscription-key")
        or noted.get(b"sec-websocket-protocol")
        or (key_in_query(query) if query else b"")
    )
