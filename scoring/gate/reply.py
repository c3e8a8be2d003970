"""What a target answered to one case in one run: the answer, what it was given to read, what it cost, or why there is none. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import ValidationError

from scoring.golden.case import Document, Observed, dumped


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; `error` says why there is none, and then nothing else of it may be believed. None = not known."""

    answer: Observed = field(default_factory=Observed)
    context: tuple[Document, ...] = ()  # what the target itself retrieved; () = it says nothing of it
    response_model: str | None = None
    system_fingerprint: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    latency_ms: float | None = None  # of the try that answered
    error: str | None = None  # the target was not reached, or its answer could not be read: never a wrong answer
    raw: str | None = None  # the answer as it came
    exchange_id: str | None = None  # of the call in the log, where it went through a Goldwash
    tries: int = 1
    is_cached: bool = False  # found in the cache or in the recorded store: nothing was asked or paid now

    def as_json(self) -> dict[str, Any]:
        """JSON values for a file; `of_json` gives an equal Reply back."""
        said = {key: value for key, value in asdict(self).items() if value is not None and key not in _OWN}
        return {**said, "answer": dumped(self.answer), "context": [dumped(one) for one in self.context]}


_OWN = frozenset({"answer", "context", "is_cached"})


def of_json(value: Any, *, is_cached: bool = True) -> Reply | None:
    """A Reply from JSON values, or None where they are no reply that this version can read."""
    if not isinstance(value, dict):
        return None
    known = {key: item for key, item in value.items() if key in Reply.__slots__ and key not in _OWN}
    try:
        return Reply(
            **known,
            answer=Observed.model_validate(value.get("answer") or {}),
            context=tuple(Document.model_validate(one) for one in value.get("context") or ()),
            is_cached=is_cached,
        )
    except (ValidationError, TypeError):
        return None
