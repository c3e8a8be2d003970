"""The programs that the benchmark runs side by side, each started, pinned to its core, and ended by its process id."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOAD_CORE, PROXY_CORE = 0, 1
HERE = Path(__file__).parent
ROOT = HERE.parents[1]

NGINX = """
worker_processes 1;
daemon off;
pid {dir}/{name}.pid;
error_log {dir}/{name}.err warn;
worker_rlimit_nofile 20000;
events {{ worker_connections 9000; }}
http {{
  access_log {log};
  keepalive_requests 1000000; keepalive_timeout 120s; tcp_nodelay on;
  client_max_body_size 64m; client_body_buffer_size 256k;
  client_body_temp_path {dir}/{name}-body; proxy_temp_path {dir}/{name}-proxy;
  upstream next {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} {listen} backlog=8192;
    {tls}
    location / {{
      proxy_pass {scheme}://next; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host localhost;
      proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 300s; proxy_ssl_session_reuse on;
      {verify}
    }}
  }}
}}
"""


def free_port() -> int:
    """A port of loopback nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    with contextlib.suppress(OSError):
        for task in sorted(entry.name for entry in Path(f"/proc/{pid}/task").iterdir()):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                found += tree(int(child))
    return found


def cpu_seconds(pids: list[int]) -> float:
    """CPU time of processes, all threads that live, from the scheduler's own count."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for task in sorted(entry.name for entry in Path(f"/proc/{pid}/task").iterdir()):
                total += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    return total / 1e9


def memory_kb(pids: list[int]) -> int:
    """Proportional set size of processes in KB."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return total


def pin(pid: int, core: int) -> None:
    """Put all threads of a process on one core."""
    with contextlib.suppress(OSError):
        for task in sorted(entry.name for entry in Path(f"/proc/{pid}/task").iterdir()):
            os.sched_setaffinity(int(task), {core})


@dataclass
class Target:
    """What the load is sent to."""

    name: str
    port: int
    path: str = "/v1/chat/completions"
    measured: Callable[[], list[int]] = field(default=list)  # processes whose CPU is the proxy's
    beside: Callable[[], list[int]] = field(default=list)  # processes that work for it elsewhere: the log service
    rows: Callable[[], int] | None = None  # rows stored so far, all that was spooled loaded
    dials: Callable[[], str] | None = None  # what it says of its upstream connections
    headers: str = ""  # more lines for each request, each with its CRLF


def wait_for(port: int, seconds: float = 30) -> None:
    """Until something listens."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port} after {seconds:g} s")


@contextlib.contextmanager
def running(command: list[str], core: int, port: int, log: Path, *, patience: float = 30, **env: str) -> Iterator[int]:
    """A program on its core while the block lasts; its process id."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **env},
            start_new_session=True,
        )
    try:
        wait_for(port, patience)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


@contextlib.contextmanager
def nginx(
    directory: Path, name: str, upstream: int, core: int, *, serve_tls: str = "", verify_ca: str = "", log: bool = True
) -> Iterator[Target]:
    """nginx as a pass-through with an access log; `serve_tls`: directory of cert.pem and key.pem; `verify_ca`: speak TLS to the upstream."""
    port = free_port()
    config = directory / f"{name}.conf"
    config.write_text(
        NGINX.format(
            dir=directory,
            name=name,
            log=directory / f"{name}.access" if log else "off",
            upstream=upstream,
            port=port,
            listen="ssl" if serve_tls else "",
            tls=f"ssl_certificate {serve_tls}/cert.pem; ssl_certificate_key {serve_tls}/key.pem; ssl_session_cache shared:s:1m;"
            if serve_tls
            else "",
            scheme="https" if verify_ca else "http",
            verify=f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {verify_ca}; proxy_ssl_name localhost; proxy_ssl_server_name on;"
            if verify_ca
            else "",
        )
    )
    binary = next((p for p in ("/usr/sbin/nginx", "/usr/bin/nginx") if Path(p).exists()), None)
    if binary is None:
        raise SystemExit("nginx is not installed: apt-get install nginx-light")
    with running([binary, "-c", str(config)], core, port, directory / f"{name}.log") as pid:
        yield Target(name, port, measured=lambda: tree(pid))


@contextlib.contextmanager
def goldwash(directory: Path, url: str, *, workers: int = 1, upstream_options: str = "") -> Iterator[Target]:
    """The whole of Goldwash: workers on the proxy's core, the log service on the load's."""
    port, admin = free_port(), free_port()
    config = directory / "goldwash.toml"
    config.write_text(
        f'data_dir = "{directory}/data"\n[proxy]\nport = {port}\nworkers = {workers}\n[admin]\nport = {admin}\n'
        f'[upstreams.bench]\nurl = "{url}"\n{upstream_options}\n'
    )
    command = [str(Path(sys.executable).parent / "goldwash"), "up", "--config", str(config)]

    def named(module: str) -> list[int]:
        found = []
        for pid in tree(supervisor)[1:]:
            with contextlib.suppress(OSError):
                if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found

    def ask(path: str, body: dict[str, Any]) -> Any:
        call = urllib.request.Request(f"http://127.0.0.1:{admin}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(call, timeout=300) as answer:
            return json.load(answer)

    def rows() -> int:
        for patience in range(30, -1, -1):  # the log service may be starting again, with more memory for large bodies
            try:
                ask("/api/flush", {})
                break
            except OSError:
                if not patience:
                    raise
                time.sleep(2)
        return int(ask("/api/sql", {"sql": "SELECT count(*) AS n FROM exchanges", "format": "json"})[0]["n"])

    def dials() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=60) as answer:
            told = dict(line.decode().rsplit(" ", 1) for line in answer if line.startswith(b"goldwash_upstream_"))
        return f"{float(told['goldwash_upstream_dials']):.0f} dialled, {float(told['goldwash_upstream_reuses']):.0f} times reused"

    with running(command, LOAD_CORE, port, directory / "goldwash.log") as supervisor:
        wait_for(admin)
        for pid in named("proxy.worker"):
            pin(pid, PROXY_CORE)
        yield Target(
            "goldwash", port, "/bench/v1/chat/completions", lambda: named("proxy.worker"), lambda: named("proxy.service"), rows, dials
        )


@contextlib.contextmanager
def aiohttp_pass(directory: Path, upstream: int) -> Iterator[Target]:
    """aiohttp on both sides."""
    port = free_port()
    command = [sys.executable, str(HERE / "aiohttp_pass.py"), str(port), str(upstream)]
    with running(command, PROXY_CORE, port, directory / "aiohttp.log") as pid:
        yield Target("aiohttp", port, measured=lambda: tree(pid))
