"""Measures what loading costs: CPU µs a row, by stage, for a chat exchange of about 1 KB. Run it by hand: python tests/proxy/log/loading_cost.py."""

from __future__ import annotations

import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from proxy.accounting.pricing import Pricer
from proxy.exchange import Reading
from proxy.log.attach import Log
from proxy.log.ingest import Loader, Unpriced
from proxy.log.redaction import Redactor
from proxy.reading import read
from proxy.spool import frames
from proxy.spool.writer import Spool

REQUEST = b'{"model":"gpt-4o","messages":[{"role":"user","content":"' + b"Tell me more about the tea. " * 12 + b'"}]}'
ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1790000000,"model":"gpt-4o-2024-08-06","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"' + b"It is grown in the hills. " * 12 + b'"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":110,"completion_tokens":90,"total_tokens":200,"prompt_tokens_details":{"cached_tokens":0}}}'
)
FACTS = (
    b"openai\n\nhttps://api.openai.com\nPOST\n/v1/chat/completions\n\na1b2c3\n\n"
    b"goldwash-feature:search\ngoldwash-user:42\nuser-agent:openai-python\ncontent-type:application/json"
)
HEAD = b"\n\ncontent-type:application/json\nx-request-id:req_1\nopenai-processing-ms:312"


def fill(spool: Spool, rows: int) -> None:
    """Write finished exchanges as the lane does."""
    for _ in range(rows):
        now = time.time_ns()
        exchange_id = (now // 1_000_000).to_bytes(6, "big") + secrets.token_bytes(10)
        spool.append(frames.accepted(exchange_id, now, 0, FACTS, REQUEST))
        spool.append(
            frames.finished(
                exchange_id, 0, 0, 200, 1_000_000, 2_000_000, len(REQUEST), len(ANSWER), frames.NO_HASH, frames.NO_HASH, HEAD, b"", ANSWER
            )
        )  # fmt: skip


def measure(name: str, rows: int, read: Callable[[Any], Reading], price: Callable[..., Any], scrub: Redactor | None) -> float:
    """CPU µs a row of this process, and of it the share of the database's own threads (there are none)."""
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory)
        spool = Spool(data / "spool", "host", "w0", 32 << 20)
        fill(spool, rows)
        log = Log.open("goldwash.duckdb", data)
        loader = Loader(log, data / "spool", read, price, scrub, rows=2000)
        loader.step(time.time_ns())  # warm
        begun, done = time.process_time(), 0
        while (loaded := loader.step(time.time_ns())).rows:
            done += loaded.rows
        micros = (time.process_time() - begun) / done * 1e6
        loader.close()
        log.close()
        spool.close()
    sys.stdout.write(f"{name:45} {micros:6.1f} µs a row\n")
    return micros


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    nothing = Reading(output_text="x" * 300)
    measure("assemble, row, Arrow, insert", count, lambda _: nothing, lambda *_: Unpriced("none"), None)
    measure("… and redaction", count, lambda _: nothing, lambda *_: Unpriced("none"), Redactor())
    measure("… and reading", count, read, lambda *_: Unpriced("none"), Redactor())
    measure("… and pricing: all of it", count, read, Pricer().price, Redactor())
