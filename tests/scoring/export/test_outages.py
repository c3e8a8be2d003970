"""What an outage, a death, a receiver that takes half, and rows that come late do to what arrives: nothing is lost, nothing doubled."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scoring.export.following import Held
from scoring.export.position import Progress
from tests.helpers.otlp import ByGrpc, ByHttp, Said, attributes
from tests.scoring import made
from tests.scoring.export.conftest import NOW


def ids(receiver):
    return [attributes(span)["goldwash.exchange_id"] for span in receiver.spans]


def killed_before_its_note(monkeypatch, room, export, name):
    """The receiver has said yes, and at that instant the process dies."""
    with monkeypatch.context() as patch:
        patch.setattr(Progress, "save", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            room.turn(export, name)


@pytest.fixture
def receiver():
    with ByHttp() as found:
        yield found


def test_a_receiver_that_is_away_loses_nothing(room):
    """Down, up again on the same port, by a new process: each exchange arrives once."""
    with ByHttp() as first:
        port = first.port
        rows = room.store(range(7))
        export = room.export(first.url, batch=3)
        room.turn(export, "traces")
        export.close()
    rows += room.store(range(7, 12))
    export = room.export(f"http://127.0.0.1:{port}", batch=3, timeout=0.3)
    with pytest.raises(Held, match="does not answer"):
        room.turn(export, "traces")
    export.close()
    with ByHttp(port) as second:
        room.turn(room.export(second.url, batch=3), "traces")
        assert sorted(ids(first) + ids(second)) == sorted(row["exchange_id"] for row in rows)


def test_what_was_in_flight_is_repeated_with_the_same_ids(room, receiver, monkeypatch):
    """A process that dies between the receiver's yes and its own note sends that batch again: same trace, same span."""
    room.store(range(4))
    export = room.export(receiver.url, batch=4)
    killed_before_its_note(monkeypatch, room, export, "traces")
    room.turn(room.export(receiver.url, batch=4), "traces")
    sent = [(span.trace_id, span.span_id) for span in receiver.spans]
    assert sent[:4] == sent[4:]
    assert len(set(sent)) == 4


def test_metrics_that_are_sent_twice_count_once(room, receiver, monkeypatch):
    """The same death: cumulative points say the same again; and what comes later is added to what was counted before the restart."""
    room.store(range(4))
    export = room.export(receiver.url)
    killed_before_its_note(monkeypatch, room, export, "metrics")
    room.turn(room.export(receiver.url), "metrics")
    (point,) = receiver.points("gen_ai.client.operation.duration")
    assert point.count == 4
    began = point.start_time_unix_nano
    room.store(range(4, 9))
    room.turn(room.export(receiver.url), "metrics")
    (point,) = receiver.points("gen_ai.client.operation.duration")
    assert (point.count, point.start_time_unix_nano) == (9, began)


def test_rows_that_come_into_the_log_late_are_not_missed(room, receiver):
    """A spool that waited brings exchanges accepted long before those that were sent already."""
    room.store(range(3))
    export = room.export(receiver.url)
    room.turn(export, "traces")
    late = room.store(range(3, 5), accepted_at=NOW - timedelta(days=9))
    room.turn(export, "traces")
    assert ids(receiver)[3:] == sorted(row["exchange_id"] for row in late)
    assert room.turn(export, "traces") == 0


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_pages_that_end_inside_a_commit_go_on_there(room, receiver, batch):
    """Rows of one commit share their stamp; the id tells how far they were sent."""
    rows = room.store(range(5)) + room.store(range(5, 10))
    room.turn(room.export(receiver.url, batch=batch), "traces")
    assert sorted(ids(receiver)) == sorted(row["exchange_id"] for row in rows)
    assert len(ids(receiver)) == 10


@pytest.mark.parametrize("name", ["traces", "metrics"])
def test_a_run_that_ends_before_the_log_does_skips_nothing(room, receiver, monkeypatch, name):
    """Pages smaller than what waits, a limit of [sql] smaller than a page, and no time left: the rest comes with the next runs."""
    from config.settings import load
    from proxy.service.client import Access
    from scoring.export import following, telemetry

    for module in (following, telemetry):
        monkeypatch.setattr(module, "PAGE", 5)
    room.store(range(23))
    export = room.export(receiver.url, batch=2)
    few = load(None, {}, data_dir=str(room.data_dir), sql={"max_rows": 3})
    with Access(few) as access:
        for _ in range(12):
            export.turn(name, access, NOW, until=0.0 if name == "metrics" else telemetry.time.monotonic() + 0.02)
        export.turn(name, access, NOW)
    if name == "traces":
        assert len(ids(receiver)) == len(set(ids(receiver))) == 23
    else:
        assert receiver.points("gen_ai.client.operation.duration")[0].count == 23


def test_what_a_receiver_takes_in_part_is_not_sent_again(room, receiver):
    """A partial success is a success: what was rejected is counted, and told with the receiver's own words."""
    room.store(range(4))
    receiver.script.append(Said(rejected=3))
    export = room.export(receiver.url)
    room.turn(export, "traces")
    stream = export.progress.streams["traces"]
    assert (stream.sent, stream.refused, stream.why) == (1, 3, "too old")
    assert room.turn(export, "traces") == 0


def test_a_row_that_a_receiver_cannot_take_does_not_stop_the_others(room, receiver):
    """400 for any batch that holds it: it is found by halves, passed over and counted; the other rows arrive once."""
    rows = room.store(range(16))
    bad = rows[5]["exchange_id"]
    receiver.refuse = lambda signal, batch: Said(400) if bad.encode() in batch.SerializeToString() else None
    export = room.export(receiver.url)
    room.turn(export, "traces")
    assert sorted(ids(receiver)) == sorted(row["exchange_id"] for row in rows if row["exchange_id"] != bad)
    assert (export.progress.streams["traces"].sent, export.progress.streams["traces"].refused) == (15, 1)


@pytest.mark.parametrize("status", [301, 400, 401, 404, 429, 500, 503])
def test_a_receiver_that_takes_nothing_loses_nothing(room, receiver, status):
    """A wrong path, a wrong key, a redirection to a login, a receiver that calls everything bad: the cursor stays."""
    room.store(range(3))
    receiver.refuse = lambda signal, batch: Said(status, {"Location": "/login"} if status == 301 else {})
    export = room.export(receiver.url, timeout=0.3)
    with pytest.raises(Held, match=str(status)):
        room.turn(export, "traces")
    receiver.refuse = lambda signal, batch: None
    room.turn(export, "traces")
    assert len(ids(receiver)) == 3


def test_a_web_page_is_no_receipt(room, receiver):
    """200 with HTML comes from a login or from another program: the cursor stays."""
    room.store(range(2))
    receiver.script.append(Said(200, {"Content-Type": "text/html; charset=utf-8"}))
    export = room.export(receiver.url)
    with pytest.raises(Held, match="answers with a web page"):
        room.turn(export, "traces")
    assert export.progress.streams["traces"].sent == 0


def test_a_row_that_cannot_be_said_stops_nobody(room, receiver, monkeypatch):
    """A fault of ours in one row costs that row, counted as refused; times before 1970 are no fault."""
    from scoring.export import telemetry

    rows = room.store(range(3), accepted_at=NOW.replace(year=1960), ended_at=None)
    real = telemetry.of_exchange

    def faulty(row, *rest):
        if row["exchange_id"] == rows[1]["exchange_id"]:
            raise ValueError("odd")
        return real(row, *rest)

    monkeypatch.setattr(telemetry, "of_exchange", faulty)
    export = room.export(receiver.url)
    room.turn(export, "traces")
    assert len(ids(receiver)) == 2
    assert export.progress.streams["traces"].refused == 1


def test_the_pause_that_a_receiver_asks_for_is_kept(room, receiver, monkeypatch):
    """Retry-After in seconds or as a date; until then nothing is asked, and the file says since when it waits."""
    from proxy.service.client import Access
    from scoring.export import telemetry

    room.store(range(3))
    receiver.script.append(Said(429, {"Retry-After": "40"}))
    export = room.export(receiver.url, signals=["traces"])
    clock = [1000.0]
    monkeypatch.setattr(telemetry.time, "monotonic", lambda: clock[0])
    with Access(export.settings) as access:
        assert export.run(access, NOW) == 0
        asked = receiver.requests
        clock[0] += 39
        assert export.run(access, NOW) == 0
        assert receiver.requests == asked
        assert export.progress.streams["traces"].held_since is not None
        clock[0] += 2
        assert export.run(access, NOW) == 3
    assert export.progress.streams["traces"].held_since is None


def test_pauses_grow_where_a_receiver_says_nothing(room, monkeypatch):
    """1 s, 2 s, 4 s … up to five minutes, give or take a fifth."""
    from proxy.service.client import Access
    from scoring.export import telemetry

    room.store(range(1))
    export = room.export("http://127.0.0.1:9", signals=["traces"], timeout=0.2)
    clock = [1000.0]
    monkeypatch.setattr(telemetry.time, "monotonic", lambda: clock[0])
    pauses = []
    with Access(export.settings) as access:
        for _ in range(11):
            export.run(access, NOW)
            pauses.append(export.waits["traces"].until - clock[0])
            clock[0] = export.waits["traces"].until
    assert 0.8 <= pauses[0] <= 1.2
    assert 3.2 <= pauses[2] <= 4.8
    assert 240 <= pauses[-1] <= 360


def test_grpc_says_when_to_come_again(room):
    """UNAVAILABLE with RetryInfo holds the cursor; INVALID_ARGUMENT for one row passes over it."""
    grpc = pytest.importorskip("grpc", reason="the grpc extra is not installed")
    from google.protobuf.duration_pb2 import Duration
    from google.rpc.error_details_pb2 import RetryInfo

    rows = room.store(range(6))
    bad = rows[2]["exchange_id"]
    with ByGrpc() as receiver:
        export = room.export(receiver.url, protocol="grpc", timeout=1.0)
        wait = RetryInfo(retry_delay=Duration(seconds=50)).SerializeToString()
        receiver.script.append(Said(grpc.StatusCode.UNAVAILABLE, {"google.rpc.retryinfo-bin": wait}))
        with pytest.raises(Held) as held:
            room.turn(export, "traces")
        assert held.value.retry_after == 50
        poison = Said(grpc.StatusCode.INVALID_ARGUMENT)
        receiver.refuse = lambda signal, batch: poison if bad.encode() in batch.SerializeToString() else None
        room.turn(export, "traces")
        assert sorted(ids(receiver)) == sorted(row["exchange_id"] for row in rows if row["exchange_id"] != bad)


def test_only_the_purposes_that_are_wanted_are_sent(room, receiver):
    """Judges' own calls stay here, and the cursor passes them."""
    room.store(range(2), purpose="judge")
    (row,) = room.store(range(2, 3))
    room.store(range(3, 6), purpose="judge")
    export = room.export(receiver.url)
    room.turn(export, "traces", "metrics")
    assert ids(receiver) == [row["exchange_id"]]
    assert receiver.points("gen_ai.client.operation.duration")[0].count == 1
    assert export.progress.streams["traces"].at_us == int(room.loaded.timestamp() * 1e6)


def test_labels_of_metrics_are_bounded(room, receiver):
    """A client that makes up models makes no more lines than allowed; the rest is `other`, also after a restart."""
    room.store(range(20), request_model=None, response_model=None)
    for number in range(20, 28):
        room.store(range(number, number + 1), request_model=f"made-up-{number}", response_model=None)
        if number in (24, 27):
            room.turn(room.export(receiver.url, label_values=3), "metrics")
    models = [attributes(p).get("gen_ai.request.model") for p in receiver.points("gen_ai.client.operation.duration")]
    assert sorted(m for m in models if m) == ["made-up-20", "made-up-21", "made-up-22", "other"]
    assert sum(p.count for p in receiver.points("gen_ai.client.operation.duration")) == 28


def test_the_first_start_begins_with_what_comes_from_now_on(room, receiver):
    """What was in the log before is sent on request alone; what came while the process was starting is not left out."""
    from proxy.service.client import Access
    from scoring.export import position
    from scoring.export.telemetry import Export

    room.store(range(3))
    export = Export(room.settings(receiver.url), position.load(room.data_dir))
    with Access(export.settings) as access:
        assert export.run(access, NOW) == 0
    room.loaded = NOW - timedelta(seconds=30)
    new = room.store(range(3, 5))
    with Access(export.settings) as access:
        export.run(access, NOW)
    assert ids(receiver) == sorted(row["exchange_id"] for row in new)


def test_a_position_that_cannot_be_read_is_told(room):
    """Which file, and what to do; it is not taken for a first start."""
    from scoring.export import position

    (room.data_dir / position.FILE).write_text("{")
    with pytest.raises(position.NoPosition, match=r"otel\.json .*delete it to go on from now"):
        position.load(room.data_dir)


def test_a_lakes_machine_sends_its_own_rows_a_minute_behind(tmp_path, receiver):
    """Other log services commit beside it: their exchanges are theirs to send, and stamps of the last minute may still change places."""
    from config.settings import load
    from proxy.log.attach import Log
    from proxy.log.columns import EXCHANGES, batch, insert
    from proxy.service.client import Access
    from proxy.service.figures import own_host
    from scoring.export.position import Progress, Stream
    from scoring.export.telemetry import Export

    address = f"ducklake:{tmp_path / 'catalog.ducklake'}"
    log = Log.open(address, tmp_path, "files")
    db = log.cursor()
    for number, (host, age) in enumerate(((own_host(), 300), ("another", 200), (own_host(), 100), (own_host(), 20))):
        (row, _) = made.row(number, 40, host=host)
        db.register("arriving", batch(EXCHANGES, [[made._value(row.get(c.name), c.name) for c in EXCHANGES]]))
        db.execute(insert("exchanges", EXCHANGES, "arriving", stamped=True), [NOW - timedelta(seconds=age)])
        db.unregister("arriving")
    db.close()
    log.close()
    given = {"endpoint": receiver.url, "signals": ["traces"]}
    settings = load(None, {}, data_dir=str(tmp_path), log={"address": address, "data_path": "files"}, otel=given)
    export = Export(settings, Progress(tmp_path / "otel.json", {"traces": Stream()}))
    own = [made.row(number, 40)[0]["exchange_id"] for number in (0, 2, 3)]
    with Access(settings) as access:
        export.turn("traces", access, NOW)
        assert ids(receiver) == own[:2]
        export.turn("traces", access, NOW + timedelta(seconds=60))
        assert ids(receiver) == own


def test_bodies_too_large_for_one_answer_come_in_smaller_pages(room, receiver, monkeypatch):
    """With content, a page of large requests is asked for again with fewer rows."""
    from proxy.service.client import Access, ServiceError

    rows = room.store(range(12), answer="x" * 60_000)
    export = room.export(receiver.url, content=True)
    asked = []
    with Access(export.settings) as access:
        real = access.sql

        def limited(sql, *rest, **named):
            asked.append(int(sql.rsplit(" ", 1)[1]) if "LIMIT" in sql else 0)
            if asked[-1] > 100:
                raise ServiceError(413, "the result is over 256 MB", "")
            return real(sql, *rest, **named)

        monkeypatch.setattr(access, "sql", limited)
        export.turn("traces", access, NOW)
    assert sorted(ids(receiver)) == sorted(row["exchange_id"] for row in rows)
    assert max(asked) > 100 > asked[-1] > 0


def test_the_same_exchange_has_the_same_ids_for_ever():
    """Ids that were sent must not change with a new version: fixed here to the bit."""
    from scoring.export.identity import identity

    exchange = made.exchange_id(NOW, 1)
    assert identity(exchange, None, None).span_id == identity(exchange, "0af7651916cd43dd8448eb211c80319c", None).span_id
    assert f"{identity('019cabd8-3800-7c21-a29f-6fbed82c07cd', None, None).trace_id:032x}" == "019cabd838007c21a29f6fbed82c07cd"
    assert f"{identity('019cabd8-3800-7c21-a29f-6fbed82c07cd', None, None).span_id:016x}" == "8f773501c9242dfb"
    assert identity(exchange, "a vendor's own trace", "b7ad6b7169203331").parent_id is None
    assert (
        identity(exchange, "a vendor's own trace", None).trace_id
        == identity(made.exchange_id(NOW, 2), "a vendor's own trace", None).trace_id
    )
    assert identity(exchange, "0" * 32, "0" * 16).parent_id is None
