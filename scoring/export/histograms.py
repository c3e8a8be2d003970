"""The `gen_ai.client.*` histograms of what was exported: counted up from row to row, kept with the cursor, sent as cumulative points. Pure.

Cumulative, because a point that is sent twice then says the same twice: a batch that is repeated after an outage adds nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any, Final, Self

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from proxy.semconv import DURATION, FIRST_CHUNK, INSTRUMENTS, SCHEMA_URL, TOKEN_USAGE, Instrument, error_type, provider_name, server

OTHER: Final = "other"
Labels = tuple[tuple[str, str | int], ...]


class Series:
    """One line of a histogram."""

    def __init__(self, counts: list[int], total: float, least: float, most: float) -> None:
        self.counts, self.total, self.least, self.most = counts, total, least, most

    def add(self, value: float, bounds: tuple[float, ...]) -> None:
        """Count a value in: bounds are inclusive."""
        self.counts[bisect_left(bounds, value)] += 1
        self.total += value
        self.least, self.most = min(self.least, value), max(self.most, value)


class Histograms:
    """All lines of all instruments since `start_ns`, with a bound on what clients can name.

    label_values: most values of one label; what comes after them is `other`, and stays so.
    """

    def __init__(self, start_ns: int, label_values: int) -> None:
        self.start_ns, self.label_values = start_ns, label_values
        self._series: dict[str, dict[Labels, Series]] = {instrument.name: {} for instrument in INSTRUMENTS}
        self._known: dict[str, set[str]] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one exchange in; one that is no GenAI operation counts nowhere."""
        if not row["operation"]:
            return
        labels: dict[str, str | int] = {
            "gen_ai.operation.name": row["operation"],
            "gen_ai.provider.name": provider_name(row["provider"]),
        }
        for name, column in (("gen_ai.request.model", "request_model"), ("gen_ai.response.model", "response_model")):
            if row[column]:
                labels[name] = self._bounded(name, row[column])
        if (place := server(row["upstream_url"])) is not None:
            labels["server.address"], labels["server.port"] = self._bounded("server.address", place[0]), place[1]
        for kind in ("input", "output"):
            if row[f"{kind}_tokens"] is not None:
                self._count(TOKEN_USAGE, {**labels, "gen_ai.token.type": kind}, row[f"{kind}_tokens"])
        if (failed := error_type(row["error_type"], row["status"], row["ending"])) is not None:
            labels["error.type"] = self._bounded("error.type", failed)
        if row["duration_ms"] is not None:
            self._count(DURATION, labels, row["duration_ms"] / 1000)
        if row["is_stream"] and row["time_to_first_chunk_ms"] is not None:
            self._count(FIRST_CHUNK, labels, row["time_to_first_chunk_ms"] / 1000)

    def data(self, now_ns: int, resource: Resource, scope: InstrumentationScope) -> MetricsData:
        """Everything so far, for the exporter."""
        metrics = [
            Metric(
                instrument.name,
                instrument.sentence,
                instrument.unit,
                Histogram(
                    [_point(labels, line, instrument, self.start_ns, now_ns) for labels, line in lines.items()],
                    AggregationTemporality.CUMULATIVE,
                ),
            )
            for instrument in INSTRUMENTS
            if (lines := self._series[instrument.name])
        ]
        return MetricsData([ResourceMetrics(resource, [ScopeMetrics(scope, metrics, SCHEMA_URL)], "")])

    def dump(self) -> dict[str, Any]:
        """As JSON values, to be kept with the cursor."""
        lines = {
            name: [[dict(labels), one.counts, one.total, one.least, one.most] for labels, one in found.items()]
            for name, found in self._series.items()
        }
        return {"start_ns": self.start_ns, "series": lines}

    @classmethod
    def load(cls, kept: Mapping[str, Any], label_values: int) -> Self:
        """What dump() gave. Raises KeyError, TypeError or ValueError where it is something else."""
        made = cls(int(kept["start_ns"]), label_values)
        for instrument in INSTRUMENTS:
            for labels, counts, total, least, most in kept["series"].get(instrument.name, ()):
                if len(counts) == len(instrument.bounds) + 1:
                    made._series[instrument.name][tuple(labels.items())] = Series(list(counts), total, least, most)
                    for name, value in labels.items():
                        made._known.setdefault(name, set()).add(str(value))
        return made

    def _count(self, instrument: Instrument, labels: Mapping[str, str | int], value: float) -> None:
        key = tuple(labels.items())
        line = self._series[instrument.name].get(key)
        if line is None:
            line = self._series[instrument.name][key] = Series([0] * (len(instrument.bounds) + 1), 0, value, value)
        line.add(value, instrument.bounds)

    def _bounded(self, name: str, value: str) -> str:
        known = self._known.setdefault(name, set())
        if value in known:
            return value
        if len(known) >= self.label_values:
            return OTHER
        known.add(value)
        return value


def _point(labels: Labels, line: Series, instrument: Instrument, start_ns: int, now_ns: int) -> HistogramDataPoint:
    return HistogramDataPoint(
        attributes=dict(labels),
        start_time_unix_nano=start_ns,
        time_unix_nano=max(now_ns, start_ns),
        count=sum(line.counts),
        sum=line.total,
        bucket_counts=tuple(line.counts),
        explicit_bounds=instrument.bounds,
        min=line.least,
        max=line.most,
    )
