"""Other gateways beside ours, as their documentation runs them: installed apart from the project, logging nothing, one process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import processes as run

HOME = run.ROOT / "build" / "peers"
LITELLM = """
litellm_settings: {{drop_params: true, num_retries: 0, request_timeout: 300, telemetry: false}}
general_settings:
  master_key: sk-bench
  pass_through_endpoints:
    - {{path: "/pt/v1/chat/completions", target: "http://127.0.0.1:{upstream}/v1/chat/completions", forward_headers: true}}
"""
SILENT = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


@contextlib.contextmanager
def litellm(directory: Path, upstream: int) -> Iterator[run.Target]:
    """LiteLLM's proxy, its pass-through route: the cheapest that it has."""
    binaries = HOME / "litellm" / "bin"
    if not (binaries / "litellm").exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME / "litellm")], check=True)
        subprocess.run([str(binaries / "pip"), "install", "--quiet", "litellm[proxy]"], check=True)
    config, port = directory / "litellm.yaml", run.free_port()
    config.write_text(LITELLM.format(upstream=upstream))
    env = {
        **SILENT, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "LITELLM_LOG": "ERROR", "DISABLE_ADMIN_UI": "True",
        "OPENAI_API_KEY": "sk-bench", "PATH": f"{binaries}:{os.environ['PATH']}",
    }  # fmt: skip
    words = ["--config", str(config), "--port", str(port), "--host", "127.0.0.1", "--num_workers", "1", "--telemetry", "False"]
    with run.running([str(binaries / "litellm"), *words], run.PROXY_CORE, port, directory / "litellm.log", patience=120, **env) as pid:
        yield run.Target("litellm", port, "/pt/v1/chat/completions", lambda: run.tree(pid))


@contextlib.contextmanager
def portkey(directory: Path, upstream: int) -> Iterator[run.Target]:
    """Portkey's open gateway."""
    home = HOME / "portkey"
    server = home / "node_modules/@portkey-ai/gateway/build/start-server.js"
    if not server.exists():
        home.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--prefix", str(home), "@portkey-ai/gateway"], check=True)
    port = run.free_port()
    env = {**SILENT, "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost", "NODE_ENV": "production"}
    command = ["node", str(server), f"--port={port}", "--headless"]
    with run.running(command, run.PROXY_CORE, port, directory / "portkey.log", patience=120, **env) as pid:
        headers = f"x-portkey-provider: openai\r\nx-portkey-custom-host: http://127.0.0.1:{upstream}/v1\r\n"
        yield run.Target("portkey", port, measured=lambda: run.tree(pid), headers=headers)


PEERS = {"litellm": litellm, "portkey": portkey}
