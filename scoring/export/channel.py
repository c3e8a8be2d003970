"""Sends spans, events and metrics with OpenTelemetry's official exporters, and learns what became of them.

The exporters tell success or failure alone. What they leave out decides here whether a cursor may move: the status, what the receiver
took only in part, and how long it asked to be left alone; so the answers are looked at on their way through the exporter's own
session (http) or stub (grpc).
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal, Protocol, Self

from config.settings import ConfigError
from config.telemetry import Otel

Kind = Literal["acknowledged", "refused", "too_large", "held"]
REFUSED: Final = frozenset({400, 422})
"""The receiver cannot read this: the specification says not to send it again."""
SIGNALS: Final = ("traces", "logs", "metrics")
LONGEST_WAIT: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request.

    acknowledged: it is the receiver's now, less `rejected` items. refused, too_large: never send it again like this. held: try later.
    """

    kind: Kind
    why: str = ""
    rejected: int = 0
    retry_after: float | None = None  # seconds


class Exporter(Protocol):
    """What the official exporters of all signals share."""

    def export(self, batch: Any, /) -> Any: ...

    def shutdown(self) -> None: ...


@dataclass(slots=True)
class Seen:
    """The receiver's last answer, as the session or the stub saw it."""

    outcome: Outcome | None = None


@dataclass(slots=True)
class Channel:
    """The exporters of one receiver, made at first use. A context manager; one thread."""

    otel: Otel
    now: Callable[[], float]  # Unix time
    _exporters: dict[str, tuple[Exporter, Seen]] = field(default_factory=dict)

    def send(self, signal: str, batch: Any) -> Outcome:
        """signal: traces (ReadableSpan each), logs (ReadableLogRecord each) or metrics (MetricsData). Raises ConfigError."""
        exporter, seen = self._exporters.get(signal) or self._made(signal)
        seen.outcome = None
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it is told here, once
        result = exporter.export(batch)
        if seen.outcome is not None:
            return seen.outcome
        if getattr(result, "name", "") == "SUCCESS":  # nobody saw an answer: that is no receipt
            return Outcome("held", "the exporter gave no answer")
        return Outcome("held", f"{self.otel.endpoint} does not answer")

    def close(self) -> None:
        """Let go of connections."""
        for exporter, _ in self._exporters.values():
            with contextlib.suppress(Exception):
                exporter.shutdown()
        self._exporters.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _made(self, signal: str) -> tuple[Exporter, Seen]:
        headers = {}
        for name, secret in self.otel.headers.items():
            try:
                headers[name.lower()] = secret.read()
            except ValueError as error:
                raise ConfigError(f"[otel.headers] {name}: {error}") from error
        seen = Seen()
        exporter = (
            _http(signal, self.otel, headers, seen, self.now) if self.otel.protocol == "http" else _grpc(signal, self.otel, headers, seen)
        )
        self._exporters[signal] = exporter, seen
        return exporter, seen


def _http(signal: str, otel: Otel, headers: dict[str, str], seen: Seen, now: Callable[[], float]) -> Exporter:
    import requests
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from requests.utils import get_environ_proxies

    url = f"{otel.endpoint}/v1/{signal}"
    session = requests.Session()
    session.trust_env = False  # a .netrc of this user is nobody's business; a proxy is
    session.proxies = dict(get_environ_proxies(url) or {})
    session.hooks["response"].append(lambda response, **_: setattr(seen, "outcome", _of_http(signal, response, now())))
    exporters: dict[str, Any] = {"traces": OTLPSpanExporter, "logs": OTLPLogExporter, "metrics": OTLPMetricExporter}
    made: Exporter = exporters[signal](
        endpoint=url,
        headers=headers,
        timeout=otel.timeout,
        certificate_file=str(otel.ca_file) if otel.ca_file else None,
        compression=Compression.Gzip if otel.compression == "gzip" else Compression.NoCompression,
        session=session,
    )
    return made


def _of_http(signal: str, response: Any, now: float) -> Outcome:
    status = response.status_code
    if 200 <= status < 300 and response.headers.get("Content-Type", "").startswith("text/html"):
        return Outcome("held", f"{response.url} answers with a web page: it is no OTLP receiver, or a login stands before it")
    if 200 <= status < 300:
        return _partly(signal, response.content or b"", "json" in response.headers.get("Content-Type", ""))
    why = f"{response.url} answers {status} {response.reason or ''}".strip()
    if status == 413:
        return Outcome("too_large", why)
    if status in REFUSED:
        return Outcome("refused", why)
    return Outcome("held", why, retry_after=_seconds(response.headers.get("Retry-After"), now))


def _partly(signal: str, body: bytes, is_json: bool) -> Outcome:
    """An acknowledgement, and what of the batch it leaves out; whatever its body says, the status said yes."""
    try:
        if is_json:
            part = json.loads(body or b"{}").get("partialSuccess") or {}
            rejected = max((int(part.get(name) or 0) for name in ("rejectedSpans", "rejectedLogRecords", "rejectedDataPoints")), default=0)
            return Outcome("acknowledged", str(part.get("errorMessage") or ""), rejected)
        answer = _answers()[signal]()
        answer.ParseFromString(body)
    except Exception:  # no answer of the protocol: a gateway's own page, or nothing at all
        return Outcome("acknowledged")
    return _left_out(answer)


def _left_out(answer: Any) -> Outcome:
    part = answer.partial_success
    fields = ("rejected_spans", "rejected_log_records", "rejected_data_points")
    rejected = max((int(getattr(part, name, 0)) for name in fields), default=0)
    return Outcome("acknowledged", part.error_message, rejected)


def _answers() -> dict[str, Callable[[], Any]]:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    return {"traces": ExportTraceServiceResponse, "logs": ExportLogsServiceResponse, "metrics": ExportMetricsServiceResponse}


def _seconds(said: str | None, now: float) -> float | None:
    """Retry-After, in seconds or as a date; None = not said."""
    if not said:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(said).timestamp() - now
        except (TypeError, ValueError):
            return None
    return min(max(seconds, 0.0), LONGEST_WAIT) if seconds == seconds else None


def _grpc(signal: str, otel: Otel, headers: dict[str, str], seen: Seen) -> Exporter:
    try:
        import grpc
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise ConfigError(
            f'[otel] protocol = "grpc" needs a package that is not installed ({error.name}): '
            '.venv/bin/pip install opentelemetry-exporter-otlp-proto-grpc (the extra "grpc"), or set protocol = "http"'
        ) from error
    exporters: dict[str, Any] = {"traces": OTLPSpanExporter, "logs": OTLPLogExporter, "metrics": OTLPMetricExporter}
    base = exporters[signal]

    class Watched(base):  # type: ignore[misc, valid-type]
        """The exporter with its stub looked at; it makes the stub anew when a connection is gone."""

        def _initialize_channel_and_stub(self) -> None:
            super()._initialize_channel_and_stub()
            self._client: Any = _Stub(self._client, seen, otel.endpoint)

    insecure = not otel.endpoint.startswith("https:")
    roots = otel.ca_file.read_bytes() if otel.ca_file else None
    made: Exporter = Watched(
        endpoint=otel.endpoint,
        insecure=insecure,
        credentials=None if insecure else grpc.ssl_channel_credentials(roots),
        headers=tuple(headers.items()) or None,
        timeout=otel.timeout,
        compression=grpc.Compression.Gzip if otel.compression == "gzip" else grpc.Compression.NoCompression,
    )
    return made


class _Stub:
    """A service's stub that notes each answer on its way to the exporter."""

    def __init__(self, stub: Any, seen: Seen, endpoint: str) -> None:
        self._stub, self._seen, self._endpoint = stub, seen, endpoint

    def Export(self, *arguments: Any, **named: Any) -> Any:  # noqa: N802  the service's own name
        """The receiver's answer, or its error."""
        import grpc

        try:
            answer = self._stub.Export(*arguments, **named)
        except grpc.RpcError as error:
            self._seen.outcome = _of_grpc(error, self._endpoint)
            raise
        self._seen.outcome = _left_out(answer)
        return answer


def _of_grpc(error: Any, endpoint: str) -> Outcome:
    code, details = error.code().name, str(error.details() or "")[:200]
    why = f"{endpoint} answers {code}: {details}"
    if code == "RESOURCE_EXHAUSTED" and "larger than max" in details:
        return Outcome("too_large", why)
    if code == "INVALID_ARGUMENT":
        return Outcome("refused", why)
    return Outcome("held", why, retry_after=_retry_info(error.trailing_metadata() or ()))


def _retry_info(metadata: Sequence[tuple[str, Any]]) -> float | None:
    from google.rpc.error_details_pb2 import RetryInfo

    for name, value in metadata:
        if name == "google.rpc.retryinfo-bin":
            said = RetryInfo()
            with contextlib.suppress(Exception):
                said.ParseFromString(value)
                return min(float(said.retry_delay.seconds + said.retry_delay.nanos / 1e9), LONGEST_WAIT)
    return None
