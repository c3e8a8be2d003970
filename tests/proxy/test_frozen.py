"""Values that are frozen for the type checker alone behave as values."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.exchange import Usage


def test_equal_by_value() -> None:
    """Equal, hashed alike, copied with changes, and without room for other fields."""
    usage = Usage(input_tokens=3)
    assert usage == replace(Usage(), input_tokens=3)
    assert len({usage, Usage(input_tokens=3), Usage()}) == 2
    with pytest.raises((AttributeError, TypeError)):
        usage.tokens = 4  # type: ignore[attr-defined]


def test_the_type_checker_refuses_an_assignment(tmp_path: Path) -> None:
    """That is all that holds them frozen."""
    root = Path(__file__).parents[2]
    (tmp_path / "wrong.py").write_text("from proxy.exchange import Usage\n\nusage = Usage()\nusage.input_tokens = 3\n")
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), "--follow-imports=silent", str(tmp_path / "wrong.py")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert 'Property "input_tokens" defined in "Usage" is read-only' in done.stdout, done.stdout + done.stderr
