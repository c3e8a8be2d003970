"""Whether generated code passes its unit tests: `expected.test_file`, a Python file under the golden directory, run in a sandbox.

The code is the answer's first Python block (all its Python blocks, one after the other), or the whole answer where there is none. The tests
import it as `answer`, unless the `unit_tests` check names another module. sandbox.py says what the sandbox contains and what not.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from scoring.checks.options import options_of
from scoring.gate.evaluators.contract import Found, Grade, Subject
from scoring.gate.evaluators.sandbox import tested
from scoring.golden.run_checks import UnitTests

NAME: Final = "expected.test_file"
_BLOCK: Final = re.compile(r"^[ \t]*```[ \t]*(\w*)[^\n]*\n(.*?)^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)
PYTHON: Final = frozenset({"python", "py", "python3"})


async def evaluate(subject: Subject) -> Found:
    """One grade: passed where every test passes."""
    named = subject.case.expected.test_file if subject.case.expected is not None else None
    if named is None:
        return Found()
    tables = [check.options for check in subject.case.checks if check.name == "unit_tests"]
    options: UnitTests = options_of(UnitTests, tables[0] if tables else {})
    tests = _read(subject.directory, named)
    if isinstance(tests, Grade):
        return Found((tests,))
    code = code_of(subject.exchange.text)
    if not code.strip():
        return Found((Grade(NAME, False, "answers no code"),))
    outcome = await tested(code, tests, module=options.module, seconds=options.seconds, memory_mb=options.memory_mb)
    detail = {"ran": outcome.ran, "failed": outcome.failed, "held": dict(outcome.held)}
    share = None if not outcome.ran else 1 - min(outcome.failed, outcome.ran) / outcome.ran
    return Found(
        (Grade(NAME, outcome.passed, outcome.reason, outcome.printed or None if not outcome.passed else None, share, detail=detail),)
    )


def code_of(text: str) -> str:
    """The Python code of an answer."""
    blocks = [(language.lower(), code) for language, code in _BLOCK.findall(text)]
    python = [code for language, code in blocks if language in PYTHON] or [code for language, code in blocks if not language]
    if python:
        return "\n\n".join(python)
    return "" if blocks else text


def _read(directory: Path, named: str) -> str | Grade:
    """The tests, or why there are none: a case may name files of its own set and no others."""
    root = directory.resolve()
    path = (root / named).resolve()
    if not path.is_relative_to(root):
        return Grade(NAME, None, f"{named} lies outside of {directory}: put it under the golden directory")
    if path.suffix != ".py":
        return Grade(NAME, None, f"{named}: only tests in Python are run: name a .py file")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return Grade(NAME, None, f"{directory / named} cannot be read ({error}): commit it with the golden files")
