"""Plants a secret of its own in every place where one can stand, lets everything go wrong, and says which of them can be found where.

A secret of the families in NEVER must not even reach the spool. Those in MASKED stand in bodies and free text, which pass through the
spool (0600) as they came: they must not reach the log, nor anything that is shown.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from tests.helpers.client import Client, fetch, request
from tests.helpers.egress import EgressProxy
from tests.helpers.goldwash import Goldwash, free_port
from tests.helpers.upstream import Answer, Do, Upstream, answer
from tests.helpers.waiting import eventually
from tests.helpers.wire import Headers, Message

INJECTED = Path(__file__).parent / "injected"


def secret(family: str) -> str:
    """The secret of one family: of no known form, so that only the rule for its place keeps it out."""
    return "q" + hashlib.sha256(family.encode()).hexdigest()[:23]


def keyed(family: str) -> str:
    """A secret in the form of a provider's key, for places that are searched for forms."""
    return "sk-proj-" + hashlib.sha256(family.encode()).hexdigest()[:40]


REQUEST_HEADERS = {
    "Authorization": "Bearer {}",
    "Proxy-Authorization": "Basic {}",
    "api-key": "{}",
    "x-api-key": "{}",
    "x-goog-api-key": "{}",
    "Ocp-Apim-Subscription-Key": "{}",
    "Cookie": "session={}",
    "X-Amz-Security-Token": "{}",
    "X-Amz-Signature": "{}",
    "Helicone-Auth": "Bearer {}",
    "x-portkey-api-key": "{}",
    "x-portkey-virtual-key": "{}",
    "x-litellm-api-key": "{}",
    "X-Auth-Token": "{}",
    "X-CSRF-Token": "{}",
    "X-Unknown-Header": "{}",
    "goldwash-property-api-key": "{}",
    "goldwash-proxy-key": "{}",
    "Sec-WebSocket-Protocol": "realtime, openai-insecure-api-key.{}, openai-beta.realtime-v1",
}
RESPONSE_HEADERS = {
    "Set-Cookie": "id={}; Secure",
    "X-Session-Token": "{}",
    "Location": "https://files.example/x?sig={}",
    "X-Amz-Security-Token": "{}",
    "Sec-WebSocket-Protocol": "openai-insecure-api-key.{}",
    "Authentication-Info": "{}",
}
PARAMETERS = {
    "key": "key={}",
    "api_key": "api_key={}",
    "API-Key": "API-Key={}",
    "access_token": "access_token={}",
    "X-Amz-Signature": "X-Amz-Signature={}",
    "X-Amz-Credential": "X-Amz-Credential={}",
    "X-Amz-Security-Token": "X-Amz-Security-Token={}",
    "sig": "sig={}",
    "escaped name": "%6bey={}",
    "escaped inside": "ap%69%5Fk%65y={}",
    "after a semicolon": "a=1;key={}",
    "nested URL": "next=https%3A%2F%2Fhost%2F%3Fkey%3D{}",
}
METADATA = {"key": "key={}", "api_key": "api_key={}", "token": "t%6fken={}", "escaped key": "k%65y={}"}
MASKED_HEADERS = {
    "User-Agent": "tool/1 ({})",
    "goldwash-user": "{}",
    "goldwash-property-note": "my key is {}",
    "baggage": "note={},user.id=7",
    "tracestate": "a={}",
    "HTTP-Referer": "https://page.example/?x={}",
    "x-portkey-metadata": '{{"note":"{}"}}',
    "X-Request-Id": "{}",
}

NEVER = (
    *(f"request header {name}" for name in REQUEST_HEADERS),
    *(f"response header {name}" for name in RESPONSE_HEADERS),
    *(f"parameter {name}" for name in PARAMETERS),
    *(f"metadata {name}" for name in METADATA),
    *("header goldwash-key", "parameter in the path", "first path segment", "SigV4 signature", "WebSocket subprotocol", "egress password"),
)
"""Families whose secrets may lie in no file at all."""
MASKED = (
    *(f"masked header {name}" for name in MASKED_HEADERS),
    *("prompt", "answer", "error that repeats a key", "error in gzip", "stream in pieces", "tool arguments", "WebSocket message", "fault"),
    *("key of no form, repeated", "key of no form, repeated in gzip", "key of no form, streamed"),
)
"""Families whose secrets may lie in the spool alone."""


def values() -> dict[str, str]:
    """Family -> what is looked for."""
    return {family: secret(family) for family in NEVER} | {
        family: secret(family) if "no form" in family else keyed(family) for family in MASKED
    }


@dataclass
class Evidence:
    """What a run left behind, gathered while it runs."""

    found: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # family -> places where its secret was found
    modes: dict[str, int] = field(default_factory=dict)  # file under the data directory -> its permissions
    endings: dict[str, int] = field(default_factory=dict)  # of the exchanges
    refusals: list[Message] = field(default_factory=list)  # what Goldwash itself answered
    output: str = ""

    def look(self, where: str, data: bytes) -> None:
        """Search bytes that were found in a place."""
        for family, value in values().items():
            if value.encode() in data:
                self.found[family].add(where)

    def look_at_files(self, goldwash: Goldwash) -> None:
        """Search all files of an installation."""
        for file in goldwash.directory.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # the loader deletes what is loaded
                name = str(file.relative_to(goldwash.directory))
                if name.startswith("data/"):
                    self.modes[name] = file.stat().st_mode & 0o777
                if file.is_file():
                    place = "spool" if name.startswith("data/spool/") else "output" if name == "up.log" else name
                    self.look(place, file.read_bytes().rstrip(b"\0"))

    def look_at_the_log(self, goldwash: Goldwash) -> None:
        """Search what the log service tells: every table, metrics, page; and the command lines."""
        tables = [row["table_name"] for row in goldwash.sql("SELECT table_name FROM duckdb_tables() WHERE NOT internal")]
        assert {"exchanges", "small_bodies", "large_bodies", "feedback"} <= set(tables)
        for table in tables:
            self.look(f"rows of {table}", json.dumps(goldwash.sql(f'SELECT * FROM "{table}"'), ensure_ascii=False).encode())
        self.look("metrics", goldwash.metrics().encode())
        self.look("the web page", goldwash.admin("GET", "/")[1])
        for pid in goldwash.children():
            self.look("argv", Path(f"/proc/{pid}/cmdline").read_bytes())
        rows = goldwash.sql("SELECT ending, count(*) AS n FROM exchanges GROUP BY ALL")
        self.endings = {row["ending"]: row["n"] for row in rows}


def headers() -> Headers:
    """All headers of a request that carry secrets."""
    return [
        *((name, form.format(secret(f"request header {name}"))) for name, form in REQUEST_HEADERS.items()),
        *((name, form.format(keyed(f"masked header {name}"))) for name, form in MASKED_HEADERS.items()),
    ]


QUERY = "&".join(form.format(secret(f"parameter {name}")) for name, form in PARAMETERS.items())
SIGNED = (
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261101/us-east-1/bedrock/aws4_request, SignedHeaders=host, "
    f"Signature={secret('SigV4 signature')}"
)


def run(directory: Path, stage: Upstream, private: Upstream, mutations: tuple[str, ...] = (), *, everything: bool = True) -> Evidence:
    """Start a Goldwash that talks as much as it can, plant, let it fail in every way, end it, and search.

    mutations: scrubs to take out, faults to put in. everything: also what takes seconds (time-outs, a killed worker).
    """
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve(_echo, "127.0.0.1", 0, subprotocols=["realtime"]))  # type: ignore[list-item]
        stack.callback(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        egress = stack.enter_context(EgressProxy({"company.example": stage.port}, login=("user", "another")))
        upstreams: dict[str, Mapping[str, object]] = {
            "stage": {"url": stage.url},
            "openai": {"url": stage.url},
            "impatient": {"url": stage.url, "first_byte_timeout": 0.5, "silence_timeout": 0.5},
            "refusing": {"url": f"http://127.0.0.1:{free_port()}"},
            "nowhere": {"url": "http://nowhere.invalid"},
            "untrusted": {"url": f"https://localhost:{private.port}"},
            "not-https": {"url": f"https://localhost:{stage.port}"},
            "socket": {"url": f"http://127.0.0.1:{server.socket.getsockname()[1]}"},
            "egress": {"url": "http://company.example"},
            "egress-gone": {"url": "http://company.example"},
            "aws": {"url": "https://bedrock-runtime.us-east-1.amazonaws.com", "connect_to": f"127.0.0.1:{free_port()}"},
            "aws-resign": {
                "url": "https://bedrock-runtime.us-east-1.amazonaws.com",
                "connect_to": f"127.0.0.1:{free_port()}",
                "sigv4": "resign",
            },
        }
        password = f"user:{secret('egress password')}"
        environ = {
            "GOLDWASH_COMPILED": "0",  # what is compiled cannot be changed from outside
            "GOLDWASH_LOG_LEVEL": "debug",
            "GOLDWASH_UPSTREAMS__EGRESS__EGRESS_PROXY": f"http://{password}@127.0.0.1:{egress.port}",
            "GOLDWASH_UPSTREAMS__EGRESS_GONE__EGRESS_PROXY": f"http://{password}@127.0.0.1:{free_port()}",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(INJECTED), os.environ.get("PYTHONPATH")))),
            "TESTED_MUTATIONS": ",".join(("fail on a head", "fail in a reader", *mutations)),
        }
        goldwash = Goldwash(directory, upstreams, environ=environ, sections={"proxy": {"drain_timeout": 0.5}})
        evidence = Evidence()
        with goldwash:
            evidence.refusals = _traffic(goldwash, stage)
            goldwash.flush()
            evidence.look_at_files(goldwash)  # now, while the worker's segments are still there
            if everything:
                _slow_traffic(goldwash, stage, stack)
                goldwash.flush()
            evidence.look_at_the_log(goldwash)
            evidence.look_at_files(goldwash)
            if everything:
                _hang(goldwash, stage, "at the end", stack)
        evidence.look_at_files(goldwash)
        for got in evidence.refusals:
            evidence.look("an error body", bytes(got.body) + got.head)
        evidence.output = goldwash.output()
        return evidence


def _echo(connection: ServerConnection) -> None:
    with contextlib.suppress(WebSocketException):
        for message in connection:
            connection.send(message)


def _traffic(goldwash: Goldwash, stage: Upstream) -> list[Message]:
    """All that goes right or wrong at once; the answers that Goldwash itself made."""
    _script(stage)
    port = goldwash.port
    carrying = headers()
    own: list[Message] = []

    def ask(target: str, more: Headers | None = None, body: bytes = b"{}", method: str = "POST") -> Message:
        got = fetch(port, method, f"{target}{'&' if '?' in target else '?'}{QUERY}", [*carrying, *(more or [])], body)
        if b'"source": "goldwash"' in bytes(got.body) or target.startswith("/goldwash/"):
            own.append(got)
        return got

    prompt = json.dumps({"model": "m", "messages": [{"role": "user", "content": f"use {keyed('prompt')} please"}]}).encode()
    assert ask("/openai/v1/chat/completions", body=prompt).status == 200
    assert ask("/openai/v1/chat/completions", body=prompt.replace(b'"m"', b'"m","stream":true', 1)).status == 200
    for name in ("repeats", "repeats-gzip", "streams"):
        key = {"repeats": "repeated", "repeats-gzip": "repeated in gzip", "streams": "streamed"}[name]
        fetch(port, "POST", f"/openai/v1/{name}", [("api-key", secret(f"key of no form, {key}"))], b"{}")
    ask("/openai/v1/denied")
    ask("/openai/v1/denied-gzip")
    for form_name, form in METADATA.items():
        ask(f"/stage/~feature=tea;{form.format(secret(f'metadata {form_name}'))}/ok")
    ask(f"/stage/ok;key={secret('parameter in the path')}")
    ask("/stage/garbage")
    ask("/stage/broken")
    ask("/stage/redirect")
    ask("/refusing/x")
    ask("/not-https/x")
    ask("/untrusted/x")
    ask("/egress/x")
    ask("/egress-gone/x")
    ask("/unknown/x")
    ask(f"/{secret('first path segment')}/x")
    ask("/stage/x\x01y", method="GET")
    ask("/stage/x", [("X-Big", "a" * 70_000)])
    ask("/stage/x", [("Content-Length", "4"), ("Transfer-Encoding", "chunked")])
    ask("/stage/x", [("Transfer-Encoding", "gzip")])
    ask("/stage/%2e%2e/x")
    ask("/stage/ok", [("goldwash-key", secret("header goldwash-key"))])
    ask("/goldwash/feedback", [("Content-Type", "application/json")], json.dumps({"nonsense": keyed("prompt")}).encode())
    ask(
        "/goldwash/feedback", [("Content-Type", "application/json")], json.dumps({"score": 1, "comment": f"see {keyed('prompt')}"}).encode()
    )
    ask("/goldwash/nothing")
    signed = [("Authorization", SIGNED), ("X-Amz-Date", "20261101T000000Z")]
    own += [fetch(port, "POST", f"/{name}/model/m/invoke", signed, b"{}") for name in ("aws", "aws-resign")]
    malformed = request("POST", f"/stage/ok?{QUERY}", [*carrying, ("Transfer-Encoding", "chunked")])
    for chunks in (b"zz\r\n", b"2\r\nok\r\nzz\r\n"):
        with Client(port) as client:
            client.send(malformed)
            time.sleep(0.05)
            client.send(chunks)
            own.append(client.answer())
    _faults(goldwash, carrying)
    _web_socket(goldwash)
    goldwash.admin("POST", "/api/sql", {"sql": f"SELECT '{keyed('prompt')}'::INT"})
    goldwash.admin("POST", "/api/feedback", {"comment": keyed("prompt"), "unknown": [1]})
    return own


def _slow_traffic(goldwash: Goldwash, stage: Upstream, stack: contextlib.ExitStack) -> None:
    """Time-outs, a client that goes, and a worker that is killed."""
    for target in ("/nowhere/x", "/impatient/stall", "/impatient/begins"):
        fetch(goldwash.port, "POST", f"{target}?{QUERY}", headers(), b"{}")
    gone = _hang(goldwash, stage, "gone", stack)
    gone.reset()
    _hang(goldwash, stage, "lost", stack)
    (worker,) = goldwash.pids("worker")
    os.kill(worker, signal.SIGKILL)
    assert eventually(lambda: [pid for pid in goldwash.pids("worker") if pid != worker] and goldwash.ready(), within=20)


def _script(stage: Upstream) -> None:
    back = [(name, form.format(secret(f"response header {name}"))) for name, form in RESPONSE_HEADERS.items()]
    as_json = [("Content-Type", "application/json"), *back]
    said = {"role": "assistant", "content": f"you said {keyed('answer')}", "tool_calls": [_call()]}
    chat = {"id": "c", "object": "chat.completion", "model": "m", "choices": [{"index": 0, "message": said, "finish_reason": "stop"}]}
    denied = json.dumps({"error": {"message": f"Incorrect API key provided: {keyed('error that repeats a key')}.", "type": "auth"}})
    zipped = denied.replace(keyed("error that repeats a key"), keyed("error in gzip"))
    pieces = keyed("stream in pieces")
    events = [
        {"choices": [{"index": 0, "delta": {"content": piece}}], "object": "chat.completion.chunk", "model": "m"}
        for piece in (pieces[:10], pieces[10:25], pieces[25:])
    ]
    stream = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    stage.on("/ok", answer(200, as_json, b"{}"))
    stage.on(f"/ok;key={secret('parameter in the path')}", answer(200, as_json, b"{}"))
    plain = answer(200, as_json, json.dumps(chat).encode())
    streamed = answer(200, [("Content-Type", "text/event-stream"), *back], stream, framing="chunked")
    stage.on("/v1/chat/completions", lambda got: streamed if b'"stream"' in bytes(got.body) else plain)
    stage.on("/v1/denied", answer(401, as_json, denied.encode()))
    stage.on("/v1/denied-gzip", answer(401, [*as_json, ("Content-Encoding", "gzip")], gzip.compress(zipped.encode())))
    for name, coded in (("repeats", False), ("repeats-gzip", True), ("streams", False)):
        stage.on(f"/v1/{name}", _repeating(as_json, coded=coded, streamed=name == "streams"))
    stage.on("/garbage", lambda got: Answer([b"SSH-2.0 " + (got.get("x-api-key") or "").encode() + b"\r\n\r\n", Do.CLOSE]))
    stage.on("/broken", Answer([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", Do.RESET]))
    stage.on("/redirect", answer(307, back, b""))
    stage.on("/stall", Answer([Do.STALL]))
    stage.on("/begins", Answer([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", Do.STALL]))
    stage.on("/odd-reading", answer(200, as_json, b"{}"))


def _call() -> dict[str, object]:
    arguments = json.dumps({"url": "https://x.example", "note": keyed("tool arguments")})
    return {"id": "call_1", "type": "function", "function": {"name": "fetch", "arguments": arguments}}


def _repeating(given: Headers, *, coded: bool, streamed: bool):
    def respond(got: Message) -> Answer:
        body = json.dumps({"error": {"code": "401", "message": f"Access denied for the key '{got.get('api-key')}'."}}).encode()
        if streamed:
            return answer(401, [("Content-Type", "text/event-stream")], b"event: error\ndata: " + body + b"\n\n", framing="chunked")
        return answer(401, [*given, ("Content-Encoding", "gzip")] if coded else given, gzip.compress(body) if coded else body)

    return respond


def _faults(goldwash: Goldwash, carrying: Headers) -> None:
    """Exceptions where none should be: while a head is read, in a callback that holds the bytes of a request, and in a reader."""
    fault = request("GET", f"/stage/fault?{QUERY}", carrying)
    with Client(goldwash.port) as client:
        client.send(fault)
        with contextlib.suppress(OSError, ValueError):
            client.answer()
    with Client(goldwash.port) as client:
        client.send(request("GET", "/stage/ok", carrying) + fault)
        assert client.answer().status == 200
        with contextlib.suppress(OSError, ValueError, TimeoutError):
            client.socket.settimeout(0.3)
            client.answer()
    fetch(goldwash.port, "POST", "/stage/odd-reading", carrying, json.dumps({"note": keyed("fault")}).encode())


def _web_socket(goldwash: Goldwash) -> None:
    protocols = ["realtime", f"openai-insecure-api-key.{secret('WebSocket subprotocol')}"]
    with connect(f"ws://127.0.0.1:{goldwash.port}/socket/v1/realtime?{QUERY}", subprotocols=protocols) as session:  # type: ignore[arg-type]
        session.send(json.dumps({"type": "x", "text": f"take {keyed('WebSocket message')}"}))
        session.recv(5)


def _hang(goldwash: Goldwash, stage: Upstream, why: str, stack: contextlib.ExitStack) -> Client:
    """A request that waits for its answer."""
    before = len(stage.to("/stall"))
    client = stack.enter_context(Client(goldwash.port))
    client.send(request("POST", f"/stage/stall?{QUERY}", headers(), b"{}"))
    assert eventually(lambda: len(stage.to("/stall")) > before), why
    return client
