"""The human sample of a release: some of the candidate's answers, drawn so that nobody chose them, accepted or not by a person. Pure.

Drawn by a hash of release, size, case and run, so that who marks a release cannot draw until he likes the sample; cases that must pass come
first. Each row carries a hash of the answer, so that what was accepted is what was measured.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Final

from scoring.estimates.proportions import share
from scoring.gate.results import BadInput, Result, Results

COLUMNS: Final = ("case", "run", "answer_sha256", "gate", "question", "answer", "accepted", "note")
YES: Final = frozenset({"yes", "y", "1", "true", "accepted", "ok"})
NO: Final = frozenset({"no", "n", "0", "false", "rejected"})


@dataclass(frozen=True, slots=True)
class Tally:
    """What a person said of the sample."""

    n: int
    accepted: int
    rejected: int
    left: int  # not decided yet
    low: float | None  # of the accepted share, Wilson 95%
    high: float | None
    contradicting: tuple[str, ...]  # cases that the gate passed and the person did not

    def as_json(self) -> dict[str, Any]:
        """As the mark keeps it."""
        return {**asdict(self), "contradicting": list(self.contradicting)}


def drawn(results: Results, release: str, size: int) -> list[Result]:
    """So many runs at random, one a case: those of must-pass cases first, then by hash."""
    firsts = [rows[0] for rows in results.by_case.values() if rows[0].error is None]
    order = sorted(firsts, key=lambda row: (not row.must_pass, _hash(f"{release}/{size}", row)))
    must = [row for row in order if row.must_pass][: size // 2]
    rest = [row for row in sorted(firsts, key=lambda row: _hash(f"{release}/{size}", row)) if row not in must]
    return [*must, *rest][:size]


def sheet(rows: list[Result]) -> str:
    """The sample as CSV, for a person to fill in `accepted` (yes or no) and `note`."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    for row in rows:
        passed = {True: "passed", False: "failed", None: "not measured"}[row.passed]
        question, answer = (_safe(str(row.extra.get(key) or "")) for key in ("question", "output"))
        said = {"case": row.case, "run": row.run, "answer_sha256": _answer(row), "gate": passed, "question": question, "answer": answer}
        writer.writerow({**said, "accepted": "", "note": ""})
    return out.getvalue()


def tally(text: str, results: Results, release: str, place: str) -> Tally:
    """What a filled sheet says, held against the draw that the release and its results give. Raises BadInput."""
    found = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    known = {(row.case, row.run): row for row in results.rows}
    accepted = rejected = left = 0
    contradicting = []
    for number, row in enumerate(found, 2):
        result = known.get((str(row.get("case")), _whole(row.get("run"))))
        if result is None:
            raise BadInput(
                f"{place}: row {number}: case {row.get('case')!r} run {row.get('run')} is not in {results.name}: draw the sample anew"
            )
        if row.get("answer_sha256") != _answer(result):
            raise BadInput(
                f"{place}: row {number}: the answer of case {result.case} is another than in {results.name}: draw the sample anew"
            )
        said = (row.get("accepted") or "").strip().casefold()
        if said and said not in YES | NO:
            raise BadInput(f"{place}: row {number}: accepted is {said!r}: write yes or no")
        accepted, rejected, left = accepted + (said in YES), rejected + (said in NO), left + (not said)
        if said in NO and result.passed:
            contradicting.append(result.case)
    if not found:
        raise BadInput(f"{place}: there are no rows in it: draw it with `goldwash release sample`")
    due = {(row.case, row.run) for row in drawn(results, release, len(found))}
    have = [(str(row.get("case")), _whole(row.get("run"))) for row in found]
    if len(set(have)) < len(have) or set(have) != due:
        other = sorted({case for case, _ in set(have) ^ due}) or ["one case twice"]
        raise BadInput(f"{place}: these are not the {len(found)} answers that were drawn ({other[0]} …): rows are not chosen; draw it anew")
    interval = share(accepted, accepted + rejected)
    low, high = (None, None) if interval is None else (round(interval.low, 4), round(interval.high, 4))
    return Tally(len(found), accepted, rejected, left, low, high, tuple(sorted(contradicting)))


def _answer(row: Result) -> str:
    said: Mapping[str, Any] = row.extra
    return sha256(f"{said.get('output') or ''}\0{said.get('tool_calls') or ''}".encode()).hexdigest()[:16]


def _hash(release: str, row: Result) -> str:
    return sha256(f"{release}\0{row.case}\0{row.run}".encode()).hexdigest()


def _safe(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _whole(said: str | None) -> int:
    try:
        return int(said or "")
    except ValueError:
        return -1
