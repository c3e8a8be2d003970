"""Reads and writes result files: what each run of each golden case came to, one JSON object a line.

The contract between whatever runs the cases and the gate that decides on them. Parsing is pure: `parse` takes lines, `read` and `write`
are the only two functions that touch a file. Keys that are not known here (output, reason …) are kept in `extra` and written back.

Errors: BadInput, with file, line, key and the fix; its exit code is 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Final, get_args

import orjson

from scoring.gate.words import JudgeState, Status
from scoring.golden.case import clean

HEADER_KEY: Final = "gate_results"
"""The first line may be an object with this key (the format's version) instead of `case`: what all rows of the file have in common."""

FORMAT: Final = 1
DESCRIBED: Final = "target"
"""The header's key that may hold all of a target (an object with its name) in the place of its name alone."""


class BadInput(Exception):
    """What was given cannot be decided on; the text names the place and the fix."""

    exit_code = 2


class CouldNotTell(Exception):
    """Something beside the release broke, so that nothing can be said of it."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Result:
    """One run of one case."""

    case: str
    run: int
    passed: bool | None  # None: not measured (target or judge unreachable), which `error` explains
    critical: bool = False
    safety: bool = False  # treated as critical
    cost_usd: float | None = None
    latency_ms: float | None = None
    cluster: str | None = None  # the conversation the case was cut from; None = a cluster of its own
    slice: str | None = None
    status: Status | None = None
    version: str | None = None  # of the case: another version is another question
    error: str | None = None
    deterministic: bool | None = None  # a failure was found by a check that is no judge; None: nobody says what found it
    families: tuple[str, ...] | None = None  # judge families that found it failed
    confirming: bool = False  # an extra run that was made to confirm the others
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def must_pass(self) -> bool:
        """Whether one failure of this case is enough to fail."""
        return self.critical or self.safety

    @property
    def is_confirmed_failure(self) -> bool:
        """A failure that a deterministic check or two judge families found, or of which nobody says what found it."""
        if self.passed is not False:
            return False
        if self.deterministic is None and self.families is None:
            return True
        return bool(self.deterministic) or len(set(self.families or ())) >= 2


@dataclass(frozen=True, slots=True)
class Header:
    """What all rows of a result file have in common; all of it optional."""

    target: str | None = None
    dataset: str | None = None
    rubric: str | None = None
    judge: str | None = None
    prices: str | None = None
    made_at: str | None = None
    judge_state: JudgeState | None = None
    judge_calibrated_on: str | None = None  # a date, YYYY-MM-DD
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """One result file: its rows in order, and the name that messages call it by."""

    rows: tuple[Result, ...]
    header: Header = Header()
    name: str = "results"

    @cached_property
    def by_case(self) -> dict[str, tuple[Result, ...]]:
        """Case -> its runs: planned ones first, then confirming ones, each in the order of their numbers."""
        grouped: dict[str, list[Result]] = {}
        for row in self.rows:
            grouped.setdefault(row.case, []).append(row)
        return {case: tuple(sorted(rows, key=_order) if len(rows) > 1 else rows) for case, rows in grouped.items()}

    def runs(self) -> int:
        """Planned runs a case, which is the same for all; 0 where there are none."""
        first = next((row.case for row in self.rows if not row.confirming), None)
        return sum(row.case == first and not row.confirming for row in self.rows) if first is not None else 0

    def with_more(self, rows: Iterable[Result]) -> Results:
        """The same file with further rows."""
        return Results((*self.rows, *rows), self.header, self.name)


def _order(row: Result) -> tuple[bool, int]:
    return row.confirming, row.run


ROW_KEYS: Final = tuple(f.name for f in fields(Result) if f.name != "extra")
HEADER_KEYS: Final = tuple(f.name for f in fields(Header) if f.name != "extra")


def read(path: Path) -> Results:
    """Reads and checks a result file. Raises BadInput, also where the file cannot be read."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}: name a result file (JSONL, a line a run)") from error
    return parse(text.splitlines(), str(path))


def parse(lines: Iterable[bytes], name: str) -> Results:
    """Lines of a result file as checked Results; empty lines are skipped. Raises BadInput."""
    header = Header()
    rows: list[Result] = []
    seen: dict[tuple[str, int], int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{name}:{number}"
        value = _object(line.removeprefix(b"\xef\xbb\xbf"), place)
        if HEADER_KEY in value and "case" not in value:
            if rows:
                raise BadInput(f"{place}: a header stands after results: move it to the first line")
            header = _header(value, place)
            continue
        row = _row(value, place)
        first = seen.setdefault((row.case, row.run), number)
        if first != number:
            raise BadInput(f"{place}: case {row.case!r} run {row.run} stands in line {first} already: number the runs of a case 1, 2, 3 …")
        rows.append(row)
    if not rows:
        raise BadInput(f"{name}: there are no results in it: run the cases again, or name another file")
    _check_runs(rows, name)
    _check_clusters(rows, name)
    return Results(tuple(rows), header, name)


def lines(results: Results) -> Iterator[bytes]:
    """The file's lines, keys sorted, values that are not known left out; `parse` gives the same Results back."""
    head = {key: getattr(results.header, key) for key in HEADER_KEYS if getattr(results.header, key) is not None}
    described = results.header.extra.get(DESCRIBED)
    if isinstance(described, Mapping):  # the name stands in the description: one key of the file, two of the header
        head[DESCRIBED] = {**described, **({"name": results.header.target} if results.header.target else {})}
    if head or results.header.extra:
        yield orjson.dumps({**results.header.extra, **head, HEADER_KEY: FORMAT}, option=orjson.OPT_SORT_KEYS)
    for row in results.rows:
        value: dict[str, Any] = dict(row.extra)
        for key in ROW_KEYS:
            item = getattr(row, key)
            if item is not None and item is not False:
                value[key] = item
        if row.deterministic is False:
            value["deterministic"] = 0
        for key in ("passed", "critical", "safety", "confirming", "deterministic"):
            if key in value:
                value[key] = int(value[key])
        value["passed"] = None if row.passed is None else int(row.passed)
        yield _dumped(value)


def _dumped(value: dict[str, Any]) -> bytes:
    """A line; half a surrogate pair, which a model may write and UTF-8 has not, becomes a question mark."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return orjson.dumps(clean(value), option=orjson.OPT_SORT_KEYS)


def write(results: Results, path: Path) -> None:
    """Writes a result file whole, or not at all: beside it first, then in its place."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_bytes(b"".join(line + b"\n" for line in lines(results)))
    beside.replace(path)


def _object(line: bytes, place: str) -> dict[str, Any]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{place}: {error}: each line must be one JSON object, such as {_EXAMPLE}") from error
    if not isinstance(value, dict):
        raise BadInput(f"{place}: a {type(value).__name__} is no result: each line must be one JSON object, such as {_EXAMPLE}")
    return value


_EXAMPLE: Final = '{"case": "refund-7", "run": 1, "passed": 1}'


def _row(value: dict[str, Any], place: str) -> Result:
    for key in ("case", "run", "passed"):
        if key not in value:
            raise BadInput(f"{place}: {key!r} is missing: a result needs case, run and passed, such as {_EXAMPLE}")
    case = _name(value, "case", place)
    run = value["run"]
    if case is None:
        raise BadInput(f"{place}: 'case' is null: give the case's id")
    if isinstance(run, bool) or not isinstance(run, int) or run < 0:
        raise BadInput(f"{place}: 'run' is {run!r}: it must be a whole number from 0")
    passed = _flag(value, "passed", place)
    error = _text(value, "error", place)
    if passed is None and not error:
        raise BadInput(f"{place}: 'passed' is null and no 'error' says why: write 0 or 1, or what could not be reached")
    status = value.get("status")
    if status is not None and status not in get_args(Status):
        raise BadInput(f"{place}: 'status' is {status!r}: it must be one of {', '.join(get_args(Status))}")
    families = value.get("families")
    if families is not None and not (isinstance(families, list) and all(isinstance(item, str) for item in families)):
        raise BadInput(f'{place}: \'families\' is {families!r}: it must be a list of judge families, such as ["gpt", "claude"]')
    return Result(
        case=case,
        run=run,
        passed=passed,
        critical=bool(_flag(value, "critical", place)),
        safety=bool(_flag(value, "safety", place)),
        cost_usd=_quantity(value, "cost_usd", place),
        latency_ms=_quantity(value, "latency_ms", place),
        cluster=_name(value, "cluster", place),
        slice=_name(value, "slice", place),
        status=status,
        version=_name(value, "version", place),
        error=error,
        deterministic=_flag(value, "deterministic", place),
        families=None if families is None else tuple(families),
        confirming=bool(_flag(value, "confirming", place)),
        extra={key: item for key, item in value.items() if key not in ROW_KEYS},
    )


def _header(value: dict[str, Any], place: str) -> Header:
    if value[HEADER_KEY] != FORMAT:
        raise BadInput(f"{place}: {HEADER_KEY!r} is {value[HEADER_KEY]!r}: this Goldwash reads format {FORMAT}")
    state = value.get("judge_state")
    if state is not None and state not in get_args(JudgeState):
        raise BadInput(f"{place}: 'judge_state' is {state!r}: it must be one of {', '.join(get_args(JudgeState))}")
    extra = {key: item for key, item in value.items() if key not in HEADER_KEYS and key != HEADER_KEY}
    if isinstance(value.get(DESCRIBED), dict):
        extra[DESCRIBED] = value[DESCRIBED]
        value = {**value, DESCRIBED: value[DESCRIBED].get("name")}
    known = {key: _name(value, key, place) for key in HEADER_KEYS if key != "judge_state"}
    return Header(**known, judge_state=state, extra=extra)


def _flag(value: dict[str, Any], key: str, place: str) -> bool | None:
    item = value.get(key)
    if item is None:
        return None
    if item not in (0, 1) or not isinstance(item, int):
        raise BadInput(f"{place}: {key!r} is {item!r}: it must be 0 or 1")
    return bool(item)


def _quantity(value: dict[str, Any], key: str, place: str) -> float | None:
    item = value.get(key)
    if item is None:
        return None
    if isinstance(item, bool) or not isinstance(item, int | float) or not math.isfinite(item) or item < 0:
        raise BadInput(f"{place}: {key!r} is {item!r}: it must be a number from 0, or null where it is not known")
    return float(item)


def _name(value: dict[str, Any], key: str, place: str) -> str | None:
    item = value.get(key)
    if item is None or item == "":
        return None
    if isinstance(item, bool) or not isinstance(item, str | int):
        raise BadInput(f"{place}: {key!r} is {item!r}: it must be text")
    return str(item)


def _text(value: dict[str, Any], key: str, place: str) -> str | None:
    item = value.get(key)
    if item is None or isinstance(item, str):
        return item
    raise BadInput(f"{place}: {key!r} is {item!r}: it must be text")


def _check_runs(rows: list[Result], name: str) -> None:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.case] = counts.get(row.case, 0) + (not row.confirming)
    case, first = next(iter(counts.items()))
    for other, count in counts.items():
        if count != first:
            raise BadInput(
                f"{name}: case {case!r} has {first} runs and {other!r} has {count}: run every case equally often, "
                'and mark runs that were added to confirm with "confirming": 1'
            )


def _check_clusters(rows: list[Result], name: str) -> None:
    """A case lies in one conversation and one slice: anything else would count it twice."""
    seen: dict[str, Result] = {}
    for row in rows:
        first = seen.setdefault(row.case, row)
        for key in ("cluster", "slice", "status", "version"):
            one, other = getattr(first, key), getattr(row, key)
            if one != other:
                raise BadInput(
                    f"{name}: case {row.case!r} has {key} {one!r} in run {first.run} and {other!r} in run {row.run}: make them agree"
                )
