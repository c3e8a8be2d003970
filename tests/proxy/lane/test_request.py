"""Reading a request's head: what goes on, what is kept, what is refused, and that remembering changes nothing."""

from __future__ import annotations

import re

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.options import Upstream
from proxy.lane.headers import HeaderPolicy
from proxy.lane.request import Refused, RequestPlan, RequestReader
from proxy.lane.routing import NotRouted, Router
from proxy.spool import frames

UPSTREAMS = {"openai": Upstream(url="https://api.openai.com"), "inner": Upstream(url="http://10.0.0.1:8000/base/v2/")}


def reader() -> RequestReader:
    """A reader with two upstreams, whose hash of a key is the key in brackets."""
    return RequestReader(Router(UPSTREAMS), HeaderPolicy(["x-kept"]), lambda key: b"[" + key[-4:] + b"]")


def head(*lines: bytes, start: bytes = b"POST /openai/v1/chat/completions HTTP/1.1", host: bytes = b"Host: localhost") -> bytes:
    """A head with a Host."""
    return b"\r\n".join([start, *([host] if host else []), *lines, b"", b""])


def sent(plan: RequestPlan, digits: bytes) -> bytes:
    """The head that the upstream gets."""
    return plan.before + digits + plan.after


def test_order_spelling_and_duplicates_pass() -> None:
    """Headers go on in their order and spelling, duplicates too; Host is the upstream's."""
    raw = head(b"user-AGENT: a", b"User-Agent: b", b"Authorization: Bearer sk-1234", b"Content-Length: 12", b"X-Odd:  v", b"Accept: */*")
    plan, digits = reader().read(raw)
    assert sent(plan, digits) == (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nuser-AGENT: a\r\nUser-Agent: b\r\n"
        b"Authorization: Bearer sk-1234\r\nContent-Length: 12\r\nX-Odd: v\r\nAccept: */*\r\n\r\n"
    )


def test_hop_by_hop_and_own_headers_end_here() -> None:
    """Hop-by-hop headers, those that Connection names, and Goldwash's own do not go on."""
    raw = head(
        b"Connection: keep-alive, X-Mine",
        b"X-Mine: 1",
        b"Keep-Alive: 5",
        b"TE: trailers",
        b"goldwash-feature: f",
        b"Proxy-Authorization: x",
        b"X-Y: 2",
    )
    plan, digits = reader().read(raw)
    assert sent(plan, digits) == b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nX-Y: 2\r\n\r\n"
    assert b"goldwash-feature:f" in plan.text


def test_only_harmless_headers_are_kept() -> None:
    """What is written for the log is an allow-list: no key, cookie or signature, in headers or query."""
    secret = b"planted0123456789"
    lines = [
        name + b": " + secret
        for name in (b"Authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"Cookie", b"X-Amz-Security-Token", b"Helicone-Auth",
                     b"x-portkey-api-key", b"x-portkey-virtual-key", b"x-litellm-api-key", b"Sec-WebSocket-Protocol", b"X-Unknown",
                     b"x-portkey-config", b"X-Stainless-Auth-Token")
    ]  # fmt: skip
    plan, _ = reader().read(
        head(*lines, b"x-kept: yes", start=b"GET /openai/v1/models?key=" + secret + b"&alt=sse&X-Amz-Signature=" + secret + b" HTTP/1.1")
    )
    assert secret not in plan.text.replace(b"[6789]", b"")
    assert b"x-kept:yes" in plan.text
    assert b"key=***&alt=sse&X-Amz-Signature=***" in plan.text
    assert sent(plan, b"").count(secret) == len(lines) + 2  # the upstream gets all of it


def test_facts_of_the_text() -> None:
    """The text holds upstream, dialect, URL, method, path, query, key hash and metadata, in this order."""
    plan, _ = reader().read(head(b"x-api-key: abcd", start=b"GET /inner/~feature=s;user=4%202/~task=t/models?a=1 HTTP/1.1"))
    assert plan.text.split(b"\n")[:8] == [
        b"inner", b"", b"http://10.0.0.1:8000/base/v2", b"GET", b"/base/v2/models", b"a=1", b"[abcd]", b"feature=s;user=4%202;task=t",
    ]  # fmt: skip
    assert len(plan.text.split(b"\n")) == frames.FACTS


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (head(b"Content-Length: 5", b"Content-Length: 5"), 400),
        (head(b"Content-Length: 5", b"Content-Length: 6"), 400),
        (head(b"Content-Length: 5", b"Transfer-Encoding: chunked"), 400),
        (head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 400),
        (head(b"Transfer-Encoding: gzip, chunked"), 501),
        (head(b"Transfer-Encoding: identity"), 501),
        (head(b"Transfer-Encoding: xchunked"), 501),
        (head(b"Content-Length: +5"), 400),
        (head(b"Content-Length: 0x5"), 400),
        (head(b"Content-Length: 5, 5"), 400),
        (head(b"Content-Length: 99999999999999999999"), 400),
        (head(b"X: a", b" folded: b"), 400),
        (head(b"X : a"), 400),
        (head(b"X\x00: a"), 400),
        (head(b"X: a\x00b"), 400),
        (head(b": a"), 400),
        (head(host=b""), 400),
        (head(b"Host: other"), 400),
        (head(start=b"GET /openai/v1 HTTP/2.0"), 505),
        (head(start=b"GET /openai/v1"), 505),
        (head(start=b"CONNECT api.openai.com:443 HTTP/1.1"), 400),
        (head(start=b"GET http://api.openai.com/v1 HTTP/1.1"), 400),
        (head(start=b"GET /openai/v1/../../admin HTTP/1.1"), 400),
        (head(start=b"GET /openai/v1/%2E%2e/admin HTTP/1.1"), 400),
        (head(start=b"GET /nobody/v1 HTTP/1.1"), 404),
        (head(start=b"GET / HTTP/1.1"), 404),
    ],
)
def test_refused(raw: bytes, status: int) -> None:
    """What cannot be framed or routed with certainty is refused with its status, the second time as the first."""
    requests = reader()
    for _ in range(3):
        with pytest.raises((Refused, NotRouted)) as caught:
            requests.read(raw)
        assert caught.value.status in ({status, 400, 501} if status == 501 else {status, 400} if status == 505 else {status})


def test_remembered_heads_differ_only_in_length() -> None:
    """A head seen before gives the same plan for any length, and what the upstream gets carries the right one."""
    requests = reader()
    plans = [requests.read(head(b"A: 1", b"Content-Length: %d" % n, b"B: 2"))[0] for n in (1, 22, 333, 4444)]
    assert plans[3] is plans[2]
    assert plans[0] is not plans[3]
    plan, digits = requests.read(head(b"A: 1", b"Content-Length: 55555", b"B: 2"))
    assert sent(plan, digits).endswith(b"A: 1\r\nContent-Length: 55555\r\nB: 2\r\n\r\n")
    for bad in (b"5 5", b"-1", b"", b"1e3"):
        with pytest.raises(Refused):
            requests.read(head(b"A: 1", b"Content-Length: " + bad, b"B: 2"))


LINES = st.sampled_from(
    [b"Content-Length: 5", b"content-length: 5", b"Content-Length:5", b"X-Content-Length: 7", b"Transfer-Encoding: chunked", b"Connection: close",
     b"Connection: upgrade", b"Upgrade: websocket", b"Host: b", b"X: y", b"goldwash-omit: both", b"Expect: 100-continue", b"A: ", b"\tX", b"bad"]
)  # fmt: skip


@given(st.lists(LINES, max_size=5), st.sampled_from([b"GET", b"POST", b"HEAD"]), st.sampled_from([b"1.0", b"1.1"]))
def test_as_h11_reads_it(lines: list[bytes], method: bytes, version: bytes) -> None:
    """What is taken, h11 takes too and frames the same; remembered or not, the plan is the same."""
    raw = head(*lines, start=method + b" /openai/v1/models HTTP/" + version)
    requests = reader()
    told = []
    for _ in range(3):
        try:
            plan, digits = requests.read(raw)
        except Refused as error:
            told.append(("refused", error.status))
        else:
            told.append((sent(plan, digits), plan.text, plan.flags, plan.chunked, plan.closes, digits))
    assert told[0] == told[1] == told[2]
    if told[0][0] == "refused":
        return
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(raw)
    event = connection.next_event()
    assert isinstance(event, h11.Request)
    found = dict(event.headers)
    assert plan.chunked == (found.get(b"transfer-encoding") == b"chunked")
    if not plan.chunked:
        assert int(digits or b"0") == int(found.get(b"content-length", b"0"))
    assert not re.search(rb"(?i)\r\n(goldwash-|keep-alive)", sent(plan, digits))
