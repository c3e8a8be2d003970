"""A frame without its bodies still says everything else, and what its bodies hashed to."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import Ending
from proxy.spool import frames

ID = bytes(range(16))
FACTS = b"\n".join([b"openai", b"", b"https://x", b"POST", b"/v1", b"", b"", b"", b"goldwash-feature:tea"])


@given(st.binary(max_size=50))
def test_accepted(body):
    """ACCEPTED keeps id, time, facts and headers; it is marked as cut where it had a body."""
    whole = frames.decode(frames.accepted(ID, 7, frames.OMIT_RESPONSE, FACTS, body))
    short = frames.decode(frames.without_bodies(frames.accepted(ID, 7, frames.OMIT_RESPONSE, FACTS, body)))
    assert isinstance(whole, frames.Accepted)
    assert isinstance(short, frames.Accepted)
    assert (short.exchange_id, short.accepted_at_ns, short.facts, short.headers) == (ID, 7, whole.facts, whole.headers)
    assert short.body == b""
    assert short.flags == frames.OMIT_RESPONSE | (frames.REQUEST_TRUNCATED if body else 0)


@given(st.binary(max_size=50), st.binary(max_size=50), st.booleans())
def test_finished(request, response, known):
    """FINISHED keeps ending, times, counts and headers; a hash left to the reader of the whole body is made before it goes."""
    hashes = (b"q" * 32, b"p" * 32) if known else (frames.NO_HASH, frames.NO_HASH)
    earlier = 0 if not known else 9
    payload = frames.finished(
        ID,
        frames.ENDING_CODES[Ending.PARTIAL],
        0,
        200,
        5,
        9,
        len(request) + earlier,
        len(response),
        *hashes,
        b"cut\nwhy\nx-a:1",
        request,
        response,
    )
    short = frames.decode(frames.without_bodies(payload))
    assert isinstance(short, frames.Finished)
    assert (short.ending, short.status, short.first_chunk_after_ns, short.ended_after_ns) == (Ending.PARTIAL, 200, 5, 9)
    assert (short.request_bytes, short.response_bytes) == (len(request) + earlier, len(response))
    assert (short.error_type, short.error_message, short.headers) == ("cut", "why", (("x-a", "1"),))
    assert (short.request_rest, short.response_rest) == (b"", b"")
    assert bool(short.flags & frames.REQUEST_TRUNCATED) == bool(request)
    assert bool(short.flags & frames.RESPONSE_TRUNCATED) == bool(response)
    for body, told, given_hash in ((request, short.request_sha256, hashes[0]), (response, short.response_sha256, hashes[1])):
        assert told == (given_hash if known else sha256(body).digest() if body else None)


def test_the_rest_of_a_body_has_no_hash_of_its_own():
    """Where earlier bytes lie in other frames, the rest alone is not hashed."""
    payload = frames.finished(ID, 0, 0, 200, 5, 9, 10, 10, frames.NO_HASH, frames.NO_HASH, b"\n", b"abc", b"def")
    short = frames.decode(frames.without_bodies(payload))
    assert isinstance(short, frames.Finished)
    assert (short.request_sha256, short.response_sha256) == (None, None)


@pytest.mark.parametrize(
    ("payload", "short"),
    [
        (frames.part(ID, frames.RESPONSE, 1, b"gold"), b""),
        (frames.answered(ID, 200, b"a:b"), frames.answered(ID, 200, b"a:b")),
        (frames.shed(1, 2, 3, "disk_full"), frames.shed(1, 2, 3, "disk_full")),
        (frames.record(ID, 1, "feedback", b"{}"), frames.record(ID, 1, "feedback", b"{}")),
    ],
    ids=["part", "answered", "shed", "record"],
)
def test_others(payload, short):
    """A PART is nothing but body; frames without one stay as they are."""
    assert frames.without_bodies(payload) == short
