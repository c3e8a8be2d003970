"""What differs between the two releases that were run: prompt, model, parameters, tools, and what was retrieved. Pure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from scoring.gate.reports.contract import Report
from scoring.gate.reports.story import retrieved
from scoring.gate.results import Results

PLAIN: Final = ("kind", "upstream", "base_url", "path", "command", "watched", "of", "without", "stream")
"""Keys of a target whose change is told as it is."""
CONTEXT: Final = 2
"""Unchanged lines around a change."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class TextChange:
    """A text that differs, as a unified diff."""

    what: str
    lines: tuple[str, ...]

    @property
    def added(self) -> int:
        """Lines that are new."""
        return sum(line.startswith("+") and not line.startswith("+++") for line in self.lines)

    @property
    def removed(self) -> int:
        """Lines that are gone."""
        return sum(line.startswith("-") and not line.startswith("---") for line in self.lines)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """How what was retrieved for one case differs."""

    case: str
    lost: tuple[str, ...]
    gained: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """All that differs; empty where nothing does, or where the files do not say what was run."""

    is_known: bool  # both files say what was run
    changes: tuple[Change, ...] = ()
    texts: tuple[TextChange, ...] = ()
    retrieval: tuple[Retrieved, ...] = ()


def release(report: Report) -> Release:
    """What the candidate changed against the baseline."""
    if report.base is None:
        return Release(False)
    before, after = _target(report.base), _target(report.candidate)
    changes: list[Change] = []
    texts: list[TextChange] = []
    if before and after:
        changes += [
            Change(key, _said(before.get(key)), _said(after.get(key))) for key in ("model", *PLAIN) if before.get(key) != after.get(key)
        ]
        changes += _params(before.get("params"), after.get("params"))
        texts += _prompt(before.get("prompt"), after.get("prompt"))
        texts += _tools(before.get("tools"), after.get("tools"))
    answered = _models(report.base), _models(report.candidate)
    if answered[0] != answered[1] and all(answered):
        changes.append(Change("model that answered", ", ".join(answered[0]), ", ".join(answered[1])))
    return Release(bool(before and after), tuple(changes), tuple(texts), _retrieval(report))


def _target(results: Results) -> Mapping[str, Any]:
    target = results.header.extra.get("target")
    return target if isinstance(target, Mapping) else {}


def _params(before: Any, after: Any) -> list[Change]:
    was, now = (one if isinstance(one, Mapping) else {} for one in (before, after))
    return [
        Change(f"params.{key}", _said(was.get(key)), _said(now.get(key))) for key in sorted({*was, *now}) if was.get(key) != now.get(key)
    ]


def _prompt(before: Any, after: Any) -> list[TextChange]:
    was, now = (one if isinstance(one, Mapping) else {} for one in (before, after))
    found: list[TextChange] = []
    if was.get("text") != now.get("text") or was.get("at") != now.get("at"):
        name = str(now.get("file") or was.get("file") or "prompt")
        found.append(TextChange(f"prompt {name}", _diff(str(was.get("text") or ""), str(now.get("text") or ""))))
    return found


def _tools(before: Any, after: Any) -> list[TextChange]:
    was, now = _by_name(before), _by_name(after)
    return [
        TextChange(f"tool {name}", _diff(_pretty(was.get(name)), _pretty(now.get(name))))
        for name in sorted({*was, *now})
        if was.get(name) != now.get(name)
    ]


def _by_name(tools: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, tool in enumerate(tools if isinstance(tools, list) else []):
        inner = tool.get("function") if isinstance(tool, Mapping) else None
        name = (inner if isinstance(inner, Mapping) else tool if isinstance(tool, Mapping) else {}).get("name")
        found[str(name or number)] = tool
    return found


def _diff(before: str, after: str) -> tuple[str, ...]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "now", lineterm="", n=CONTEXT)
    return tuple(lines)


def _pretty(value: Any) -> str:
    return "" if value is None else json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)


def _said(value: Any) -> str:
    return "(none)" if value is None else value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _models(results: Results) -> tuple[str, ...]:
    return tuple(sorted({str(row.extra["response_model"]) for row in results.rows if row.extra.get("response_model")}))


def _retrieval(report: Report) -> tuple[Retrieved, ...]:
    if report.base is None:
        return ()
    found: list[Retrieved] = []
    after = report.candidate.by_case
    for case, rows in sorted(report.base.by_case.items()):
        if case not in after:
            continue
        was, now = retrieved(rows[0]), retrieved(after[case][0])
        if set(was) != set(now):
            found.append(Retrieved(case, tuple(one for one in was if one not in now), tuple(one for one in now if one not in was)))
    return tuple(found)
