"""The board and the rules name only metrics that /metrics has, and Debian's Prometheus takes metrics, rules and all."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import dashboards
from proxy.service.exposition import OPEN_METRICS
from tests.helpers.goldwash import Goldwash, free_port
from tests.helpers.rows import Mark
from tests.helpers.upstream import Upstream, answer
from tests.helpers.waiting import eventually

SHIPPED = Path(next(iter(dashboards.__path__)))
PROMTOOL, PROMETHEUS = shutil.which("promtool"), shutil.which("prometheus")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: apt-get install prometheus)")
NAME = re.compile(r"\b((?:goldwash|gen_ai)_[a-z_]+)\b(?!\s*=)")
RECORDED = re.compile(r"\bgoldwash:[a-z_0-9]+:[a-z_0-9]+\b")
ON_OCCASION = {
    "goldwash_alerts": "once a rule was evaluated",
    "goldwash_notifications_recent": "once a message was sent",
    "goldwash_night_age_seconds": "after a night",
    "goldwash_night_items": "after a night",
    "goldwash_night_sampled": "after a night",
    "goldwash_night_coverage_ratio": "after a night",
    "goldwash_last_score_age_seconds": "after a verdict",
    "goldwash_review_oldest_seconds": "while a flag is open",
    "goldwash_score_failed_ratio": "after a verdict",
    "goldwash_export_sent_total": "with [otel]",
    "goldwash_export_held_seconds": "with [otel]",
}
"""Metrics that a log without scores does not have; tests/proxy/service/test_standing.py makes each of them."""
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}
BODY = {"id": "c-1", "object": "chat.completion", "model": "gpt-4o-mini-2024-07-18", "choices": [CHOICE], "usage": USAGE}
COMPLETION = answer(200, [("Content-Type", "application/json")], json.dumps(BODY).encode())
CHUNK = {"id": "c-2", "object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}
EVENTS = f"data: {json.dumps(CHUNK)}\n\ndata: [DONE]\n\n".encode()
STREAM = answer(200, [("Content-Type", "text/event-stream")], EVENTS, framing="chunked")
LABELS = {"gen_ai_provider_name", "gen_ai_response_model", "gen_ai_token_type"}


def families(text: str) -> set[str]:
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}


def named(expression: str) -> set[str]:
    """The metrics of an expression, a histogram's parts under its own name."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in NAME.findall(expression)} - LABELS


def queries(panels: list[dict[str, Any]]) -> list[str]:
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A Goldwash with a little traffic."""
    with (
        Upstream(lambda message: STREAM if b'"stream": true' in message.body else COMPLETION) as upstream,
        Goldwash(tmp_path_factory.mktemp("goldwash"), {"openai": {"url": upstream.url}}) as goldwash,
    ):
        goldwash.metrics()
        mark = Mark(goldwash)
        traffic(goldwash)
        assert mark.rows()
        assert eventually(lambda: "time_to_first_chunk_seconds_count" in goldwash.metrics(), within=40)
        yield goldwash


def traffic(goldwash: Goldwash) -> None:
    from tests.helpers.goldwash import post_json

    for n in range(3):
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}], "stream": n == 2}
        post_json(goldwash.port, "/openai/v1/chat/completions", body, [("goldwash-feature", f"f{n}")])


def test_the_board_is_whole():
    """Panels have ids of their own, do not overlap, and ask the data source that the user picks."""
    board = json.loads((SHIPPED / "grafana.json").read_text(encoding="utf-8"))
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        taken = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        cells |= taken
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["targets"], panel["title"]
    assert {variable["name"] for variable in board["templating"]["list"]} == {"datasource", "instance"}


def test_every_metric_that_is_named_exists(running):
    """In /metrics of a running service, or on occasion, and then a test makes it."""
    known = families(running.metrics())
    board = json.loads((SHIPPED / "grafana.json").read_text(encoding="utf-8"))
    rules = (SHIPPED / "rules.yml").read_text(encoding="utf-8")
    expressions = queries(board["panels"]) + re.findall(r"expr: (.+)", rules)
    wanted = set().union(*(named(expression) for expression in expressions))
    assert wanted - known - set(ON_OCCASION) == set()
    recorded = set(re.findall(r"record: (\S+)", rules))
    assert {name for expression in expressions for name in RECORDED.findall(expression)} <= recorded


def test_openmetrics_is_given_where_it_is_asked_for(running):
    """Counters without their suffix in the header, the end marked, the content type as specified."""
    request = urllib.request.Request(f"http://127.0.0.1:{running.admin_port}/metrics", headers={"Accept": "application/openmetrics-text"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read().decode()
        assert answer.headers["Content-Type"] == OPEN_METRICS
    assert text.endswith("# EOF\n")
    assert "# TYPE goldwash_feature_exchanges counter" in text
    assert 'goldwash_feature_exchanges_total{feature="f0"} 1' in text


@needs_promtool
def test_promtool_accepts_metrics_and_rules(running):
    """`check metrics` without a lint, `check rules`, and the rules' own tests."""
    checked = subprocess.run([str(PROMTOOL), "check", "metrics"], input=running.metrics(), capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout
    for command in (["check", "rules", "rules.yml"], ["test", "rules", "rules_test.yml"]):
        done = subprocess.run([str(PROMTOOL), *command], cwd=SHIPPED, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(PROMETHEUS is None, reason="Prometheus is not installed (Debian: apt-get install prometheus)")
def test_prometheus_scrapes_it_and_answers_the_boards_queries(running, tmp_path):
    """Debian's own Prometheus: the target is up, the rules load, every query of the board is answered, and histograms give quantiles."""
    port = free_port()
    config = tmp_path / "prometheus.yml"
    shutil.copyfile(SHIPPED / "rules.yml", tmp_path / "rules.yml")
    config.write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [rules.yml]\n"
        f"scrape_configs: [{{job_name: goldwash, static_configs: [{{targets: ['127.0.0.1:{running.admin_port}']}}]}}]\n"
    )
    arguments = [f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
    with (tmp_path / "log").open("wb") as output, subprocess.Popen([str(PROMETHEUS), *arguments], stdout=output, stderr=output) as server:
        try:

            def ask(path: str, **parameters: str) -> Any:
                query = urllib.parse.urlencode(parameters)
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}?{query}", timeout=10) as answer:
                        return json.load(answer)["data"]
                except OSError:
                    return {"result": []}

            def up() -> bool:
                return [value["value"][1] for value in ask("query", query='up{job="goldwash"}')["result"]] == ["1"]

            assert eventually(up, within=60), (tmp_path / "log").read_text()
            counted = 'gen_ai_client_operation_duration_seconds_count{gen_ai_operation_name="chat"}'
            assert eventually(lambda: ask("query", query=counted)["result"], within=30)
            groups = ask("rules")["groups"]
            assert {group["name"] for group in groups} == {"goldwash-recorded", "goldwash-traffic", "goldwash-itself", "goldwash-quality"}
            assert eventually(lambda: all(rule["health"] == "ok" for group in ask("rules")["groups"] for rule in group["rules"]), within=30)
            board = json.loads((SHIPPED / "grafana.json").read_text(encoding="utf-8"))
            for expression in queries(board["panels"]):
                assert "resultType" in ask("query", query=expression.replace("$instance", ".*")), expression
            traffic(running)
            quantile = "histogram_quantile(0.5, sum by (le) (gen_ai_client_operation_duration_seconds_bucket))"
            assert float(ask("query", query=quantile)["result"][0]["value"][1]) > 0
        finally:
            server.terminate()


def test_the_command_hands_them_out(tmp_path):
    """`goldwash dashboards --to DIR` copies board and rules."""
    from click.testing import CliRunner

    from proxy.commands.dashboards import dashboards as command

    done = CliRunner().invoke(command, ["--to", str(tmp_path / "out")], catch_exceptions=False)
    assert done.exit_code == 0
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"grafana.json", "rules.yml", "rules_test.yml"}
