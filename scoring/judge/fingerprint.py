"""The serial number of a judge: which model, asked how, with what words, read by which parser. Another of these is another instrument."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Final

from config.scoring import Judge
from scoring.judge.parsing import VERSION
from scoring.judge.prompt import prompt_hash
from scoring.judge.rubric import Rubric

_DATED: Final = re.compile(r"[-@_]?(?:20\d\d-?[01]\d-?[0-3]\d|\d{4}|v\d+(?::\d+)?)$")
"""What a provider puts behind an alias when it says which model answered."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """All that decides what a judge would say, but the judged text. The model that answered stands beside each verdict."""

    upstream: str
    request_model: str
    dialect: str
    structured: str
    params: str  # JSON, keys sorted; max_tokens among them
    rubric: str
    rubric_version: str
    prompt_hash: str
    most_characters: int
    parser: str

    @property
    def id(self) -> str:
        """16 hex digits; the column `fingerprint` of its scores."""
        return sha256(self.as_json().encode()).hexdigest()[:16]

    def as_json(self) -> str:
        """All fields, for people."""
        return json.dumps(asdict(self), sort_keys=True)


def fingerprint(judge: Judge, rubric: Rubric, most_characters: int) -> Fingerprint:
    """Of a judge with a rubric."""
    return Fingerprint(
        judge.upstream,
        judge.model,
        judge.dialect,
        judge.structured,
        json.dumps({**judge.params, "max_tokens": judge.max_tokens}, sort_keys=True),
        rubric.name,
        rubric.version,
        prompt_hash(rubric),
        most_characters,
        VERSION,
    )


def impostor(judge: Judge, answered: str | None) -> str | None:
    """Why the model that answered is not the one that was asked, in a sentence; None where it is, or nothing was said.

    A dated version of the asked name counts as the asked one; it is stored, and the report advises to pin it.
    """
    if answered is None or answered in (judge.model, *judge.answers_as):
        return None
    asked, got = _bare(judge.model), _bare(answered)
    if asked == got or (got.startswith(asked) and _DATED.fullmatch(got[len(asked) :])):
        return None
    return f"asked was {judge.model}, and {answered} answered"


def _bare(name: str) -> str:
    """A model's name without the house before it: openai/gpt-4o, models/gemini-2.5-pro."""
    return name.rpartition("/")[2].lower()
