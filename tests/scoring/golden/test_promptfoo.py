"""promptfoo itself runs exported files: texts come through its templates as they are, and it agrees with us check by check."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scoring.golden.case import Observed, of
from scoring.golden.formats import Options, named
from scoring.golden.formats.csv import cell
from scoring.golden.formats.promptfoo import assertions
from scoring.golden.grading import grade

MAIN = Path("node_modules") / "promptfoo" / "dist" / "src" / "entrypoint.js"
ANSWERS = [
    "a {{ secret }} b {% if x %} {# c #} {{question}} d",
    "file:///etc/passwd",
    "package:foo:bar",
    "{{ env.HOME }} {{{{ {% raw %}x{% endraw %} {%- set y=1 -%}{{y|upper}}",
    "'\"\\ \u2028 é 😀 ${x}, =1+1 tail {",
    "{{ unclosed",
    "stray #} and %} and }}",
    '{"status": "ok", "items": [1, {"a": null}]}',
    '["a", 1]',
    "Refunds take 14 days.",
    "line one\nline two",
    " padded ",
    '"Positive."',
    "I'm sorry, but I can't help with that.",
    "x\u00a0y",
]
CHECKS: list[dict[str, Any]] = [
    {"name": "equals", "options": {"value": "Refunds take 14 days."}},
    {"name": "equals", "options": {"value": "{{ UNCLOSED", "ignore_case": True}},
    {"name": "contains", "options": {"values": ["14 days", "Refunds"]}},
    {"name": "contains", "options": {"values": ["{{question}}", "file://"], "need": "any"}},
    {"name": "contains", "options": {"values": ["REFUNDS"], "ignore_case": True}},
    {"name": "not_contains", "options": {"values": ["{{ env.HOME }}", "14"]}},
    {"name": "not_contains", "options": {"values": ["SORRY"], "ignore_case": True}},
    {"name": "starts_with", "options": {"value": "file:///"}},
    {"name": "regex", "options": {"pattern": r"^Refunds.{1,6}\d+ days\.$"}},
    {"name": "regex", "options": {"pattern": r"x\sy"}},
    {"name": "regex", "options": {"pattern": r"one.line|\{\{ [a-z]+$"}},
    {"name": "not_regex", "options": {"pattern": r"[{}]{2}"}},
    {"name": "json_equals", "options": {"value": {"items": [1, {"a": None}], "status": "ok"}}},
    {"name": "json_equals", "options": {"value": ["a", 1]}},
    {"name": "json_fields", "options": {"fields": {"status": "ok"}}},
]
EXPECTED: list[dict[str, Any]] = [
    {"label": "positive"},
    {"facts": ["refunds", "14 DAYS"]},
    {"json": {"status": "ok", "items": [1, {"a": None}]}},
]


def entrypoint() -> Path | None:
    """Where scripts/promptfoo has put it."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    place = Path(os.environ.get("GOLDWASH_PROMPTFOO") or Path(cache) / "goldwash" / "promptfoo") / MAIN
    return place if place.is_file() else None


@pytest.mark.parametrize("name", ["promptfoo", "csv"])
def test_promptfoo_runs_an_exported_file(tmp_path: Path, name: str) -> None:
    """Every answer passes through promptfoo's templates unchanged, and each assertion says what our own check says."""
    program, node = entrypoint(), shutil.which("node")
    if program is None or node is None:
        pytest.skip("promptfoo is not installed: scripts/promptfoo installs it (Node 20)")
    cases = [
        of(
            {
                "split": "representative",
                "input": {"dialect": "openai.chat", "body": {"messages": [{"role": "user", "content": answer}]}, "vars": {"n": str(n)}},
                "checks": CHECKS,
                "expected": EXPECTED[n % len(EXPECTED)],
            },
            "x",
        )
        for n, answer in enumerate(ANSWERS)
    ]
    chosen = named(name)
    (tmp_path / f"golden{chosen.suffix}").write_text(chosen.write(cases, Options()), encoding="utf-8")
    config = {"prompts": ["{{question}}"], "providers": ["echo"], "tests": f"file://golden{chosen.suffix}"}
    (tmp_path / "promptfooconfig.json").write_text(json.dumps(config))
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PROMPTFOO_CONFIG_DIR": str(tmp_path / ".promptfoo")}
    quiet = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1", "PROMPTFOO_DISABLE_SHARING": "1"}
    done = subprocess.run(
        [node, str(program), "eval", "-c", "promptfooconfig.json", "--no-cache", "--no-table", "--no-progress-bar", "-o", "out.json"],
        cwd=tmp_path,
        env={**clean, **quiet},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in (0, 100), done.stdout + done.stderr
    results = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["results"]["results"]
    assert len(results) == len(cases)
    for result in results:
        n = int(result["testCase"]["vars"]["n"])
        case, answer = cases[n], ANSWERS[n]
        assert result["response"]["output"] == answer
        theirs = result["gradingResult"]["componentResults"]
        parts = [grade(case.model_copy(update={"checks": (check,), "expected": None}), Observed(text=answer))[0] for check in case.checks]
        parts += grade(case.model_copy(update={"checks": ()}), Observed(text=answer))
        written = assertions(case, Options())
        assert len(written) == len(parts)
        if name == "csv":  # its short form leaves out what it would change
            parts = [part for part, one in zip(parts, written, strict=True) if cell(one) is not None]
            assert len(parts) >= len(written) - 2
        assert [one["pass"] for one in theirs] == [part.passed for part in parts], [
            (part.name, part.reason, one["reason"]) for part, one in zip(parts, theirs, strict=True) if part.passed is not one["pass"]
        ]
