"""What `goldwash up` says where nobody watches: short lines, seldom, and only of what moved."""

from __future__ import annotations

import io
import json
import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from config.settings import load
from proxy.terminal import Account, Pulse, parse_metrics, sentence, summary
from tests.helpers.client import fetch
from tests.helpers.goldwash import Goldwash
from tests.helpers.upstream import Upstream, answer
from tests.helpers.waiting import eventually

if TYPE_CHECKING:
    from proxy.supervisor import Supervisor


def page(rows: int = 0, active: int = 0, lag: float = 0.1, **more: float) -> dict[str, float]:
    """Figures as the metrics page gives them."""
    return {
        "goldwash_rows_written_total": rows,
        "goldwash_exchanges_active": active,
        "goldwash_log_lag_seconds": lag,
        "goldwash_process_resident_bytes": 1e8 + rows,
        **more,
    }


def test_idle_says_nothing():
    """Neither what stood there at the start nor a lag that comes and goes is news, however long it takes."""
    pulse = Pulse(0.0)
    left = {"goldwash_stored_without_price": 7.0, "goldwash_shed_total": 2.0}
    assert not pulse.is_due(page(lag=1.8e9, **left), 0.0), "the log has not looked for anything yet"
    assert not any(pulse.is_due(page(lag=0.1 * (now % 30), **left), float(now)) for now in range(0, 3600, 2))


def test_traffic_is_told_once_a_minute():
    """The first rows at once, then a line a minute while more come, and none after the last."""
    pulse = Pulse(0.0)
    told = [now for now in range(0, 600, 2) if pulse.is_due(page(min(now, 200)), float(now))]
    assert told == [2, 62, 122, 182, 242]


def test_a_log_that_falls_behind_is_told_though_no_row_comes():
    """So is one that does not answer at all, after a minute, and once a minute."""
    pulse = Pulse(0.0)
    assert [now for now in range(0, 200, 2) if pulse.is_due(page(lag=now), float(now))] == [10, 70, 130, 190]
    silent = Pulse(0.0)
    assert [now for now in range(0, 200, 2) if silent.is_due(None, float(now))] == [60, 120, 180]


def test_a_line_holds_a_handful_of_figures():
    """Whole numbers, sums over workers, and nothing of what only Prometheus wants."""
    text = '# HELP x\ngoldwash_shed_total{worker="0"} 1\ngoldwash_shed_total{worker="1"} 2\ngoldwash_log_bytes 5\ngoldwash_log_lag_seconds 1.26\n'
    assert summary(parse_metrics(text)) == {
        "rows_written": 0, "under_way": 0, "behind_seconds": 1, "spool_mb": 0, "shed": 3, "load_errors": 0, "without_price": 0,
    }  # fmt: skip


class Terminal(io.StringIO):
    """A terminal of 80 columns."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_addresses_are_not_cut_in_a_narrow_terminal(monkeypatch, tmp_path):
    """They are there to be copied: whole and in one line each, the path of the data among them."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    deep = tmp_path / ("a" * 90)
    settings = load(None, {"GOLDWASH_DATA_DIR": str(deep)})
    stream = Terminal()
    Account(stream).greet(cast("Supervisor", SimpleNamespace(settings=settings, port=18080, admin_port=18081, workers=[])))
    lines = stream.getvalue().splitlines()
    assert any(line.endswith("AWS_ENDPOINT_URL_BEDROCK_RUNTIME  http://127.0.0.1:18080/aws-bedrock") for line in lines)
    assert f"data: {deep}" in lines


def test_a_log_of_a_moment_ago_is_not_called_late():
    """The loader looks for more every few seconds, so that the age of its last look is no delay."""
    assert sentence(page(3, lag=4.4)) == "3 rows written · 0 under way · log less than 10 s behind"
    assert "log 31 s behind the traffic" in sentence(page(3, lag=31))


def test_up_tells_of_traffic_and_of_planned_restarts(tmp_path, stage: Upstream):
    """One status line after an exchange, short; `forget` and SIGHUP make children start again without a warning."""
    stage.on("/v1/chat/completions", answer(200, [("Content-Type", "application/json")], b"{}"))
    with Goldwash(tmp_path, {"stage": {"url": stage.url}}) as goldwash:
        assert '"event": "status"' not in goldwash.output()
        fetch(goldwash.port, "POST", "/stage/v1/chat/completions", [("goldwash-user", "ada")], b'{"model": "m", "messages": []}')
        goldwash.flush()
        assert eventually(lambda: '"event": "status"' in goldwash.output(), 10)
        (line,) = [line for line in goldwash.output().splitlines() if '"event": "status"' in line]
        assert len(line) < 300
        assert json.loads(line)["rows_written"] == 1
        done = goldwash.cli("forget", "--user", "ada")
        assert done.returncode == 0, done.stderr
        assert "child_died" not in goldwash.output()
        lines = [json.loads(line) for line in goldwash.output().splitlines() if line.startswith("{")]
        (again,) = [line for line in lines if line.get("event") == "child_starts_again"]
        assert (again["level"], again["child"]) == ("info", "log service")
        assert goldwash.process is not None
        goldwash.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: goldwash.output().count('"event": "child_starts_again"') == 2, 20)  # the watcher takes the settings anew
        lines = [json.loads(line) for line in goldwash.output().splitlines() if line.startswith("{")]
        assert not [line for line in lines if line.get("level") in ("warning", "error")]
