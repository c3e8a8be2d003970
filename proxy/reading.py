"""From the bytes of one exchange to what they mean: content coding off, framing found, the dialect's reader fed. Pure; never raises."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from proxy.exchange import Captured, Reading
from proxy.providers import SessionReader, find_reader, find_session_reader, recognise_reader
from proxy.providers.base import BaseReader
from proxy.providers.contract import Reader
from proxy.providers.errors import describe_failure, find_error
from proxy.providers.fields import mapping, text
from proxy.providers.paths import any_model
from proxy.storable import storable
from proxy.streams.encoding import Decoder
from proxy.streams.eventstream import EventStreamParser, Frame, looks_like_frame
from proxy.streams.json_array import ArrayParser
from proxy.streams.json_value import Unparsable, json_text, parse_cut_json, parse_json
from proxy.streams.ndjson import LineParser
from proxy.streams.sse import SseParser

_LINE_TYPES: Final = frozenset(f"application/{name}" for name in ("x-ndjson", "ndjson", "stream+json", "jsonl", "x-jsonl"))
_SSE_START: Final = re.compile(rb"(?:data|event|id|retry)\s?:|:")
_FAULT: Final = "fault in the reader, please report: "
_TRIES: Final = 8  # events in which an unknown stream's dialect is looked for


def read(captured: Captured) -> Reading:
    """Understand one exchange."""
    reader = BodyReader(captured)
    reader.feed(captured.response_body)
    return reader.result()


def read_session(captured: Captured, messages: Iterable[tuple[str, bytes | str]]) -> Reading:
    """Understand one WebSocket session: its messages in order, each with its direction, 'client' or 'upstream'."""
    by_path = find_session_reader(captured, "")
    reader: SessionReader | None = by_path(captured) if by_path else None
    waiting: list[tuple[str, bytes | str]] = []
    for direction, message in messages:
        if reader is None and len(waiting) < _TRIES:
            waiting.append((direction, message))
            start = message[:400] if isinstance(message, str) else message[:400].decode("utf-8", "replace")
            found = find_session_reader(captured, start)
            if found is not None:
                reader = found(captured)
                for earlier in waiting:
                    reader.feed(*earlier)
        elif reader is not None:
            reader.feed(direction, message)
    if reader is not None:
        return storable(reader.result())
    return Reading(is_stream=True, request_model=_request_model(captured, None))


class BodyReader:
    """The same for a response body that comes in pieces; `captured.response_body` itself is not looked at."""

    def __init__(self, captured: Captured) -> None:
        self._captured = captured
        self._request = _request_document(captured)
        self._unread: str | None = None
        headers = dict(captured.response_headers)
        coding = headers.get("content-encoding")
        self._decoder = Decoder(coding) if coding else None
        self._content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        found = find_reader(captured)
        self._reader: Reader | None = found(captured, self._request) if found else None
        self._is_stream: bool | None = None
        self._waiting: list[tuple[str | None, Any]] = []  # events of a stream whose dialect is not recognised yet
        self._document: Any = None  # the whole answer, or a stream's first event, for what is known generically
        self._parser: SseParser | LineParser | EventStreamParser | None = None
        self._sniffed = False
        self._buffer: list[bytes] = []  # the start that is not sniffed yet, or the whole document
        self._size = 0
        self._result: Reading | None = None

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the response body."""
        if self._decoder is not None:
            piece = self._decoder.feed(piece)
        if not piece:
            return
        if self._parser is not None:
            self._take(self._parser.feed(piece))
            return
        self._buffer.append(piece)
        self._size += len(piece)
        if not self._sniffed and self._size >= 16:
            self._sniff(last=False)

    def result(self) -> Reading:
        """Tell what the exchange was; call it after the last piece."""
        if self._result is None:
            self._finish()
            self._result = self._conclude()
        return self._result

    def _sniff(self, last: bool) -> None:
        """Find the framing from the first sixteen bytes that are no white space, and from the content type."""
        start = b"".join(self._buffer)
        self._buffer = [start]
        if start[:2] == b"\x1f\x8b" and self._decoder is None:  # gzip that no header speaks of
            self._decoder = Decoder("gzip")
            start = self._decoder.feed(start)
            self._buffer, self._size = [start], len(start)
        bare = start.removeprefix(b"\xef\xbb\xbf").lstrip()
        if len(bare) < 16 and not last:
            return
        self._sniffed = True
        kind = self._content_type
        if looks_like_frame(start[:12]):
            self._parser = EventStreamParser()
        elif bare[:1] == b"{":
            if kind in _LINE_TYPES:
                self._parser = LineParser()
        elif bare[:1] != b"[" and (kind == "text/event-stream" or (_SSE_START.match(bare) and not kind.startswith("audio/"))):
            self._parser = SseParser()
        elif kind == "application/vnd.amazon.eventstream":
            self._parser = EventStreamParser()
        if self._parser is not None:
            self._buffer = []
            self._framed(True)
            self._take(self._parser.feed(start))

    def _take(self, events: list[Any]) -> None:
        """Hand parsed events to the reader."""
        if isinstance(self._parser, LineParser):
            events = [(None, line) for line in events]
        elif isinstance(self._parser, EventStreamParser):
            events = [_of_frame(frame) for frame in events]
        for name, raw in events:
            data = _value(raw)
            if self._reader is None or type(data) is _Values:
                self._event(name, data)
            else:
                self._tell(self._reader, name, data)

    def _event(self, name: str | None, data: Any) -> None:
        if type(data) is _Values:
            for value in data.items:
                self._event(name, value)
            return
        if self._reader is not None:
            self._tell(self._reader, name, data)
            return
        if self._document is None:
            self._document = data
        if len(self._waiting) < _TRIES:
            self._waiting.append((name, data))
            self._recognise(data, is_stream=True)

    def _tell(self, reader: Reader, name: str | None, data: Any) -> None:
        try:
            reader.feed(name, data)
        except Exception as error:  # a reader never raises; should one, the log keeps the exchange and what was read besides
            self._unread = self._unread or f"{_FAULT}{reader.dialect}: {error!r}"[:300]

    def _recognise(self, data: Any, is_stream: bool) -> None:
        found = recognise_reader(data)
        if found is None:
            return
        self._reader = found(self._captured, self._request)
        self._framed(is_stream)
        for name, value in self._waiting:
            self._tell(self._reader, name, value)
        self._waiting = []

    def _finish(self) -> None:
        if self._parser is None and self._buffer and not self._sniffed:
            self._sniff(last=True)
        if self._decoder is not None:
            self._decoder.finish()
            self._unread = self._unread or self._decoder.broken
        if isinstance(self._parser, EventStreamParser):
            self._unread = self._unread or self._parser.broken
            if self._parser.pending and not self._unread:
                self._unread = "eventstream: the body stops inside a frame"
        elif self._parser is not None:
            self._take(self._parser.finish())
        else:
            self._whole(b"".join(self._buffer))
        self._buffer = []

    def _whole(self, body: bytes) -> None:
        """Read a body that is one document (or turns out to be lines of them)."""
        bare = body.removeprefix(b"\xef\xbb\xbf").strip()
        if not bare:
            return
        try:
            document = parse_json(bare)
        except Unparsable as error:
            self._odd(bare, str(error))
            return
        if isinstance(document, list) and self._arrays_stream():
            self._stream(document)
        else:
            self._one(document)

    def _odd(self, bare: bytes, reason: str) -> None:
        """Read a body that is no JSON document: an array or a document cut off, lines of JSON, or no JSON at all."""
        elements: list[Any] = []
        if bare[:1] == b"[" and self._arrays_stream():
            elements = [_value(element) for element in ArrayParser().feed(bare)]
        elif bare[:1] == b"{" and b"\n" in bare:
            try:
                elements = [parse_json(line) for line in bare.split(b"\n")[:-1] if line.strip()]
                elements.append(_value(bare.split(b"\n")[-1]))
            except Unparsable:
                elements = []
        if elements:
            self._stream(elements)
        elif bare[:1] in (b"{", b"["):
            self._unread = self._unread or f"the response body is no whole JSON document: {reason}"
            with contextlib.suppress(Unparsable):
                self._one(parse_cut_json(bare))
        elif self._content_type.startswith("text/") or not self._content_type.startswith(("audio/", "image/", "video/")):
            try:
                self._one(bare.decode())
            except UnicodeDecodeError:
                self._one(None)

    def _arrays_stream(self) -> bool:
        """Whether a top-level array is a stream of its elements in this dialect (Gemini's streams without `alt=sse`)."""
        return bool(getattr(self._reader, "array_is_stream", False))

    def _one(self, document: Any) -> None:
        self._document = document
        if self._reader is None:
            self._recognise(document, is_stream=False)
        self._framed(False)
        if self._reader is not None:
            self._tell(self._reader, None, document)

    def _stream(self, values: list[Any]) -> None:
        self._framed(True)
        for value in values:
            self._event(None, value)

    def _framed(self, is_stream: bool) -> None:
        """Note whether events come or one document does."""
        self._is_stream = is_stream
        if isinstance(self._reader, BaseReader):
            self._reader.is_stream = is_stream

    def _conclude(self) -> Reading:
        captured = self._captured
        try:
            reading = self._reader.result() if self._reader is not None else self._generic()
        except Exception as error:  # as in `_tell`
            reading = self._generic()
            self._unread = self._unread or f"{_FAULT}{error!r}"[:300]
        changes: dict[str, Any] = {}
        if reading.is_stream is not self._is_stream:
            changes["is_stream"] = self._is_stream
        if reading.request_model is None and (model := _request_model(captured, self._request)):
            changes["request_model"] = model
        if captured.status is not None and captured.status >= 400 and not (reading.error_type or reading.error_message):
            changes["error_type"], changes["error_message"] = describe_failure(self._document, captured.status)
        if captured.response_truncated:
            changes["terminal"] = None
            changes["unread"] = self._unread or "the response body was kept only in part"
        elif self._unread:
            changes["unread"] = self._unread
        return storable(replace(reading, **changes) if changes else reading)

    def _generic(self) -> Reading:
        """What can be told of a dialect nobody knows."""
        failed = self._captured.status is not None and self._captured.status >= 400  # then `_conclude` finds the error
        kind, message = (None if failed else find_error(self._document)) or (None, None)
        return Reading(is_stream=self._is_stream, error_type=kind, error_message=message)


def _of_frame(frame: Frame) -> tuple[str | None, bytes]:
    """The name and data of an eventstream's frame; AWS puts an error without a payload into the headers."""
    headers = frame.headers
    kind = headers.get(":event-type") or headers.get(":exception-type") or headers.get(":error-code")
    payload = frame.payload
    if not payload and headers.get(":message-type") == "error":
        payload = json_text({"message": str(headers.get(":error-message"))}).encode()
    return (None if kind is None else str(kind)), payload


class _Values:
    """JSON values that one SSE event carried on lines of its own, against the standard."""

    __slots__ = ("items",)

    def __init__(self, items: list[Any]) -> None:
        self.items = items


def _value(data: bytes) -> Any:
    """The JSON value in `data`, or its text."""
    try:
        return parse_json(data)
    except Unparsable:
        pass
    lines = data.split(b"\n")
    if len(lines) > 1:
        try:
            return _Values([parse_json(line) for line in lines if line.strip()])
        except Unparsable:
            pass
    return data.decode("utf-8", "replace").strip()


def _request_document(captured: Captured) -> Any:
    body = captured.request_body
    if not body:
        return None
    for name, value in captured.request_headers:
        if name == "content-encoding":
            body = Decoder(value).feed(body)
    try:
        return parse_json(body)
    except Unparsable:
        return None


_FORM_MODEL: Final = re.compile(rb'name="?model"?\r?\n(?:[^\r\n]{1,400}\r?\n){0,8}\r?\n([^\r\n]{1,200})\r?\n')


def _request_model(captured: Captured, request: Any) -> str | None:
    """The model asked for: in the JSON body, in a form, or in the path (Azure deployments, Gemini, Bedrock)."""
    model = text(mapping(request).get("model"))
    if model:
        return model
    if request is None and captured.request_body:
        form = _FORM_MODEL.search(captured.request_body)
        if form:
            return form.group(1).decode("utf-8", "replace")
    return any_model(captured.path)
