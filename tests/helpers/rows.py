"""Finds the rows that a test's own traffic left in the log, and compares one with what it must hold."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from tests.helpers.goldwash import Goldwash
from tests.helpers.waiting import eventually


class Mark:
    """A moment before some traffic: `rows` are those of the exchanges accepted since."""

    def __init__(self, goldwash: Goldwash) -> None:
        self._goldwash = goldwash
        self._since = time.time()

    def rows(self, provider: str | None = None) -> list[dict[str, Any]]:
        """The rows since then, oldest first."""
        where = f"accepted_at >= to_timestamp({self._since!r})"
        return self._goldwash.rows(where + (f" AND provider = '{provider}'" if provider else ""))

    def row(self, expected: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The one row since then, compared with `expected` by column."""
        rows = eventually(self.rows, within=3)  # a client may have its answer a moment before its worker has noted the end
        assert len(rows) == 1, [(row["provider"], row["path"], row["ending"]) for row in rows]
        wrong = {name: (rows[0][name], value) for name, value in (expected or {}).items() if rows[0][name] != value}
        assert not wrong, f"column: (is, should be) {wrong}; {rows[0]['error_message']}"
        return rows[0]


def tool_calls(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The column `tool_calls` as values."""
    value = row["tool_calls"]
    calls = json.loads(value) if isinstance(value, str) else value
    return list(calls or [])
