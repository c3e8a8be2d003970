"""Many large bodies in a row are stored within the memory that is configured; large texts get more of it; no row waits for ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.service.memory import NOTE
from tests.helpers.client import fetch
from tests.helpers.goldwash import Goldwash
from tests.helpers.upstream import Upstream, answer
from tests.helpers.waiting import eventually

MEGABYTES = 2
REQUESTS = 160


def stored(goldwash: Goldwash, table: str, column: str) -> int:
    """Rows of which a text is large; -1 while the log service starts again."""
    try:
        goldwash.flush()
        return int(goldwash.sql(f"SELECT count(*) AS n FROM {table} WHERE length({column}) > 1000000")[0]["n"])
    except (OSError, AssertionError, ValueError):
        return -1


@pytest.mark.parametrize("direction", ["request_body", "response_body"])
def test_bodies_are_stored_within_the_memory_that_is_configured(tmp_path: Path, stage: Upstream, direction: str) -> None:
    """320 MB of them, with a limit of 160 MB: no checkpoint needs more, and the log service never starts again."""
    body = bytes(range(32, 127)) * (MEGABYTES * 10_500)
    stage.on("/large", answer(200, [], body if direction == "response_body" else b"ok"))
    with Goldwash(tmp_path, {"stage": {"url": stage.url}}, sections={"sql": {"memory": "160MB"}}) as goldwash:
        for _ in range(REQUESTS):
            assert fetch(goldwash.port, "POST", "/stage/large", [], body if direction == "request_body" else b"").status == 200
        assert eventually(lambda: stored(goldwash, "bodies", direction) == REQUESTS, within=90)
        assert not (goldwash.data_dir / NOTE).exists()


def test_large_texts_get_the_memory_that_they_need(tmp_path: Path, stage: Upstream) -> None:
    """An answer's text is stored whole in its row: where checkpoints lack memory, the log service starts again with more."""
    text = "0123456789" * (MEGABYTES * 100_000)
    said = {"id": "c", "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}
    stage.on("/v1/chat/completions", answer(200, [("content-type", "application/json")], json.dumps(said).encode()))
    with Goldwash(tmp_path, {"stage": {"url": stage.url, "dialect": "openai"}}, sections={"sql": {"memory": "100MB"}}) as goldwash:
        for _ in range(REQUESTS):
            assert fetch(goldwash.port, "POST", "/stage/v1/chat/completions", [], b'{"model":"m"}').status == 200
        assert eventually(lambda: stored(goldwash, "exchanges", "output_text") == REQUESTS, within=90)
        assert (goldwash.data_dir / NOTE).exists()
