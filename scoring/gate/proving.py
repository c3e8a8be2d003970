"""Proves which confirmed cases a new baseline fails for good, and writes that into the golden files."""

from __future__ import annotations

from dataclasses import replace

import uvloop

from scoring.gate.deciding import numbered, statuses
from scoring.gate.golden_files import save_statuses
from scoring.gate.lifecycle import after_baseline, owed_to_baseline
from scoring.gate.preparing import Ready
from scoring.gate.results import Results, write
from scoring.gate.running import Outcome, again
from scoring.gate.words import Status


def proven(ready: Ready, outcome: Outcome) -> tuple[Results, dict[str, tuple[Status, Status]]]:
    """Runs confirmed cases that failed every run often enough to prove it, and writes known_failing where it is proven."""
    results, known = outcome.results, statuses(outcome.results)
    owed = owed_to_baseline(known, results, ready.rules)
    if owed:
        more = uvloop.run(again(ready, outcome.variant, owed, numbered(results)))
        results = results.with_more(replace(row, confirming=True) for row in more)
    after = after_baseline(known, results, ready.rules)
    moved = save_statuses(ready.golden, after)
    rows = tuple(replace(row, status=after.get(row.case, row.status)) for row in results.rows)
    results = Results(rows, results.header, results.name)
    write(results, outcome.path)
    return results, moved
