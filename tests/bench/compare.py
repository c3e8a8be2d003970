"""Speed side by side: direct, nginx, a bare aiohttp pass-through and Goldwash with every row stored, in the same run.

Load and upstream on core 0, the proxy on core 1, the log service on core 0. Only ratios inside one run mean anything: machines are
shared. Prints one line a measurement, then medians and ratios to nginx as Markdown. `scripts/bench --help` lists the choices.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import processes as run
from peers import PEERS

CASES: dict[str, list[tuple[str, list[str]]]] = {
    "throughput": [("chat, 64 clients", ["load", "{port}", "{path}", "chat", "64", "{seconds}"])],
    "latency": [(f"chat, {n} client{'s' * (n > 1)}", ["load", "{port}", "{path}", "chat", str(n), "{seconds}"]) for n in (1, 8)],
    "streams": [
        ("500 streams, 50 chunks 20 ms apart", ["stream", "{port}", "{path}", "50", "20", "500", "1000"]),
        ("2,000 streams, 50 chunks 100 ms apart", ["stream", "{port}", "{path}", "50", "100", "2000", "1000"]),
    ],
    "big": [
        ("5 MB up, 2 clients", ["load", "{port}", "{path}", "chat", "2", "{seconds}", "5000000"]),
        ("1 MB down, 2 clients", ["load", "{port}", "{path}", "big:1000000", "2", "{seconds}"]),
    ],
}


def build(directory: Path) -> Path:
    """Compile both ends."""
    binary = directory / "wire"
    subprocess.run(["cc", "-O2", "-o", str(binary), str(run.HERE / "wire.c")], check=True)
    return binary


def certificates(directory: Path) -> tuple[Path, Path]:
    """A private CA and a server's pair signed by it: (directory of the pair, CA file)."""
    import trustme

    ca = trustme.CA()
    pair = ca.issue_cert("localhost")
    pair.private_key_pem.write_to_path(directory / "key.pem")
    (directory / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in pair.cert_chain_pems))
    ca.cert_pem.write_to_path(directory / "ca.pem")
    return directory, directory / "ca.pem"


def measure(wire: Path, target: run.Target, name: str, words: list[str], seconds: float) -> dict[str, Any]:
    """One measurement."""
    command = [str(wire), *(word.format(port=target.port, path=target.path, seconds=seconds) for word in words)]
    pids, beside = target.measured(), target.beside()
    base = peak = run.memory_kb(pids)
    ended = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not ended.wait(0.25):
            peak = max(peak, run.memory_kb(pids))

    sampler = threading.Thread(target=sample)
    if "stream" in name or "MB" in name:
        sampler.start()
    env = {**os.environ, "WIRE_HEADERS": target.headers}
    stored, aside = (target.rows(), run.cpu_seconds(beside)) if target.rows else (0, 0.0)
    before, began = run.cpu_seconds(pids), time.monotonic()
    done = subprocess.run(["taskset", "-c", str(run.LOAD_CORE), *command], capture_output=True, text=True, check=False, env=env)
    cpu, wall = run.cpu_seconds(pids) - before, time.monotonic() - began
    ended.set()
    if sampler.is_alive():
        sampler.join()
    ended_at, loaded = time.monotonic(), False
    if target.rows:  # all of it is in the log before the next target's turn: its loading is nobody else's load
        stored, aside = target.rows() - stored, run.cpu_seconds(beside) - aside
        loaded = target.beside() == beside  # else it started again meanwhile, and its CPU is not known
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"{target.name}, {name}: {done.stdout[-300:]}{done.stderr[-300:]}") from None
    units = found["chunks"] or found["good"] * (seconds + 0.5) / seconds  # the warm-up's half second costs CPU too
    found |= {
        "target": target.name,
        "case": name,
        "cpu_us": cpu * 1e6 / units if units else None,  # a request, or a chunk
        "core": cpu / wall,
        "memory_mb": peak / 1024,
        "grown_kb": peak - base,
        "rows": stored,
        "loaded_after_s": time.monotonic() - ended_at if target.rows else None,
        "row_us": aside * 1e6 / stored if stored and loaded else None,  # CPU of the log service a row
        "whole_us": (aside + cpu) * 1e6 / stored if stored and loaded else None,  # and the worker's
    }
    shown = {
        k: round(v, 2) if isinstance(v, float) else v
        for k, v in found.items()
        if v not in (0, None, "") and k not in ("hash", "case", "target")
    }
    print(f"{target.name:10} {name:40} {shown}", flush=True)
    return found


def warm_up(wire: Path, target: run.Target) -> None:
    """Some seconds of load that is not measured."""
    command = [str(wire), "load", str(target.port), target.path, "chat", "16", "4"]
    env = {**os.environ, "WIRE_HEADERS": target.headers}
    subprocess.run(["taskset", "-c", str(run.LOAD_CORE), *command], capture_output=True, check=False, env=env)


def table(rows: list[dict[str, Any]]) -> str:
    """Medians over rounds, beside nginx's in the same run."""
    by: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by[row["case"]][row["target"]].append(row)

    def middle(found: list[dict[str, Any]], key: str) -> float:
        values = [row[key] for row in found if row.get(key) is not None]
        return statistics.median(values) if values else float("nan")

    lines = []
    for case, targets in by.items():
        stream = "stream" in case
        keys = (
            ("first_p99_us", "chunk_p50_us", "chunk_p99_us", "cpu_us", "core") if stream else ("rate", "p50_us", "p99_us", "cpu_us", "core")
        )
        lines += [
            f"\n**{case}**\n",
            "| target | whole | wrong or broken | " + " | ".join(keys) + " | ÷ nginx |",
            "|---|" + "---:|" * (len(keys) + 3),
        ]
        reference = targets.get("nginx")
        for name, found in targets.items():
            faults = sum(r["wrong"] + r["broken"] + r["bad_status"] + r["unfinished"] for r in found)
            ratio = middle(found, keys[0]) / middle(reference, keys[0]) if reference else float("nan")
            cells = [f"{middle(found, key):,.1f}" for key in keys]
            lines.append(f"| {name} | {sum(r['good'] for r in found):,} | {faults} | " + " | ".join(cells) + f" | {ratio:.2f} |")
        lines += [
            f"\n{name}: {sum(r['rows'] for r in found):,} rows stored, the last {middle(found, 'loaded_after_s'):.1f} s after the load ended; "
            f"CPU an exchange: worker and log service {middle(found, 'whole_us'):,.0f} µs, of which the log service "
            f"{middle(found, 'row_us'):,.0f} µs"
            for name, found in targets.items()
            if any(row["rows"] for row in found)
        ]
        direct = targets.get("direct")
        if reference and direct and "client" in case and not stream and "MB" not in case:
            for name, found in targets.items():
                if name not in ("direct", "nginx"):
                    added = (middle(found, "p50_us") - middle(direct, "p50_us")) / (middle(reference, "p50_us") - middle(direct, "p50_us"))
                    lines.append(
                        f"\nadded p50 of {name} ÷ nginx's: {added:.2f}; CPU a request ÷ nginx's: {middle(found, 'cpu_us') / middle(reference, 'cpu_us'):.2f}"
                    )
    return "\n".join(lines)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="throughput,latency,streams,big", help="comma list of throughput, latency, streams, big")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each closed-loop measurement")
    parser.add_argument("--tls", action="store_true", help="the upstream speaks HTTPS with a private CA; nginx checks it too")
    parser.add_argument("--peers", default="", help="comma list of litellm, portkey: other gateways, installed under build/ when asked for")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--without", default="", help="comma list of targets to leave out")
    parser.add_argument("--save", type=Path, help="write all measurements as JSON lines")
    arguments = parser.parse_args()
    without = set(arguments.without.split(","))
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="goldwash-bench-") as place, contextlib.ExitStack() as stack:
        directory = Path(place)
        wire = build(directory)
        upstream = run.free_port()
        stack.enter_context(run.running([str(wire), "upstream", str(upstream)], run.LOAD_CORE, upstream, directory / "upstream.log"))
        targets = [run.Target("direct", upstream)]
        if arguments.tls:
            pair, ca = certificates(directory)
            front = stack.enter_context(run.nginx(directory, "front", upstream, run.LOAD_CORE, serve_tls=str(pair), log=False))
            targets += [stack.enter_context(run.nginx(directory, "nginx", front.port, run.PROXY_CORE, verify_ca=str(ca)))]
            url, options = f"https://localhost:{front.port}", f'ca_file = "{ca}"'
        else:
            targets += [stack.enter_context(run.nginx(directory, "nginx", upstream, run.PROXY_CORE))]
            url, options = f"http://127.0.0.1:{upstream}", ""
            if "aiohttp" not in without:
                targets.append(stack.enter_context(run.aiohttp_pass(directory, upstream)))
        targets += [stack.enter_context(PEERS[name](directory, upstream)) for name in filter(None, arguments.peers.split(","))]
        ours = stack.enter_context(run.goldwash(directory, url, workers=arguments.workers, upstream_options=options))
        targets = [t for t in [*targets, ours] if t.name not in without]
        for peer in targets:  # just-in-time compilers, lazy imports and pools get their time before anything counts
            if peer.name in PEERS:
                warm_up(wire, peer)
        for _ in range(arguments.rounds):
            for case in arguments.cases.split(","):
                for name, words in CASES[case]:
                    for target in targets:
                        rows.append(measure(wire, target, name, words, arguments.seconds))
                        time.sleep(0.2)
        connections = ours.dials() if ours.dials else ""
    print(table(rows))
    print(f"\nupstream connections of Goldwash, each a handshake with --tls: {connections}")
    asked = sum(
        round(r["good"] * (arguments.seconds + 0.5) / arguments.seconds) if not r["chunks"] else r["good"] for r in rows if r["rows"]
    )
    print(f"\nrows stored: {sum(r['rows'] for r in rows):,} beside about {asked:,} requests served (the warm-ups' are estimated)")
    if arguments.save:
        arguments.save.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
