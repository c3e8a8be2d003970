"""Coverage-guided fuzzing of everything that reads a provider's bytes: whole or in pieces the result is the same, and nothing raises.

Run by scripts/fuzz; needs the `atheris` package, which nothing else here does. An input is a head of six bytes (what to feed, path, content
type, coding, status, where to cut) and then the bytes to feed. A finding is written to finding.bin where it runs, and is played again by naming that
file as the argument. A folder as argument keeps what was learnt for the next run.
"""

from __future__ import annotations

import base64
import gzip
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))

with atheris.instrument_imports(include=["proxy"]):
    from proxy.lane.include_usage import UsageRemover, with_usage
    from proxy.providers import SHELF
    from proxy.reading import BodyReader, read, read_session
    from proxy.streams.encoding import Decoder
    from proxy.streams.eventstream import EventStreamParser
    from proxy.streams.json_array import ArrayParser
    from proxy.streams.ndjson import LineParser
    from proxy.streams.sse import SseParser
    from proxy.streams.websocket import FrameDecoder

from proxy.exchange import Captured
from tests.helpers.recordings import SHELVES

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus" / "exchanges.jsonl.gz"
HEAD = 6
PATHS = (
    "/v1/chat/completions /v1/completions /v1/responses /v1/embeddings /v1/images/generations /v1/audio/transcriptions /v1/audio/speech "
    "/v1/moderations /v1/ocr /v1/threads/t/runs /v1/messages /v1/messages/count_tokens /v1/complete /v2/chat /v1/chat /v1/rerank /api/chat "
    "/api/generate /model/m/converse /model/m/converse-stream /model/m/invoke /model/m/invoke-with-response-stream "
    "/v1beta/models/g:generateContent /v1beta/models/g:streamGenerateContent /v1beta/models/g:embedContent /v1beta/interactions /v1/predictions "
    "/completion /ai/run/m /v1/conversations /api/v2/cortex/inference:complete /ml/v1/text/generation /ml/v1/text/chat /complete /who/knows "
    "/retrieveAndGenerateStream /endpoints/e/invocations /generate"
).split()
UPSTREAMS = ("upstream", "openai", "mistral", "cohere", "google", "aws-bedrock", "replicate", "huggingface", "cloudflare")
TYPES = (
    "application/json",
    "text/event-stream",
    "application/x-ndjson",
    "application/vnd.amazon.eventstream",
    "text/plain",
    "audio/mpeg",
    "",
)
CODINGS = ("", "", "", "gzip", "br", "zstd", "deflate", "gzip, br", "nonsense")
STATUSES = (200, 200, 200, 400, 500, None)
SESSIONS = ("/v1/realtime", "/ws/BidiGenerateContent", "/who/knows")


def pieces(data: bytes, size: int) -> list[bytes]:
    """The same bytes in pieces of `size`."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def exchange(head: bytes, body: bytes) -> Captured:
    """The exchange that an input stands for: what follows a line of dashes is the request's body."""
    answer, _, request = body.partition(b"\n----\n")
    headers = (("content-type", TYPES[head[2] % len(TYPES)]), ("content-encoding", CODINGS[head[3] % len(CODINGS)]))
    return Captured(
        *(UPSTREAMS[head[1] // len(PATHS) % len(UPSTREAMS)], None, "http://127.0.0.1", "POST", PATHS[head[1] % len(PATHS)], ""),
        *((), request, False, STATUSES[head[4] % len(STATUSES)], tuple(pair for pair in headers if pair[1]), answer, False),
    )


def body(head: bytes, data: bytes) -> None:
    """One exchange, whole and in pieces; a fault inside a reader is a finding although the pipeline would survive it."""
    one = exchange(head, data)
    reading = read(one)
    assert not (reading.unread or "").startswith("fault"), reading.unread
    reader = BodyReader(one)
    for piece in pieces(one.response_body, head[5] % 40 + 1):
        reader.feed(piece)
    assert reader.result() == reading
    for text in (reading.output_text, reading.error_message, reading.response_model, reading.reasoning_text):
        (text or "").encode()


def dialects(head: bytes, data: bytes) -> None:
    """Every reader on the shelf, fed the same JSON values under the same names."""
    try:
        values = [json.loads(line) for line in data.split(b"\n")[:8] if line.strip()]
    except (ValueError, RecursionError):
        return
    one = exchange(head, b"")
    lines = list(dict.fromkeys(line.reader for line in SHELF))
    reader = lines[head[1] % len(lines)](one, values[0] if values else None)
    for value in values:
        name = value.get("type") if isinstance(value, dict) else None
        reader.feed(name if isinstance(name, str) else None, value)
        reader.result()


def session(head: bytes, data: bytes) -> None:
    """A WebSocket session whose messages take turns."""
    one = exchange(head, b"")
    messages = [("client" if at % 3 == 0 else "upstream", line) for at, line in enumerate(data.split(b"\n"))]
    read_session(
        Captured(*("any", None, "wss://x", "GET", SESSIONS[head[1] % 3], "", (), b"", False, 101, one.response_headers, b"", False)),
        messages,
    )


def parser(make: Callable[[], Any]) -> Callable[[bytes, bytes], None]:
    """A parser that gives the same events whole and in pieces."""

    def both(head: bytes, data: bytes) -> None:
        whole, cut = make(), make()
        events = [*whole.feed(data), *(whole.finish() if hasattr(whole, "finish") else ())]
        other = [event for piece in pieces(data, head[5] % 40 + 1) for event in cut.feed(piece)]
        other += cut.finish() if hasattr(cut, "finish") else ()
        assert events == other, (events, other)

    return both


def decoder(head: bytes, data: bytes) -> None:
    """A content-encoding undone gives the same bytes whole and in pieces, and no more than it may."""
    coding = CODINGS[head[3] % len(CODINGS)]
    whole, cut = Decoder(coding, 1 << 16), Decoder(coding, 1 << 16)
    out = whole.feed(data)
    whole.finish()
    other = b"".join(cut.feed(piece) for piece in pieces(data, head[5] % 40 + 1))
    cut.finish()
    assert (out, whole.broken) == (other, cut.broken)
    assert len(out) <= 1 << 16


def remover(head: bytes, data: bytes) -> None:
    """Whatever goes on of a stream is its bytes in order, less one event at most."""
    whole, cut = UsageRemover(), UsageRemover()
    out = whole.feed(data) + whole.finish()
    assert out == b"".join(cut.feed(piece) for piece in pieces(data, head[5] % 40 + 1)) + cut.finish()
    assert whole.found or out == data
    changed = with_usage(data)
    assert changed is None or json.loads(changed)["stream_options"] == {"include_usage": True}


TARGETS: tuple[Callable[[bytes, bytes], None], ...] = (
    *(body, body, body, body, dialects, dialects, session, decoder, remover),
    *(parser(SseParser), parser(LineParser), parser(EventStreamParser), parser(ArrayParser)),
    *(parser(lambda: FrameDecoder(max_message=4096)), parser(lambda: FrameDecoder(deflate=True, max_message=4096))),
)


def one_input(data: bytes) -> None:
    """What the fuzzer calls; an input that finds something is kept in finding.bin, since the fuzzer does not always come to write its own."""
    if len(data) >= HEAD:
        try:
            TARGETS[data[0] % len(TARGETS)](data[:HEAD], data[HEAD:])
        except BaseException:
            Path("finding.bin").write_bytes(data)
            raise


def seeds() -> list[bytes]:
    """Real answers, under the head that reads them as such: own recordings, and short ones beside the project where they are."""
    found = []
    for shelf in SHELVES.values():
        for recording in shelf.values():
            answer = b"".join(step for step in recording.answer(0.0).steps if isinstance(step, bytes)).partition(b"\r\n\r\n")[2]
            found.append((recording.path, answer))
    if CORPUS.exists():
        with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                if "response" in record and len(record["response"]["body_b64"]) < 3000:
                    found.append((record["path"] or "/", base64.b64decode(record["response"]["body_b64"])))
    out = []
    for path, answer in found:
        place = next((at for at, known in enumerate(PATHS) if path.endswith(known.rsplit("/", 1)[-1])), len(PATHS) - 4)
        kind = 1 if answer.startswith((b"data", b"event")) else 3 if answer[:1] == b"\0" else 0
        out += [bytes((0, place, kind, 0, 0, 6)) + answer, bytes((4, place, kind, 0, 0, 6)) + answer]
    for at in range(6, len(TARGETS)):
        out += [bytes((at, 0, 0, coding, 0, 2)) + answer for coding in range(3, 7) for _, answer in found[at :: len(TARGETS) * 4]]
    return out


def main() -> None:
    """Fuzz with libFuzzer's own options, starting from the seeds."""
    with tempfile.TemporaryDirectory() as directory:
        corpus = Path(directory) / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(seeds()):
            (corpus / str(number)).write_bytes(seed)
        words = sorted(
            {word for seed in seeds() for word in seed.decode("latin-1").split('"')[1::2] if word.isidentifier() and len(word) < 40}
        )
        dictionary = Path(directory) / "words"
        dictionary.write_text("".join(f'"\\"{word}\\":"\n' for word in words[:2000]), encoding="utf-8")
        sys.stderr.write(f"{len(list(corpus.iterdir()))} seeds, {len(words)} words\n")
        atheris.Setup(
            [sys.argv[0], f"-dict={dictionary}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=4096", *sys.argv[1:], str(corpus)],
            one_input,
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
