"""WebSocket messages come out of raw frames, masked, fragmented, compressed, and in any pieces."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.streams.websocket import FrameDecoder, Message, unmask


def frame(opcode: int, payload: bytes, final: bool = True, mask: bytes = b"", rsv1: bool = False) -> bytes:
    """A frame after RFC 6455, section 5.2."""
    length = len(payload)
    told = (
        bytes([length]) if length < 126 else b"\x7e" + struct.pack(">H", length) if length < 65536 else b"\x7f" + struct.pack(">Q", length)
    )
    head = bytes([(128 if final else 0) | (64 if rsv1 else 0) | opcode, told[0] | (128 if mask else 0)]) + told[1:]
    return head + mask + (unmask(payload, mask) if mask else payload)


def decode(decoder: FrameDecoder, *pieces: bytes) -> list[Message]:
    return [message for piece in pieces for message in decoder.feed(piece)]


def bytewise(body: bytes) -> list[bytes]:
    return [body[at : at + 1] for at in range(len(body))]


def deflated(*texts: bytes, takeover: bool = True) -> bytes:
    """Compressed messages as RFC 7692 builds them."""
    out, squeezer = b"", zlib.compressobj(wbits=-15)
    for told in texts:
        squeezer = squeezer if takeover else zlib.compressobj(wbits=-15)
        out += frame(1, (squeezer.compress(told) + squeezer.flush(zlib.Z_SYNC_FLUSH))[:-4], rsv1=True)
    return out


def test_the_examples_of_the_standard() -> None:
    """RFC 6455, section 5.7: text unmasked, masked and fragmented; ping and pong; 256 bytes and 64 KiB of binary."""
    body = bytes.fromhex("810548656c6c6f 818537fa213d7f9f4d5158 010348656c 80026c6f 890548656c6c6f 8a8537fa213d7f9f4d5158")
    body += frame(2, bytes(256)) + frame(2, bytes(65536))
    want = [Message("text", "Hello")] * 3 + [Message("ping", b"Hello"), Message("pong", b"Hello")]
    want += [Message("binary", bytes(256)), Message("binary", bytes(65536))]
    assert decode(FrameDecoder(), body) == want
    assert decode(FrameDecoder(), *bytewise(body)) == want


def test_control_frames_inside_a_fragmented_message() -> None:
    """A ping between fragments comes at once; the message comes when it is whole, empty fragments included."""
    body = frame(1, b"He", final=False) + frame(9, b"?") + frame(0, b"", final=False) + frame(0, b"llo")
    assert decode(FrameDecoder(), body) == [Message("ping", b"?"), Message("text", "Hello")]


def test_close_code() -> None:
    """The close frame's code is kept; a close without one has none."""
    decoder = FrameDecoder()
    assert decode(decoder, frame(8, struct.pack(">H", 1001) + b"bye", mask=b"abcd")) == [Message("close", b"\x03\xe9bye")]
    assert (decoder.close_code, decoder.pending) == (1001, False)


@pytest.mark.parametrize("takeover", [True, False])
def test_permessage_deflate(takeover: bool) -> None:
    """Compressed messages are inflated, with the window kept from message to message or not, beside plain ones."""
    texts = [b'{"type":"response.created"}' * 3, b'{"type":"response.created"}' * 2, b""]
    body = deflated(*texts, takeover=takeover) + frame(1, b"plain")
    agreed = "permessage-deflate" + ("" if takeover else "; server_no_context_takeover; client_max_window_bits=12")
    want = [Message("text", told.decode()) for told in (*texts, b"plain")]
    assert decode(FrameDecoder.agreed(agreed, from_client=False), body) == want
    assert decode(FrameDecoder.agreed(agreed, from_client=False), *bytewise(body)) == want


def test_messages_over_the_cap_are_cut() -> None:
    """A long message is given up to the cap and marked; what follows is read on."""
    body = frame(1, b"x" * 50, final=False, mask=b"1234") + frame(0, b"y" * 5000, mask=b"4321") + frame(1, b"next")
    want = [Message("text", "x" * 50 + "y" * 14, True), Message("text", "next")]
    assert decode(FrameDecoder(max_message=64), body) == want
    assert decode(FrameDecoder(max_message=64), *bytewise(body)) == want


def test_a_bomb_is_cut() -> None:
    """A compressed message that inflates past the cap is cut there, and the reading ends where its window would be needed."""
    decoder = FrameDecoder(deflate=True, max_message=1000)
    assert decode(decoder, deflated(bytes(5_000_000))) == [Message("text", "\0" * 1000, True)]
    assert decoder.broken
    assert "larger than 1000" in decoder.broken


@pytest.mark.parametrize(
    "body",
    [
        frame(0, b"x"),
        frame(1, b"a", final=False) + frame(1, b"b"),
        frame(3, b""),
        frame(11, b""),
        frame(9, bytes(126)),
        frame(9, b"", final=False),
        frame(1, b"x", rsv1=True),
    ],
)
def test_broken_framing_ends_the_reading(body: bytes) -> None:
    """What is against the rules gives a reason and nothing more."""
    decoder = FrameDecoder()
    assert decode(decoder, body, frame(1, b"later")) == []
    assert decoder.broken


@given(st.binary(max_size=200), st.integers(0, 200), st.booleans())
def test_garbage_in_any_pieces(body: bytes, cut: int, deflate: bool) -> None:
    """Any bytes give the same messages whole, cut and byte by byte, and never an exception."""
    results = []
    for pieces in ([body], [body[:cut], body[cut:]], bytewise(body)):
        decoder = FrameDecoder(deflate=deflate, max_message=50)
        results.append((decode(decoder, *pieces), decoder.broken, decoder.close_code))
    assert results[0] == results[1] == results[2]
