"""Measures the watcher beside a log that took millions of exchanges within a quarter of an hour: its memory and CPU, and the log service's."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from config.settings import Settings
from proxy.log import rollups
from proxy.log.attach import Log
from proxy.service.client import Access
from scoring.alerts import looking
from scoring.alerts.in_force import begin
from tests.bench.processes import cpu_seconds, free_port, tree

MINUTES = 15
AGO = timedelta(minutes=37)
"""When the traffic began: its first minutes have settled, so that everything there is to do is done."""
ROUND = 2_000
WHO = {
    "crowd": "NULL AS session_id, NULL AS user_id",  # a load test: one key, nobody named
    "people": "'session-' || (i // 16 * 4 + i % 4) AS session_id, 'user-' || (i % 50000) AS user_id",  # four turns each, side by side
}

ROWS = """
    INSERT INTO exchanges BY NAME
    SELECT uuidv7() AS exchange_id, CAST($start AS TIMESTAMPTZ) + to_microseconds(CAST(i * $step AS BIGINT)) AS accepted_at,
        accepted_at AS loaded_at, accepted_at + to_milliseconds(40) AS ended_at, 'openai' AS provider, 'openai' AS dialect,
        'chat' AS operation, 'POST' AS method, '/v1/chat/completions' AS path, CASE WHEN i % 997 = 0 THEN 500 ELSE 200 END AS status,
        'complete' AS ending, false AS is_stream, 'model-' || (i % 3) AS request_model, 'model-' || (i % 3) AS response_model,
        'chatcmpl-' || hash(i) AS response_id, 100 + i % 4000 AS input_tokens, 10 + i % 900 AS output_tokens,
        CAST(0.001 AS DECIMAL(24, 12)) AS cost_usd, 'genai-prices' AS price_source, '0.2.3' AS price_version, ['stop'] AS finish_reasons,
        'The answer of number ' || hash(i) || ' is known: it is ' || (i % 977) AS output_text, 40 + i % 170 AS duration_ms,
        20 + i % 30 AS time_to_first_chunk_ms, 300 AS request_bytes, 500 AS response_bytes, 'a1b2c3' AS api_key_hash,
        'feature-' || (i % 4) AS feature, 'v1' AS prompt_version, 'app' AS purpose, 'host' AS host, 'w0' AS worker, {who}
    FROM range($low, $high) r(i)"""
BODIES = """
    INSERT INTO small_bodies BY NAME
    SELECT exchange_id, accepted_at,
        '{"model": "m", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is known of number '
            || response_id || ' and of the ' || input_tokens || ' others?"}]}' AS request_body,
        '{"choices": [{"index": 0, "message": {"role": "assistant", "content": "' || output_text || '"}}]}' AS response_body
    FROM exchanges WHERE accepted_at >= CAST($start AS TIMESTAMPTZ)"""


def fill(data: Path, exchanges: int, start: datetime, who: str) -> None:
    """A log of so many exchanges from `start` on, with bodies, and sums as the loader makes them: a row a slice and round."""
    log = Log.open("goldwash.duckdb", data)
    db = log.cursor()
    step = MINUTES * 60_000_000 / exchanges
    for low in range(0, exchanges, 250_000):
        high = min(low + 250_000, exchanges)
        begin = start + timedelta(microseconds=low * step)
        db.execute(ROWS.format(who=WHO[who]), {"start": start, "step": step, "low": low, "high": high})
        db.execute(BODIES, {"start": begin})
        db.execute("CREATE OR REPLACE TEMP TABLE fresh AS SELECT * FROM exchanges WHERE accepted_at >= $begin", {"begin": begin})
        for round_ in range(0, high - low, ROUND):
            rollups.count(db, f"(SELECT * FROM fresh WHERE rowid >= {round_} AND rowid < {round_ + ROUND})")
    db.execute("CHECKPOINT")
    db.close()
    log.close()


def resident_mb(pids: list[int], field: str = "VmRSS") -> float:
    """Resident memory of processes, or their peak (VmHWM)."""
    return (
        sum(int(line.split()[1]) for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines() if field in line) / 1024
    )


def looks(data: Path, at: datetime) -> None:
    """CPU of the rules' questions to the log: the first look, and each of the next ten minutes."""
    settings = Settings(data_dir=data)
    file, _ = begin(settings)
    eyes = looking.Eyes()
    with Access(settings) as access:
        for minute in range(11):
            began = time.process_time()
            for rule in file.enabled:
                looking.look(access, rule, file, at + timedelta(minutes=minute), eyes)
            print(f"look {minute}: {time.process_time() - began:.3f} s of CPU", flush=True)


def main() -> None:
    """Fill a log, run `goldwash up` on it without traffic, and tell each 30 s what watcher and log service take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exchanges", type=int, default=2_500_000)
    parser.add_argument("--who", choices=sorted(WHO), default="crowd")
    parser.add_argument("--seconds", type=int, default=150)
    parser.add_argument("--looks", action="store_true", help="tell instead what the alert rules' questions cost")
    parser.add_argument("--directory", type=Path, help="where there is room: a gigabyte a million exchanges")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="goldwash-heavy-", dir=arguments.directory) as name:
        data = Path(name) / "data"
        data.mkdir()
        began = time.monotonic()
        fill(data, arguments.exchanges, datetime.now(UTC) - AGO, arguments.who)
        print(f"{arguments.exchanges:,} exchanges ({arguments.who}) laid down in {time.monotonic() - began:.0f} s", flush=True)
        if arguments.looks:
            looks(data, datetime.now(UTC) - AGO + timedelta(minutes=MINUTES))
            return
        config = Path(name) / "goldwash.toml"
        config.write_text(
            f'data_dir = "{data}"\n[proxy]\nport = {free_port()}\nworkers = 1\n[admin]\nport = {free_port()}\n'
            '[upstreams.bench]\nurl = "http://127.0.0.1:9"\n'
        )
        with (Path(name) / "log").open("wb") as out:
            up = subprocess.Popen(
                [str(Path(sys.executable).parent / "goldwash"), "up", "--config", str(config)],
                stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        try:
            print("| s | watcher MB | its peak | watcher CPU s | log service MB | log service CPU s |\n|---:|---:|---:|---:|---:|---:|")
            began = time.monotonic()
            while (passed := time.monotonic() - began) < arguments.seconds:
                time.sleep(min(30, arguments.seconds - passed))
                watcher, service = (_named(up.pid, module) for module in ("scoring.commands.watch", "proxy.service"))
                print(
                    f"| {time.monotonic() - began:.0f} | {resident_mb(watcher):.0f} | {resident_mb(watcher, 'VmHWM'):.0f} "
                    f"| {cpu_seconds(watcher):.1f} | {resident_mb(service):.0f} | {cpu_seconds(service):.1f} |",
                    flush=True,
                )
        finally:
            up.terminate()
            up.wait(60)
            if os.environ.get("SHOW"):
                print((Path(name) / "log").read_text()[-4000:])


def _named(supervisor: int, module: str) -> list[int]:
    return [pid for pid in tree(supervisor)[1:] if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()]


if __name__ == "__main__":
    main()
