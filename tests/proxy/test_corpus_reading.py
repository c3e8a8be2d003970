"""The recorded traffic beside the project judges the readers: each bar of its acceptance script, without a proxy in between."""

from __future__ import annotations

import base64
import collections
import gzip
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.exchange import Captured, Reading
from proxy.reading import BodyReader, read

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus" / "exchanges.jsonl.gz"
RIGHT_RECORDS = 0.97  # of all records, right in every point
BARS = {
    "usage_known": 0.99,
    "usage_unknown": 0.99,
    "input_tokens": 0.99,
    "output_tokens": 0.99,
    "cache_read_tokens": 0.98,
    "cache_write_tokens": 0.98,
    "reasoning_tokens": 0.97,
    "response_model": 0.98,
    "response_id": 0.97,
    "finish_reasons": 0.97,
    "tool_names": 0.98,
    "tool_arguments": 0.97,
    "no_tools": 0.98,
    "output_text": 0.98,
    "no_text": 0.97,
    "error_seen": 0.97,
    "no_error": 0.99,
    "ending": 0.98,
    "ending_whole": 0.99,
}

pytestmark = pytest.mark.skipif(not CORPUS.exists(), reason=f"the recorded traffic is not beside the repository ({CORPUS.name})")


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        return [record for line in lines if "response" in (record := json.loads(line))]


def captured_of(record: dict[str, Any]) -> Captured:
    """The exchange as the lane would hand it over."""
    request, response = record["request"], record["response"]
    return Captured(
        upstream=record["provider"],
        dialect_hint=None,
        upstream_url="http://127.0.0.1",
        method=record["method"],
        path=record["path"] or "/",
        query=record["query"] or "",
        request_headers=tuple((key.lower(), value) for key, value in request["headers"]),
        request_body=base64.b64decode(request["body_b64"]),
        request_truncated=False,
        status=response["status"],
        response_headers=tuple((key.lower(), value) for key, value in response["replay_headers"]),
        response_body=base64.b64decode(response["body_b64"]),
        response_truncated=False,
    )


def same_json(have: str, want: Any) -> bool:
    """Whether two tool arguments say the same, in whatever spacing."""
    want = want if isinstance(want, str) else json.dumps(want)
    if have == want:
        return True
    try:
        return bool(json.loads(have or "{}") == json.loads(want or "{}"))
    except ValueError:
        return False


def checks(record: dict[str, Any], reading: Reading) -> dict[str, tuple[bool, Any, Any]]:
    """Name → (right, what was read, what the recording says), for each check that applies to the record."""
    oracle, status = record["oracle"], record["response"]["status"]
    ambiguous = set(oracle.get("ambiguous") or [])
    out: dict[str, tuple[bool, Any, Any]] = {}

    def check(name: str, have: Any, want: Any, right: bool | None = None) -> None:
        out[name] = (have == want if right is None else right, have, want)

    usage, told = reading.usage, oracle.get("usage") or {}
    if "usage" not in ambiguous and oracle.get("usage_reported"):
        check("usage_known", usage is not None, True)
        for key in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"):
            want = told.get(key)
            if want is not None and key not in ambiguous:
                have = getattr(usage, key) if usage else None
                may_be_null = key not in ("input_tokens", "output_tokens") and want == 0 and have is None
                check(key, have, want, have == want or may_be_null)
    elif "usage" not in ambiguous:
        check("usage_unknown", usage, None)
    for key, want in (("response_model", oracle.get("model_response")), ("response_id", oracle.get("response_id"))):
        if want and key not in ambiguous:
            check(key, getattr(reading, key), want)
    reasons = [str(reason).split(":")[0] for reason in oracle.get("finish_reasons") or [] if reason is not None]
    if reasons and "finish_reasons" not in ambiguous:
        check("finish_reasons", [reason.split(":")[0] for reason in reading.finish_reasons], reasons)
    if "tool_calls" not in ambiguous:
        calls = oracle.get("tool_calls")
        if calls:
            check("tool_names", [call.name for call in reading.tool_calls], [call["name"] for call in calls])
            if out["tool_names"][0]:
                pairs = [(have.arguments, want["arguments"]) for have, want in zip(reading.tool_calls, calls, strict=True)]
                check("tool_arguments", *map(list, zip(*pairs, strict=True)), all(same_json(have, want) for have, want in pairs))
        elif not oracle.get("server_tools"):
            check("no_tools", reading.tool_calls, ())
    if "text" not in ambiguous:
        if oracle.get("text"):
            check("output_text", reading.output_text, oracle["text"])
        elif not oracle.get("texts") and oracle.get("framing") in ("json", "sse", "eventstream"):
            check("no_text", reading.output_text, None, not reading.output_text)
    if oracle.get("error"):
        check("error_seen", reading.error_type or reading.error_message, "an error", bool(reading.error_type or reading.error_message))
    elif status < 400 and "error" not in ambiguous:
        check("no_error", (reading.error_type, reading.error_message), (None, None))
    complete = oracle.get("stream_complete")
    if complete is not None and "stream_complete" not in ambiguous:
        check("ending", reading.terminal is not False, bool(complete))
    elif complete is None and status < 400:
        check("ending_whole", reading.terminal is not False, True)
    return out


def test_readers_reach_the_bars_on_recorded_traffic(records: list[dict[str, Any]]) -> None:
    """Every check reaches its bar, and 97 % of the records are right in every point."""
    tally: dict[str, list[int]] = {name: [0, 0] for name in BARS}
    misses: dict[str, list[str]] = collections.defaultdict(list)
    whole = 0
    for record in records:
        found = checks(record, read(captured_of(record)))
        whole += all(right for right, _, _ in found.values())
        for name, (right, have, want) in found.items():
            tally[name][0] += right
            tally[name][1] += 1
            if not right:
                group = f"{record['provider']} {record['api_kind']}"
                misses[group].append(f"{record['id']} {name}: read {str(have)[:120]!r}, recorded {str(want)[:120]!r}")
    report = [f"{name:20} {right:5}/{of:<5} {right / max(of, 1):.4f}" for name, (right, of) in tally.items()]
    for group, lines in sorted(misses.items()):
        report += [f"{group}: {len(lines)}", *("    " + line for line in lines[: int(os.environ.get("GOLDWASH_TEST_MISSES", "3"))])]
    report.append(f"{whole} of {len(records)} records right in every point")
    sys.stdout.write("\n" + "\n".join(report) + "\n")  # shown by pytest -s, and where the test fails
    short = [f"{name} {right}/{of}" for name, (right, of) in tally.items() if of and right / of < BARS[name]]
    assert not short
    assert whole >= RIGHT_RECORDS * len(records)


def test_pieces_do_not_matter(records: list[dict[str, Any]]) -> None:
    """Whole, byte by byte and at random cuts, each recording reads the same."""
    chance = random.Random(7)
    for record in records:
        captured = captured_of(record)
        body, whole = captured.response_body, read(captured)
        cuts = [body[at : at + 1] for at in range(len(body))] if len(body) < 1500 else []
        at, pieces = 0, []
        while at < len(body):
            size = chance.choice((1, 2, 3, 7, 64, 700, 9000))
            pieces.append(body[at : at + size])
            at += size
        for parts in (cuts, pieces):
            if parts:
                reader = BodyReader(captured)
                for part in parts:
                    reader.feed(part)
                assert reader.result() == whole, record["id"]
