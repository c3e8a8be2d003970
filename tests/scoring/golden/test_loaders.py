"""The target tools' own loaders read what is exported for them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from scoring.golden.case import of
from scoring.golden.formats import SHELF, Options

BODY = {"model": "gpt-5", "messages": [{"role": "system", "content": "Be {{brief}}"}, {"role": "user", "content": "Refund é 😀?"}]}
ASKED = {"dialect": "openai.chat", "operation": "chat", "body": BODY, "vars": {"name": "Ann"}}
CASES = [
    of(
        {
            "input": ASKED,
            "expected": "14 days",
            "observed": "90 days",
            "tags": ["a"],
            "context": [{"id": "d", "text": "14 days"}],
            "source": {"trace_id": "a" * 32, "span_id": "b" * 16, "exchange_id": "e"},
            "rubric": {"name": "r", "item": "i", "question": "Is it?"},
        },
        "x",
    ),
    of({"input": {**ASKED, "vars": {}}, "expected": {"json": {"days": [14, None]}}, "checks": [{"name": "valid_json"}]}, "x"),
    of(
        {
            "input": {**ASKED, "vars": {"n": 1}},
            "expected": {"tools": [{"name": "f", "arguments": {"a": 1}}], "facts": ["x"]},
            "observed": {"tool_calls": [{"name": "f", "arguments": "{}"}]},
        },
        "x",
    ),
    of({"input": {**ASKED, "vars": {"n": 2}}, "status": "retired"}, "x"),
]


def export(directory: Path) -> None:
    """Every format's file, by its name."""
    for one in SHELF:
        (directory / f"{one.name}{one.suffix}").write_text(one.write(CASES, Options()), encoding="utf-8")


def test_the_tools_own_loaders_read_exports(tmp_path: Path) -> None:
    """LangSmith, Braintrust, DeepEval, Langfuse, MLflow and Phoenix take every row."""
    python = os.environ.get("GOLDWASH_LOADERS")
    if not python:
        pytest.skip("GOLDWASH_LOADERS names no Python with the tools' packages: scripts/loaders makes one and runs this test")
    export(tmp_path)
    script = Path(__file__).with_name("loaders.py")
    done = subprocess.run(
        [python, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DEEPEVAL_TELEMETRY_OPT_OUT": "YES", "MLFLOW_DISABLE_TELEMETRY": "true"},
        cwd=tmp_path,
    )
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    print(*said, sep="\n")
    assert {one["tool"]: (one["rows"], one["said"]) for one in said} == {
        tool: (len(CASES), "ok") for tool in ("langsmith", "braintrust", "deepeval", "langfuse", "mlflow", "phoenix")
    }
