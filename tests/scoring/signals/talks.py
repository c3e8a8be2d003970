"""Conversations for the tests of signals: what an app would send for a person who asks, is answered, and asks on."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from scoring.logged import LoggedExchange
from scoring.signals.turn import Turn, turn

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
Said = list[dict[str, Any]]


class Talk:
    """One person's exchanges, in order. `ask` sends the history along, as most apps do."""

    def __init__(
        self, session: str | None = "s1", *, user: str | None = None, feature: str | None = "chat", keeps_history: bool = True
    ) -> None:
        self.session, self.user, self.feature, self.keeps_history = session, user, feature, keeps_history
        self.history: Said = []
        self.rows: list[dict[str, Any]] = []

    def ask(
        self, second: float, question: str | None, answer: str = "", *, messages: Said | None = None, system: str = "Help.", **columns: Any
    ) -> str:
        """One exchange that begins at that second and takes two; its id. `messages` replace history and question."""
        number = len(self.rows)
        before = self.history if self.keeps_history else []
        said = messages if messages is not None else [*before, {"role": "user", "content": question}]
        at = START + timedelta(seconds=second)
        name = f"{self.session}{self.user}{number}".encode()
        id_ = str(UUID(int=(int(at.timestamp() * 1000) << 80) | (0x7 << 76) | (0b10 << 62) | int.from_bytes(name[-6:], "big")))
        row = {
            "exchange_id": id_,
            "accepted_at": at,
            "ended_at": at + timedelta(seconds=2),
            "operation": "chat",
            "status": 200,
            "ending": "complete",
            "output_text": answer or None,
            "session_id": self.session,
            "user_id": self.user,
            "feature": self.feature,
            "purpose": "app",
            "request_body": json.dumps({"model": "m", "messages": [{"role": "system", "content": system}, *said]}),
            **columns,
        }
        self.rows.append(row)
        if messages is None and answer:
            self.history = [*self.history, {"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        return id_

    def turns(self) -> list[Turn]:
        """As the log would give them."""
        made = [turn(LoggedExchange.from_row(row), row["ended_at"], "key") for row in self.rows]
        return [one for one in made if one is not None]
