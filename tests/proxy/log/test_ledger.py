"""The account of accepted requests: what agrees, and each way in which it can fail to."""

from __future__ import annotations

from datetime import UTC, date, datetime

from proxy.log.ledger import Account, account
from proxy.log.retention import expire


def counted(room, since: date | None = None) -> Account:
    def query(sql: str) -> list[dict[str, object]]:
        cursor = room.log.cursor()
        cursor.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    return account(query, room.path / "spool", since)


def test_everything_is_accounted_for(room):
    """Rows, an exchange in flight, one in flight that the log has not seen, and finished ones it has not loaded."""
    traffic = room.traffic()
    for _ in range(5):
        traffic.exchange()
    traffic.accept()
    room.load()
    traffic.exchange()
    traffic.accept()
    found = counted(room)
    assert found.sound()
    (line,) = found.lines
    assert (line.accepted, line.complete, line.open, line.rows) == (6, 5, 1, 5)
    assert (found.open_ledger, found.open_spool) == (1, 1)
    assert (found.waiting.accepted, found.waiting.finished) == (2, 1)


def test_lost_is_sound_up_to_a_bound(room):
    """What a dead worker lost is accounted for; the operator says how much is too much."""
    traffic = room.traffic()
    traffic.accept()
    traffic.spool.close()
    room.load()
    found = counted(room)
    assert found.lost == 1
    assert found.sound()
    assert found.sound(1)
    assert not found.sound(0)


def test_a_row_that_vanished_is_unaccounted(room):
    """Somebody deleted a row: the ledger knows."""
    traffic = room.traffic()
    traffic.exchange()
    traffic.exchange()
    room.load()
    room.sql("DELETE FROM exchanges WHERE exchange_id = (SELECT min(exchange_id) FROM exchanges)")
    found = counted(room)
    assert found.unaccounted == 1
    assert not found.sound()


def test_a_doubled_row_is_found(room):
    """The same exchange twice is told as doubled."""
    room.traffic().exchange()
    room.load()
    room.sql("INSERT INTO exchanges SELECT * FROM exchanges")
    found = counted(room)
    assert found.doubled == 1
    assert not found.sound()


def test_an_open_exchange_without_frames_is_unaccounted(room):
    """The ledger says that one is in flight, and the spool knows of none."""
    traffic = room.traffic()
    traffic.accept()
    room.load()
    (segment,) = (room.path / "spool").glob("*/*.seg")
    room.loader.close()
    segment.unlink()
    found = counted(room)
    assert (found.open_ledger, found.open_spool) == (1, 0)
    assert found.unaccounted == 1
    assert "1 in flight by the ledger, 0 by the spool" in found.disagreeing[0]


def test_missing_frames_are_unaccounted(room):
    """A segment that is gone shows by the numbers of the frames around it; another day is not blamed for it."""
    traffic = room.traffic(segment_bytes=1 << 13)
    for _ in range(60):
        traffic.exchange(response=b"x" * 300)
    (room.path / "spool" / traffic.spool.run / "00000002.seg").unlink()
    room.load()
    found = counted(room)
    assert found.missing_frames > 0
    assert not found.sound()
    assert found.json()["losses"][0]["kind"] == "gap"


def test_expired_rows_still_add_up(room):
    """Retention writes down what it deletes; bodies go first, rows and what hangs on them later."""
    traffic = room.traffic()
    old, now = 20_000 * 86_400_000_000_000, datetime.fromtimestamp(20_010 * 86_400, UTC)
    for hours in range(3):
        traffic.exchange(at_ns=old + hours * 3_600_000_000_000)
    traffic.exchange(at_ns=20_009 * 86_400_000_000_000)
    room.load()
    done = expire(room.log, 5, 0, now)
    assert (done.bodies, done.rows, done.more) == (3, 0, False)
    assert room.sql("SELECT (SELECT count(*) FROM exchanges), (SELECT count(*) FROM bodies)") == [(4, 1)]
    assert expire(room.log, 5, 5, now).rows == 3
    assert room.one("SELECT count(*) FROM exchanges") == 1
    found = counted(room)
    assert found.sound()
    assert [(line.rows, line.expired) for line in found.lines] == [(0, 3), (1, 0)]
    assert expire(room.log, 0, 0, datetime.fromtimestamp(30_000 * 86_400, UTC)) == type(done)(0, 0, more=False)


def test_the_account_of_some_days(room):
    """`since` leaves earlier days out."""
    traffic = room.traffic()
    for day in (20_000, 20_001):
        traffic.exchange(at_ns=day * 86_400_000_000_000)
    room.load()
    assert [line.day for line in counted(room, date(2024, 10, 5)).lines] == ["2024-10-05"]


def test_a_log_that_is_written_meanwhile_is_accounted_for(room):
    """Counting goes on while loading does: carried frames and deleted segments do not look like losses."""
    room.restart(hold=1)
    traffic = room.traffic(segment_bytes=1 << 13)
    traffic.accept()
    for number in range(120):
        traffic.exchange(response=b"x" * 300)
        if number % 7 == 0:
            room.load()
        if number % 20 == 0:
            assert counted(room).sound()
