"""Many large bodies in a row: DuckDB's checkpoints need more memory than is configured for queries, and no row waits for ever."""

from __future__ import annotations

from pathlib import Path

from proxy.service.memory import NOTE
from tests.helpers.client import fetch
from tests.helpers.goldwash import Goldwash
from tests.helpers.upstream import Upstream, answer
from tests.helpers.waiting import eventually

MEGABYTES = 2
REQUESTS = 160


def test_checkpoints_get_the_memory_that_they_need(tmp_path: Path, stage: Upstream) -> None:
    """2,048 rows are written at a time, with their bodies whole: the log service starts again with more memory, and all rows arrive."""
    stage.on("/large", answer(200, [], b"ok"))
    body = bytes(range(32, 127)) * (MEGABYTES * 10_500)
    with Goldwash(tmp_path, {"stage": {"url": stage.url}}, sections={"sql": {"memory": "100MB"}}) as goldwash:
        for _ in range(REQUESTS):
            assert fetch(goldwash.port, "POST", "/stage/large", [], body).status == 200

        def rows() -> int:
            try:
                goldwash.flush()
                return int(goldwash.sql("SELECT count(*) AS n FROM bodies WHERE length(request_body) > 1000000")[0]["n"])
            except (OSError, AssertionError, ValueError):  # it starts again
                return -1

        assert eventually(lambda: rows() == REQUESTS, within=90)
        assert (goldwash.data_dir / NOTE).exists()
