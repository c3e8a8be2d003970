"""What the processes themselves leave to see: no image of their memory, no secret in a command line, no exception's text in a worker's words."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from proxy import logs
from tests.helpers.client import fetch
from tests.helpers.goldwash import Goldwash
from tests.helpers.upstream import Upstream, answer
from tests.helpers.waiting import eventually


def test_no_core_dumps(tmp_path: Path, stage: Upstream) -> None:
    """Supervisor, workers and log service have a core limit of 1, which files and pipes heed, and an abort leaves no core."""
    with Goldwash(tmp_path, {"stage": {"url": stage.url}}) as goldwash:
        assert goldwash.process is not None
        pids = [goldwash.process.pid, *goldwash.children()]
        assert len(pids) >= 3
        for pid in pids:
            (line,) = [line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max core file size")]
            assert {int(number) for number in line.split()[4:6]} <= {0, 1}, line
        (worker,) = goldwash.pids("worker")
        os.kill(worker, signal.SIGABRT)
        assert eventually(lambda: [pid for pid in goldwash.pids("worker") if pid != worker])
        assert [file for file in tmp_path.rglob("core*") if file.is_file()] == []


def test_a_fault_in_one_request_harms_no_other(tmp_path: Path, stage: Upstream) -> None:
    """An exception while a request is read ends that connection alone; what is told of it is its type and its places."""
    stage.on("/fine", answer(200, [], b"ok"))
    environ = {"PYTHONPATH": str(Path(__file__).parent / "injected"), "TESTED_MUTATIONS": "fail on a head", "GOLDWASH_COMPILED": "0"}
    with Goldwash(tmp_path, {"stage": {"url": stage.url}}, environ=environ) as goldwash:
        with pytest.raises((OSError, ValueError, IndexError)):
            assert fetch(goldwash.port, "GET", "/stage/fault", [("x-api-key", "planted")]).status
        assert fetch(goldwash.port, "GET", "/stage/fine").status == 200
        told = [json.loads(line) for line in goldwash.output().splitlines() if line.startswith("{") and '"fault"' in line]
        assert told
        assert all("RuntimeError at " in line["exception"] and "planted" not in json.dumps(line) for line in told)


@pytest.mark.parametrize("carries_keys", [True, False])
def test_words_of_exceptions(carries_keys: bool) -> None:
    """A worker tells type and places of an exception and of its cause, not their texts; other processes tell texts without secrets."""
    code = f"""
import logging, threading
from proxy import logs
logs.set_up("info", carries_keys={carries_keys})
logs.hook()
import structlog
try:
    try:
        int("sk-proj-abcdefghijklmnop1234")
    except ValueError as error:
        raise KeyError("x-custom planted") from error
except KeyError:
    structlog.get_logger("a").exception("failed", note="Bearer abcdefghijklmnop1234")
logging.getLogger("library").error("said %s", "planted sk-proj-abcdefghijklmnop1234")
threading.Thread(target=lambda: int("planted")).start()
raise RuntimeError("planted")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines[2:]] == ["ended_by_a_fault"] * 2
    assert "abcdefghijklmnop1234" not in done.stderr
    assert lines[0]["note"] == "Bearer [secret]"
    assert ("planted" in done.stderr) is not carries_keys
    if carries_keys:
        assert lines[0]["exception"] == "KeyError at <string>:11 <module>; from ValueError at <string>:9 <module>"


def test_a_terminal_gets_lines_for_people() -> None:
    """On a terminal the lines are coloured text, and an exception is plain, without the values of variables."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    before = structlog.get_config()
    try:
        logs.set_up("info", out)
        hidden = "value-of-a-variable"
        try:
            raise ValueError(len(hidden))
        except ValueError:
            structlog.get_logger("fresh").exception("went_wrong")
    finally:
        structlog.configure(**before)
    assert "went_wrong" in out.getvalue()
    assert "ValueError: 19" in out.getvalue()
    assert "value-of-a-variable" not in out.getvalue()
