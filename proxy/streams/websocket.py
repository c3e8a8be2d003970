"""WebSocket messages out of one direction's raw bytes, after RFC 6455 and RFC 7692 (permessage-deflate): pure, and in any pieces.

Frames pass the proxy untouched; this reads a copy of them. So it is lenient (UTF-8 is replaced, masks are optional, unknown close codes are
fine), and what breaks the framing ends the reading, with the reason in `broken`.
"""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

MAX_MESSAGE = 16 * 1024 * 1024  # bytes of one message that are kept, before and after inflating
_KINDS = {1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
_TAIL = b"\x00\x00\xff\xff"  # what a compressor leaves out at the end of each message (RFC 7692, 7.2.1)


class Message(NamedTuple):
    """One whole message, or one control frame."""

    kind: str  # text, binary, close, ping, pong
    data: str | bytes  # str for text, else bytes
    cut: bool = False  # it was longer than the cap: `data` is its beginning


class _Frame:
    """One frame whose payload is arriving."""

    __slots__ = ("final", "left", "mask", "opcode", "seen")

    def __init__(self, opcode: int, final: bool, left: int, mask: bytes) -> None:
        self.opcode = opcode
        self.final = final
        self.left = left  # payload bytes still to come
        self.mask = mask  # b'' where the frame is not masked
        self.seen = 0  # payload bytes that came: where the mask goes on


class FrameDecoder:
    """Feed it the bytes of one direction; it gives complete messages and control frames, unmasked and inflated."""

    def __init__(self, deflate: bool = False, context_takeover: bool = True, max_message: int = MAX_MESSAGE) -> None:
        """`deflate`: permessage-deflate was agreed on; `context_takeover`: this direction keeps its window between messages."""
        self.broken: str | None = None
        self.close_code: int | None = None
        self._deflate = deflate
        self._takeover = context_takeover
        self._max = max_message
        self._inflater: Any = None
        self._head = bytearray()  # bytes of a frame's head that is not complete
        self._frame: _Frame | None = None
        self._control = bytearray()  # payload of the control frame that is arriving
        self._opcode = 0  # of the message being put together; 0: none
        self._compressed = False
        self._message = bytearray()
        self._cut = False

    @classmethod
    def agreed(cls, extensions: str, from_client: bool, max_message: int = MAX_MESSAGE) -> FrameDecoder:
        """A decoder for what the server's Sec-WebSocket-Extensions header says of the direction."""
        for offer in extensions.lower().split(","):
            name, *parameters = [part.strip() for part in offer.split(";")]
            if name == "permessage-deflate":
                dropped = "client_no_context_takeover" if from_client else "server_no_context_takeover"
                return cls(deflate=True, context_takeover=dropped not in parameters, max_message=max_message)
        return cls(max_message=max_message)

    @property
    def pending(self) -> bool:
        """Whether a frame or a message has begun and not ended."""
        return bool(self._head or self._frame or self._opcode)

    def feed(self, piece: bytes) -> list[Message]:
        """Take the next bytes and give the messages that are complete now."""
        messages: list[Message] = []
        at = 0
        while not self.broken:
            if self._frame is None:
                at = self._take_head(piece, at)
                if self._frame is None:
                    break
            frame = self._frame
            if frame.left:
                part = piece[at : at + frame.left]
                if not part:
                    break
                at += len(part)
                self._take_payload(frame, part)
                if frame.left:
                    break
            self._frame = None
            self._end_frame(frame, messages)
        return messages

    def _take_head(self, piece: bytes, at: int) -> int:
        """Read a frame's head; give where its payload begins in `piece`."""
        head = self._head
        need = 2
        while True:
            if len(head) < need:
                part = piece[at : at + need - len(head)]
                head += part
                at += len(part)
                if len(head) < need:
                    return at
            length = head[1] & 127
            full = 2 + (2 if length == 126 else 8 if length == 127 else 0) + (4 if head[1] & 128 else 0)
            if need == full:
                break
            need = full
        mask = bytes(head[-4:]) if head[1] & 128 else b""
        if length >= 126:
            length = int.from_bytes(head[2 : 4 if length == 126 else 10], "big")
        first = head[0]
        head.clear()
        self._open_frame(first, length, mask)
        return at

    def _open_frame(self, first: int, length: int, mask: bytes) -> None:
        opcode, final, compressed = first & 15, bool(first & 128), bool(first & 64)
        if opcode >= 8:
            if opcode not in _KINDS or length > 125 or not final or first & 112:
                self.broken = f"websocket: a control frame (opcode {opcode}) against the rules"
                return
            self._control.clear()
        elif first & 48 or (compressed and (not self._deflate or opcode == 0)):
            self.broken = "websocket: a reserved bit is set that nothing was agreed on for"
        elif opcode == 0 and not self._opcode:
            self.broken = "websocket: a continuation of no message"
        elif opcode and (self._opcode or opcode not in _KINDS):
            self.broken = f"websocket: opcode {opcode} inside a message, or unknown"
        elif opcode:
            self._opcode, self._compressed, self._cut = opcode, compressed, False
            self._message.clear()
        if not self.broken:
            self._frame = _Frame(opcode, final, length, mask)

    def _take_payload(self, frame: _Frame, part: bytes) -> None:
        control = frame.opcode >= 8
        room = 125 if control else self._max - len(self._message)
        kept = part if len(part) <= room else part[:room]
        if frame.mask:
            kept = unmask(kept, frame.mask, frame.seen)
        if control:
            self._control += kept
        else:
            self._message += kept
            self._cut = self._cut or len(kept) < len(part)
        frame.seen += len(part)
        frame.left -= len(part)

    def _end_frame(self, frame: _Frame, messages: list[Message]) -> None:
        if frame.opcode >= 8:
            payload = bytes(self._control)
            if frame.opcode == 8 and len(payload) >= 2:
                self.close_code = int.from_bytes(payload[:2], "big")
            messages.append(Message(_KINDS[frame.opcode], payload))
        elif frame.final:
            payload = bytes(self._message)
            if self._compressed:
                payload = self._inflate(payload)
            kind = _KINDS[self._opcode]
            messages.append(Message(kind, payload.decode("utf-8", "replace") if kind == "text" else payload, self._cut))
            self._opcode = 0
            self._message.clear()

    def _inflate(self, payload: bytes) -> bytes:
        """Undo the compression of one message, up to the cap; a window that is lost ends the reading of later ones."""
        if self._inflater is None or not self._takeover:
            self._inflater = zlib.decompressobj(-15)
        inflater = self._inflater
        out = b""
        try:
            out = inflater.decompress(payload if self._cut else payload + _TAIL, self._max + 1)
        except zlib.error as error:
            self.broken = f"websocket: a compressed message is broken: {error}"
            self._cut = True
        if len(out) > self._max or inflater.unconsumed_tail:
            out, self._cut = out[: self._max], True
        if inflater.eof:  # a compressor may end its stream (RFC 7692, 7.2.3.4); the next message begins a new one
            self._inflater = None
        elif self._cut and self._takeover and not self.broken:
            self.broken = f"websocket: a compressed message is larger than {self._max} bytes, and later ones build on it"
        return out


def unmask(data: bytes, mask: bytes, offset: int = 0) -> bytes:
    """Take the mask (4 bytes) off `data`, whose first byte is the payload's byte number `offset`."""
    if not data:
        return data
    turned = mask[offset % 4 :] + mask[: offset % 4]
    key = (turned * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "little") ^ int.from_bytes(key, "little")).to_bytes(len(data), "little")
