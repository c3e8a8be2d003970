"""Several targets beside each other, case by case, for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scoring.gate.results import Result, Results
from scoring.gate.verdict import Verdict

SHOWN: Final = 40
"""Rows of a table on a terminal; the result files have all."""

Column = tuple[str, Results, Verdict]


def table(columns: Sequence[Column]) -> str:
    """Cases by targets: passed runs of all runs, cases that all targets pass left out."""
    cases = sorted({case for _, results, _ in columns for case in results.by_case})
    cells = {case: [_cell(results.by_case.get(case, ())) for _, results, _ in columns] for case in cases}
    telling = [case for case in cases if any(not _all_passed(results.by_case.get(case, ())) for _, results, _ in columns)]
    heads = ["case", *(name for name, _, _ in columns)]
    rows = [[case, *cells[case]] for case in telling[:SHOWN]]
    rows.append(["passed", *(_share(results) for _, results, _ in columns)])
    rows.append(["cost", *(_cost(results) for _, results, _ in columns)])
    rows.append(["verdict", *(verdict.outcome.replace("_", " ") for _, _, verdict in columns)])
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    text = [_line(heads, widths), _line(["-" * width for width in widths], widths), *(_line(row, widths) for row in rows)]
    more = len(telling) - SHOWN
    note = [f"({more} more cases differ or fail: see the result files)"] if more > 0 else []
    passed = len(cases) - len(telling)
    note += [f"({passed} cases pass everywhere)"] if passed else []
    return "\n".join([*text, *note]) + "\n"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  " + "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _cell(rows: Sequence[Result]) -> str:
    if not rows:
        return "·"
    passed = sum(row.passed is True for row in rows)
    lost = sum(row.passed is None for row in rows)
    return f"{passed}/{len(rows)}" + (f" ({lost} not measured)" if lost else "")


def _all_passed(rows: Sequence[Result]) -> bool:
    return bool(rows) and all(row.passed is True for row in rows)


def _share(results: Results) -> str:
    rates = [sum(row.passed is True for row in rows) / len(rows) for rows in results.by_case.values()]
    return f"{100 * sum(rates) / len(rates):.1f}%" if rates else "·"


def _cost(results: Results) -> str:
    costs = [row.cost_usd for row in results.rows if row.cost_usd is not None]
    return f"${sum(costs):.4f}" if costs else "·"
