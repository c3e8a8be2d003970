"""The admin port over real sockets: what it answers, and what it says to wrong questions."""

from __future__ import annotations

import asyncio
import io
import time
import uuid
from typing import Any

import aiohttp
import duckdb
import pyarrow.parquet
import pytest

from config.settings import Settings
from proxy.exchange import Ending
from proxy.log.attach import Log
from proxy.service.assembly import make_loader
from proxy.service.opinions import uuid7
from proxy.spool.writer import Spool
from tests.proxy.service.conftest import Running, Start, exchange

ENDLESS = "SELECT count(*) FROM range(1000000000) a, range(1000000) b"


async def test_what_passed_can_be_asked_for(service: Running, worker: Spool) -> None:
    """An exchange in the spool is a priced row after a flush."""
    exchange_id = uuid7()
    exchange(worker, exchange_id)
    await service.flush()
    rows = await service.rows("SELECT exchange_id, provider, input_tokens, cost_usd, output_text, finish_reasons, ending FROM exchanges")
    assert rows == [
        {
            "exchange_id": str(uuid.UUID(bytes=exchange_id)),
            "provider": "openai",
            "input_tokens": 10,
            "cost_usd": pytest.approx(10 * 0.15e-6 + 5 * 0.6e-6),
            "output_text": "hello",
            "finish_reasons": ["stop"],
            "ending": "complete",
        }
    ]


async def test_readiness_follows_the_workers(service: Running, settings: Settings, tmp_path: Any) -> None:
    """Alive at once; ready when a worker accepts, not before."""
    async with service.http.get(service.url + "/healthz") as response:
        assert response.status == 200
    async with service.http.get(service.url + "/readyz") as response:
        assert response.status == 503
        assert "worker" in (await response.json())["status"]


async def test_is_ready_with_a_worker(service: Running, worker: Spool) -> None:
    """A living worker that accepts makes it ready."""
    async with service.http.get(service.url + "/readyz") as response:
        assert (response.status, (await response.json())["workers"]) == (200, 1)


async def test_sql_in_every_format(service: Running) -> None:
    """The format and its media type; rows and truncation in headers."""
    for name, kind in (("json", "application/json"), ("jsonl", "application/x-ndjson"), ("csv", "text/csv")):
        async with service.http.post(service.url + "/api/sql", json={"sql": "SELECT 1 AS a", "format": name}) as response:
            assert (response.status, response.content_type, response.headers["Goldwash-Rows"]) == (200, kind, "1")
            assert response.headers["Goldwash-Truncated"] == "false"
    async with service.http.post(service.url + "/api/sql", json={"sql": "SELECT 7 AS a", "format": "parquet"}) as response:
        assert pyarrow.parquet.read_table(io.BytesIO(await response.read())).to_pylist() == [{"a": 7}]


async def test_sql_takes_parameters(service: Running) -> None:
    """By place and by name; a list is one parameter."""
    status, rows = await service.post("/api/sql", {"sql": "SELECT $1::INTEGER + 1 AS a, len($2) AS n", "params": [1, [1, 2]]})
    assert (status, rows) == (200, [{"a": 2, "n": 2}])
    assert (await service.post("/api/sql", {"sql": "SELECT $x AS a", "params": {"x": "y"}}))[1] == [{"a": "y"}]


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"sql": "DROP TABLE exchanges"}, 400, "only SELECT"),
        ({"sql": "FROM read_text('/etc/passwd')"}, 400, "read_text"),
        ({"sql": "SELECT nocolumn FROM exchanges"}, 400, "nocolumn"),
        ({"sql": "SELECT $1"}, 400, "parameter"),
        ({"sql": "SELECT 1", "format": "xml"}, 400, "format"),
        ({"sql": 1}, 400, "no statement"),
        ([], 400, "no statement"),
        ({"sql": "SELECT 1", "parms": []}, 400, "parms"),
        ({"sql": "SELECT 1", "params": 7}, 400, "params"),
        ({"sql": "SELECT " + "1," * 70_000 + "1"}, 400, "characters"),
    ],
)
async def test_wrong_questions_get_a_reason_and_a_hint(service: Running, body: Any, status: int, error: str) -> None:
    """Errors are JSON with what is wrong and what to do."""
    got, told = await service.post("/api/sql", body)
    assert got == status
    assert error in told["error"]
    assert told["hint"]


async def test_a_body_that_is_no_json(service: Running) -> None:
    """It is said so."""
    async with service.http.post(service.url + "/api/sql", data=b"{", headers={"Content-Type": "application/json"}) as response:
        assert response.status == 400
        assert "no JSON" in (await response.json())["error"]


async def test_limits_of_a_query(start: Start, settings: Settings) -> None:
    """Time and rows are those of [sql]."""
    limits = settings.sql.model_copy(update={"timeout": 0.3, "max_rows": 10})
    async with start(sql=limits) as service:
        status, told = await service.post("/api/sql", {"sql": ENDLESS})
        assert (status, "longer" in told["error"]) == (408, True)
        async with service.http.post(service.url + "/api/sql", json={"sql": "FROM range(11)"}) as response:
            assert len(await response.json()) == 10
            assert response.headers["Goldwash-Truncated"] == "true"


async def test_a_query_ends_with_its_client(service: Running) -> None:
    """Who hangs up has the query stopped."""
    with pytest.raises(TimeoutError):
        await service.post("/api/sql", {"sql": ENDLESS}, timeout=aiohttp.ClientTimeout(total=0.3))
    until = time.monotonic() + 3
    while service.readers._running and time.monotonic() < until:  # noqa: ASYNC110  nothing tells of it
        await asyncio.sleep(0.05)
    assert not service.readers._running


async def test_sql_while_rows_come_in(service: Running, worker: Spool) -> None:
    """Readers and the loader work side by side."""
    for _ in range(20):
        exchange(worker, uuid7())
        await service.rows("SELECT e.provider, count(*) FROM exchanges e JOIN bodies b USING (exchange_id) GROUP BY ALL")
    await service.flush()
    assert await service.rows("SELECT count(*) AS n, count(DISTINCT exchange_id) AS d FROM exchanges") == [{"n": 20, "d": 20}]


async def test_opinions_become_rows(service: Running) -> None:
    """Feedback, scores and documents can be queried after a flush; a repeated id counts once."""
    about = str(uuid.UUID(bytes=uuid7()))
    mine = str(uuid.uuid4())
    for _ in range(2):
        status, told = await service.post("/api/feedback", {"id": mine, "exchange_id": about, "score": 1, "comment": "good"})
        assert (status, told["ids"]) == (202, [mine])
    await service.post(
        "/api/scores", [{"response_id": "r1", "name": "exact", "passed": True}, {"response_id": "r2", "name": "x", "value": 0.5}]
    )
    await service.post("/api/context", {"response_id": "r1", "documents": [{"id": "d1", "rank": 1, "text": "t"}, {"id": "d2"}]})
    await service.flush()
    assert await service.rows("SELECT exchange_id, score, comment FROM feedback") == [
        {"exchange_id": about, "score": 1.0, "comment": "good"}
    ]
    assert await service.rows("SELECT response_id, name, passed, value FROM scores ORDER BY 1") == [
        {"response_id": "r1", "name": "exact", "passed": True, "value": None},
        {"response_id": "r2", "name": "x", "passed": None, "value": 0.5},
    ]
    assert await service.rows("SELECT document_id, rank, text FROM contexts ORDER BY 1") == [
        {"document_id": "d1", "rank": 1, "text": "t"},
        {"document_id": "d2", "rank": None, "text": None},
    ]


async def test_wrong_opinions_are_refused(service: Running) -> None:
    """With the key that is wrong."""
    status, told = await service.post("/api/feedback", {"exchange_id": "nonsense", "score": 1})
    assert (status, told["error"].split(":")[0]) == (400, "exchange_id")


async def test_metrics_tell_what_is_known(service: Running, worker: Spool) -> None:
    """Prometheus text with the ledger, the lag and the workers."""
    exchange(worker, uuid7())
    await service.flush()
    async with service.http.get(service.url + "/metrics") as response:
        text = await response.text()
        assert response.content_type == "text/plain"
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines['goldwash_accepted_total{host="here",worker="w0"}'] == "1"
    endings = {name: value for name, value in lines.items() if name.startswith("goldwash_exchanges_total")}
    assert endings == {
        f'goldwash_exchanges_total{{host="here",worker="w0",ending="{ending.value}"}}': "1" if ending is Ending.COMPLETE else "0"
        for ending in Ending
    }
    assert lines["goldwash_rows_written_total"] == "1"
    assert lines["goldwash_exchanges_active"] == "3"
    assert lines["goldwash_stored_without_price"] == "0"
    assert float(lines["goldwash_log_lag_seconds"]) < 5


async def test_the_page_shows_what_passed(service: Running, worker: Spool) -> None:
    """Server-made, escaped, under a policy that runs nothing."""
    exchange(worker, uuid7())
    exchange(worker, uuid7(), b'{"model":"<script>alert(1)</script>","choices":[]}')
    await service.flush()
    async with service.http.get(service.url + "/") as response:
        text = await response.text()
        assert response.status == 200
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert response.headers["X-Frame-Options"] == "DENY"
    assert "gpt-4o-mini-2024-07-18" in text
    assert "<script" not in text


async def test_a_snapshot_is_a_plain_file(service: Running, worker: Spool) -> None:
    """A DuckDB file with all tables and views, for the caller to move."""
    exchange(worker, uuid7())
    await service.flush()
    status, told = await service.post("/api/snapshot", {})
    assert status == 200
    with duckdb.connect(told["path"], read_only=True) as copy:
        assert copy.execute("SELECT count(*) FROM exchanges").fetchone() == (1,)
        assert copy.execute("SELECT sum(exchanges) FROM cost_daily").fetchone() == (1,)


async def test_other_addresses_and_methods(service: Running) -> None:
    """404 and 405 are JSON too."""
    async with service.http.get(service.url + "/nowhere") as response:
        assert (response.status, "error" in await response.json()) == (404, True)
    async with service.http.get(service.url + "/api/sql") as response:
        assert response.status == 405


class Failing:
    """A loader whose log is full for a while."""

    def __init__(self, log: Log, settings: Settings) -> None:
        self.inner, self.left = make_loader(log, settings), 2

    def step(self, now_ns: int) -> Any:
        if self.left:
            self.left -= 1
            raise duckdb.IOException("No space left on device")
        return self.inner.step(now_ns)

    def close(self) -> None:
        self.inner.close()


async def test_a_failing_log_is_tried_again(start: Start, worker: Spool) -> None:
    """What the log refuses stays in the spool, is shown, and goes in when it can."""
    exchange(worker, uuid7())
    async with start(loader=Failing) as service:
        async with service.http.get(service.url + "/readyz") as response:
            assert "No space left" in (await response.json())["status"]
        await service.flush()
        assert await service.rows("SELECT count(*) AS n FROM exchanges") == [{"n": 1}]
        async with service.http.get(service.url + "/readyz") as response:
            assert response.status == 200
