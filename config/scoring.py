"""What an operator sets for scoring: the judges, the sample, the budget; a file of its own, `config/scoring.toml`, checked key by key."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from config.options import Seconds, Section
from config.settings import ConfigError

SHIPPED: Final = Path(__file__).parent / "scoring.toml"
PLACE: Final = Path("config") / "scoring.toml"
"""Where it is looked for, beside the main configuration file (or in the working directory)."""

FLOATING: Final = re.compile(r"(?:^|[-:/@_.])(?:latest|auto|default|newest|stable)$", re.IGNORECASE)
"""Names that mean another model tomorrow."""
FAMILIES: Final = (
    ("openai", re.compile(r"(?:^|/)(?:gpt|o[1-9]|chatgpt|codex|davinci)", re.IGNORECASE)),
    ("anthropic", re.compile(r"claude", re.IGNORECASE)),
    ("google", re.compile(r"gemini|gemma|palm", re.IGNORECASE)),
    ("meta", re.compile(r"llama", re.IGNORECASE)),
    ("mistral", re.compile(r"mistral|mixtral|ministral|magistral|codestral", re.IGNORECASE)),
    ("alibaba", re.compile(r"qwen|qwq", re.IGNORECASE)),
    ("deepseek", re.compile(r"deepseek", re.IGNORECASE)),
    ("cohere", re.compile(r"command|aya", re.IGNORECASE)),
    ("xai", re.compile(r"grok", re.IGNORECASE)),
    ("amazon", re.compile(r"nova|titan", re.IGNORECASE)),
    ("microsoft", re.compile(r"(?:^|/)phi", re.IGNORECASE)),
    ("moonshot", re.compile(r"kimi|moonshot", re.IGNORECASE)),
    ("zhipu", re.compile(r"glm", re.IGNORECASE)),
)
"""Who trained a model, by its name: judges of one family err together."""

Share = Annotated[float, Field(ge=0, le=1)]


def _pinned(value: str) -> str:
    if FLOATING.search(value.strip()):
        raise ValueError("it floats: name one dated version, since verdicts of two models cannot be compared")
    return value.strip()


class Judge(Section):
    """`[judge]` and `[second_judge]`: a model that answers yes/no questions, asked through the proxy itself."""

    upstream: str = Field(min_length=1, description="Name of the upstream it is reached by, as in [upstreams.NAME].")
    model: Annotated[str, Field(min_length=1), AfterValidator(_pinned)] = Field(
        description="Its name, pinned: floating aliases are refused."
    )
    dialect: Literal["openai", "anthropic"] = Field(default="openai", description="How it is asked: chat completions or messages.")
    path: str | None = Field(default=None, pattern=r"^/", description="Path after the upstream; the dialect's own where left out.")
    key_env: str | None = Field(default=None, description="Environment variable with its API key; the dialect's own where left out.")
    proxy_key_env: str = Field(
        default="JUDGE_PROXY_KEY", description="Environment variable with a proxy key, where this proxy asks for one."
    )
    family: str | None = Field(default=None, description="Who trained it; found from its name where left out.")
    answers_as: tuple[str, ...] = Field(default=(), description="Further model names that it may answer as, such as a deployment's model.")
    max_tokens: int = Field(default=4000, ge=64, description="Most tokens of an answer.")
    structured: Literal["json_schema", "json_object", "text"] = Field(
        default="json_schema", description="How the answer's form is asked for; endpoints that know no schema take json_object or text."
    )
    params: dict[str, Any] = Field(default_factory=lambda: {"temperature": 0}, description="Further keys of the request body.")
    timeout: Seconds = Field(default=120.0, description="Seconds for one call.")

    @model_validator(mode="after")
    def _no_keys_of_ours(self) -> Judge:
        taken = {"model", "messages", "system", "stream", "response_format", "tools", "tool_choice"} & self.params.keys()
        if taken:
            raise ValueError(f"params holds {min(taken)!r}, which goldwash sets itself: leave it out")
        return self

    @property
    def of_family(self) -> str | None:
        """Who trained it; None = not known."""
        return self.family or next((name for name, pattern in FAMILIES if pattern.search(self.model)), None)


class Sampling(Section):
    """`[sampling]`: which share of the exchanges (or traces) a judge sees."""

    rate: float = Field(default=0.05, gt=0, le=1, description="Share of everything, drawn at random: the stratum that is always there.")
    floor: int = Field(default=20, ge=0, description="Items of a feature that are drawn at least, where it has so many.")
    most: int = Field(
        default=50_000, ge=100, description="Items a day at most: on a day with more, all shares shrink alike and floors are left out."
    )
    thumbs_down: Share = Field(default=1.0, description="Share of what users rated down.")
    failed_check: Share = Field(default=0.25, description="Share of what a check failed.")
    new_version: Share = Field(default=0.2, description="Share of prompt versions that the seven days before did not know.")
    long: Share = Field(default=0.1, description="Share of the longest twentieth of a feature.")
    seed: str = Field(default="goldwash-1", min_length=1, description="The draw depends on this and on the id alone.")
    environments: tuple[str, ...] = Field(
        default=("production", "prod", "live"), description="Environments that count as production; exchanges that name none do too."
    )


class Scoring(Section):
    """Everything an operator can set for the night."""

    judge: Judge | None = None
    second_judge: Judge | None = None
    sampling: Sampling = Sampling()
    budget_usd: float | None = Field(default=None, gt=0, description="Dollars a day for judging; at its end the rest is skipped.")
    concurrency: int = Field(default=64, ge=1, le=1024, description="Judge calls at once.")
    attempts: int = Field(default=5, ge=1, le=20, description="Tries of one call, for rate limits, server errors and time-outs.")
    low_confidence: Share = Field(default=0.8, description="Confidence below which the second judge is asked.")
    audit_per_day: int = Field(default=10, ge=0, description="Random items a day that a person looks at, whatever the judge said.")
    anchors: int = Field(
        default=50,
        ge=0,
        description="Labelled items of each rubric that the judge is asked about again and again: flips show a changed judge.",
    )
    anchor_days: float = Field(default=7.0, gt=0, description="Days between two readings of an anchor.")
    workers: int = Field(default=0, ge=0, le=64, description="Processes that run checks; 0 = one a core, two at most.")
    follow_seconds: Seconds = Field(default=120.0, description="Seconds between two rounds of `score --follow`.")
    most_characters: int = Field(default=60_000, ge=2000, description="Characters of one item that a judge is shown.")

    @model_validator(mode="after")
    def _second_is_another(self) -> Scoring:
        if self.second_judge is None:
            return self
        if self.judge is None:
            raise ValueError("[second_judge] without [judge]: name the first judge too")
        first, second = self.judge.of_family, self.second_judge.of_family
        if second is None or first is None:
            which = "second_judge" if second is None else "judge"
            raise ValueError(f'[{which}] family is not known from its model\'s name: say who trained it, such as family = "mistral"')
        if first == second:
            raise ValueError(f"[second_judge] is of the family {second}, as [judge] is: judges of one family err together, take another")
        return self


def find(main: Path | None) -> Path | None:
    """The file that counts: beside the main configuration file or in the working directory; None = the shipped defaults."""
    here = (main.parent if main else Path()) / PLACE
    return here if here.is_file() else None


def load(path: Path | None) -> Scoring:
    """Scoring's settings from a TOML file; None = the shipped file. Raises ConfigError that names file, key and fix."""
    file = path or SHIPPED
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: this is not valid TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as UTF-8 text: {error}") from error
    try:
        return Scoring.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = [str(part) for part in first["loc"]]
        raise ConfigError(f"{file}: {_spelled(place)}{_fix(first, place)}") from error


_SECTIONS: Final[dict[str, type[Section]]] = {"judge": Judge, "second_judge": Judge, "sampling": Sampling}


def _spelled(place: list[str]) -> str:
    if not place:
        return ""
    if place[0] in _SECTIONS:
        return f"[{place[0]}] {' '.join(place[1:])}: " if place[1:] else f"[{place[0]}]: "
    return f"{place[0]}: "


def _fix(error: Any, place: list[str]) -> str:
    section = _SECTIONS.get(place[0], Scoring) if len(place) > 1 else Scoring
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(place[-1], section.model_fields, n=1)
        return f"no such key; {f'did you mean {near[0]}?' if near else 'known are ' + ', '.join(section.model_fields)}"
    if error["type"] == "missing":
        said = section.model_fields[place[-1]].description or ""
        return f"it is missing; add it ({said.rstrip('.')})"
    what = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    shown = "" if isinstance(error["input"], dict) or not place else f"{error['input']!r}: "
    return f"{shown}{what}"
