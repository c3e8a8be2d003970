"""Keeps docs/threats.md honest: each test that it names exists, and what is said of the doors stands in a line of its own."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/threats.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_named_test_exists() -> None:
    """A line of defence that names a test names one that is there."""
    missing = []
    for file, name in NAMED.findall(PAGE):
        path = ROOT / file
        tree = ast.parse(path.read_text(encoding="utf-8")) if path.exists() else ast.Module([], [])
        if name not in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}:
            missing.append(f"{file}::{name}")
    assert missing == []


def test_every_line_names_a_test_or_says_that_there_is_none() -> None:
    """No attack stands in the tables without the test that shows what holds."""
    defences = PAGE.partition("## Doors")[2].partition("## What is not defended")[0]
    lines = [line for line in defences.splitlines() if line.startswith("| ") and not line.startswith(("| attack", "|---"))]
    assert len(lines) > 25
    assert [line for line in lines if not NAMED.search(line) and "no test" not in line] == []


def test_every_file_of_this_room_is_named() -> None:
    """A test of security that no line names has no threat: say which it is."""
    named = {file for file, _ in NAMED.findall(PAGE)}
    here = {f"tests/security/{file.name}" for file in Path(__file__).parent.glob("test_*.py")}
    assert here - named == {"tests/security/test_threats.py"}
