"""The copy of a body: whole, capped, spooled in pieces or cut, its hash is right or unknown, and never wrong."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from proxy.lane.tee import Tee
from proxy.spool.frames import NO_HASH

pieces = st.lists(st.tuples(st.binary(max_size=9), st.sampled_from(["keep", "spool", "shed"])), max_size=12)


@given(pieces, st.integers(0, 40), st.booleans(), st.booleans())
def test_hash_is_right_or_unknown(pieces, cap, keep, whole):
    """Whatever is spooled early or shed: kept bytes are a prefix of the body, and a hash that is told is the body's."""
    body = b"".join(piece for piece, _ in pieces)
    tee = Tee(cap, keep=keep, whole=whole and len(body) <= cap)
    spooled = b""
    for piece, then in pieces:
        tee.add(piece)
        if then != "keep" and tee.size:
            taken = tee.take()
            if then == "spool":
                spooled += b"".join(taken)
            else:
                tee.cut(taken)
    rest, digest = tee.finish()
    spooled += rest
    assert tee.total == len(body)
    assert body.startswith(spooled)
    assert (len(spooled) < len(body)) <= (tee.truncated or not keep)
    assert digest in (NO_HASH, sha256(body).digest())
    if digest == NO_HASH and not tee.truncated:
        assert spooled == body, "left to the reader, who must have all of it"


def test_a_body_shed_at_once_is_hashed():
    """A body that came whole and did not fit leaves its hash."""
    tee = Tee(100, keep=True, whole=True)
    tee.add(b"gold")
    tee.cut(tee.take())
    assert tee.finish() == (b"", sha256(b"gold").digest())


def test_unknown_stays_unknown():
    """What was spooled unhashed before a cut cannot be hashed any more."""
    tee = Tee(100, keep=True, whole=True)
    tee.add(b"go")
    tee.take()
    tee.add(b"ld")
    tee.cut(tee.take())
    tee.add(b"!")
    assert tee.finish() == (b"", NO_HASH)
