"""Measures what grows with the log: load rate, file size a row and the ready-made views' times, with so many million rows in it."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from proxy import compiled

compiled.use()  # as the log service runs; GOLDWASH_COMPILED=0 measures the sources

from proxy.accounting.pricing import Pricer
from proxy.log.attach import Log
from proxy.log.ingest import Loader
from proxy.log.redaction import Redactor
from proxy.log.views import VIEWS
from proxy.service.assembly import read_or_estimate
from proxy.spool.writer import Spool
from tests.bench.reading import ANSWER, STREAM, fill

MILLION = 1_000_000
DAYS = 90
LOADED = 20_000

# A made-up quarter: 24 features, 6 models, 40,000 sessions a million rows, texts of 200 characters that do not compress.
ROWS = """
    INSERT INTO exchanges BY NAME
    SELECT uuidv7() AS exchange_id, TIMESTAMPTZ '2026-08-01' + to_microseconds(CAST(i * {step} AS BIGINT)) AS accepted_at,
        accepted_at + to_milliseconds(400 + i % 1700) AS ended_at, ['openai','anthropic','google'][1 + i % 3] AS provider,
        'openai' AS dialect, 'chat' AS operation, 'POST' AS method, '/v1/chat/completions' AS path,
        CASE WHEN i % 97 = 0 THEN 429 ELSE 200 END AS status, CASE WHEN i % 1009 = 0 THEN 'partial' ELSE 'complete' END AS ending,
        i % 3 = 0 AS is_stream, 'model-' || (i % 6) AS request_model, 'model-' || (i % 6) || '-2026' AS response_model,
        'chatcmpl-' || hash(i) AS response_id, 100 + i % 4000 AS input_tokens, 10 + i % 900 AS output_tokens,
        i % 5 * 100 AS cache_read_tokens, 'provider' AS usage_source, CAST((100 + i % 4000) * 0.0000025 AS DECIMAL(24, 12)) AS cost_usd,
        'genai-prices' AS price_source, '0.2.3' AS price_version, ['stop'] AS finish_reasons,
        md5(CAST(i AS VARCHAR)) || md5(CAST(i + 1 AS VARCHAR)) || md5(CAST(i + 2 AS VARCHAR)) || md5(CAST(i + 3 AS VARCHAR))
            || md5(CAST(i + 4 AS VARCHAR)) || md5(CAST(i + 5 AS VARCHAR)) AS output_text,
        400 + i % 1700 AS duration_ms, 90 + i % 300 AS time_to_first_chunk_ms, 900 AS request_bytes, 1100 AS response_bytes,
        sha256(CAST(i AS VARCHAR)) AS request_sha256, sha256(CAST(-i AS VARCHAR)) AS response_sha256, 'a1b2c3' AS api_key_hash,
        'feature-' || (i % 24) AS feature, 'user-' || (i % 5000) AS user_id, 'session-' || (i // 25) AS session_id,
        'v' || (i // 7000000) AS prompt_version, 'app' AS purpose, 'host' AS host, 'w0' AS worker
    FROM range({low}, {high}) r(i)"""


def loading(log: Log, data: Path, answer: bytes, content_type: bytes) -> tuple[float, float]:
    """Rows a second and CPU µs a row of loading exchanges on top of what is there."""
    spool = Spool(data / "spool", "host", f"w{time.time_ns()}", 32 << 20)
    fill(spool, LOADED, answer, content_type)
    spool.close()
    loader = Loader(log, data / "spool", read_or_estimate, Pricer().price, Redactor(), rows=2000)
    rows, began, cpu = 0, time.monotonic(), time.process_time()
    while rows < LOADED:
        rows += loader.step(time.time_ns()).rows
    took, spent = time.monotonic() - began, time.process_time() - cpu
    loader.close()
    return rows / took, spent / rows * 1e6


def main() -> None:
    """One line of a Markdown table a size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("millions", nargs="*", type=int, default=[1, 10, 50])
    parser.add_argument("--directory", type=Path, help="where there is room: about 0.4 GB a million rows")
    arguments = parser.parse_args()
    views = [name for name in VIEWS if name not in ("bodies", "spool_newest", "score_ledger", "ledger_daily")]
    print(
        "| million rows | chats loaded/s | CPU µs a chat | streams loaded/s | bytes a row | " + " | ".join(f"{v} s" for v in views) + " |"
    )
    print("|---:|" + "---:|" * (4 + len(views)))
    with tempfile.TemporaryDirectory(prefix="goldwash-growth-", dir=arguments.directory) as name:
        data = Path(name)
        log = Log.open("goldwash.duckdb", data)
        cursor = log.cursor()
        done, step = 0, DAYS * 86_400_000_000 // (max(arguments.millions) * MILLION)
        for millions in sorted(arguments.millions):
            while done < millions * MILLION:
                cursor.execute(ROWS.format(low=done, high=done + MILLION, step=step))
                done += MILLION
            cursor.execute("CHECKPOINT")
            size = (data / "goldwash.duckdb").stat().st_size / done
            chats, cpu = loading(log, data, ANSWER, b"application/json")
            streams, _ = loading(log, data, STREAM, b"text/event-stream")
            times = []
            for view in views:
                began = time.monotonic()
                cursor.execute(f"SELECT count(*) FROM (FROM {view}) v WHERE v IS NOT NULL").fetchall()
                times.append(time.monotonic() - began)
            print(
                f"| {millions} | {chats:,.0f} | {cpu:.0f} | {streams:,.0f} | {size:.0f} | " + " | ".join(f"{t:.2f}" for t in times) + " |"
            )
            sys.stdout.flush()
        cursor.close()
        log.close()


if __name__ == "__main__":
    main()
