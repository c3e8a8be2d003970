"""What an operator sets for OpenTelemetry: `[otel]`, where spans, evaluations and metrics go, and what of an exchange they may hold.

Plain frozen values that check themselves. Secrets are references: the value is read when something is sent, and stands nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, TypeAdapter, model_validator

from config.options import Seconds, Section, Url

_URL: Final[TypeAdapter[str]] = TypeAdapter(Url)
SIGNALS: Final = ("traces", "logs", "metrics")


class Secret(Section):
    """`{env = "NAME"}` or `{file = "PATH"}`: where a secret is kept."""

    env: str | None = Field(default=None, min_length=1, description="Environment variable that holds it.")
    file: Path | None = Field(default=None, description="File that holds it; white space around it is left out.")

    @model_validator(mode="before")
    @classmethod
    def _one_of_them(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            said = {name for name, value in given.items() if value is not None}
            if len(said) == 1 and said <= {"env", "file"}:
                return given
        elif isinstance(given, Secret):
            return given
        raise ValueError('it must be a reference to where the secret is kept: {env = "NAME"} or {file = "PATH"}')

    def read(self, environ: Mapping[str, str] = os.environ) -> str:
        """The secret itself. Raises ValueError with what to do where it is not there."""
        if self.env is not None:
            value = environ.get(self.env, "").strip()
            if not value:
                raise ValueError(f"the environment variable {self.env} is not set: set it for `goldwash up`")
            return value
        assert self.file is not None
        try:
            value = self.file.expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{self.file} cannot be read ({error}): correct the path, or who may read it") from error
        if not value:
            raise ValueError(f"{self.file} is empty: put the secret into it")
        return value


def _receiver(value: str) -> str:
    return _URL.validate_python(value) if value else value


def _references(headers: Mapping[str, Secret]) -> Mapping[str, Secret]:
    for name in headers:
        if not name or not name.isascii() or any(c in name for c in " :\r\n\t") or not name.isprintable():
            raise ValueError(f"{name!r} is no header name")
    return headers


def _signals(names: tuple[str, ...]) -> tuple[str, ...]:
    wrong = [name for name in names if name not in SIGNALS]
    if wrong or not names:
        raise ValueError(f"it must be some of {', '.join(SIGNALS)}")
    return tuple(dict.fromkeys(names))


class Otel(Section):
    """`[otel]`: spans, evaluations and metrics for OpenTelemetry's receivers, sent from the log by the watcher."""

    endpoint: Annotated[str, AfterValidator(_receiver)] = Field(
        default="",
        description="Base URL of an OTLP receiver, such as `http://127.0.0.1:4318` (http) or `http://127.0.0.1:4317` (grpc); empty = off.",
    )
    protocol: Literal["http", "grpc"] = Field(
        default="http",
        description='"http" sends protobuf to `/v1/traces` and so on; "grpc" needs the extra of that name '
        "(`pip install opentelemetry-exporter-otlp-proto-grpc`).",
    )
    headers: Annotated[Mapping[str, Secret], AfterValidator(_references)] = Field(
        default_factory=dict,
        description='Headers to send, each by reference: `[otel.headers] authorization = {env = "OTLP_AUTHORIZATION"}`.',
    )
    resource: Mapping[str, str] = Field(
        default_factory=dict, description='Resource attributes over our own: `[otel.resource] "service.name" = "shop"`.'
    )
    signals: Annotated[tuple[str, ...], AfterValidator(_signals)] = Field(
        default=SIGNALS, description="What to send: exchanges as `traces`, scores as `logs` (events), `metrics`."
    )
    evaluation_spans: bool = Field(
        default=False, description="Send each score as a small span under its exchange too, for receivers that take traces only."
    )
    purposes: tuple[str, ...] = Field(
        default=("app",), description="Purposes that are sent, such as `app`, `judge`, `gate`; an empty list sends all."
    )
    content: bool = Field(
        default=False, description="Send messages, answers, tool calls and error messages too, as stored after redaction."
    )
    explanations: bool = Field(default=True, description="Send the reasons that checks and judges gave; they may paraphrase an answer.")
    users: bool = Field(default=False, description="Send `user.id`.")
    properties: tuple[str, ...] = Field(default=(), description="Names of properties (baggage too) to send as `goldwash.property.NAME`.")
    compression: Literal["gzip", "none"] = Field(default="gzip", description="How requests are compressed.")
    ca_file: Path | None = Field(default=None, description="PEM bundle of a private CA to trust for the receiver.")
    batch: int = Field(default=500, ge=1, le=5000, description="Most spans or events in one request.")
    every: Seconds = Field(default=5.0, description="Seconds between two looks at the log.")
    timeout: Seconds = Field(default=10.0, description="Seconds for one request, the exporter's own tries included.")
    label_values: int = Field(
        default=100, ge=1, le=10_000, description="Most values of a metric's label, such as models; what comes later is `other`."
    )
