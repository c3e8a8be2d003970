"""What arrives at a receiver, value by value: spans, events, histograms, over HTTP and gRPC."""

from __future__ import annotations

import json

import pytest

from proxy.semconv import DURATIONS, TOKENS
from tests.helpers.otlp import ByGrpc, ByHttp, attributes

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CLIENT = 3


@pytest.fixture(params=[ByHttp, ByGrpc], ids=["http", "grpc"])
def receiver(request):
    if request.param is ByGrpc:
        pytest.importorskip("grpc", reason="the grpc extra is not installed")
    with request.param() as found:
        found.protocol = "http" if request.param is ByHttp else "grpc"
        yield found


def test_an_exchange_is_a_span_of_the_conventions(room, receiver):
    """Name, kind, times, parent and every attribute that the log knows; nothing that it does not."""
    rows = room.store(
        range(1),
        trace_id=TRACE,
        span_id=SPAN,
        upstream_url="https://api.openai.com",
        is_stream=True,
        time_to_first_chunk_ms=250.0,
        session_id="s-1",
        cache_read_tokens=5,
        user_id="u-9",
        properties=[("team", "tea"), ("secret", "x")],
    )
    room.turn(room.export(receiver.url, protocol=receiver.protocol, properties=["team"]), "traces")
    (span,) = receiver.spans
    assert span.name == "chat gpt-4o-mini"
    assert span.kind == CLIENT
    assert span.trace_id.hex() == TRACE
    assert span.parent_span_id.hex() == SPAN
    assert span.status.code == 0
    assert span.start_time_unix_nano == int(rows[0]["accepted_at"].timestamp()) * 10**9
    assert span.end_time_unix_nano - span.start_time_unix_nano == 10**9
    assert attributes(span) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.id": "chatcmpl-0",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.output_tokens": rows[0]["output_tokens"],
        "gen_ai.usage.cache_read.input_tokens": 5,
        "gen_ai.conversation.id": "s-1",
        "server.address": "api.openai.com",
        "server.port": 443,
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "goldwash.exchange_id": rows[0]["exchange_id"],
        "goldwash.upstream": "openai",
        "goldwash.dialect": "openai.chat",
        "goldwash.ending": "complete",
        "goldwash.usage_source": "provider",
        "goldwash.cost_usd": 0.0001,
        "goldwash.feature": "feature-0",
        "goldwash.prompt_version": "v1",
        "goldwash.purpose": "app",
        "goldwash.property.team": "tea",
    }
    resource = receiver.taken["traces"][0].resource_spans[0]
    assert attributes(resource.resource)["service.name"] == "goldwash"
    assert resource.scope_spans[0].scope.name == "goldwash"
    assert resource.scope_spans[0].schema_url == "https://opentelemetry.io/schemas/1.41.0"


def test_a_score_is_an_event_in_the_span_of_what_was_scored(room, receiver):
    """The span's own ids, the four attributes of the conventions, and who scored it."""
    (row,) = room.store(range(1), trace_id=TRACE, span_id=SPAN)
    record = room.score(row["exchange_id"], 0)
    room.turn(room.export(receiver.url, protocol=receiver.protocol), "traces", "evaluation_events")
    (span,), (event,) = receiver.spans, receiver.events
    assert event.event_name == "gen_ai.evaluation.result"
    assert (event.trace_id, event.span_id) == (span.trace_id, span.span_id)
    assert attributes(event) == {
        "gen_ai.evaluation.name": "grounded",
        "gen_ai.evaluation.score.value": 0.0,
        "gen_ai.evaluation.score.label": "fail",
        "gen_ai.evaluation.explanation": "the answer names a price that no document has",
        "gen_ai.response.id": "chatcmpl-0",
        "goldwash.exchange_id": row["exchange_id"],
        "goldwash.evaluation.id": record,
        "goldwash.evaluation.kind": "judge",
        "goldwash.evaluation.passed": False,
        "goldwash.evaluation.confidence": 0.25,
        "goldwash.evaluation.scorer": "judge-1",
        "goldwash.evaluation.cost_usd": 0.001,
    }


def test_scores_of_others_are_sent_as_they_said_it_and_found_by_the_answers_id(room, receiver):
    """A score that knows the provider's id of the answer alone joins that exchange's span; value and label are theirs."""
    (row,) = room.store(range(1), trace_id=TRACE)
    said = {"kind": "external", "value": 3.5, "label": "good", "passed": None, "reason": None}
    room.score(None, 0, response_id="chatcmpl-0", created_at=row["accepted_at"], **said)
    room.score(None, 1, response_id="never-seen", created_at=row["accepted_at"], **said)
    room.turn(room.export(receiver.url, protocol=receiver.protocol), "traces", "evaluation_events")
    (span,), (found, lost) = receiver.spans, receiver.events
    assert (found.trace_id, found.span_id) == (span.trace_id, span.span_id)
    assert attributes(found)["gen_ai.evaluation.score.value"] == 3.5
    assert attributes(found)["gen_ai.evaluation.score.label"] == "good"
    assert lost.span_id == b""
    assert attributes(lost)["gen_ai.response.id"] == "never-seen"


def test_histograms_have_the_buckets_and_the_sums_of_the_conventions(room, receiver):
    """Token usage by type, durations in seconds, time to first chunk of streams alone; cumulative, one line a set of labels."""
    room.store(range(4), output_tokens=64, is_stream=True, time_to_first_chunk_ms=40.0, upstream_url="https://api.openai.com")
    room.store(range(4, 6), output_tokens=65, status=500, error_type="server_error", ending="complete")
    room.turn(room.export(receiver.url, protocol=receiver.protocol), "metrics")
    tokens = {
        (attributes(p)["gen_ai.token.type"], attributes(p).get("server.address")): p for p in receiver.points("gen_ai.client.token.usage")
    }
    output = tokens["output", "api.openai.com"]
    assert list(output.explicit_bounds) == list(TOKENS)
    assert (output.count, output.sum, output.min, output.max) == (4, 256, 64, 64)
    assert output.bucket_counts[TOKENS.index(64)] == 4, "bounds are inclusive"
    assert tokens["output", None].bucket_counts[TOKENS.index(256)] == 2
    durations = {attributes(p).get("error.type"): p for p in receiver.points("gen_ai.client.operation.duration")}
    assert list(durations[None].explicit_bounds) == list(DURATIONS)
    assert (durations[None].count, durations["server_error"].count) == (4, 2)
    assert durations[None].sum == 4.0
    (first,) = receiver.points("gen_ai.client.operation.time_to_first_chunk")
    assert (first.count, first.bucket_counts[DURATIONS.index(0.04)]) == (4, 4)
    metric = receiver.taken["metrics"][0].resource_metrics[0].scope_metrics[0].metrics[0]
    assert metric.histogram.aggregation_temporality == 2, "cumulative"
    assert metric.unit == "{token}"


def test_headers_come_from_where_secrets_are_kept(room, receiver, monkeypatch, tmp_path):
    """By reference to the environment or a file; a reference that leads nowhere is an error with the fix."""
    from config.settings import ConfigError

    monkeypatch.setenv("OTLP_KEY", "Bearer of-the-environment")
    (tmp_path / "key").write_text("of-the-file\n")
    room.store(range(1))
    headers = {"authorization": {"env": "OTLP_KEY"}, "x-key": {"file": str(tmp_path / "key")}}
    room.turn(room.export(receiver.url, protocol=receiver.protocol, headers=headers), "traces")
    assert receiver.headers[0]["authorization"] == "Bearer of-the-environment"
    assert receiver.headers[0]["x-key"] == "of-the-file"
    room.store(range(1, 2))
    with pytest.raises(ConfigError, match=r"\[otel.headers\] x: the environment variable NOWHERE is not set"):
        room.turn(room.export(receiver.url, protocol=receiver.protocol, headers={"x": {"env": "NOWHERE"}}), "traces")


def test_content_stays_here_unless_it_is_asked_for(room, receiver):
    """No word of a question, an answer or an error leaves by default; with content = true they do, as messages with parts."""
    room.store(
        range(1),
        answer="PLANTED-ANSWER",
        error_message="PLANTED-ERROR",
        error_type="x",
        user_id="PLANTED-USER",
        properties=[("p", "PLANTED")],
    )
    room.turn(room.export(receiver.url, protocol=receiver.protocol), "traces")
    assert b"PLANTED" not in receiver.taken["traces"][0].SerializeToString()
    export = room.export(receiver.url, protocol=receiver.protocol, content=True)
    export.progress.streams["traces"].at_us = 0
    room.turn(export, "traces")
    said = attributes(receiver.spans[-1])
    assert json.loads(said["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "PLANTED-ANSWER"}], "finish_reason": "stop"}
    ]
    assert receiver.spans[-1].status.message == "PLANTED-ERROR"


def test_a_score_is_a_span_where_that_is_asked_for(room, receiver):
    """For receivers that take traces alone: a child of the exchange's span, with the event in it."""
    (row,) = room.store(range(1))
    room.score(row["exchange_id"], 0, passed=None, value=None, unscored="the judge gave no verdict", reason=None)
    room.turn(room.export(receiver.url, protocol=receiver.protocol, signals=["traces"], evaluation_spans=True))
    exchange, evaluation = receiver.spans
    assert (evaluation.trace_id, evaluation.parent_span_id) == (exchange.trace_id, exchange.span_id)
    assert evaluation.name == "evaluation grounded"
    assert evaluation.events[0].name == "gen_ai.evaluation.result"
    said = attributes(evaluation)
    assert said["error.type"] == "unscored"
    assert "gen_ai.evaluation.score.value" not in said, "unknown is absent, never 0"
    assert not receiver.taken["logs"]
