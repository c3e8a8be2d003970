"""The ledger of a day: a row an item says what became of it; another is written only where that changed, so two runs give one ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from proxy.service.client import Access
from scoring.judge.fingerprint import Fingerprint
from scoring.judging import Outcome, Task
from scoring.outbox import Outbox, record_id
from scoring.pages import paged

SCORED: Final = "scored"
UNSCORED: Final = "unscored"  # judged, and no verdict could be read: not tried again, since the same answer would be found again
FAILED: Final = "failed"  # no answer came: the next run tries again
SKIPPED: Final = "skipped"  # not asked: no judge, no rubric, no money, no bodies

_DRAWN: Final = (
    "exchange_id exchanges unit feature task model prompt_version trace_id risk stratum inclusion_probability is_random "
    "label_probability rubric"
).split()
_VERDICT: Final = "state why passed decided_by confidence fingerprint second_fingerprint".split()
_COLUMNS: Final = (*_DRAWN, *_VERDICT)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger says of one item."""

    item: str
    record_id: str | None
    values: Mapping[str, Any]  # by column

    def is_done(self, task: Task, first: Fingerprint, second: Fingerprint | None, low: float) -> bool:
        """Whether nothing is left to ask: it was judged by these very instruments, with all its steps. low: see `needs_second`."""
        values = self.values
        sure = values["passed"] and (values["confidence"] is None or values["confidence"] >= low)
        sure = sure or (values["decided_by"] or "").startswith("check:")  # no judge can change that
        return (
            values["state"] in (SCORED, UNSCORED)
            and values["fingerprint"] == first.id
            and (sure or values["second_fingerprint"] == (second.id if second else None))
            and values["exchanges"] == task.item.exchanges
        )


class Ledger:
    """The entries of one day. Read once, then kept up to date by what is written."""

    def __init__(self, access: Access, day: date) -> None:
        """Raises ServiceError."""
        self.day = day
        self.entries: dict[str, Entry] = {}
        sql = f"SELECT item, record_id::VARCHAR AS record_id, {_selected()} FROM score_ledger WHERE day = CAST($day AS DATE)"  # noqa: S608
        for row in paged(access, sql, "item", {"day": day.isoformat()}):
            self.entries[row["item"]] = Entry(row["item"], row["record_id"], {name: row[name] for name in _COLUMNS})

    def record(self, outbox: Outbox, run_id: str, outcome: Outcome) -> bool:
        """Write what became of an item, where the ledger does not say so already."""
        return self._write(outbox, run_id, outcome.task.item.item, {**drawn(outcome.task), **_verdict(outcome)}, _spent(outcome))

    def keep(self, outbox: Outbox, run_id: str, task: Task) -> bool:
        """Write how an item was drawn, where only that has changed."""
        known = self.entries[task.item.item].values
        return self._write(outbox, run_id, task.item.item, {**known, **drawn(task)}, {})

    def drop(self, outbox: Outbox, run_id: str, still: Iterable[str]) -> int:
        """Take items out of the sample that are no longer drawn: a verdict stays, its probability goes. Returns how many."""
        gone = self.entries.keys() - set(still)
        lost = {"inclusion_probability": None, "label_probability": None}
        return sum(self._write(outbox, run_id, item, {**self.entries[item].values, **lost}, {}) for item in sorted(gone))

    def counts(self) -> dict[str, int]:
        """Items in the sample by state."""
        found: dict[str, int] = {}
        for entry in self.entries.values():
            if entry.values["inclusion_probability"] is not None:
                found[entry.values["state"]] = found.get(entry.values["state"], 0) + 1
        return found

    def _write(self, outbox: Outbox, run_id: str, item: str, values: dict[str, Any], spent: Mapping[str, Any]) -> bool:
        known = self.entries.get(item)
        if known is not None and all(_same(known.values[name], values[name]) for name in _COLUMNS):
            return False
        before = known.record_id if known is not None else None
        identity = record_id("ledger", self.day, item, before, [values[name] for name in _COLUMNS], like=values["exchange_id"])
        content = {**values, **spent, "item": item, "day": self.day.isoformat(), "run_id": run_id}
        self.entries[item] = Entry(item, outbox.add("score_items", content, identity), values)
        return True


def drawn(task: Task) -> dict[str, Any]:
    """How an item came into the sample, by column."""
    item, one = task.item, task.drawn
    return {
        "exchange_id": item.exchange_id,
        "exchanges": item.exchanges,
        "unit": item.unit,
        "feature": item.feature or None,
        "task": item.task,
        "model": item.model,
        "prompt_version": item.prompt_version,
        "trace_id": item.trace_id,
        "risk": item.risk,
        "stratum": str(one.stratum),
        "inclusion_probability": one.probability,
        "is_random": one.is_random,
        "label_probability": task.label_probability,
        "rubric": task.rubric.name if task.rubric is not None else None,
    }


def _verdict(outcome: Outcome) -> dict[str, Any]:
    decision = outcome.decision
    return {
        "state": outcome.state,
        "why": outcome.why,
        "passed": decision.passed if decision else None,
        "decided_by": decision.decided_by if decision else None,
        "confidence": outcome.first.confidence if outcome.first else None,
        "fingerprint": outcome.fingerprint,
        "second_fingerprint": outcome.second_fingerprint,
    }


def _spent(outcome: Outcome) -> dict[str, Any]:
    second = outcome.second.passed if outcome.second else None
    return {
        "calls": outcome.calls,
        "cost_usd": None if outcome.cost_usd is None else str(outcome.cost_usd),
        "first_passed": outcome.first.passed if outcome.first else None,
        "second_passed": second,
        "people": outcome.decision.people if outcome.decision else None,
    }


def _same(known: Any, value: Any) -> bool:
    if isinstance(known, float) and isinstance(value, float):
        return abs(known - value) < 1e-12
    return bool(known == value)


def _selected() -> str:
    return ", ".join(f"{name}::VARCHAR AS {name}" if name == "exchange_id" else name for name in _COLUMNS)
