"""One exchange as a span of the GenAI semantic conventions, and one score as an event or span under it. Pure: rows in, SDK values out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from config.telemetry import Otel
from proxy.semconv import SCHEMA_URL, error_type, provider_name, server
from scoring.export.content import content
from scoring.export.identity import Identity, identity, span_of

Row = Mapping[str, Any]
SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
EVALUATION: Final = "gen_ai.evaluation.result"
OWN: Final = frozenset({"checks", "check", "judge", "second_judge", "judge_item", "second_judge_item", "anchor", "second_anchor"})
"""Kinds of scores that the night itself writes."""
MOST_TEXT: Final = 8192
"""Characters of one attribute that is no content."""

_PLAIN: Final = (
    ("gen_ai.operation.name", "operation"),
    ("gen_ai.request.model", "request_model"),
    ("gen_ai.request.stream", "is_stream"),
    ("gen_ai.response.model", "response_model"),
    ("gen_ai.response.id", "response_id"),
    ("gen_ai.usage.input_tokens", "input_tokens"),
    ("gen_ai.usage.output_tokens", "output_tokens"),
    ("gen_ai.usage.cache_read.input_tokens", "cache_read_tokens"),
    ("gen_ai.usage.cache_creation.input_tokens", "cache_write_tokens"),
    ("gen_ai.usage.reasoning.output_tokens", "reasoning_tokens"),
    ("gen_ai.conversation.id", "session_id"),
    ("http.request.method", "method"),
    ("http.response.status_code", "status"),
    ("goldwash.exchange_id", "exchange_id"),
    ("goldwash.upstream", "provider"),
    ("goldwash.dialect", "dialect"),
    ("goldwash.ending", "ending"),
    ("goldwash.usage_source", "usage_source"),
    ("goldwash.price_source", "price_source"),
    ("goldwash.price_version", "price_version"),
    ("goldwash.cost_note", "cost_note"),
    ("goldwash.feature", "feature"),
    ("goldwash.task", "task"),
    ("goldwash.prompt_version", "prompt_version"),
    ("goldwash.environment", "environment"),
    ("goldwash.purpose", "purpose"),
    ("goldwash.retry_of", "retry_of"),
)
_OF_OPENAI: Final = (
    ("openai.request.service_tier", "service_tier_requested"),
    ("openai.response.service_tier", "service_tier"),
    ("openai.response.system_fingerprint", "system_fingerprint"),
)


def scope(version: str) -> InstrumentationScope:
    """Who made the spans, and after which conventions."""
    return InstrumentationScope("goldwash", version, SCHEMA_URL)


def resource(otel: Otel, version: str) -> Resource:
    """What the spans are of: our names, and an operator's over them."""
    return Resource({"service.name": "goldwash", "service.version": version, "telemetry.sdk.language": "python", **otel.resource})


def of_exchange(row: Row, otel: Otel, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    """row: of Source.exchanges."""
    who = identity(row["exchange_id"], row["trace_id"], row["span_id"])
    kind = error_type(row["error_type"], row["status"], row["ending"])
    said = row["error_message"] if otel.content else None
    start = _time(row["accepted_us"])
    return ReadableSpan(
        name=span_name(row),
        context=_context(who.trace_id, who.span_id),
        parent=None if who.parent_id is None else _context(who.trace_id, who.parent_id, remote=True),
        resource=resource,
        instrumentation_scope=scope,
        attributes=attributes(row, otel),
        kind=SpanKind.CLIENT,
        status=Status(StatusCode.ERROR, _short(said) if said else None) if kind else Status(),
        start_time=start,
        end_time=max(_time(row["ended_us"]), start),
    )


def span_name(row: Row) -> str:
    """`{operation} {model}`; of a request that is no GenAI operation its method alone, since paths are many."""
    if not row["operation"]:
        return str(row["method"] or "HTTP")
    return " ".join(part for part in (row["operation"], row["request_model"]) if part)


def attributes(row: Row, otel: Otel) -> dict[str, Any]:
    """All attributes of an exchange's span; what is not known is left out."""
    found: dict[str, Any] = {"gen_ai.provider.name": provider_name(row["provider"])}
    for name, column in _PLAIN + (_OF_OPENAI if found["gen_ai.provider.name"] in ("openai", "azure.ai.openai") else ()):
        if row[column] is not None:
            found[name] = _short(row[column]) if isinstance(row[column], str) else row[column]
    if row["finish_reasons"]:
        found["gen_ai.response.finish_reasons"] = tuple(str(reason) for reason in row["finish_reasons"])
    if row["cost_usd"] is not None:
        found["goldwash.cost_usd"] = float(row["cost_usd"])
    if row["is_stream"] and row["time_to_first_chunk_ms"] is not None:
        found["gen_ai.response.time_to_first_chunk"] = row["time_to_first_chunk_ms"] / 1000
    if (kind := error_type(row["error_type"], row["status"], row["ending"])) is not None:
        found["error.type"] = _short(kind)
    if (place := server(row["upstream_url"])) is not None:
        found["server.address"], found["server.port"] = place
    if otel.users and row["user_id"]:
        found["user.id"] = _short(row["user_id"])
    if otel.properties:
        said = _map(row["properties"])
        found |= {f"goldwash.property.{name}": _short(said[name]) for name in otel.properties if name in said}
    return found | (content(row) if otel.content else {})


def evaluation(row: Row, otel: Otel) -> dict[str, Any]:
    """The attributes of a score. row: of Source.scores.

    Of our own scores the column `value` says something else (a judge's confidence, how many checks failed): there 1 is pass and 0 fail.
    """
    own = row["kind"] in OWN
    label = {True: "pass", False: "fail", None: None}[row["passed"]]
    value = None if row["passed"] is None else float(row["passed"])
    if not own:
        label, value = label if row["label"] is None else row["label"], value if row["value"] is None else row["value"]
    found: dict[str, Any] = {
        "gen_ai.evaluation.name": row["name"] or "unknown",
        "gen_ai.evaluation.score.value": value,
        "gen_ai.evaluation.score.label": label,
        "gen_ai.evaluation.explanation": row["reason"] if otel.explanations else None,
        "gen_ai.response.id": row["response_id"],
        "error.type": row["unscored"] and "unscored",
        "goldwash.exchange_id": row["exchange_id"],
        "goldwash.evaluation.id": row["record_id"],
        "goldwash.evaluation.kind": row["kind"],
        "goldwash.evaluation.passed": row["passed"],
        "goldwash.evaluation.confidence": row["value"] if own and "judge" in row["kind"] else None,
        "goldwash.evaluation.label": row["label"] if own else None,
        "goldwash.evaluation.scorer": row["scorer"],
        "goldwash.evaluation.scorer_version": row["scorer_version"],
        "goldwash.evaluation.fingerprint": row["fingerprint"],
        "goldwash.evaluation.cost_usd": None if row["cost_usd"] is None else float(row["cost_usd"]),
    }
    return {name: _short(item) if isinstance(item, str) else item for name, item in found.items() if item is not None}


def as_event(row: Row, otel: Otel, resource: Resource, scope: InstrumentationScope) -> ReadableLogRecord:
    """A score as the event `gen_ai.evaluation.result`, in the span of what was scored where that is known."""
    who = _scored(row)
    record = LogRecord(
        timestamp=_time(row["created_us"]),
        observed_timestamp=_time(row["created_us"]),
        severity_number=SeverityNumber.INFO,
        attributes=evaluation(row, otel),
        event_name=EVALUATION,
    )
    record.trace_id, record.span_id, record.trace_flags = (who.trace_id, who.span_id, SAMPLED) if who else (0, 0, TraceFlags(0))
    return ReadableLogRecord(record, resource, scope)


def as_span(row: Row, otel: Otel, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    """A score as a span under the span of what was scored, with the same event in it: for receivers that take traces only."""
    who = _scored(row)
    at = _time(row["created_us"])
    said = evaluation(row, otel)
    context = _context(who.trace_id if who else int(row["record_id"].replace("-", ""), 16), span_of("evaluation", row["record_id"]))
    return ReadableSpan(
        name=f"evaluation {said['gen_ai.evaluation.name']}",
        context=context,
        parent=_context(who.trace_id, who.span_id, remote=True) if who else None,
        resource=resource,
        instrumentation_scope=scope,
        attributes={"gen_ai.operation.name": "evaluation", "openinference.span.kind": "EVALUATOR", **said},
        events=(Event(EVALUATION, said, at),),
        kind=SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR) if row["unscored"] else Status(),
        start_time=at,
        end_time=at,
    )


def _scored(row: Row) -> Identity | None:
    return identity(row["exchange_id"], row["trace_id"], row["span_id"]) if row["exchange_id"] else None


def _context(trace_id: int, span_id: int, *, remote: bool = False) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=remote, trace_flags=SAMPLED)


def _time(at_us: int | None) -> int:
    """Nanoseconds since 1970, which the protocol knows no time before; 0 = not known."""
    return max(at_us or 0, 0) * 1000


def _short(text: str) -> str:
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"


def _map(value: Any) -> dict[str, str]:
    """A MAP as rows hold it: an object, or a list of pairs."""
    if isinstance(value, Mapping):
        return {str(name): str(item) for name, item in value.items()}
    return {}
