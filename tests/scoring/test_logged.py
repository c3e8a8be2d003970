"""Logged exchanges: made of rows as the log gives them, read lazily."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import duckdb

from proxy.log import views
from proxy.log.migrations import migrate
from scoring.conversation import Document
from scoring.logged import SELECTION, LoggedExchange, link

REQUEST = json.dumps({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where?"}]})
ID = "01900000-0000-7000-8000-000000000001"


def _stored(*, bodies: bool = True):
    """A log with one exchange in it."""
    db = duckdb.connect()
    migrate(db, "test")
    views.create(db)
    db.execute(
        """INSERT INTO exchanges (exchange_id, accepted_at, operation, status, ending, cost_usd, finish_reasons, tool_calls, output_text,
           properties, feature) VALUES (?, '2026-11-20 10:00:00+00', 'chat', 200, 'complete', 0.000123456789, ['stop'], ?, ' Here. ',
           MAP {'team': 'search'}, 'faq')""",
        [ID, json.dumps([{"id": "c", "name": "find", "arguments": '{"q": 1}'}])],
    )
    if bodies:
        db.execute("INSERT INTO small_bodies (exchange_id, request_body, response_body) VALUES (?, ?, '{}')", [ID, REQUEST])
    return db.execute(
        f'SELECT {SELECTION}, true AS "match:faq", false AS "match:other" FROM exchanges e LEFT JOIN bodies b USING (exchange_id)'
    )


def _check(exchange: LoggedExchange) -> None:
    assert exchange.exchange_id == ID
    assert exchange.accepted_at == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert exchange.cost_usd == Decimal("0.000123456789")
    assert exchange.finish_reasons == ("stop",)
    assert exchange.properties == (("team", "search"),)
    assert exchange.calls[0].arguments == '{"q": 1}'
    assert exchange.text == "Here."
    assert exchange.question == "Where?"
    assert exchange.matched == {"faq"}
    assert exchange.is_answer
    assert exchange.is_whole


def test_a_row_of_duckdb_becomes_an_exchange():
    """SELECTION names columns that the log has, and their values fit."""
    result = _stored()
    names = [column[0] for column in result.description]
    row = result.fetchone()
    assert row is not None
    _check(LoggedExchange.from_row(dict(zip(names, row, strict=True))))


def test_a_row_of_arrow_becomes_an_exchange():
    """As bulk reading gives it."""
    (row,) = _stored().to_arrow_table().to_pylist()
    _check(LoggedExchange.from_row(row))


def test_a_row_of_json_becomes_an_exchange():
    """As POST /api/sql gives it: times and money as text, a map as an object."""
    (row,) = _stored().to_arrow_table().to_pylist()
    row = {**row, "accepted_at": "2026-11-20T10:00:00+00:00", "cost_usd": "0.000123456789", "properties": {"team": "search"}}
    _check(LoggedExchange.from_row(json.loads(json.dumps(row, default=str))))


def test_bodies_may_be_gone():
    """Kept for a shorter time: what is not known is empty or None, and nothing raises."""
    (row,) = _stored(bodies=False).to_arrow_table().to_pylist()
    exchange = LoggedExchange.from_row(row)
    assert exchange.request is None
    assert exchange.messages == ()
    assert exchange.question == ""
    assert exchange.documents == ()
    assert exchange.answer_format is None


def test_binary_and_cut_bodies_are_no_json():
    """A coding that is not text, a body that broke off."""
    assert LoggedExchange(exchange_id="x", request_body="e30=", request_body_coding="base64").request is None
    assert LoggedExchange(exchange_id="x", request_body='{"messages": [').request is None
    assert LoggedExchange(exchange_id="x", response_body="{}", is_stream=True).response is None
    assert LoggedExchange(exchange_id="x", response_body="{}").response == {}


def test_documents_come_from_the_log_and_from_the_request():
    """Both are sources of the answer."""
    beside = Document("d1", "Gold is heavy.")
    request = json.dumps({"messages": [{"role": "user", "content": "<context>Rivers slow.</context> Where?"}]})
    exchange = LoggedExchange.from_row({"exchange_id": "x", "request_body": request}, [beside])
    assert [document.text for document in exchange.documents] == ["Gold is heavy.", "Rivers slow."]
    assert exchange.sources == ("Gold is heavy.", "Rivers slow.")
    assert "Gold is heavy." in exchange.request_text


def test_what_retrieval_missed_is_no_source():
    """A relevant document without a rank, where others have one, was not before the model; where none has a rank, all were."""
    first, missed = Document("d1", "a", rank=1, relevance=1.0), Document("d2", "b", relevance=1.0)
    assert LoggedExchange(exchange_id="x", contexts=(first, missed)).sources == ("a",)
    assert LoggedExchange(exchange_id="x", contexts=(missed,)).sources == ("b",)


def test_incoming_is_what_came_since_the_model_last_spoke():
    """And everything where it has not spoken yet."""
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    first = LoggedExchange(exchange_id="x", request_body=json.dumps({"messages": messages[:1]}))
    later = LoggedExchange(exchange_id="x", request_body=json.dumps({"messages": messages}))
    assert [message.text for message in first.incoming] == ["a"]
    assert [message.text for message in later.incoming] == ["c"]


def test_work_is_done_once():
    """However many checks ask for it."""
    done = []
    exchange = LoggedExchange(exchange_id="x")

    def work(one: LoggedExchange) -> int:
        done.append(one)
        return 5

    assert exchange.once(work) == exchange.once(work) == 5
    assert len(done) == 1


def test_a_trace_is_linked_in_order():
    """Each exchange knows its neighbours."""
    one, two, three = (LoggedExchange(exchange_id=name) for name in "abc")
    link([one, two, three])
    assert one.previous is None
    assert one.next is two
    assert two.previous is one
    assert three.next is None
    assert "next" not in repr(one)


def test_failed_requests_and_embeddings_are_no_answers():
    """There is nothing to check."""
    assert not LoggedExchange(exchange_id="x", operation="embeddings").is_answer
    assert not LoggedExchange(exchange_id="x", operation="chat", status=429).is_answer
    assert not LoggedExchange(exchange_id="x", operation="chat", error_type="overloaded").is_answer
    assert not LoggedExchange(exchange_id="x", ending="partial").is_whole
