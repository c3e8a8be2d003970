"""Arize Phoenix, as it comes from PyPI, takes spans and evaluations by both protocols and shows them through its own API.

It is not among the project's packages: install `arize-phoenix` into an environment of its own and put its `bin` on PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.helpers.goldwash import free_port
from tests.helpers.waiting import eventually

PHOENIX = shutil.which("phoenix")
pytestmark = pytest.mark.skipif(PHOENIX is None, reason="Arize Phoenix is not installed: there is no `phoenix` on PATH")
STARTING = 240.0


class Phoenix:
    """A running server."""

    def __init__(self, directory) -> None:
        self.http, self.grpc = free_port(), free_port()
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "PHOENIX_WORKING_DIR": str(directory),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(self.http),
            "PHOENIX_GRPC_PORT": str(self.grpc),
            "PHOENIX_TELEMETRY_ENABLED": "false",
            "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        }
        self.output = (directory / "phoenix.log").open("wb")
        self.process = subprocess.Popen([str(PHOENIX), "serve"], env=environ, stdout=self.output, stderr=subprocess.STDOUT)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=10) as answer:
            return json.load(answer)

    def answers(self) -> bool:
        try:
            return bool(self.get("/v1/projects"))
        except OSError:
            return False

    def query(self, text: str) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http}/graphql", json.dumps({"query": text}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["data"]

    def spans(self, project: str) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = self.get(f"/v1/projects/{project}/spans?limit=100")["data"]
        except OSError:
            return []
        return found


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory):
    server = Phoenix(tmp_path_factory.mktemp("phoenix"))
    try:
        assert eventually(server.answers, within=STARTING), "Phoenix did not start"
        yield server
    finally:
        server.process.terminate()
        server.process.wait(30)
        server.output.close()


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_phoenix_shows_spans_and_evaluations(room, phoenix, protocol):
    """Spans as LLM calls with tokens, models, messages and session; evaluations as evaluator spans under them; a resend changes nothing."""
    at = datetime.now(UTC) - timedelta(minutes=5)
    start = 3 * (protocol == "grpc")
    rows = room.store(
        range(start, start + 3),
        accepted_at=at,
        ended_at=at + timedelta(seconds=2),
        session_id=f"chat-{protocol}",
        answer="Two cups of tea.",
    )
    for number, row in enumerate(rows):
        room.score(row["exchange_id"], number + 10 * (protocol == "grpc"), created_at=at + timedelta(seconds=3))
    port = phoenix.http if protocol == "http" else phoenix.grpc
    project = f"by-{protocol}"
    for _ in range(2):
        export = room.export(
            f"http://127.0.0.1:{port}",
            protocol=protocol,
            signals=["traces"],
            evaluation_spans=True,
            content=True,
            timeout=20.0,
            resource={"openinference.project.name": project},
        )
        for stream in export.progress.streams.values():
            stream.at_us, stream.last_id = 0, "00000000-0000-0000-0000-000000000000"
        room.turn(export)
    assert eventually(lambda: len(phoenix.spans(project)) >= 6, within=60)
    spans = phoenix.spans(project)
    calls = {span["context"]["span_id"]: span for span in spans if span["name"] == "chat gpt-4o-mini"}
    evaluations = [span for span in spans if span["name"] == "evaluation grounded"]
    assert (len(spans), len(calls), len(evaluations)) == (6, 3, 3)
    for call in calls.values():
        said = call["attributes"]
        assert call["span_kind"] == "LLM"
        assert said["llm.token_count.prompt"] == 20
        assert said["session.id"] == f"chat-{protocol}"
        assert said["goldwash.cost_usd"] == 0.0001
        assert said["llm.output_messages.0.message.content"] == "Two cups of tea."
    for evaluation in evaluations:
        assert evaluation["parent_id"] in calls
        assert evaluation["span_kind"] == "EVALUATOR"
        assert evaluation["events"][0]["name"] == "gen_ai.evaluation.result"
        assert evaluation["attributes"]["gen_ai.evaluation.score.label"] == "fail"
    shown = phoenix.query("{ projects { edges { node { name recordCount traceCount tokenCountTotal } } } }")
    (node,) = [edge["node"] for edge in shown["projects"]["edges"] if edge["node"]["name"] == project]
    assert node["recordCount"] == 6
    assert node["traceCount"] == 3
    assert node["tokenCountTotal"] == sum(20 + row["output_tokens"] for row in rows)
