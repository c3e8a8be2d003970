"""`goldwash forget` through the running whole and without it: the person's texts are gone from rows, file and spool, the account stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.helpers.client import Client, fetch, request
from tests.helpers.goldwash import Goldwash
from tests.helpers.upstream import Answer, Do, Upstream, answer
from tests.helpers.waiting import eventually
from tests.security.test_proxy_keys import CHAT

ALICE, BOB = "alice-7f31c2", "bob-55d0aa"
LOUD = "loudly"  # stands in front of every text of Alice


def texts(name: str) -> list[str]:
    """What one person says, in all the places where one can."""
    return [
        f"{LOUD if name == ALICE else 'quietly'}-{place}-{name}"
        for place in ("prompt", "answer", "session", "property", "comment", "agent")
    ]


def say(goldwash: Goldwash, stage: Upstream, name: str, *, count: int = 3) -> list[str]:
    """Some exchanges of one person, with feedback; their ids."""
    prompt, said, session, note, comment, agent = texts(name)
    body = json.loads(CHAT)
    body["choices"][0]["message"]["content"] = f"Here is a long answer for you, {said}, with tea and honey. " * 3
    body["id"] = f"chatcmpl-{name}"
    stage.on("/v1/chat/completions", answer(200, [("Content-Type", "application/json")], json.dumps(body).encode()))
    asked = json.dumps(
        {"model": "gpt-4o", "messages": [{"role": "user", "content": f"My question is long, {prompt}, as questions are. " * 3}]}
    )
    ids = []
    for _ in range(count):
        headers = [("goldwash-user", name), ("goldwash-session", session), ("goldwash-property-note", note), ("User-Agent", agent)]
        got = fetch(goldwash.port, "POST", "/openai/v1/chat/completions", headers, asked.encode())
        ids.append(got.get("goldwash-id") or "")
    fetch(goldwash.port, "POST", "/openai/v1/chat/completions", [("goldwash-session", session)], asked.encode())  # names nobody
    opinion = {"exchange_id": ids[0], "score": 1, "comment": comment, "user_id": name}
    as_json = [("Content-Type", "application/json")]
    assert fetch(goldwash.port, "POST", "/goldwash/feedback", as_json, json.dumps(opinion).encode()).status == 202
    assert (
        goldwash.admin("POST", "/api/context", {"exchange_id": ids[0], "documents": [{"id": "d1", "text": f"a document, {prompt}"}]})[0]
        == 202
    )
    goldwash.flush()
    return ids


def holding(goldwash: Goldwash, text: str) -> list[str]:
    files = [file for file in goldwash.data_dir.rglob("*") if file.is_file()]
    return [str(file.relative_to(goldwash.data_dir)) for file in files if text.encode() in file.read_bytes()]


def everything(goldwash: Goldwash) -> str:
    """All rows of all tables."""
    tables = [row["table_name"] for row in goldwash.sql("SELECT table_name FROM duckdb_tables() WHERE NOT internal")]
    return json.dumps({table: goldwash.sql(f'SELECT * FROM "{table}"') for table in tables})


@contextmanager
def spoken(directory: Path, stage: Upstream) -> Iterator[tuple[Goldwash, list[str]]]:
    """A Goldwash that Alice and Bob have talked through."""
    with Goldwash(directory, {"openai": {"url": stage.url}, "stage": {"url": stage.url}}) as goldwash:
        ids = say(goldwash, stage, ALICE)
        say(goldwash, stage, BOB)
        yield goldwash, ids


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, stage: Upstream) -> Iterator[tuple[Goldwash, list[str], list[dict[str, object]]]]:
    """Alice was forgotten while it ran, with a request of Bob in flight; the rows before come along."""
    with spoken(tmp_path_factory.mktemp("forget"), stage) as (goldwash, ids):
        before = goldwash.sql("SELECT * FROM exchanges ORDER BY exchange_id")
        assert holding(goldwash, LOUD)
        assert LOUD in everything(goldwash)
        stage.on("/wait", Answer([Do.STALL]))
        with Client(goldwash.port) as flying:
            flying.send(request("POST", "/stage/wait", [("goldwash-user", BOB)], b"in flight"))
            assert eventually(lambda: stage.to("/wait"))
            done = goldwash.cli("forget", "--user", ALICE, timeout=90)
            assert done.returncode == 0, done.stderr + done.stdout + goldwash.output()[-2000:]
            assert "none is left" in done.stdout
            assert "4 exchanges" in done.stdout
        goldwash.flush()
        yield goldwash, ids, before


def test_the_bytes_are_gone(running):
    """No file under the data directory holds a text of hers: not the log, not the spool of the worker that still runs."""
    goldwash, _, _ = running
    assert holding(goldwash, LOUD) == []
    assert holding(goldwash, ALICE) == []
    assert holding(goldwash, texts(BOB)[0])


def test_the_rows_stay_and_account(running):
    """Her rows keep tokens, cost, times and model; all text of hers is out, and her id is a tombstone."""
    goldwash, ids, before = running
    assert LOUD not in everything(goldwash)
    rows = {row["exchange_id"]: row for row in goldwash.sql("SELECT * FROM exchanges")}
    hers = [row for row in before if row["exchange_id"] in ids]
    assert len(hers) == 3
    for old in hers:
        new = rows[old["exchange_id"]]
        kept = (
            "accepted_at",
            "provider",
            "input_tokens",
            "output_tokens",
            "cost_usd",
            "response_model",
            "ending",
            "duration_ms",
            "request_bytes",
        )
        assert {name: new[name] for name in kept} == {name: old[name] for name in kept}
        assert new["user_id"] == "[forgotten]"
        gone = ("output_text", "session_id", "request_headers", "user_agent", "request_sha256", "response_id", "path", "trace_id")
        assert {new[name] for name in gone} == {None}
    assert goldwash.sql("SELECT count(*) AS n, count(comment) AS c, count(score) AS s FROM feedback WHERE user_id = '[forgotten]'") == [
        {"n": 1, "c": 0, "s": 1}
    ]


def test_others_are_untouched(running):
    """Bob's rows are what they were."""
    goldwash, _, before = running
    rows = {row["exchange_id"]: row for row in goldwash.sql("SELECT * FROM exchanges")}
    his = [row for row in before if row["user_id"] == BOB]
    assert len(his) == 3
    assert [rows[row["exchange_id"]] for row in his] == his
    assert len(goldwash.sql("SELECT * FROM bodies")) == 5


def test_it_goes_on(running, stage):
    """Traffic goes on, the account adds up, and she can come again."""
    goldwash, _, _ = running
    assert goldwash.cli("verify", "--max-lost", "0").returncode == 0
    say(goldwash, stage, ALICE, count=1)
    assert len(goldwash.rows(f"user_id = '{ALICE}'")) == 1


def test_only_who_may(running):
    """On loopback, too, erasing asks for the token, and a body that does not say what is refused."""
    goldwash, _, _ = running
    assert goldwash.admin("POST", "/api/forget", {"user": BOB})[0] == 401
    assert len(goldwash.rows(f"user_id = '{BOB}'")) >= 3


def test_one_exchange_without_a_service(tmp_path, stage):
    """When nothing runs it is done at once: by the provider's id, and by date; a dry run changes nothing."""
    with spoken(tmp_path, stage) as (goldwash, ids):
        pass
    dry = goldwash.cli("forget", "--exchange", ids[0], "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert dry.stdout.startswith("1 exchange; rows: 1 in bodies, 1 in contexts, 1 in exchanges, 1 in feedback")
    assert holding(goldwash, LOUD)
    nobody = goldwash.cli("forget", "--user", "nobody-here", "--dry-run")
    assert nobody.stdout == "nothing of this is in the log\n"
    done = goldwash.cli("forget", "--exchange", f"chatcmpl-{ALICE}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("4 exchanges")
    assert holding(goldwash, texts(ALICE)[0]) == []
    assert holding(goldwash, texts(BOB)[0])
    later = goldwash.cli("forget", "--before", "2999-01-01")
    assert later.returncode == 0, later.stderr
    assert holding(goldwash, texts(BOB)[0]) == []
    assert goldwash.cli("verify", "--max-lost", "0").returncode == 0


def test_a_crash_in_between_is_made_good(tmp_path, stage):
    """Killed after the rows were changed and before the file was written anew, the next start writes it."""
    with spoken(tmp_path, stage) as (goldwash, _):
        pass
    from datetime import UTC, datetime

    from proxy.log import rewriting
    from proxy.log.attach import Log
    from proxy.log.forgetting import Subject, forget

    rewriting.mark(goldwash.data_dir)
    log = Log.open("goldwash.duckdb", goldwash.data_dir)
    found = forget(log, goldwash.data_dir / "spool", Subject(before=datetime.now(UTC)))
    log.close()
    assert found.exchanges == 8
    assert holding(goldwash, LOUD)
    (goldwash.data_dir / "goldwash.duckdb.fresh").write_bytes(b"half a file")
    with goldwash:
        assert holding(goldwash, LOUD) == []
        assert goldwash.sql("SELECT count(*) AS n FROM exchanges") == [{"n": 8}]
    assert not rewriting.pending(goldwash.data_dir)
    assert not (goldwash.data_dir / "goldwash.duckdb.fresh").exists()


@pytest.mark.parametrize("arguments", [(), ("--user", "a", "--before", "2026-01-01"), ("--user", " "), ("--before", "yesterday")])
def test_an_unclear_order_is_refused(tmp_path, arguments):
    """Exactly one of user, exchange and date, and one that makes sense."""
    goldwash = Goldwash(tmp_path, {})
    (tmp_path / "data").mkdir(mode=0o700)
    assert goldwash.cli("forget", *arguments).returncode in {1, 2}
