"""Metrics as text: the Prometheus format 0.0.4, and OpenMetrics 1.0 where it is asked for. Pure.

Unknown is left out, never 0: a metric that cannot be had is absent, and `absent()` can alert on it.
Sources: the "Exposition formats" page of Prometheus, and the OpenMetrics specification 1.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Kind = Literal["counter", "gauge", "histogram"]


class Buckets(NamedTuple):
    """One line of a histogram."""

    bounds: tuple[float, ...]  # inclusive
    counts: tuple[int, ...]  # one more than bounds: what lies above the last
    total: float  # sum of what was counted


Value = float | int | Buckets | None


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric with its values: (labels, value); None = not known. A counter's name ends in `_total`."""

    name: str
    kind: Kind
    sentence: str
    values: tuple[tuple[Mapping[str, str], Value], ...]


def one(name: str, kind: Kind, sentence: str, value: Value) -> Figure:
    """A metric without labels."""
    return Figure(name, kind, sentence, (({}, value),))


def wanted(accept: str) -> str:
    """The content type to answer with, by what a scraper accepts."""
    return OPEN_METRICS if "application/openmetrics-text" in accept else TEXT


def render(figures: Iterable[Figure], content_type: str = TEXT) -> str:
    """The page."""
    is_open = content_type == OPEN_METRICS
    lines: list[str] = []
    for figure in figures:
        known = [(labels, value) for labels, value in figure.values if value is not None]
        if known:
            family = figure.name.removesuffix("_total") if is_open and figure.kind == "counter" else figure.name
            help_ = figure.sentence.replace("\\", "\\\\").replace("\n", "\\n")
            lines += [
                f"# HELP {family} {help_.replace(chr(34), chr(92) + chr(34)) if is_open else help_}",
                f"# TYPE {family} {figure.kind}",
            ]
            for labels, value in known:
                lines += _buckets(figure.name, labels, value) if isinstance(value, Buckets) else [_line(figure.name, labels, value)]
    return "\n".join([*lines, "# EOF"] if is_open else lines) + "\n"


def _buckets(name: str, labels: Mapping[str, str], value: Buckets) -> Iterator[str]:
    sum_ = 0
    for bound, count in zip((*value.bounds, float("inf")), value.counts, strict=True):
        sum_ += count
        yield _line(f"{name}_bucket", {**labels, "le": "+Inf" if bound == float("inf") else repr(float(bound))}, sum_)
    yield _line(f"{name}_sum", labels, value.total)
    yield _line(f"{name}_count", labels, sum_)


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    return f"{name}{_labels(labels)} {value:.17g}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    escaped = {name: str(value).replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"') for name, value in labels.items()}
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"
