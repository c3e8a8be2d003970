"""A request that must be signed again is held until it is whole, and leaves no sooner than any other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.lane.exchange import LiveExchange
from proxy.lane.held import MAX_SIGNED, SignedRequest
from proxy.lane.request import Refused
from proxy.lane.tee import Tee

PLAN: Any = SimpleNamespace(method=b"POST", target=b"/model/x/converse", lines=(b"Accept", b": ", b"*/*", b"\r\n"))


class _Signer:
    """Signs by a word in front."""

    def signed(self, _route: object, method: bytes, target: bytes, _lines: object, body: bytes) -> bytes:
        return b"signed " + method + b" " + target + b" " + body


def signed() -> SignedRequest:
    return SignedRequest(cast("Any", _Signer()), cast("Any", None), PLAN)


def test_nothing_leaves_before_the_request_is_whole() -> None:
    """The pieces come together, without their framing, and are signed once."""
    held = signed()
    assert held.add(b'{"a"', b'4\r\n{"a"\r\n', whole=False) is None
    assert held.add(b":1}", b"3\r\n:1}\r\n", whole=False) is None
    assert held.add(b"", b"0\r\n\r\n", whole=True) == b'signed POST /model/x/converse {"a":1}'
    assert not held.asks_usage


def test_one_that_is_too_long_is_refused() -> None:
    """What is held has a limit, to the byte."""
    half = bytes(MAX_SIGNED // 2)
    held = signed()
    assert held.add(half, half, whole=False) is None
    assert held.add(half, half, whole=False) is None
    with pytest.raises(Refused) as caught:
        held.add(b"x", b"x", whole=True)
    assert (caught.value.status, caught.value.kind) == (413, "too_large_to_sign")


def test_a_signed_request_waits_for_the_disk_too() -> None:
    """With [spool] fsync = "each" nothing is sent before its ACCEPTED is on the disk, signed again or not."""
    synced: list[Any] = []
    sent: list[bytes] = []
    connection = SimpleNamespace(start=lambda _: None, transport=SimpleNamespace(write=sent.append))
    lane: Any = SimpleNamespace(
        tick=1,
        ids=SimpleNamespace(new=lambda _: (bytes(16), b"id")),
        capture=SimpleNamespace(syncs_each=True, when_synced=synced.append),
        pool=lambda _: SimpleNamespace(acquire=lambda _: connection),
    )
    client: Any = SimpleNamespace(resume_reading=lambda: None, is_full=False)
    tee = Tee(1 << 20, keep=True, whole=True)
    exchange = LiveExchange(lane, client, cast("Any", None), 0, tee, tee)
    exchange.hold(signed(), b"{}", b"{}", whole=True)
    assert sent == []
    synced[0]()
    assert sent == [b"signed POST /model/x/converse {}"]
