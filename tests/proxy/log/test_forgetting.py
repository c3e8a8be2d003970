"""Forgetting on the log itself: every table it knows, every column nobody has named, a lake, and frames in a live spool."""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.log import rewriting
from proxy.log.attach import Log
from proxy.log.blanking import blank
from proxy.log.forgetting import Subject, forget
from proxy.log.ingest import Loader
from proxy.log.redaction import Redactor
from proxy.spool import frames

SAID = "said-by-alice"


def opinion(traffic, table: str, **content: object) -> None:
    traffic.spool.append(frames.record(uuid.uuid4().bytes, time.time_ns(), table, json.dumps(content).encode()))


def talk(traffic, user: str = "alice") -> bytes:
    exchange_id = traffic.accept(
        SAID.encode() if user == "alice" else b"said-by-bob", headers=(("goldwash-user", user), ("goldwash-session", f"s-{user}"))
    )
    traffic.finish(exchange_id, SAID.encode() if user == "alice" else b"said-by-bob", request_bytes=13)
    return exchange_id


def spool_of(room) -> Path:
    return room.path / "spool"


def rows(log: Log, query: str) -> list[tuple]:
    cursor = log.cursor()
    try:
        return cursor.execute(query).fetchall()
    finally:
        cursor.close()


def test_what_hangs_on_an_exchange_is_found(room):
    """Opinions by exchange, by answer and by user, judges' calls about it, retries of it, and records of unknown names."""
    traffic, log = room.traffic(), room.log
    alice, bob = talk(traffic), talk(traffic, "bob")
    hers, his = str(uuid.UUID(bytes=alice)), str(uuid.UUID(bytes=bob))
    judge = traffic.accept(f"judge this: {SAID}".encode(), headers=(("goldwash-purpose", "judge"),))
    traffic.finish(judge, SAID.encode())
    retry = traffic.accept(SAID.encode(), headers=(("goldwash-retry-of", hers),))
    traffic.finish(retry, SAID.encode())
    opinion(traffic, "scores", exchange_id=hers, name="tone", reason=SAID, judge_exchange_id=str(uuid.UUID(bytes=judge)), passed=True)
    opinion(traffic, "scores", exchange_id=his, name="tone", reason="fine")
    opinion(traffic, "labels", exchange_id=hers, value=SAID, note=SAID, origin="queue", expected={"text": SAID})
    opinion(traffic, "feedback", user_id="alice", response_id="elsewhere", comment=SAID)
    opinion(traffic, "golden_cases", exchange_id=hers, case_id="case-1", content={"a": SAID}, status="candidate")
    opinion(traffic, "something new", exchange_id=hers, text=SAID)
    opinion(traffic, "something new", exchange_id=his, text="fine")
    opinion(traffic, "readings_history", exchange_id=hers, before={"output_text": SAID}, after={})
    room.load()
    found = forget(log, spool_of(room), Subject(user=("alice",)), dry_run=True)
    assert (found.exchanges, found.cases) == (3, ["case-1"])
    assert found.rows["records"] == 1
    assert SAID in str(rows(log, "SELECT * FROM bodies"))
    done = forget(log, spool_of(room), Subject(user=("alice",)))
    assert (done.exchanges, done.rows) == (found.exchanges, found.rows)
    tables = [row[0] for row in rows(log, "SELECT table_name FROM duckdb_tables() WHERE NOT internal")]
    assert [table for table in tables if SAID in str(rows(log, f'SELECT * FROM "{table}"'))] == []
    assert rows(log, "SELECT name, passed, reason FROM scores ORDER BY reason NULLS FIRST") == [
        ("tone", True, None),
        ("tone", None, "fine"),
    ]
    assert len(rows(log, "SELECT * FROM records")) == 1
    assert rows(log, "SELECT user_id, count(*) FROM exchanges GROUP BY ALL ORDER BY ALL") == [("[forgotten]", 1), ("bob", 1), (None, 2)]
    assert forget(log, spool_of(room), Subject(user=("alice",))).nothing


def test_a_session_that_names_nobody_goes_along(room):
    """Exchanges of the same session without a user are the same person's; those of another user are not."""
    traffic = room.traffic()
    talk(traffic)
    nameless = traffic.accept(SAID.encode(), headers=(("goldwash-session", "s-alice"),))
    traffic.finish(nameless, b"x")
    other = traffic.accept(b"said-by-bob", headers=(("goldwash-session", "s-alice"), ("goldwash-user", "bob")))
    traffic.finish(other, b"x")
    room.load()
    assert forget(room.log, spool_of(room), Subject(user=("alice",))).exchanges == 2
    assert rows(room.log, "SELECT request_body FROM bodies") == [("said-by-bob",)]


def test_a_column_that_nobody_named_is_erased(room):
    """A later version may add a column of text: unless it says that it may stay, it goes."""
    cursor = room.log.cursor()
    cursor.execute("ALTER TABLE exchanges ADD COLUMN novelty VARCHAR")
    talk(room.traffic())
    room.load()
    cursor.execute("UPDATE exchanges SET novelty = 'x'")
    forget(room.log, spool_of(room), Subject(before=datetime(2100, 1, 1, tzinfo=UTC)))
    assert cursor.execute(
        "SELECT novelty, model_count FROM (SELECT novelty, count(provider) AS model_count FROM exchanges GROUP BY ALL)"
    ).fetchall() == [(None, 1)]
    cursor.close()


def test_the_spool_of_a_living_writer_is_blanked(room):
    """Frames that are loaded lose their texts where they lie, whole frames all the same: the writer goes on, and so does the account."""
    traffic = room.traffic()
    talk(traffic)
    flying = traffic.accept(b"in flight", headers=(("goldwash-user", "alice"),))
    opinion(traffic, "feedback", user_id="alice", response_id="r", comment=SAID)
    room.load()
    assert any(SAID.encode() in path.read_bytes() for path in spool_of(room).rglob("*.seg"))
    found = forget(room.log, spool_of(room), Subject(user=("alice",)))
    assert found.frames == 3
    assert not any(SAID.encode() in path.read_bytes() for path in spool_of(room).rglob("*.seg"))
    traffic.finish(flying, b"landed")
    room.restart()
    assert room.load() == 1
    room.load()
    assert rows(room.log, "SELECT count(*) FROM exchanges") == [(2,)]


def test_torn_files_go(tmp_path: Path):
    """What was kept of damaged segments cannot be told apart, so all of it goes."""
    (tmp_path / "run.00000001.torn").write_bytes(b"anything")
    assert blank(tmp_path, {b"x" * 16}, set()) == (0, 1)
    assert list(tmp_path.iterdir()) == []


ID = bytes(range(16))
FACTS = b"\n".join([b"openai", b"", b"https://x", b"POST", b"/v1", b"q=1", b"k1", b"user=alice", b"goldwash-feature:tea"])
PAYLOADS = {
    "accepted": lambda body: frames.accepted(ID, 7, 0, FACTS, body),
    "part": lambda body: frames.part(ID, frames.REQUEST, 7, body),
    "answered": lambda body: frames.answered(ID, 200, b"x:" + body.replace(b"\n", b"")),
    "finished": lambda body: frames.finished(ID, 1, 0, 500, 1, 2, 3, 4, b"q" * 32, b"p" * 32, b"kind\nwhy\nx:y", body, body),
    "finished without an error": lambda body: frames.finished(ID, 1, 0, 500, 1, 2, 3, 4, b"q" * 32, b"p" * 32, b"\n", body, body),
    "record": lambda body: frames.record(ID, 7, "feedback", b'{"comment":"' + body + b'"}'),
}


@pytest.mark.parametrize("kind", PAYLOADS)
@given(body=st.binary(max_size=60))
def test_a_blanked_frame_is_a_frame(kind, body):
    """As long as before, decodable, with its id and times, and with nothing of what was said; blanking it again changes nothing."""
    payload = PAYLOADS[kind](body + SAID.encode())
    blanked = frames.blanked(payload)
    assert len(blanked) == len(payload)
    assert SAID.encode() not in blanked
    before, after = frames.decode(payload), frames.decode(blanked)
    assert type(after) is type(before)
    assert frames.blanked(blanked) == blanked
    for name in ("exchange_id", "record_id", "accepted_at_ns", "at_ns", "after_ns", "status", "ending", "ended_after_ns", "request_bytes"):
        if hasattr(before, name):
            assert getattr(after, name) == getattr(before, name)


def test_a_lake_forgets_too(tmp_path: Path, room):
    """Files of a lake that hold erased rows are written anew and the old ones deleted; the others' rows stay."""
    log = Log.open(f"ducklake:{tmp_path / 'catalog.ducklake'}", tmp_path, "files")
    loader = Loader(log, spool_of(room), room.loader._read, room.loader._price, Redactor())
    traffic = room.traffic()
    for user in ["alice", "bob"] * 30:
        talk(traffic, user)
    loader.step(time.time_ns())
    files = tmp_path / "files"
    assert any(SAID.encode() in file.read_bytes() for file in files.rglob("*.parquet"))
    found = forget(log, spool_of(room), Subject(user=("alice",)))
    rewriting.clean_lake(log, tmp_path)
    assert found.exchanges == 30
    assert not any(SAID.encode() in file.read_bytes() for file in files.rglob("*") if file.is_file())
    assert rows(log, "SELECT user_id, count(*) FROM exchanges GROUP BY ALL ORDER BY ALL") == [("[forgotten]", 30), ("bob", 30)]
    assert rows(log, "SELECT count(*) FROM bodies") == [(30,)]
    loader.close()
    log.close()


def test_searching_finds_across_pieces(tmp_path: Path, monkeypatch):
    """A text that lies across two pieces of a large file is found, and one that is not there is not."""
    monkeypatch.setattr(rewriting, "CHUNK", 10)
    (tmp_path / "large").write_bytes(b"." * 7 + b"needle" + b"." * 30)
    (tmp_path / "small").write_bytes(b"needle")
    assert rewriting.holding(tmp_path, ["needle", "absent"]) == {"needle": ["large", "small"]}
