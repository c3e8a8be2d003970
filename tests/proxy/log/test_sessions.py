"""A WebSocket session is one exchange: its messages are the stored body, its responses are turns."""

from __future__ import annotations

import json

import pytest
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from proxy.exchange import Ending
from proxy.spool import frames

DONE = {
    "type": "response.done",
    "response": {
        "id": "resp_1", "object": "realtime.response", "status": "completed", "model": "gpt-realtime", "output": [],
        "usage": {"total_tokens": 30, "input_tokens": 10, "output_tokens": 20},
    },
}  # fmt: skip


def frame(data: str, mask: bool, extension: PerMessageDeflate | None = None) -> bytes:
    return Frame(Opcode.TEXT, data.encode()).serialize(mask=mask, extensions=[extension] if extension else [])


def close(code: int, reason: str) -> bytes:
    return Frame(Opcode.CLOSE, code.to_bytes(2, "big") + reason.encode()).serialize(mask=False)


def test_messages_are_stored_in_order_and_turns_are_read(room):
    """Frames of both directions, compressed as agreed and cut anywhere, become JSON lines and a turn with its usage; secrets are out."""
    traffic = room.traffic()
    deflate = PerMessageDeflate(False, False, 15, 15)
    exchange_id = traffic.accept(b"", flags=frames.WEBSOCKET)
    traffic.answer(exchange_id, 101, (("sec-websocket-extensions", "permessage-deflate"),))
    said = frame(json.dumps({"type": "response.create", "note": "sk-proj-abcdefgh12345678"}), True)
    done = frame(json.dumps(DONE), False, deflate)
    traffic.part(exchange_id, said[:5], frames.CLIENT_FRAMES)
    traffic.part(exchange_id, said[5:], frames.CLIENT_FRAMES)
    traffic.part(exchange_id, done, frames.UPSTREAM_FRAMES, after_ns=8_000_000)
    traffic.part(exchange_id, close(1000, ""), frames.UPSTREAM_FRAMES, after_ns=9_000_000)
    traffic.finish(exchange_id, b"", status=101, request_bytes=len(said), response_bytes=len(done))
    room.load()
    body, coding = room.one("SELECT response_body, response_body_coding FROM bodies")
    lines = [json.loads(line) for line in body.split("\n")]
    assert coding == "messages"
    assert [(line["from"], line["kind"], line["after_ms"]) for line in lines] == [
        ("client", "text", 5.0),
        ("upstream", "text", 8.0),
        ("upstream", "close", 9.0),
    ]
    assert json.loads(lines[0]["data"]) == {"type": "response.create", "note": "[secret]"}
    assert json.loads(lines[1]["data"]) == DONE
    assert room.one("SELECT turns, status, ending FROM exchanges") == (1, 101, "complete")
    assert room.sql("SELECT turn, response_id, input_tokens, output_tokens FROM turns") == [(1, "resp_1", 10, 20)]


@pytest.mark.parametrize(
    ("last", "lane", "expected"),
    [
        (close(1000, "bye"), "complete", ("complete", None, None)),
        (close(1000, "bye"), "client_gone", ("complete", None, None)),  # whoever drops the connection after the handshake
        (close(1011, "no quota"), "complete", ("complete", "websocket_close_1011", "no quota")),
        (close(1008, ""), "complete", ("complete", "websocket_close_1008", "policy violation")),
        (b"", "complete", ("partial", None, None)),
        (b"", "client_gone", ("client_gone", "client_gone", "it hung up")),
    ],
)
def test_a_session_ends_with_its_close_frame(room, last, lane, expected):
    """After a Close frame a session is complete, whoever hangs up first; one that complains says why; without one it is not whole."""
    traffic = room.traffic()
    exchange_id = traffic.accept(b"", flags=frames.WEBSOCKET)
    traffic.answer(exchange_id, 101, ())
    traffic.part(exchange_id, frame(json.dumps(DONE), False) + last, frames.UPSTREAM_FRAMES)
    error = ("client_gone", "it hung up") if lane == "client_gone" else ("", "")
    traffic.finish(exchange_id, b"", status=101, ending=Ending(lane), error=error)
    room.load()
    assert room.one("SELECT ending, error_type, error_message FROM exchanges") == expected


def test_a_part_of_a_session_has_no_usage(room):
    """A session that was not kept whole keeps its turns, and leaves what all of it used and cost unknown."""
    traffic = room.traffic()
    exchange_id = traffic.accept(b"", flags=frames.WEBSOCKET)
    traffic.answer(exchange_id, 101, ())
    traffic.part(exchange_id, frame(json.dumps(DONE), False), frames.UPSTREAM_FRAMES)
    traffic.finish(exchange_id, b"", status=101, flags=frames.WEBSOCKET | frames.RESPONSE_TRUNCATED)
    room.load()
    assert room.one("SELECT input_tokens, usage_source, cost_usd, unread, terminal FROM exchanges") == (
        *(None, None, None),
        *("the session was kept only in part", None),
    )
    assert room.sql("SELECT input_tokens, output_tokens FROM turns") == [(10, 20)]


def test_a_refused_upgrade_is_a_plain_answer(room):
    """An upstream that answers 401 to the upgrade leaves an ordinary row with an ordinary body."""
    traffic = room.traffic()
    exchange_id = traffic.accept(b"", flags=frames.WEBSOCKET)
    traffic.finish(exchange_id, b'{"error":"no"}', status=401)
    room.load()
    assert room.one("SELECT turns, status FROM exchanges") == (None, 401)
    assert room.sql("SELECT response_body, response_body_coding FROM bodies") == [('{"error":"no"}', None)]
