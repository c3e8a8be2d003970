"""The copy of a body: kept up to the cap, hashed whole, never hashed where the spool holds all of it."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from proxy.lane.tee import Tee
from proxy.spool.frames import NO_HASH


@given(st.lists(st.binary(max_size=50), max_size=12), st.integers(0, 200), st.booleans(), st.sets(st.integers(0, 12)))
def test_kept_and_hashed(pieces: list[bytes], cap: int, keep: bool, flushes: set[int]) -> None:
    """At any sizes and flushes: what was kept is the beginning, the hash is of everything, the total is right."""
    tee, kept = Tee(cap, keep=keep, whole=False), b""
    for n, piece in enumerate(pieces):
        tee.add(piece)
        if n in flushes:
            kept += tee.take()
    rest, digest = tee.finish()
    kept += rest
    body = b"".join(pieces)
    assert tee.total == len(body)
    assert kept == (body[:cap] if keep else b"")
    if digest == NO_HASH:
        assert kept == body
    else:
        assert digest == hashlib.sha256(body).digest()
    assert tee.truncated == (len(body) > (cap if keep else 0))


def test_a_body_sure_to_fit_is_never_hashed_here() -> None:
    """Whoever reads the spool hashes it: the lane does not pay."""
    tee = Tee(100, keep=True, whole=True)
    tee.add(b"a" * 60)
    tee.take()
    tee.add(b"b" * 40)
    assert tee.finish() == (b"b" * 40, NO_HASH)
