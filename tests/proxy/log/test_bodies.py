"""Bodies of any size: stored in pieces where they are large, and one text again for who asks."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from proxy.log import forgetting, retention
from proxy.log.attach import Log
from proxy.log.bodies import PIECE, ROOM, divided
from proxy.log.columns import LARGE_BODIES, batch, insert
from proxy.log.retention import SLICE
from proxy.log.rewriting import rewrite
from tests.proxy.log.conftest import NOON_NS, Room

TEXTS = st.one_of(st.none(), st.text(max_size=20), st.integers(0, 5 * PIECE).map(lambda size: "é漢x🙂"[size % 4] * size))


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=4))
def test_dividing_loses_nothing(texts: list[tuple[str | None, str | None]]) -> None:
    """Each row is in one of both tables; its pieces are short and make the text; room is left for what they weigh."""
    rows = [(bytes(16), number, request, response, None, "x") for number, (request, response) in enumerate(texts)]
    small, large = divided(rows)
    told = [row for row in large if row[0] is not None]
    whole = [(*row[:2], *(None if pieces is None else "".join(pieces) for pieces in row[2:4]), *row[4:]) for row in told]
    assert sorted([*small, *whole], key=lambda row: row[1]) == rows
    assert all(len(text or "") <= PIECE for row in small for text in row[2:4])
    assert all(len(piece) <= PIECE for row in told for pieces in row[2:4] for piece in pieces or ())
    weight = sum(len(text.encode()) for row in whole for text in row[2:4] if text)
    assert weight <= ROOM * len(large)
    assert all(row[2:] == (None,) * 4 for row in large if row[0] is None)


def said(room: Room, request: bytes, response: bytes = b"{}", at_ns: int = NOON_NS) -> uuid.UUID:
    """One exchange with these bodies, in the spool."""
    traffic = room.traffic(worker=uuid.uuid4().hex, segment_bytes=8 << 20)
    exchange_id = traffic.accept(request, at_ns=at_ns)
    traffic.finish(exchange_id, response)
    traffic.spool.close()
    return uuid.UUID(bytes=exchange_id)


def test_a_large_body_is_one_text_again(room: Room) -> None:
    """Whole in `bodies`, found by id and by what it says, beside small ones; of a row with one large body both are there."""
    body = "größer " * 30_000
    large, small = said(room, body.encode(), b"short"), said(room, b"small", b"short")
    room.load()
    assert room.one("SELECT count(*) FROM bodies") == 2
    assert room.sql("SELECT request_body, response_body FROM bodies WHERE exchange_id = ?", large) == [(body, "short")]
    assert room.sql("SELECT exchange_id FROM bodies WHERE contains(request_body, 'größer')") == [(large,)]
    assert room.sql("SELECT exchange_id FROM small_bodies") == [(small,)]


def test_large_bodies_expire_and_are_forgotten_like_others(room: Room) -> None:
    """Retention counts them once and takes their empty rows too; forgetting leaves no byte of them in the file."""
    said(room, b"old " * PIECE, at_ns=NOON_NS - 40 * 86_400_000_000_000)
    kept, gone = said(room, b"remember-me " * PIECE), said(room, b"forget-this " * PIECE)
    room.load()
    now = datetime.fromtimestamp(NOON_NS / 1e9, UTC) + SLICE
    assert retention.expire(room.log, bodies_days=30, rows_days=0, now=now).bodies == 1
    assert room.one("SELECT min(accepted_at) > ? FROM large_bodies", now - timedelta(days=30))
    assert forgetting.forget(room.log, room.path / "spool", forgetting.Subject(exchange=str(gone))).rows["bodies"] == 1
    assert room.sql("SELECT exchange_id FROM bodies") == [(kept,)]
    room.loader.close()
    room.log.close()
    rewrite(room.path, room.path / "goldwash.duckdb", "640MB")
    data = (room.path / "goldwash.duckdb").read_bytes()
    assert b"forget-this" not in data
    assert b"remember-me" in data
    log = Log.open("goldwash.duckdb", room.path)
    assert log.cursor().execute("SELECT exchange_id FROM bodies").fetchall() == [(kept,)]
    log.close()


def test_memory_stays_bounded_whatever_bodies_weigh(tmp_path: Path) -> None:
    """Half a gigabyte of bodies of megabytes is stored, checkpointed, searched and written anew within 160 MB of DuckDB's memory."""
    log = Log.open("goldwash.duckdb", tmp_path, memory="160MB")
    db = log.cursor()
    for round_ in range(12):
        text = f"{round_:08} x" * 400_000
        rows = [(uuid.uuid4().bytes, number, text, "{}", None, None) for number in range(10)]
        _, large = divided(rows)
        db.register("arriving", batch(LARGE_BODIES, large))
        db.execute(insert("large_bodies", LARGE_BODIES, "arriving"))
        db.unregister("arriving")
    db.execute("CHECKPOINT")
    assert db.execute("SELECT count(*), min(length(request_body)) FROM bodies WHERE contains(request_body, '11 x')").fetchone() == (
        10,
        4_000_000,
    )
    one = db.execute("SELECT min(exchange_id) FROM bodies").fetchone()[0]
    assert db.execute("SELECT length(request_body) FROM bodies WHERE exchange_id IN (SELECT ?)", [one]).fetchone() == (4_000_000,)
    db.close()
    log.close()
    rewrite(tmp_path, tmp_path / "goldwash.duckdb", "160MB")
