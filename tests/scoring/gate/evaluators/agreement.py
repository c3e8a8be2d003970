"""The same cases and the same answers before our evaluators and before promptfoo's: where they agree, and where each difference comes from."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from scoring.gate.evaluators import evaluate
from scoring.golden.case import GoldenCase
from scoring.golden.formats import Options
from scoring.golden.formats.promptfoo import row_of, ungraded
from tests.scoring.gate.evaluators.made import case, reply

SCHEMA: Final = {
    "type": "object",
    "required": ["id", "state"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "state": {"enum": ["open", "closed"]},
        "tags": {"type": "array", "maxItems": 2},
    },
}
PARTS: Final[Mapping[str, dict[str, Any]]] = {
    "equals": {"checks": [{"name": "equals", "options": {"value": "Refunds take 14 days."}}]},
    "equals, any case": {"checks": [{"name": "equals", "options": {"value": "refunds take 14 DAYS.", "ignore_case": True}}]},
    "contains": {"checks": [{"name": "contains", "options": {"values": ["14 days"]}}]},
    "contains any": {"checks": [{"name": "contains", "options": {"values": ["14 days", "two weeks"], "need": "any"}}]},
    "contains, any case": {"checks": [{"name": "contains", "options": {"values": ["REFUND", "days"], "ignore_case": True}}]},
    "not_contains": {"checks": [{"name": "not_contains", "options": {"values": ["sorry", "{{"]}}]},
    "starts_with": {"checks": [{"name": "starts_with", "options": {"value": "Refunds"}}]},
    "regex": {"checks": [{"name": "regex", "options": {"pattern": r"\b\d+\s(days|weeks)\b"}}]},
    "regex, whole": {"checks": [{"name": "regex", "options": {"pattern": r"^[A-Z].*\.$"}}]},
    "not_regex": {"checks": [{"name": "not_regex", "options": {"pattern": r"[<{][a-z/]"}}]},
    "valid_json": {"checks": [{"name": "valid_json"}]},
    "json_equals": {"checks": [{"name": "json_equals", "options": {"value": {"id": 7, "state": "open"}}}]},
    "json_equals, list": {"checks": [{"name": "json_equals", "options": {"value": [1, 2]}}]},
    "json_fields": {"checks": [{"name": "json_fields", "options": {"fields": {"state": "open", "by.name": "Ada"}}}]},
    "json_schema": {"checks": [{"name": "json_schema", "options": {"schema": SCHEMA}}]},
    "expected.json": {"expected": {"json": {"state": "open", "id": 7}}},
    "expected.facts": {"expected": {"facts": ["14 days", "refund"]}},
    "expected.label": {"expected": {"label": "refund"}},
    "expected.choice": {"expected": {"choice": "A"}},
    "expected.refusal": {"expected": {"refusal": True}},
    "expected.refusal, not": {"expected": {"refusal": False}},
    "several": {
        "checks": [{"name": "contains", "options": {"values": ["14 days"]}}, {"name": "not_contains", "options": {"values": ["sorry"]}}],
        "expected": {"facts": ["refunds"]},
    },
}
ANSWERS: Final[Mapping[str, str]] = {
    "right": "Refunds take 14 days.",
    "padded": "\n  Refunds take 14 days.  \n",
    "capitals": "REFUNDS TAKE 14 DAYS.",
    "other words": "Your money is back within two weeks.",
    "several lines": "Refunds take\n14 days.\nThank you.",
    "template": "{{ env.HOME }} refunds in 14 days <b>",
    "refusal": "I'm sorry, but I can't help with that.",
    "refusal, other words": "Unfortunately I am unable to assist with this request.",
    "apology that helps": "Sorry for the wait! Refunds take 14 days.",
    "json": '{"id": 7, "state": "open"}',
    "json, other order": ' { "state" : "open", "id" : 7 } ',
    "json, wrong": '{"id": 0, "state": "lost", "tags": [1, 2, 3]}',
    "json, nested": '{"state": "open", "by": {"name": "Ada"}}',
    "json, fenced": '```json\n{"id": 7, "state": "open"}\n```',
    "json, in words": 'Here it is: {"id": 7, "state": "open"}',
    "json, float": '{"id": 7.0, "state": "open"}',
    "json, list": "[1, 2]",
    "json, text": '"refund"',
    "json, cut off": '{"id": 7, "state": "op',
    "label": "Refund",
    "label, marked": "**refund**.",
    "label in words": "The label is refund.",
    "choice": "A",
    "number": "14",
    "sharp s": "REFUND: die Stra\u00dfe, 14 days",
    "spaces": "14\u00a0days refund",
}


class Pair(NamedTuple):
    """One case with one answer."""

    part: str
    answer: str


FENCED: Final = "we take the JSON out of a code fence, as applications do; promptfoo parses the answer as it stands"
APOLOGY: Final = "promptfoo takes “Sorry for …” for a refusal by its list of phrases; ours looks for what is declined"
DIVERGENCES: Final[Mapping[Pair, str]] = {
    Pair("json_equals", "json, fenced"): FENCED,
    Pair("json_schema", "json, fenced"): FENCED,
    Pair("expected.json", "json, fenced"): FENCED,
    Pair("expected.refusal", "apology that helps"): APOLOGY,
    Pair("expected.refusal, not", "apology that helps"): APOLOGY,
}
"""Where the two differ, with the reason; a test holds that these differ and nothing else does."""


def cases() -> dict[Pair, GoldenCase]:
    """Every part with every answer, each a case of its own."""
    return {Pair(part, name): case(f"{part} / {name}", **parts) for part, parts in PARTS.items() for name in ANSWERS}


async def ours(all_: Mapping[Pair, GoldenCase]) -> dict[Pair, bool | None]:
    """What our evaluators say."""
    return {pair: (await evaluate(one, reply(ANSWERS[pair.answer]))).passed for pair, one in all_.items()}


def theirs(all_: Mapping[Pair, GoldenCase], program: Sequence[str], directory: Path) -> dict[Pair, bool]:
    """What promptfoo says of the exported cases, given the same answers."""
    rows = []
    for pair, one in all_.items():
        assert not ungraded(one, Options()), pair
        exported = row_of(one, Options())
        rows.append(
            {**exported, "providerOutput": ANSWERS[pair.answer], "vars": {**exported["vars"], "pair": f"{pair.part}|{pair.answer}"}}
        )
    (directory / "golden.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    config = {"prompts": ["{{question}}"], "providers": ["echo"], "tests": "file://golden.jsonl"}
    (directory / "promptfooconfig.json").write_text(json.dumps(config))
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "PROMPTFOO_CONFIG_DIR": str(directory / ".promptfoo"),
        "PROMPTFOO_DISABLE_TELEMETRY": "1",
        "PROMPTFOO_DISABLE_UPDATE": "1",
        "PROMPTFOO_DISABLE_SHARING": "1",
    }
    done = subprocess.run(
        [*program, "eval", "-c", "promptfooconfig.json", "--no-cache", "--no-table", "--no-progress-bar", "-o", "out.json"],
        cwd=directory,
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    out = directory / "out.json"  # not its exit code: its log file sometimes breaks when all is written
    assert out.exists(), done.stdout + done.stderr
    results = json.loads(out.read_text(encoding="utf-8"))["results"]["results"]
    assert len(results) == len(rows)
    found: dict[Pair, bool] = {}
    for result in results:
        pair = Pair(*result["testCase"]["vars"]["pair"].split("|"))
        assert result["response"]["output"] == ANSWERS[pair.answer], pair
        found[pair] = bool(result["success"])
    return found
