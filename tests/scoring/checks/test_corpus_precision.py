"""What each check says of recorded traffic, counted again: the figures on the page of checks are these."""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict
from pathlib import Path

import pytest

from proxy.exchange import Captured
from proxy.reading import read
from scoring.checks import SHELF, prepare, run
from scoring.checks.patterns import scanner
from scoring.checks.reference import module_of
from scoring.checks.tool_errors import MEASURED as TOOL_ERRORS
from scoring.logged import LoggedExchange

CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "exchanges.jsonl.gz"
pytestmark = pytest.mark.skipif(not CORPUS.exists(), reason="the recorded corpus is not here")


def _exchange(record):
    request, response = record["request"], record["response"]
    headers = tuple((name.lower(), value) for name, value in response["replay_headers"])
    captured = Captured(
        upstream=record["provider"],
        dialect_hint=None,
        upstream_url="",
        method=record["method"],
        path=record["path"],
        query=record["query"] or "",
        request_headers=tuple((name.lower(), value) for name, value in request["headers"]),
        request_body=base64.b64decode(request["body_b64"] or ""),
        request_truncated=False,
        status=response["status"],
        response_headers=headers,
        response_body=base64.b64decode(response["body_b64"] or ""),
        response_truncated=False,
    )
    reading = read(captured)
    calls = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in reading.tool_calls]
    return LoggedExchange.from_row(
        {
            "exchange_id": record["id"],
            "dialect": reading.dialect,
            "operation": reading.operation,
            "status": response["status"],
            "ending": "complete" if reading.terminal is not False else "partial",
            "is_stream": reading.is_stream,
            "finish_reasons": reading.finish_reasons,
            "tool_calls": json.dumps(calls) if calls else None,
            "output_text": reading.output_text,
            "refusal": reading.refusal,
            "error_type": reading.error_type,
            "request_body": request.get("body_text"),
            "response_body": response.get("body_text"),
        }
    )


@pytest.fixture(scope="module")
def exchanges():
    """The recorded exchanges as a log would hold them."""
    with gzip.open(CORPUS) as lines:
        return [_exchange(json.loads(line)) for line in lines]


@pytest.fixture(scope="module")
def failures(exchanges):
    """Distinct failures a check: (reason, evidence) -> the first exchange that has it."""
    found = defaultdict(dict)
    checks = prepare([line.name for line in SHELF])
    for exchange in exchanges:
        for result in run(exchange, checks):
            assert "raised" not in result.finding.reason
            if result.finding.passed is False:
                found[result.name].setdefault((result.finding.reason, result.finding.evidence), exchange.exchange_id)
    return found


@pytest.mark.parametrize("line", [line for line in SHELF if hasattr(module_of(line.name), "MEASURED") and line.name != "tool_errors"])
def test_the_stated_hits_are_counted_again(failures, line):
    """As many distinct findings as the check says, and those it calls wrong among them."""
    measured = module_of(line.name).MEASURED
    in_words = {key: exchange for key, exchange in failures[line.name].items() if line.name != "refusal" or key[0] == "refused in words"}
    assert len(in_words) == measured.hits, in_words
    assert set(measured.wrong) <= set(in_words.values())


def test_tool_results_that_read_like_errors_are_counted_again(exchanges):
    """Distinct results, since the corpus holds no whole traces."""
    texts = {result.text for exchange in exchanges for result in exchange.results}
    assert sum(1 for text in texts if scanner("tool error").occurring(text[:2_000].encode("utf-8", "replace"))) == TOOL_ERRORS.hits


def test_real_answers_are_language(failures):
    """Neither gibberish nor in a language that was not asked for: no false alarm in the whole corpus."""
    assert failures["gibberish"] == {}
    assert failures["language"] == {}


def test_most_real_tool_calls_and_json_answers_keep_to_their_schemas(failures):
    """What fails was read: agents that guessed tools and arguments."""
    assert failures["json_schema"] == {}
    assert failures["valid_json"] == {}
    assert len(failures["tool_arguments"]) == 9
