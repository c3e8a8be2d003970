"""Recorded realtime sessions pass the running whole frame for frame, and each response in them is a turn with its usage and cost."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import genai_prices
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect
from websockets.sync.server import Server, ServerConnection, serve

from tests.helpers.goldwash import Goldwash
from tests.helpers.waiting import eventually

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus" / "websocket_sessions.jsonl.gz"
GOOGLE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CLOSE = (1000).to_bytes(2, "big") + b"done"
TURN = "input_tokens, output_tokens, cache_read_tokens, reasoning_tokens, input_audio_tokens, output_audio_tokens, cache_read_audio_tokens"


def usage(inputs: tuple[int, int, int], outputs: tuple[int, int]) -> dict[str, Any]:
    """OpenAI's usage: tokens of text, of audio, and cached ones (of text); tokens of text and of audio."""
    text, audio, cached = inputs
    return {
        "total_tokens": text + audio + sum(outputs),
        "input_tokens": text + audio,
        "output_tokens": sum(outputs),
        "input_token_details": {
            "text_tokens": text,
            "audio_tokens": audio,
            "cached_tokens": cached,
            "cached_tokens_details": {"audio_tokens": 0},
        },
        "output_token_details": {"text_tokens": outputs[0], "audio_tokens": outputs[1]},
    }


def done(number: int, said: str, used: dict[str, Any] | None) -> dict[str, Any]:
    """OpenAI's last event of a response."""
    item = {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": said}]}
    response = {"id": f"resp_{number}", "object": "realtime.response", "status": "completed", "output": [item], "usage": used}
    return {"type": "response.done", "response": response}


OWN: list[dict[str, Any]] = [
    {
        "id": "own-openai",
        "frames": [
            {"direction": "received", "data": {"type": "session.created", "session": {"id": "sess_1", "model": "gpt-realtime"}}},
            {"direction": "sent", "data": {"type": "input_audio_buffer.append", "audio": "QUJD" * 5000}},
            {"direction": "received", "data": {"type": "response.created", "response": {"id": "resp_1"}}},
            {"direction": "received", "data": done(1, "grüße 金", usage((40, 160, 32), (10, 90)))},
            {"direction": "sent", "data": {"type": "response.create"}},
            {"direction": "received", "data": done(2, "again", None)},
        ],
        "oracle": {"usages": [usage((40, 160, 32), (10, 90)), {}]},
    },
]  # fmt: skip
SESSIONS: list[dict[str, Any]] = OWN + (
    [json.loads(line) for line in gzip.decompress(CORPUS.read_bytes()).splitlines()] if CORPUS.exists() else []
)
by_session = pytest.mark.parametrize("record", SESSIONS, ids=lambda record: record["id"])


def google(record: dict[str, Any]) -> bool:
    """Whether it is a session of Gemini Live; all others speak OpenAI's words."""
    return any("setup" in frame["data"] for frame in record["frames"][:3])


def path(record: dict[str, Any], style: str) -> str:
    """Its path at the upstream; the style in the query tells the rows apart."""
    return f"{GOOGLE}?case={record['id']}-{style}" if google(record) else f"/v1/realtime?case={record['id']}-{style}"


def script(record: dict[str, Any]) -> list[tuple[bool, str]]:
    """(whether the upstream says it, text) of each message."""
    return [(frame["direction"] == "received", json.dumps(frame["data"], ensure_ascii=False)) for frame in record["frames"]]


def play(lines: list[tuple[bool, str]], mine: bool, send: Callable[[str], None], receive: Callable[[], Any]) -> None:
    """One side's part: say its own lines, and hear the other's as they were said."""
    for upstream, text in lines:
        if upstream is mine:
            send(text)
        else:
            assert receive() == text


class Stage:
    """An upstream for the `websockets` package, which plays the session that the path names."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.played = 0

    def __call__(self, connection: ServerConnection) -> None:
        target = connection.request.path if connection.request else ""
        record = next(record for record in SESSIONS if f"case={record['id']}-" in target)
        try:
            play(script(record), True, connection.send, connection.recv)
            for message in connection:
                self.faults.append(f"{record['id']}: more than was said: {message!r}")
            self.played += 1
        except (AssertionError, ConnectionClosed) as fault:
            if "vanish" not in target:
                self.faults.append(f"{record['id']}: {fault!r}")


class RawStage:
    """An upstream that compares bytes: it plays the frames it was given, cut anywhere."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.acts: dict[str, tuple[str, list[tuple[bool, bytes]]]] = {}  # by case: the agreed extension, and who sends which bytes
        self.faults: list[str] = []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                peer.settimeout(20)
                try:
                    self.serve(peer)
                except (AssertionError, OSError) as fault:
                    self.faults.append(repr(fault))
                finally:
                    peer.close()

    def serve(self, peer: socket.socket) -> None:
        head = head_of(peer)
        case = head.split(b"case=", 1)[1].split(b" ", 1)[0].decode()
        key = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(key + GUID.encode()).digest()).decode()
        extension, act = self.acts[case]
        agreed = f"Sec-WebSocket-Extensions: {extension}\r\n" if extension else ""
        peer.sendall(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{agreed}\r\n".encode()
        )
        raw_play(peer, act, True, case)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


def head_of(peer: socket.socket) -> bytes:
    """A message's head, read byte by byte: what follows is somebody else's."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = peer.recv(1)
        assert byte, f"the connection ended within a head: {head!r}"
        head += byte
    return head


def raw_play(peer: socket.socket, act: list[tuple[bool, bytes]], mine: bool, seed: str) -> None:
    """One side's part in bytes: its own are sent in pieces of any size, the other's must come as they went."""
    chance = random.Random(seed + str(mine))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for upstream, data in act:
        if upstream is mine:
            at, cuts = 0, 0
            while at < len(data):
                size = chance.choice((1, 2, 7, 700, 70_000)) if cuts < 12 else len(data)
                peer.sendall(data[at : at + size])
                at, cuts = at + size, cuts + 1
                if chance.random() < 0.1:
                    time.sleep(0.001)
        else:
            heard = b""
            while len(heard) < len(data):
                piece = peer.recv(len(data) - len(heard))
                assert piece, f"ended after {len(heard)} of {len(data)} bytes"
                heard += piece
            assert heard == data


def framed(record: dict[str, Any], style: str) -> list[tuple[bool, bytes]]:
    """The session as frames, with Close frames at its end: compressed, or in fragments with pings between."""
    chance = random.Random(record["id"])
    both = {upstream: [PerMessageDeflate(False, False, 15, 15)] if style == "deflate" else [] for upstream in (True, False)}
    act: list[tuple[bool, bytes]] = []

    def add(upstream: bool, frame: Frame) -> None:
        act.append((upstream, frame.serialize(mask=not upstream, extensions=both[upstream])))

    for upstream, text in script(record):
        data = text.encode()
        if style == "fragments":
            cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(4)))
            bounds = [0, *cuts, len(data)]
            for number, (begin, end) in enumerate(pairwise(bounds)):
                add(
                    upstream,
                    Frame(Opcode.CONT if number else Opcode.TEXT, data[begin:end], fin=end == len(data) and number == len(bounds) - 2),
                )
                if chance.random() < 0.3:
                    add(upstream, Frame(chance.choice((Opcode.PING, Opcode.PONG)), b"between"))
        else:
            add(upstream, Frame(Opcode.TEXT, data))
    add(False, Frame(Opcode.CLOSE, CLOSE))
    add(True, Frame(Opcode.CLOSE, CLOSE))
    return act


@pytest.fixture(scope="module")
def played() -> Stage:
    return Stage()


@pytest.fixture(scope="module")
def sockets(played: Stage) -> Iterator[Server]:
    with serve(played, "127.0.0.1", 0, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def raw() -> Iterator[RawStage]:
    stage = RawStage()
    yield stage
    stage.close()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, sockets: Server, raw: RawStage) -> Iterator[Goldwash]:
    url, raw_url = f"http://127.0.0.1:{sockets.socket.getsockname()[1]}", f"http://127.0.0.1:{raw.port}"
    upstreams = {
        **{name: {"url": url} for name in ("openai", "google")},
        **{f"raw-{name}": {"url": raw_url} for name in ("openai", "google")},
    }
    with Goldwash(Path(tmp_path_factory.mktemp("sessions")), upstreams) as running:
        yield running


def tokens(used: dict[str, Any]) -> dict[str, int | None]:
    """What a provider's usage object says, in our words; nothing where it says nothing."""
    if "promptTokenCount" in used:
        of_input = {part["modality"]: part["tokenCount"] for part in used.get("promptTokensDetails", ())}
        key = "response" if "responseTokenCount" in used else "candidates"
        of_output = {part["modality"]: part["tokenCount"] for part in used.get(f"{key}TokensDetails", ())}
        output, thoughts = used.get(f"{key}TokenCount"), used.get("thoughtsTokenCount")
        return {
            "input_tokens": used["promptTokenCount"],
            "output_tokens": None if output is thoughts is None else (output or 0) + (thoughts or 0),
            "cache_read_tokens": used.get("cachedContentTokenCount"),
            "reasoning_tokens": thoughts,
            "input_audio_tokens": of_input.get("AUDIO"),
            "output_audio_tokens": of_output.get("AUDIO"),
            "cache_read_audio_tokens": None,
        }
    of_input, of_output = used.get("input_token_details", {}), used.get("output_token_details", {})
    return {
        "input_tokens": used.get("input_tokens"),
        "output_tokens": used.get("output_tokens"),
        "cache_read_tokens": of_input.get("cached_tokens"),
        "reasoning_tokens": of_output.get("reasoning_tokens"),
        "input_audio_tokens": of_input.get("audio_tokens"),
        "output_audio_tokens": of_output.get("audio_tokens"),
        "cache_read_audio_tokens": of_input.get("cached_tokens_details", {}).get("audio_tokens"),
    }


def cost(used: dict[str, int | None], provider: str, model: str | None) -> Decimal | None:
    """What the price package itself says of a response; None where it does not know the model, or where there is no usage."""
    if model is None or used["input_tokens"] is None or used["output_tokens"] is None:
        return None
    known = {
        "input_tokens": used["input_tokens"],
        "output_tokens": used["output_tokens"],
        "cache_read_tokens": used["cache_read_tokens"],
        "input_audio_tokens": used["input_audio_tokens"],
        "output_audio_tokens": used["output_audio_tokens"],
        "cache_audio_read_tokens": used["cache_read_audio_tokens"],
    }
    try:
        return genai_prices.calc_price(genai_prices.Usage(**known), model, provider_id=provider).total_price
    except LookupError:
        return None


def check(live: Goldwash, record: dict[str, Any], style: str) -> None:
    """One complete row, and a turn a response with what the provider reported of it."""
    assert eventually(lambda: live.rows(f"query = 'case={record['id']}-{style}'"))
    row = live.row(f"query = 'case={record['id']}-{style}'")
    assert (row["status"], row["ending"], row["terminal"], row["unread"]) == (101, "complete", True, None)
    assert row["error_type"] is None
    turns = live.sql(
        f"SELECT {TURN}, response_model, cost_usd, cost_note FROM turns WHERE exchange_id = '{row['exchange_id']}' ORDER BY turn"
    )
    assert row["turns"] == len(turns)
    want = [tokens(used) for used in record["oracle"]["usages"]]
    assert [{name: turn[name] for name in TURN.split(", ")} for turn in turns] == want
    provider = "google" if google(record) else "openai"
    for turn, used in zip(turns, want, strict=True):
        expected = cost(used, provider, turn["response_model"] or row["request_model"])
        have = None if turn["cost_usd"] is None else Decimal(str(turn["cost_usd"]))
        assert (have is None) == (expected is None), (turn, expected)
        assert have is None or expected is None or abs(have - expected) < Decimal("1e-9")
        assert (turn["cost_note"] is None) == (have is not None)
    known = [turn["cost_usd"] for turn in turns]
    assert row["usage_source"] == ("provider" if any(used["input_tokens"] is not None for used in want) else None)
    if None in known:
        assert row["cost_usd"] is None
    else:
        assert abs(Decimal(str(row["cost_usd"])) - sum(Decimal(str(item)) for item in known)) < Decimal("1e-9")


@pytest.mark.skipif(not CORPUS.exists(), reason="the recorded sessions are not beside the repository: own sessions only")
def test_the_recorded_sessions_are_there() -> None:
    """All 25 of them are played below."""
    assert len(SESSIONS) == 26


@by_session
@pytest.mark.parametrize("style", ["plain", "compressed"])
def test_sessions_between_packages(live: Goldwash, played: Stage, record: dict[str, Any], style: str) -> None:
    """Two ends of the `websockets` package say to each other what was recorded, with and without compression."""
    name = "google" if google(record) else "openai"
    compression = "deflate" if style == "compressed" else None
    before = played.played
    with connect(f"ws://127.0.0.1:{live.port}/{name}{path(record, style)}", max_size=None, compression=compression) as client:
        play(script(record), False, client.send, client.recv)
    assert eventually(lambda: played.played == before + 1)
    assert played.faults == []
    check(live, record, style)


@by_session
@pytest.mark.parametrize("style", ["deflate", "fragments"])
def test_sessions_byte_for_byte(live: Goldwash, raw: RawStage, record: dict[str, Any], style: str) -> None:
    """Frames cut anywhere, compressed or in fragments with pings between, pass byte for byte, and are read all the same."""
    act = framed(record, style)
    raw.acts[f"{record['id']}-{style}"] = ("permessage-deflate" if style == "deflate" else "", act)
    with socket.create_connection(("127.0.0.1", live.port), 20) as client:
        client.settimeout(20)
        name = "raw-google" if google(record) else "raw-openai"
        lines = (
            f"GET /{name}{path(record, style)} HTTP/1.1",
            f"Host: 127.0.0.1:{live.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(b'sixteen bytes!!!').decode()}",
            *(["Sec-WebSocket-Extensions: permessage-deflate"] if style == "deflate" else []),
        )
        client.sendall("\r\n".join((*lines, "", "")).encode())
        assert head_of(client).startswith(b"HTTP/1.1 101 ")
        raw_play(client, act, False, record["id"])
    assert raw.faults == []
    check(live, record, style)
    sent = sum(len(data) for upstream, data in act if not upstream)
    row = live.row(f"query = 'case={record['id']}-{style}'")
    assert (row["request_bytes"], row["response_bytes"]) == (sent, sum(len(data) for upstream, data in act if upstream))


def test_a_client_that_vanishes(live: Goldwash, sockets: Server) -> None:
    """A client that drops the connection without a Close frame is gone; what had been said is kept."""
    with suppress(ConnectionClosed), connect(f"ws://127.0.0.1:{live.port}/openai{path(OWN[0], 'vanish')}", close_timeout=0.1) as client:
        client.recv()
        client.socket.shutdown(socket.SHUT_RDWR)
    assert eventually(lambda: live.rows("query = 'case=own-openai-vanish'"))
    row = live.row("query = 'case=own-openai-vanish'")
    assert (row["ending"], row["error_type"], row["terminal"]) == ("client_gone", "client_gone", False)
