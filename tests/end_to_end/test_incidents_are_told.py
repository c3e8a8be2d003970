"""A burst of errors on a real Goldwash reaches a real receiver, though the receiver is down at first and everything is killed meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.goldwash import Goldwash, free_port, post_json
from tests.helpers.waiting import eventually
from tests.scoring.alerts.receivers import Receiver

RULES = """
[rule.errors]
min_count = 20
[channel.hook]
kind = "webhook"
url = "http://127.0.0.1:{port}/hook"
secret = {{ env = "HOOK_SECRET" }}
"""


@pytest.fixture
def failing() -> Iterator[str]:
    """A provider that answers 500 to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b'{"error": {"message": "boom", "type": "server_error"}}'
            self.send_response(500)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_a_burst_is_told_once_through_an_outage_and_a_kill(tmp_path: Path, failing: str) -> None:
    """Found while the channel is down, everything killed with SIGKILL, told when both are back: once, with its cause and samples."""
    receiver = Receiver(port=free_port())
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "alerts.toml").write_text(RULES.format(port=receiver.port))
    goldwash = Goldwash(tmp_path, {"openai": {"url": failing}}, environ={"HOOK_SECRET": "a secret of thirty-two bytes here"})
    with goldwash:
        for number in range(40):
            said = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"hi {number}"}]}
            post_json(goldwash.port, "/openai/v1/chat/completions", said, [("goldwash-feature", "search")])
        goldwash.flush()
    goldwash.start()  # the watcher looks at once when it starts
    try:

        def failed() -> bool:
            rows = json.loads(goldwash.cli("alerts", "channels", "--json").stdout)
            return bool(rows[0]["waiting"]) and "Connection refused" in (rows[0]["error"] or "")

        assert eventually(failed, 60), goldwash.output()[-3000:]
        goldwash.kill()
        receiver.up()
        goldwash.start()
        assert eventually(lambda: receiver.got, 60), goldwash.output()[-3000:]
        (told,) = [json.loads(one.body)["data"] for one in receiver.got]
        assert (told["kind"], told["rule"], told["severity"]) == ("opened", "errors", "critical")
        assert {"feature": "search"} in told["slices"]
        assert told["samples"]
        assert told["sql"]
        rows = eventually(lambda: goldwash.sql("SELECT state, channel, incident_id FROM notifications WHERE state = 'sent'"), 20)
        assert rows == [{"state": "sent", "channel": "hook", "incident_id": told["incident_id"]}]
        assert goldwash.sql(told["sql"]), "the SQL it came with can be run"
    finally:
        receiver.down()
        goldwash.stop()
