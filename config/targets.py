"""What a release is tried on: `[target.NAME]`, how a golden case is asked again; and `[gate]`, how many at once and for how much.

Plain frozen values that check themselves; `scoring/gate/targets` does the asking.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from config.options import Seconds, Section, Url, is_secret_name

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a target may be called: its name becomes a file's."""

Kind = Literal["endpoint", "command", "app", "recorded"]


def _pointer(value: str) -> str:
    if not value.startswith("/") or re.search(r"~(?![01])", value):
        raise ValueError("it must be a JSON pointer into the request's body, such as /messages/0/content")
    return value


def _plain_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name in headers:
        if is_secret_name(name.lower()):
            raise ValueError(f"the header {name} carries a secret: name where it is kept with key_env or key_file")
    return headers


class Prompt(Section):
    """`[target.NAME] prompt`: the prompt file under test, and where in the request it goes."""

    file: Path | tuple[Path, ...] = Field(description="The prompt, with {{name}} for the case's vars; a list tries each.")
    at: Annotated[str, AfterValidator(_pointer)] = Field(description="JSON pointer to what it replaces, such as /messages/0/content.")

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that is tried."""
        return self.file if isinstance(self.file, tuple) else (self.file,)


class Target(Section):
    """`[target.NAME]`: what golden cases are run against, by `goldwash gate --targets NAME`."""

    kind: Kind = Field(
        default="endpoint",
        description="`endpoint` replays the request; `command` (stdin) and `app` (POST) get the case as JSON; `recorded` reads answers.",
    )
    upstream: str | None = Field(default=None, description="Endpoint: the upstream to ask through the proxy; else the case's own.")
    base_url: Url | None = Field(default=None, description="Endpoint: ask here and not through the proxy; app: where the case is posted.")
    path: str | None = Field(default=None, pattern=r"^/", description="Endpoint: path instead of the case's own.")
    model: str | None = Field(default=None, min_length=1, description="Model instead of the case's own.")
    params: Mapping[str, Any] = Field(default_factory=dict, description="Keys of the request's body that are set, such as `temperature`.")
    without: tuple[str, ...] = Field(default=(), description="Keys of the request's body that are left out.")
    tools: tuple[Mapping[str, Any], ...] | Path | None = Field(
        default=None, description="Tools instead of the case's own: a list, or a JSON file that holds one."
    )
    prompt: Prompt | None = Field(
        default=None, description='Prompt under test: `{ file = "prompts/answer.md", at = "/messages/0/content" }`.'
    )
    stream: bool | None = Field(default=None, description="Whether the answer is asked for as a stream; else as the case was.")
    headers: Annotated[Mapping[str, str], AfterValidator(_plain_headers)] = Field(
        default_factory=dict, description="Further request headers; none that carry a secret."
    )
    command: tuple[str, ...] = Field(default=(), description="Command: the program and its arguments; no shell reads them.")
    key_env: str | None = Field(
        default=None, description="Environment variable with the provider's key; the provider's usual one where left out."
    )
    key_file: Path | None = Field(default=None, description="File with the provider's key.")
    proxy_key_env: str = Field(default="GATE_PROXY_KEY", description="Environment variable with a proxy key, where the proxy asks for one.")
    answers: Path | None = Field(
        default=None, description="Recorded: a JSONL file of answers, or a folder that `--record` made (then with `of`)."
    )
    of: str | None = Field(default=None, description="Recorded: the target whose recorded answers these are.")
    watch: tuple[str, ...] = Field(
        default=(),
        description="Command and app: files (globs) that make the answers; without them answers are neither cached nor recorded.",
    )
    timeout: Seconds = Field(default=120.0, description="Seconds for one answer.")

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Target:
        if self.kind == "command" and not self.command:
            raise ValueError('command is missing: name the program, such as command = ["python", "app.py"]')
        if self.kind == "app" and self.base_url is None:
            raise ValueError('base_url is missing: say where the app takes a case, such as base_url = "http://127.0.0.1:9000/gate"')
        if self.kind == "recorded" and self.answers is None:
            raise ValueError('answers is missing: name the recorded answers, such as answers = "golden/recorded"')
        for key, kinds in _BELONGS.items():
            if getattr(self, key) not in (None, ()) and self.kind not in kinds:
                raise ValueError(f'{key} belongs to kind = "{kinds[0]}", and this is kind = "{self.kind}": leave it out, or correct kind')
        if self.key_env and self.key_file:
            raise ValueError("key_env and key_file are two places for one key: leave one out")
        return self


_BELONGS: Final[dict[str, tuple[Kind, ...]]] = {
    "command": ("command",),
    "answers": ("recorded",),
    "of": ("recorded",),
    "upstream": ("endpoint",),
    "path": ("endpoint",),
    "watch": ("command", "app"),
}


class Gate(Section):
    """`[gate]`: how `goldwash gate` runs golden cases; what it decides by stands in config/gate.toml."""

    targets: tuple[str, ...] = Field(
        default=(), description="Targets that are run where `--targets` names none; else the only one there is."
    )
    production: str | None = Field(default=None, description="The target that `gate --scheduled` holds to the cases every night.")
    concurrency: int = Field(default=16, ge=1, le=512, description="Cases at once.")
    attempts: int = Field(
        default=4, ge=1, le=20, description="Tries of one case, for outages, time-outs and rate limits; never for wrong answers."
    )
    budget_usd: float | None = Field(
        default=None, gt=0, description="Dollars that one run may cost; a dearer one is refused before it begins."
    )
    cache: bool = Field(default=True, description="Keep answers under data_dir/gate/cache, and ask nothing twice.")
    cache_days: float = Field(default=7.0, gt=0, description="Days after which a cached answer is asked for anew.")
