"""The export as an operator has it: `goldwash up` with `[otel]`, a client with a trace of its own, a watcher that is killed."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from tests.helpers.goldwash import Goldwash, free_port, post_json
from tests.helpers.otlp import ByHttp, attributes
from tests.helpers.upstream import Upstream, answer
from tests.helpers.waiting import eventually

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "PLANTED-ANSWER"}, "finish_reason": "stop"}
BODY = {"id": "c-1", "object": "chat.completion", "model": "gpt-4o-mini-2024-07-18", "choices": [CHOICE], "usage": USAGE}
HEADERS = [
    ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01"),
    ("baggage", "team=tea,session.id=s-7"),
    ("goldwash-feature", "search"),
]


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def goldwash(tmp_path, port):
    """One that exports to a receiver which may not be there."""
    otel = {"endpoint": f"http://127.0.0.1:{port}", "every": 0.2, "timeout": 1.0, "properties": ["team"]}
    completion = answer(200, [("Content-Type", "application/json")], json.dumps(BODY).encode())
    with (
        Upstream(lambda _: completion) as upstream,
        Goldwash(tmp_path, {"openai": {"url": upstream.url}}, sections={"otel": otel}) as found,
    ):
        yield found


def ask(goldwash, count):
    for _ in range(count):
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "PLANTED-QUESTION"}]}
        post_json(goldwash.port, "/openai/v1/chat/completions", body, HEADERS)


def test_spans_arrive_once_through_kills_and_outages(goldwash, port):
    """The client's trace is joined, its baggage read, no content leaves; a killed watcher and an absent receiver lose nothing, and
    what was in flight comes again as the same span.
    """
    with ByHttp(port) as receiver:
        assert eventually((goldwash.data_dir / "otel.json").exists, within=60), goldwash.output()
        ask(goldwash, 2)
        assert eventually(lambda: len(receiver.spans) == 2, within=60), goldwash.output()
        (watcher,) = [pid for pid, line in goldwash.children().items() if "scoring.commands.watch" in line]
        os.kill(watcher, signal.SIGKILL)
        ask(goldwash, 3)
        assert eventually(lambda: len(receiver.spans) >= 5, within=60), goldwash.output()
    ask(goldwash, 2)
    goldwash.flush()
    time.sleep(1)
    with ByHttp(port) as again:
        assert eventually(lambda: len(again.spans) >= 2, within=60), goldwash.output()
        spans = receiver.spans + again.spans
        logged = {row["exchange_id"] for row in goldwash.rows("true")}
        assert {attributes(span)["goldwash.exchange_id"] for span in spans} == logged
        assert len({(span.trace_id, span.span_id) for span in spans}) == 7, (
            "what was in flight at the kill may come twice: as the same span"
        )
        for span in spans:
            assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, "00f067aa0ba902b7")
            said = attributes(span)
            assert said["gen_ai.conversation.id"] == "s-7"
            assert said["goldwash.property.team"] == "tea"
            assert said["goldwash.cost_usd"] > 0
            assert said["server.address"] == "127.0.0.1"
        everything = b"".join(
            request.SerializeToString() for found in (receiver, again) for batch in found.taken.values() for request in batch
        )
        assert b"PLANTED" not in everything
        assert eventually(lambda: sum(p.count for p in again.points("gen_ai.client.operation.duration")) == 7, within=60)
        done = goldwash.cli("export", "otel", "--since", "2020-01-01")
        assert (done.returncode, "traces: 7 sent" in done.stdout) == (0, True), done.stderr
        assert len({(span.trace_id, span.span_id) for span in receiver.spans + again.spans}) == 7
    held = goldwash.cli("export", "otel", "--since", "2020-01-01", "--patience", "0")
    assert held.returncode == 1
    assert "go on with --since 2020-01-01T00:00:00+00:00" in held.stderr
    taken = goldwash.cli("export", "otel")
    assert (taken.returncode, "another process sends from here" in taken.stderr) == (1, True), taken.stderr
    assert 'goldwash_export_sent_total{stream="traces"} 7' in goldwash.metrics()
