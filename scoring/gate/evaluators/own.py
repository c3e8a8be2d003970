"""A user's own evaluators: `my.module:function` among a case's checks, where the function takes (case, reply, options).

It may be asynchronous, and gives back a Grade, a Finding, True or False, a number from 0 to 1 (at least `threshold`, 0.5 where the
options say nothing), or None: not measured. A function of (exchange, options) is a check as docs/checks.md describes it. What it raises is
told, and the case is then not measured: a broken evaluator is no failure of the release.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from scoring.checks.contract import Finding
from scoring.gate.evaluators.contract import Found, Grade, Subject
from scoring.golden.case import CaseCheck


async def evaluate(subject: Subject) -> Found:
    """A grade for each check of the case that names such a function."""
    return Found(tuple([await _graded(subject, one) for one in subject.case.checks if is_evaluator(one.name)]))


@cache
def is_evaluator(name: str) -> bool:
    """Whether a check's name is a function of (case, reply, options); what cannot be imported is left to the checks, which say so."""
    function = _function(name) if ":" in name else None
    if function is None:
        return False
    try:
        return len(inspect.signature(function).parameters) == 3
    except (TypeError, ValueError):
        return False


def _function(name: str) -> Callable[..., Any] | None:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError):
        return None
    return found if callable(found) else None


async def _graded(subject: Subject, check: CaseCheck) -> Grade:
    function = _function(check.name)
    assert function is not None
    try:
        said = function(subject.case, subject.reply, dict(check.options))
        if inspect.isawaitable(said):
            said = await said
    except Exception as error:  # a user's code: one case must not end the run
        return Grade(check.name, None, f"it raised {type(error).__name__}: {str(error)[:200]}")
    return _as_grade(check, said)


def _as_grade(check: CaseCheck, said: Any) -> Grade:
    if isinstance(said, Grade):
        return said
    if isinstance(said, Finding):
        return Grade(check.name, said.passed, said.reason, said.evidence, said.score)
    if said is None:
        return Grade(check.name, None, "it says nothing of this reply")
    if isinstance(said, bool):
        return Grade(check.name, said, "passes" if said else "fails")
    if isinstance(said, int | float) and 0 <= said <= 1:
        least = check.options.get("threshold", 0.5)
        return Grade(check.name, said >= least, f"{said:.3g}, and {least:g} is asked", score=float(said))
    return Grade(check.name, None, f"it gave a {type(said).__name__} back: give a Grade, True, False, a number from 0 to 1, or None")
