"""The rules a release is held to: the typed form of gate.toml, with a sentence each.

The shipped file is config/gate.toml, and its values are the defaults here; a file of one's own need only name what differs. A key that
is not known is refused with the nearest one. Pure but for `load`, which reads the file.
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from scoring.gate.results import BadInput

Rate = Annotated[float, Field(ge=0, le=1)]
Level = Annotated[float, Field(gt=0, lt=0.5)]

SHIPPED = Path(__file__).parents[2] / "config" / "gate.toml"
"""The rules that hold where nobody names others."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Floor(_Part):
    """`[floor]`: what share must pass, whatever it was before."""

    rate: Rate = 0.85
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    counts: Literal["held", "all"] = "held"
    baseline_may_fail: Rate = 0.33
    slices: dict[str, Rate] = {}


class Regression(_Part):
    """`[regression]`: worse than the baseline by more than a margin and by more than chance."""

    margin: Rate = 0.02
    alpha: Level = 0.045
    alpha_per_look: Level = 0.025
    rerun_to: tuple[Annotated[int, Field(ge=2, le=100)], ...] = (3, 5)

    @model_validator(mode="after")
    def _rising(self) -> Regression:
        if list(self.rerun_to) != sorted(set(self.rerun_to)):
            raise ValueError("rerun_to must rise, such as [3, 5]")
        return self


class Shares(_Part):
    """`[shares]`: how the error allowed is split over the comparisons that are made."""

    baseline: Annotated[float, Field(gt=0)] = 0.7
    anchor: Annotated[float, Field(gt=0)] = 0.15
    slices: Annotated[float, Field(gt=0)] = 0.15


class Anchor(_Part):
    """`[anchor]`: an older baseline that stays, so that small drops cannot add up."""

    file: str = ""


class Budget(_Part):
    """`[budget]`: what a release may cost and how long it may take; None = no limit."""

    cost_ratio: Annotated[float, Field(ge=1)] | None = 1.2
    latency_ratio: Annotated[float, Field(ge=1)] | None = 1.3
    latency_rise_ms: Annotated[float, Field(ge=0)] = 50.0
    cost_usd_per_run: Annotated[float, Field(gt=0)] | None = None
    latency_p95_ms: Annotated[float, Field(gt=0)] | None = None
    alpha: Level = 0.005


class Judge(_Part):
    """`[judge]`: how old a judge's calibration may be."""

    max_age_days: Annotated[int, Field(ge=1)] = 30


class Pinned(_Part):
    """`[pinned]`: versions that both files must carry; empty = not pinned."""

    dataset: str = ""
    rubric: str = ""
    judge: str = ""
    prices: str = ""


class Acceptance(_Part):
    """`[[acceptance]]`: a named owner lets a critical case fail, for a time."""

    case: Annotated[str, Field(min_length=1)]
    owner: Annotated[str, Field(min_length=1)]
    accepted_on: date
    expires_on: date
    reason: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _lasting(self) -> Acceptance:
        if self.expires_on < self.accepted_on:
            raise ValueError("expires_on lies before accepted_on")
        return self

    def holds(self, today: date) -> bool:
        """Whether it covers that day."""
        return self.accepted_on <= today <= self.expires_on


class Rules(_Part):
    """All rules, with where they came from."""

    confirm_runs: Annotated[int, Field(ge=1, le=100)] = 5
    floor: Floor = Floor()
    regression: Regression = Regression()
    shares: Shares = Shares()
    anchor: Anchor = Anchor()
    budget: Budget = Budget()
    judge: Judge = Judge()
    pinned: Pinned = Pinned()
    acceptance: tuple[Acceptance, ...] = ()

    def accepted(self, case: str, today: date) -> Acceptance | None:
        """The acceptance that covers a case today, if any."""
        return next((one for one in self.acceptance if one.case == case and one.holds(today)), None)

    def fingerprint(self) -> str:
        """Twelve hex digits that change with any rule."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


def load(path: Path | None = None) -> Rules:
    """The rules of a file, or the shipped ones. Raises BadInput."""
    file = path or SHIPPED
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file}: {error}: name a rules file (TOML)") from error
    return parse(text, str(file))


def parse(text: str, name: str) -> Rules:
    """Rules from TOML text. Raises BadInput with file, key, value and the fix."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{name}: {error}: mend the TOML") from error
    try:
        return Rules.model_validate(tree)
    except ValidationError as error:
        raise BadInput(f"{name}: {_explained(error)}") from error


def _explained(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = _keys(Rules)
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.6) or [one for one in known if one.endswith(f".{first['loc'][-1]}")]
        fix = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
        return f"{key!r} is no rule: {fix}"
    return f"{key} = {first['input']!r}: {first['msg'].removeprefix('Value error, ')}"


def _keys(part: type[BaseModel], above: str = "") -> list[str]:
    keys = []
    for name, about in part.model_fields.items():
        inner: Any = about.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys += _keys(inner, f"{above}{name}.")
        else:
            keys.append(above + name)
    return keys
