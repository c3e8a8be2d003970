"""Compares what clients saw with what the log holds after a fault, and gathers the lines of the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.log import ledger
from tests.faults.traffic import Request
from tests.helpers.goldwash import Goldwash

COLUMNS: Final = ("fault", "rounds", "accepted", "rows", "lost", "doubled", "unaccounted", "errors", "note")


@dataclass
class Line:
    """One fault and what it did. errors: requests that did not end as the provider meant them to."""

    fault: str
    rounds: int
    accepted: int
    rows: int
    lost: int
    doubled: int
    unaccounted: int
    errors: int
    note: str = ""


@dataclass
class Account:
    """The log after a fault. `answered`: requests that their clients saw whole."""

    verified: dict[str, Any]
    endings: Counter[str]
    missing: list[Request] = field(default_factory=list)  # answered, and without a row
    answered_lost: list[Request] = field(default_factory=list)  # answered, and the row says lost
    unlike: list[Request] = field(default_factory=list)  # answered, and the row holds other hashes

    def line(self, fault: str, rounds: int, errors: int, note: str = "") -> Line:
        """The line of the table."""
        totals = self.verified["totals"]
        return Line(
            fault, rounds, totals["accepted"], totals["rows"], totals["lost"], self.verified["doubled"], self.verified["unaccounted"],
            errors, note,
        )  # fmt: skip


def account(goldwash: Goldwash, requests: Iterable[Request]) -> Account:
    """Flush, account as `goldwash verify` does, and compare each request that was answered whole with its row."""
    status, said = goldwash.admin("POST", "/api/flush", {}, timeout=600)
    assert status == 200, said
    verified = ledger.account(goldwash.sql, goldwash.data_dir / "spool").json()
    rows = {str(row["exchange_id"]): row for row in fetch_rows(goldwash)}
    found = Account(verified, Counter(row["ending"] for row in rows.values()))
    for request in requests:
        if not request.whole:
            continue
        row = rows.get(request.exchange_id)
        if row is None:
            found.missing.append(request)
        elif row["ending"] == "lost":
            found.answered_lost.append(request)
        elif request.request_sha256:
            hashes = ((row["request_sha256"], request.request_sha256), (row["response_sha256"], request.response_sha256))
            if row["ending"] != "complete" or any(is_ not in (None, seen) for is_, seen in hashes):
                found.unlike.append(request)
    return found


def fetch_rows(goldwash: Goldwash) -> list[dict[str, Any]]:
    """Every row, in pages: id, ending and hashes."""
    rows: list[dict[str, Any]] = []
    last = "00000000-0000-0000-0000-000000000000"
    while True:
        page = goldwash.sql(
            "SELECT exchange_id, ending, request_sha256, response_sha256, request_truncated, response_truncated FROM exchanges "
            f"WHERE exchange_id > '{last}' ORDER BY exchange_id LIMIT 20000"
        )
        rows += page
        if len(page) < 20000:
            return rows
        last = str(page[-1]["exchange_id"])


def table(lines: Iterable[Line]) -> list[str]:
    """The lines as a Markdown table."""
    cells = [
        list(COLUMNS),
        *([f"{getattr(line, name):,}" if name not in ("fault", "note") else getattr(line, name) for name in COLUMNS] for line in lines),
    ]
    widths = [max(len(row[index]) for row in cells) for index in range(len(COLUMNS))]
    aligned = [
        "| "
        + " | ".join(
            cell.rjust(width) if 0 < index < len(COLUMNS) - 1 else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (width + 1) + (":" if 0 < index < len(COLUMNS) - 1 else "-") for index, width in enumerate(widths)) + "|"
    return [aligned[0], rule, *aligned[1:]]
