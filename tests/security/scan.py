"""Lets programs of others attack a Goldwash and says what came of it: boofuzz (mutated requests), slowhttptest (slow clients), wapiti (web holes).

Run by hand, `python -m tests.security.scan [boofuzz|slowhttptest|wapiti] [seconds]`, where these programs are installed (boofuzz: PyPI; the
others: Debian); its figures stand in docs/threats.md. Everything stays on 127.0.0.1.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.helpers.client import Client, fetch
from tests.helpers.goldwash import Goldwash, memory_of
from tests.helpers.upstream import Upstream, answer
from tests.security.test_smuggling import read_by_h11

UPSTREAM = "stage"


class Watch:
    """A Goldwash under attack, and what must hold all the while."""

    def __init__(self, directory: Path, upstream: Upstream) -> None:
        self.upstream = upstream
        proxy = {"client_head_timeout": 10.0, "client_idle_timeout": 10.0}
        upstreams = {UPSTREAM: {"url": upstream.url, "first_byte_timeout": 20.0}}
        self.goldwash = Goldwash(directory, upstreams, sections={"proxy": proxy})
        self.statuses: Counter[int] = Counter()
        self.sent = 0
        self.slowest = 0.0

    def check(self) -> None:
        """A good request of its own kind gets its own answer: nobody else's, and soon."""
        self.sent += 1
        mark = f"/mark-{self.sent}"
        began = time.monotonic()
        got = fetch(self.goldwash.port, "GET", f"/{UPSTREAM}{mark}", timeout=10)
        self.slowest = max(self.slowest, time.monotonic() - began)
        assert (got.status, bytes(got.body)) == (200, mark.encode()), (got.start_line, bytes(got.body)[:100])

    def report(self, memory: int) -> dict[str, Any]:
        """What was seen; raises AssertionError for what must not be."""
        assert [connection.fault for connection in self.upstream.connections if connection.fault] == []
        read = 0
        for connection in self.upstream.connections:
            own = [(got.method.encode(), got.target.encode("latin-1"), bytes(got.body)) for got in connection.requests]
            assert read_by_h11(bytes(connection.received))[: len(own)] == own
            read += len(own)
        output = self.goldwash.output()
        assert '"fault"' not in output, [line for line in output.splitlines() if '"fault"' in line][:3]
        assert "child_died" not in output
        assert "child_starts_again" not in output
        self.goldwash.flush()
        verified = self.goldwash.cli("verify", "--max-lost", "0", "--json")
        assert verified.returncode == 0, verified.stdout
        totals = json.loads(verified.stdout)["totals"]
        return {
            "good requests beside": self.sent,
            "slowest of them, s": round(self.slowest, 2),
            "requests upstream": read,
            "rows": totals["rows"],
            "memory of the worker, MB": [round(size / 1e6) for size in (memory, memory_of(self.goldwash.pids("worker")[0]))],
            "answers": dict(self.statuses.most_common()),
        }


def boofuzz(watch: Watch, seconds: float) -> dict[str, Any]:
    """Requests whose every part is mutated in turn, each on a connection of its own, with a good request after every tenth."""
    import boofuzz as fuzz

    sent = Counter[str]()

    class Wire(fuzz.ITargetConnection):  # type: ignore[misc]
        def open(self) -> None:
            self.client = Client(watch.goldwash.port, timeout=0.03)

        def close(self) -> None:
            self.client.socket.close()

        def send(self, data: bytes) -> int:
            sent["cases"] += 1
            sent["bytes"] += len(data)
            with suppress(OSError):
                self.client.socket.sendall(data)
            return len(data)

        def recv(self, max_bytes: int) -> bytes:
            try:
                data: bytes = self.client.socket.recv(max_bytes)
            except OSError:
                return b""
            found = re.match(rb"HTTP/1\.1 (\d{3})", data)
            if found:
                watch.statuses[int(found[1])] += 1
            return data

        @property
        def info(self) -> str:
            return "lane"

    until = time.monotonic() + seconds

    def after(target: Any, fuzz_data_logger: Any, session: Any, *_: Any, **__: Any) -> None:
        if sent["cases"] % 10 == 0:
            watch.check()
        if time.monotonic() > until:
            session._index_end = 0  # it has no other way to be stopped

    session = fuzz.Session(
        target=fuzz.Target(connection=Wire()),
        fuzz_loggers=[],
        sleep_time=0.0,
        restart_sleep_time=0.0,
        receive_data_after_fuzz=True,
        post_test_case_callbacks=[after],
        web_port=None,
        keep_web_open=False,
        db_filename=str(Path(tempfile.mkdtemp()) / "boofuzz.db"),
    )
    for kind, framing, body in (
        ("chunked", ("Transfer-Encoding", "chunked"), "3\r\ntea\r\n0\r\n\r\n"),
        ("length", ("Content-Length", "3"), "tea"),
    ):
        headers = [header for number, (name, value) in enumerate((framing, *HEADERS), 1) for header in _header(fuzz, number, name, value)]
        parts = (
            *(fuzz.Group("method", values=["POST", "GET", "DELETE", "OPTIONS"]), fuzz.Delim("space", " ")),
            *(fuzz.String("target", f"/{UPSTREAM}/fuzz"), fuzz.Delim("space again", " "), fuzz.String("version", "HTTP/1.1")),
            *(fuzz.Static("line 0", "\r\n"), *headers, fuzz.Delim("end", "\r\n"), fuzz.String("body", body)),
        )
        session.connect(fuzz.Request(kind, children=parts))
    session.fuzz(max_depth=1)
    return {"cases": sent["cases"], "MB sent": round(sent["bytes"] / 1e6, 1)}


HEADERS = (
    ("Host", "x"),
    ("Connection", "keep-alive"),
    ("Authorization", "Bearer x"),
    ("goldwash-feature", "a"),
    ("Origin", "http://localhost"),
)


def _header(fuzz: Any, number: int, name: str, value: str) -> tuple[Any, ...]:
    return (
        fuzz.String(f"name {number}", name),
        fuzz.Delim(f"colon {number}", ": "),
        fuzz.String(f"value {number}", value),
        fuzz.Delim(f"line {number}", "\r\n"),
    )


def slowhttptest(watch: Watch, seconds: float) -> dict[str, Any]:
    """Slow heads, slow bodies, ranges and slow readers, 1,000 connections each, with good requests beside them."""
    found = {}
    url = f"http://127.0.0.1:{watch.goldwash.port}/{UPSTREAM}/slow"
    for name, options in {
        "slow heads": ["-H", "-i", "3"],
        "slow bodies": ["-B", "-i", "3", "-s", "8192"],
        "ranges": ["-R"],
        "slow readers": ["-X", "-w", "10", "-y", "20", "-n", "3", "-z", "8", "-k", "3"],
    }.items():
        program = [
            "nice",
            "slowhttptest",
            *options,
            "-c",
            "1000",
            "-r",
            "200",
            "-l",
            str(int(seconds / 4)),
            "-u",
            url,
            "-p",
            "5",
            "-v",
            "1",
        ]
        running = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        while running.poll() is None:
            watch.check()
            time.sleep(0.25)
        said = re.sub(r"\x1b\[[0-9;]*m", "", running.stdout.read() if running.stdout else "")
        ended = re.findall(r"Exit status: *(.*)", said)
        found[name] = ended[-1].strip() if ended else said.strip()[-200:]
        time.sleep(12)  # its connections are timed out by then
        watch.check()
    return found


def wapiti(watch: Watch, seconds: float) -> dict[str, Any]:
    """The web page and the API of the admin port, and the proxy port, with every module that needs no other server."""
    found = {}
    for name, url in {
        "admin port": f"http://127.0.0.1:{watch.goldwash.admin_port}/",
        "proxy port": f"http://127.0.0.1:{watch.goldwash.port}/{UPSTREAM}/page?x=1",
    }.items():
        directory = Path(tempfile.mkdtemp())
        report = directory / "report.json"
        program = [
            "nice",
            "wapiti",
            "-u",
            url,
            "-m",
            "all",
            "--flush-session",
            "-f",
            "json",
            "-o",
            str(report),
            "--no-bugreport",
            "-v",
            "0",
        ]
        program += ["--max-scan-time", str(int(seconds / 2)), "--store-session", str(directory), "-S", "polite"]
        program += ["-s", url.rstrip("/") + "/metrics"] if name == "admin port" else []
        subprocess.run(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=seconds * 3, check=False)
        watch.check()
        if report.exists():
            said = json.loads(report.read_text())
            found[name] = {kind: [one["info"] for one in these] for kind, these in said["vulnerabilities"].items() if these}
        else:
            found[name] = {"no report": [str(url)]}
    return found


ATTACKS: dict[str, Callable[[Watch, float], dict[str, Any]]] = {"boofuzz": boofuzz, "slowhttptest": slowhttptest, "wapiti": wapiti}


def main() -> None:
    """Run one attack, or all, and print what came of it."""
    chosen = [argument for argument in sys.argv[1:] if argument in ATTACKS] or list(ATTACKS)
    seconds = next((float(argument) for argument in sys.argv[1:] if argument.isdecimal()), 60.0)
    for name in chosen:
        with tempfile.TemporaryDirectory() as directory, Upstream(lambda got: answer(200, [], got.path.encode())) as upstream:
            watch = Watch(Path(directory), upstream)
            with watch.goldwash:
                watch.check()
                memory = memory_of(watch.goldwash.pids("worker")[0])
                began = time.monotonic()
                found = ATTACKS[name](watch, seconds)
                found = {"attack": name, "seconds": round(time.monotonic() - began), **found, **watch.report(memory)}
                sys.stdout.write(json.dumps(found, indent=1, default=str) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()
