"""Loading: what a row holds, exactly once, whatever dies in between."""

from __future__ import annotations

import hashlib
import time
import uuid
from decimal import Decimal

import duckdb
import pytest

from proxy.exchange import Captured, Ending, Reading, ToolCall, Usage
from proxy.log.ingest import Loader
from proxy.spool import frames

NOON_NS = 20_000 * 86_400_000_000_000 + 43_200_000_000_000


def test_one_exchange_is_one_row(room):
    """Facts, hashes of the bytes that passed, times and metadata stand in their columns."""
    traffic = room.traffic()
    body, answer = b'{"model":"m"}', b'{"ok":true}'
    headers = (("goldwash-feature", "search"), ("goldwash-property-corpus", "x1"), ("user-agent", "curl"))
    exchange_id = traffic.accept(body, headers=headers, url_metadata="user=42;team=a%20b")
    traffic.finish(exchange_id, answer, headers=(("content-type", "application/json"),))
    assert room.load() == 1
    row = room.sql(
        "SELECT CAST(exchange_id AS VARCHAR), provider, method, path, status, ending, feature, user_id, properties, purpose, request_sha256, "
        "response_sha256, duration_ms, time_to_first_chunk_ms, epoch_ns(accepted_at), epoch_ns(ended_at), host, worker, api_key_hash, user_agent, "
        "input_tokens, usage_source, cost_usd, cost_note, retry_of FROM exchanges"
    )[0]
    assert row == (
        str(uuid.UUID(bytes=exchange_id)), "openai", "POST", "/v1/chat/completions", 200, "complete", "search", "42",
        {"corpus": "x1", "team": "a b"}, "app", hashlib.sha256(body).hexdigest(), hashlib.sha256(answer).hexdigest(), 9.0, 7.0,
        NOON_NS, NOON_NS + 9_000_000, "host", "w0", "k1", "curl", 1, "provider", None, "no price in this test", None,
    )  # fmt: skip
    assert room.sql("SELECT request_body, response_body, request_body_coding FROM bodies") == [(body.decode(), answer.decode(), None)]


def test_bytes_in_parts_are_put_together(room):
    """A request and an answer that came in several frames are one body each, in order."""
    traffic = room.traffic()
    exchange_id = traffic.accept(b"one ")
    traffic.part(exchange_id, b"two ", frames.REQUEST)
    traffic.answer(exchange_id, 201, (("x-request-id", "r1"),))
    traffic.part(exchange_id, b"a")
    traffic.finish(exchange_id, b"b", status=201, request_bytes=13, response_bytes=2, request_rest=b"three")
    room.load()
    assert room.sql("SELECT request_body, response_body FROM bodies") == [("one two three", "ab")]
    status, headers, digest = room.one("SELECT status, response_headers, response_sha256 FROM exchanges")
    assert (status, headers, digest) == (201, '{"x-request-id":"r1"}', hashlib.sha256(b"ab").hexdigest())


def test_nothing_is_loaded_twice(room):
    """A loader that starts again takes up behind the last commit, also with exchanges in flight."""
    traffic = room.traffic()
    done = [traffic.exchange() for _ in range(3)]
    flying = traffic.accept(b'{"model":"m"}')
    traffic.part(flying, b"first ")
    assert room.load() == 3
    room.restart()
    assert room.load() == 0
    traffic.finish(flying, b"last", response_bytes=10)
    assert room.load() == 1
    assert room.one("SELECT response_body FROM bodies ORDER BY length(response_body) DESC, response_body LIMIT 1") == '{"ok":true}'
    assert room.sql("SELECT response_body FROM bodies WHERE exchange_id = ?", str(uuid.UUID(bytes=flying))) == [("first last",)]
    assert room.one("SELECT count(DISTINCT exchange_id) FROM exchanges") == len(done) + 1
    assert room.balanced()


def test_a_dead_writer_leaves_lost_exchanges(room):
    """What had been accepted when the worker died becomes a row with ending lost and the bytes that had arrived; then the run's directory goes."""
    traffic = room.traffic()
    traffic.exchange()
    flying = traffic.accept(b'{"model":"m"}')
    traffic.answer(flying, 200)
    traffic.part(flying, b"half an ans")
    assert room.load() == 1
    traffic.spool.close()
    assert room.load() == 1
    ending, ended, duration, status, digest = room.one(
        "SELECT ending, ended_at, duration_ms, status, response_sha256 FROM exchanges WHERE exchange_id = ?", str(uuid.UUID(bytes=flying))
    )
    assert (ending, ended, duration, status, digest) == ("lost", None, None, 200, None)
    assert room.sql("SELECT response_body FROM bodies WHERE exchange_id = ?", str(uuid.UUID(bytes=flying))) == [("half an ans",)]
    assert room.balanced()
    assert list((room.path / "spool").iterdir()) == []


def test_two_runs_are_loaded_side_by_side(room):
    """Two workers' runs are read in one round, each with its own position and ledger."""
    one, two = room.traffic("w0"), room.traffic("w1")
    for _ in range(5):
        one.exchange()
        two.exchange(ending=Ending.CLIENT_GONE)
    assert room.load() == 10
    assert room.sql("SELECT worker, accepted, complete, client_gone FROM ledger ORDER BY worker") == [("w0", 5, 5, 0), ("w1", 5, 0, 5)]


def test_bounded_rounds_take_everything(room):
    """Rounds of a few rows, in many segments, over two runs: all rows, once, and no segment stays but the ones in use."""
    room.restart(rows=7)
    traffics = [room.traffic(f"w{n}", 1 << 13) for n in range(2)]
    for _ in range(60):
        for traffic in traffics:
            traffic.exchange(response=b"x" * 400)
    assert room.load() == 120
    assert room.balanced()
    assert len(room.segments()) == 2


def test_a_long_stream_does_not_hold_segments(room):
    """Frames of an open exchange are carried over, and survive a restart, a second carrying and their own end."""
    room.restart(hold=2)
    traffic = room.traffic(segment_bytes=1 << 13)
    flying = traffic.accept(b"R" * 100)
    for number in range(200):
        traffic.exchange(response=b"x" * 300)
        if number % 10 == 0:
            traffic.part(flying, b"%03d " % number)
            room.load()
        if number == 110:
            room.restart(hold=2)
    room.load()
    names = room.segments()
    assert len([name for name in names if name.startswith("carry")]) == 1
    assert len(names) <= 5
    traffic.finish(flying, b"end", request_bytes=100, response_bytes=83)
    assert room.load() == 1
    expected = "".join(f"{number:03d} " for number in range(0, 200, 10)) + "end"
    assert room.sql("SELECT response_body, request_body FROM bodies WHERE exchange_id = ?", str(uuid.UUID(bytes=flying))) == [
        (expected, "R" * 100)
    ]
    assert room.balanced()
    assert not [name for name in room.segments() if name.startswith("carry")]


def test_a_failed_commit_is_taken_again(room, monkeypatch):
    """When the database refuses a round, nothing of it stays and the next round brings all of it."""
    traffic = room.traffic()
    for _ in range(4):
        traffic.exchange()
    with monkeypatch.context() as patch:
        patch.setattr(Loader, "_count", lambda *_: (_ for _ in ()).throw(duckdb.IOException("no space left")))
        with pytest.raises(duckdb.IOException):
            room.loader.step(time.time_ns())
    assert room.one("SELECT count(*) FROM exchanges") == 0
    assert room.load() == 4
    assert room.balanced()


def test_a_torn_frame_costs_itself_alone(room):
    """Damage in the middle of a dead run: the frames behind it are loaded, the loss is counted, the segment is kept aside."""
    traffic = room.traffic()
    before = traffic.exchange()
    at = traffic.spool._segment.offset
    torn = traffic.exchange()
    after = traffic.exchange()
    path = traffic.spool._segment.path
    traffic.spool.close()
    with path.open("r+b") as file:
        file.seek(at + 20)
        file.write(b"\xff\xff\xff")
    assert room.load() == 3
    endings = dict(room.sql("SELECT CAST(exchange_id AS VARCHAR), provider FROM exchanges"))
    assert endings == {str(uuid.UUID(bytes=before)): "openai", str(uuid.UUID(bytes=torn)): None, str(uuid.UUID(bytes=after)): "openai"}
    assert sorted(room.sql("SELECT kind, frames FROM losses")) == [("gap", 1), ("torn", 0)]
    (kept,) = (room.path / "spool").glob("*.torn")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert room.balanced()


def test_a_hole_is_skipped(room):
    """A page of zeros, as a machine that lost power leaves it, hides the frames in it and not those behind it."""
    traffic = room.traffic()
    first = traffic.spool._segment.offset
    traffic.exchange(response=b"x" * 6000)
    behind = traffic.exchange()
    path = traffic.spool._segment.path
    traffic.spool.close()
    with path.open("r+b") as file:
        file.seek(first)
        file.write(bytes(4096))
    assert room.load() == 1
    assert room.one("SELECT CAST(exchange_id AS VARCHAR) FROM exchanges") == str(uuid.UUID(bytes=behind))
    assert sorted(row[0] for row in room.sql("SELECT kind FROM losses")) == ["gap", "torn"]


def test_a_live_writers_damage_is_passed_once_frames_follow(room):
    """A torn frame in a living run waits only while nothing follows it, and other runs are loaded meanwhile."""
    traffic, other = room.traffic("w0"), room.traffic("w1")
    at = traffic.spool._segment.offset
    torn = traffic.accept()
    traffic.spool._segment.map[at + 20] ^= 255
    other.exchange()
    assert room.load() == 1
    assert room.sql("SELECT kind FROM losses") == []
    traffic.finish(torn)
    traffic.exchange()
    room.restart()
    assert room.load() == 2
    assert sorted(row[0] for row in room.sql("SELECT kind FROM losses")) == ["gap", "torn"]


def test_a_missing_segment_is_counted(room):
    """Frames that are not there are told by their numbers."""
    traffic = room.traffic(segment_bytes=1 << 13)
    for _ in range(60):
        traffic.exchange(response=b"x" * 300)
    (room.path / "spool" / traffic.spool.run / "00000002.seg").unlink()
    room.load()
    ((kind, missing),) = room.sql("SELECT kind, frames FROM losses WHERE kind = 'gap'")
    assert kind == "gap"
    assert missing > 0


def test_a_lost_log_is_built_again_from_what_the_spool_still_holds(room):
    """With positions gone, what is open is found in the carry file; what was loaded before is told as a gap, not as a row."""
    room.restart(hold=1)
    traffic = room.traffic(segment_bytes=1 << 13)
    flying = traffic.accept(b"R")
    for _ in range(80):
        traffic.exchange(response=b"x" * 300)
        room.load()
    assert any(name.startswith("carry") for name in room.segments())
    for table in ("exchanges", "small_bodies", "ledger", "spool_position"):
        room.sql(f"DELETE FROM {table}")
    room.restart(hold=1)
    traffic.finish(flying, request_bytes=1)
    room.load()
    assert room.sql("SELECT provider FROM exchanges WHERE exchange_id = ?", str(uuid.UUID(bytes=flying))) == [("openai",)]
    assert room.balanced()
    assert room.sql("SELECT kind FROM losses") == [("gap",)]


def test_a_clean_close_before_the_terminal_event_is_partial(room):
    """The lane saw a clean end; the dialect says that the stream stopped short, or that it broke off with an error."""

    def read(captured: Captured) -> Reading:
        return Reading(terminal=False, is_stream=True, error_type="overloaded_error" if b"error" in captured.response_body else None)

    loader = Loader(room.log, room.path / "spool", read, lambda *_: Price())
    traffic = room.traffic()
    traffic.exchange(response=b"cut")
    traffic.exchange(response=b"error")
    traffic.exchange(response=b"kept in part", flags=frames.RESPONSE_TRUNCATED)
    loader.step(time.time_ns())
    loader.close()
    assert room.sql("SELECT ending, count(*) FROM exchanges GROUP BY 1 ORDER BY 1") == [
        ("complete", 1), ("partial", 1), ("upstream_error", 1)
    ]  # fmt: skip
    assert room.balanced()


class Price:
    """A price of one cent, and a bit that no column can hold."""

    cost_usd = Decimal("0.0100000000004999")
    source, version, hash, unknown = "list", "1", "h", None


def test_a_reading_goes_into_its_columns(room):
    """Usage, cost, tool calls, finish reasons and texts are stored as read, secrets taken out."""

    def read(captured: Captured) -> Reading:
        return Reading(
            dialect="test", operation="chat", is_stream=True, usage=Usage(10, 20, 3, raw='{"in":10}'), finish_reasons=("stop", "length"),
            tool_calls=(ToolCall("c1", "f", '{"a":1}'),), output_text="my key is sk-proj-abcdefgh12345678", terminal=True,
        )  # fmt: skip

    loader = Loader(room.log, room.path / "spool", read, lambda *_: Price(), room.loader._scrub)
    room.traffic().exchange()
    loader.step(time.time_ns())
    loader.close()
    row = room.one(
        "SELECT input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, usage_raw, cost_usd, price_source, price_version, price_hash, "
        "finish_reasons, tool_calls, output_text, terminal, cost_note FROM exchanges"
    )
    assert row == (
        10, 20, 3, None, '{"in":10}', Decimal("0.01"), "list", "1", "h", ["stop", "length"],
        '[{"id":"c1","name":"f","arguments":"{\\"a\\":1}"}]', "my key is [secret]", True, None,
    )  # fmt: skip


def test_values_no_column_can_hold_cost_themselves_alone(room):
    """Half a surrogate pair, a number beyond 64 bits, JSON that is none: the row is stored, the value mended or NULL."""

    def read(captured: Captured) -> Reading:
        return Reading(
            output_text="a\ud800b", response_id="\udcff", usage=Usage(input_tokens=2**70, output_tokens=5, raw="NaN{"),
            tool_calls=(ToolCall(None, "\ud800", "{}"),), metrics="{",
        )  # fmt: skip

    class Dear(Price):
        cost_usd = Decimal("NaN")

    loader = Loader(room.log, room.path / "spool", read, lambda *_: Dear())
    traffic = room.traffic()
    exchange_id = traffic.accept(headers=(("goldwash-property-a", "\udcff"), ("goldwash-property-a", "2"), ("goldwash-user", "\udcfe")))
    traffic.finish(exchange_id)
    loader.step(time.time_ns())
    loader.close()
    row = room.one("SELECT output_text, input_tokens, output_tokens, usage_raw, metrics, cost_usd, properties FROM exchanges")
    assert row[1:6] == (None, 5, None, None, None)
    assert row[0].startswith("a")
    assert list(row[6]) == ["a"]


def test_a_reader_that_fails_costs_its_reading_alone(room):
    """An exception in reading or pricing is told in the row."""

    def read(captured: Captured) -> Reading:
        raise RuntimeError("bug")

    def price(*_: object) -> Price:
        raise KeyError("model")

    loader = Loader(room.log, room.path / "spool", read, price)
    room.traffic().exchange()
    loader.step(time.time_ns())
    loader.close()
    assert room.one("SELECT unread, cost_note FROM exchanges") == ("reading failed: RuntimeError: bug", "pricing failed: KeyError: 'model'")


def test_records_go_to_the_table_they_name(room):
    """Feedback lands in its columns, what no column takes in properties, an unknown name in records, and the same record only once."""
    traffic = room.traffic()
    record_id, now = b"\1" * 16, time.time_ns()
    said = b'{"exchange_id":"01890a5d-ac96-774b-bcce-b302099a8057","score":0.5,"comment":"sk-proj-abcdefgh12345678","extra":{"a":1}}'
    for _ in range(2):
        traffic.spool.append(frames.record(record_id, now, "feedback", said))
    traffic.spool.append(frames.record(b"\2" * 16, now, "horoscope", b'{"sign":"lion"}'))
    traffic.spool.append(frames.record(b"\3" * 16, now, "labels", b"no json"))
    room.load()
    traffic.spool.append(frames.record(record_id, now, "feedback", said))
    room.load()
    assert room.sql("SELECT CAST(exchange_id AS VARCHAR), score, comment, properties FROM feedback") == [
        ("01890a5d-ac96-774b-bcce-b302099a8057", 0.5, "[secret]", '{"extra":{"a":1}}')
    ]
    assert sorted(room.sql("SELECT name, content FROM records")) == [("horoscope", '{"sign":"lion"}'), ("labels", "no json")]


def test_what_was_shed_is_in_the_ledger(room):
    """Exchanges that could not be spooled are accepted and lost, without a row."""
    traffic = room.traffic()
    traffic.exchange()
    traffic.spool.append(frames.shed(NOON_NS, 3, 999, "spool_full"))
    room.load()
    assert room.sql("SELECT accepted, complete, lost, shed FROM ledger") == [(4, 1, 3, 3)]
    assert room.sql("SELECT exchanges, bytes, reason FROM shed") == [(3, 999, "spool_full")]


def test_a_run_being_born_is_left_alone(room):
    """A directory whose writer has not taken its lock yet is no dead run."""
    young = room.path / "spool" / "host-w9-1-1"
    young.mkdir(parents=True)
    room.load()
    assert young.exists()
    room.loader.step(time.time_ns() + 120_000_000_000)
    assert not young.exists()


def test_a_secret_cut_up_by_a_stream_is_not_kept(room):
    """Where the joined text of a stream holds a secret, its events are not stored: no pattern would find the pieces."""

    def read(captured: Captured) -> Reading:
        return Reading(is_stream=True, terminal=True, output_text="the key is sk-proj-abcdefgh12345678")

    loader = Loader(room.log, room.path / "spool", read, lambda *_: Price(), room.loader._scrub)
    room.traffic().exchange(response=b'data: {"d":"the key is sk-pro"}\n\ndata: {"d":"j-abcdefgh12345678"}\n\n')
    loader.step(time.time_ns())
    loader.close()
    assert room.one("SELECT output_text FROM exchanges") == "the key is [secret]"
    assert room.sql("SELECT request_body, response_body, response_body_coding FROM bodies") == [('{"model":"m"}', None, "withheld")]
