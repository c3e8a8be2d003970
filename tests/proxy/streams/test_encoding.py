"""Content codings are undone in any pieces, up to a cap, and up to the byte where they break."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.streams.encoding import Decoder

TEXT = "Größe, 漢字, and the same again. ".encode() * 400


def raw_deflate(data: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-15)
    return squeezer.compress(data) + squeezer.flush()


CODED = {
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT[:500]) + gzip.compress(TEXT[500:]),
    "deflate": zlib.compress(TEXT),
    " Deflate ": raw_deflate(TEXT),
    "br": brotli.compress(TEXT),
    "zstd": zstandard.compress(TEXT),
    "gzip, br": brotli.compress(gzip.compress(TEXT)),
    "identity": TEXT,
}


def decode(coding: str, *pieces: bytes, cap: int = 1 << 20) -> tuple[bytes, str | None]:
    decoder = Decoder(coding, cap)
    out = b"".join(decoder.feed(piece) for piece in pieces)
    decoder.finish()
    return out, decoder.broken


@pytest.mark.parametrize("coding", CODED)
def test_whole_and_byte_by_byte(coding: str) -> None:
    """Each coding gives the text, whole and byte by byte."""
    body = CODED[coding]
    assert decode(coding, body) == (TEXT, None)
    assert decode(coding, *(body[at : at + 1] for at in range(len(body)))) == (TEXT, None)


@pytest.mark.parametrize("coding", [coding for coding in CODED if coding != "identity"])
def test_a_cut_body_gives_what_came(coding: str) -> None:
    """A body cut short gives a beginning of the text, the same in any pieces, and says that it was cut."""
    body = CODED[coding][:-7]
    out, why = decode(coding, body)
    assert TEXT.startswith(out)
    assert why
    assert decode(coding, *(body[at : at + 1] for at in range(len(body)))) == (out, why)


@settings(max_examples=40)
@given(st.sampled_from(["gzip", "deflate", "br", "zstd", "gzip, br"]), st.integers(0, 5000), st.integers(1, 255), st.integers(1, 400))
def test_a_broken_body_reads_the_same_in_any_pieces(coding: str, at: int, change: int, size: int) -> None:
    """A changed byte gives the same beginning whatever the pieces were, and never an exception."""
    body = bytearray(CODED[coding])
    body[at % len(body)] ^= change
    whole = decode(coding, bytes(body))
    assert decode(coding, *(bytes(body[start : start + size]) for start in range(0, len(body), size))) == whole


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_bomb_stops_at_the_cap(coding: str) -> None:
    """200 MB of zeros in a few hundred bytes give what the cap allows, in little memory."""
    squeeze = {"gzip": gzip.compress, "br": lambda data: brotli.compress(data, quality=1), "zstd": zstandard.compress}[coding]
    bomb = squeeze(bytes(200_000_000))
    tracemalloc.start()
    out, why = decode(coding, bomb, cap=1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(out) == 1_000_000
    assert why is not None
    assert "larger than 1000000" in why
    assert peak < 40_000_000


def test_unknown_and_endless_codings_are_named() -> None:
    """What cannot be undone is said, and nothing is given."""
    assert decode("compress", b"abc") == (b"", "content-encoding 'compress' is not known")
    assert decode("gzip, gzip, gzip, gzip", b"abc")[1] == "content-encoding: more than three codings on one body"


def test_of_two_codings_the_one_that_broke_is_named_whatever_the_pieces() -> None:
    """Where a byte breaks the outer coding behind a broken inner one, whole and byte by byte blame the same; a fuzzer found that they did not."""
    inner = bytearray(gzip.compress(TEXT[:300]))
    inner[-5] ^= 255
    body = bytearray(brotli.compress(bytes(inner)))
    body += b"\xff"
    whole = decode("gzip, br", bytes(body))
    assert whole[1] == "content-encoding: the body is not whole gzip"
    assert decode("gzip, br", *(bytes(body[at : at + 1]) for at in range(len(body)))) == whole
