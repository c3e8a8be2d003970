"""The recorded WebSocket sessions beside the project: each response's usage is read, and an unreported one stays unknown."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from proxy.exchange import Captured
from proxy.reading import read_session

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus" / "websocket_sessions.jsonl.gz"

pytestmark = pytest.mark.skipif(not CORPUS.exists(), reason=f"the recorded sessions are not beside the repository ({CORPUS.name})")


def session(path: str) -> Captured:
    """The upgrade request of a session whose upstream has a name nobody knows."""
    return Captured("anything", None, "wss://127.0.0.1", "GET", path, "model=asked-model", (), b"", False, 101, (), b"", False)


def expected(usage: dict[str, Any]) -> tuple[int | None, int | None]:
    """Input and output tokens, by the words of whichever provider."""
    if "promptTokenCount" in usage:
        out = usage.get("responseTokenCount", usage.get("candidatesTokenCount"))
        if out is not None or "thoughtsTokenCount" in usage:
            out = (out or 0) + usage.get("thoughtsTokenCount", 0)
        return usage["promptTokenCount"] + usage.get("toolUsePromptTokenCount", 0), out
    return usage.get("input_tokens"), usage.get("output_tokens")


@pytest.mark.parametrize("named", ["by path", "by looks"])
def test_every_response_has_its_usage(named: str) -> None:
    """Each response of each recorded session is a turn with the usage the provider reported, or with none."""
    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    for record in records:
        frames = record["frames"]
        google = any("setup" in frame["data"] for frame in frames[:3])
        path = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent" if google else "/v1/realtime"
        messages = [("client" if frame["direction"] == "sent" else "upstream", json.dumps(frame["data"])) for frame in frames]
        reading = read_session(session(path if named == "by path" else "/socket"), messages)
        want = [expected(usage) for usage in record["oracle"]["usages"]]
        have = [(turn.usage.input_tokens, turn.usage.output_tokens) if turn.usage else (None, None) for turn in reading.turns]
        assert have == want, record["id"]
        if not google:
            assert all(turn.response_id and turn.response_model for turn in reading.turns)
            assert reading.terminal is True
