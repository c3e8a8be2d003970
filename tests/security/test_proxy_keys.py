"""Proxy keys through the running whole: who is let in, where to, up to which sum, and that the key itself is nowhere to be found."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from config.settings import load
from proxy import keys
from proxy.commands.keys import _table
from proxy.supervisor import CannotStart, Supervisor, check_door
from tests.helpers.client import Client, fetch, request
from tests.helpers.goldwash import Goldwash
from tests.helpers.upstream import Upstream, answer
from tests.helpers.waiting import eventually
from tests.helpers.wire import Message

CHAT = json.dumps(
    {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "tea"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000},
    }
).encode()  # fmt: skip
"""Costs $0.0125 by the packaged prices."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, stage: Upstream) -> Iterator[tuple[Goldwash, dict[str, str]]]:
    """A Goldwash that was given keys before its start: one for everything, one for one upstream, one with a budget."""
    stage.on("/v1/chat/completions", answer(200, [("Content-Type", "application/json")], CHAT))
    stage.on("/open", answer(200, [], b"ok"))
    upstreams = {"openai": {"url": stage.url}, "stage": {"url": stage.url}}
    goldwash = Goldwash(tmp_path_factory.mktemp("guarded"), upstreams, environ={"GOLDWASH_LOG_LEVEL": "debug"})
    made = {}
    for name, *options in (("all",), ("narrow", "--upstreams", "openai"), ("poor", "--budget-usd", "0.02", "--per", "day")):
        done = goldwash.cli("keys", "add", name, *options)
        assert done.returncode == 0, done.stderr
        made[name] = done.stdout.strip()
    with goldwash:
        yield goldwash, made


def told(got: Message) -> dict[str, str]:
    error: dict[str, str] = json.loads(bytes(got.body))["error"]
    return error


def test_without_a_key_nobody_is_served(guarded, stage):
    """401 in JSON that says how to show a key, nothing is forwarded; also for feedback; health needs none."""
    goldwash, _ = guarded
    before = len(stage.requests)
    got = fetch(goldwash.port, "GET", "/stage/open")
    assert got.status == 401
    assert "goldwash-key" in told(got)["message"]
    assert got.get("www-authenticate")
    assert fetch(goldwash.port, "POST", "/goldwash/feedback", [("Content-Type", "application/json")], b'{"score":1}').status == 401
    assert fetch(goldwash.port, "GET", "/goldwash/health").status == 200
    for target in ("/", "/unknown/x", "/stage/../x"):
        hidden = fetch(goldwash.port, "GET", target)
        assert hidden.status == 401
        assert b"openai" not in bytes(hidden.body)
    assert len(stage.requests) == before


@pytest.mark.parametrize("wrong", ["", "gwk_", "gwk_wrong", "x" * 3000, "gwk_" + "A" * 43])
def test_a_wrong_key_is_refused(guarded, wrong):
    """Any other text than a key is refused, whatever its length."""
    goldwash, _ = guarded
    assert fetch(goldwash.port, "GET", "/stage/open", [("goldwash-key", wrong)]).status == 401


@pytest.mark.parametrize("how", ["header", "Header in another case", "base URL", "base URL with metadata", "escaped name in the base URL"])
def test_a_key_opens_and_goes_no_further(guarded, stage, how):
    """Shown in its header or in the base URL it lets in; the upstream never sees it, and the row names it."""
    goldwash, made = guarded
    key = made["all"]
    target, headers = {
        "header": ("/stage/open", [("goldwash-key", key)]),
        "Header in another case": ("/stage/open", [("GoldWash-Key", key)]),
        "base URL": (f"/stage/~key={key}/open", []),
        "base URL with metadata": (f"/stage/~feature=tea;key={key};user=7/open", []),
        "escaped name in the base URL": (f"/stage/~k%65y={key}/open", []),
    }[how]
    before = len(stage.connections)
    got = fetch(goldwash.port, "GET", target, headers)
    assert got.status == 200
    assert all(key.encode() not in connection.received for connection in stage.connections)
    assert len(stage.connections) >= before
    (row,) = eventually(lambda: goldwash.rows(f"exchange_id = '{got.get('goldwash-id')}'"))
    assert row["proxy_key"] == "all"
    assert key not in json.dumps(row)
    if "metadata" in how:
        assert (row["feature"], row["user_id"]) == ("tea", "7")


def test_a_client_cannot_name_itself(guarded, stage):
    """A header of the name that carries the key's name inside changes nothing."""
    goldwash, made = guarded
    fetch(goldwash.port, "GET", "/stage/open?self", [("goldwash-key", made["all"]), ("goldwash-proxy-key", "boss")])
    (row,) = eventually(lambda: goldwash.rows("query = 'self'"))
    assert row["proxy_key"] == "all"
    assert "boss" not in json.dumps(row)


def test_a_key_is_for_its_upstreams(guarded, stage):
    """403 that names the upstreams it is for."""
    goldwash, made = guarded
    got = fetch(goldwash.port, "GET", "/stage/open", [("goldwash-key", made["narrow"])])
    assert (got.status, told(got)["type"]) == (403, "upstream_not_allowed")
    assert "openai" in told(got)["message"]
    assert fetch(goldwash.port, "POST", "/openai/v1/chat/completions", [("goldwash-key", made["narrow"])], b"{}").status == 200


def test_a_budget_stops_its_key_and_no_other(guarded, stage):
    """Once the known costs of the day reach the budget the key gets 402 with the sums; other keys go on; the list shows what was spent."""
    goldwash, made = guarded

    def ask(name: str) -> Message:
        body = b'{"model":"gpt-4o","messages":[]}'
        return fetch(goldwash.port, "POST", "/openai/v1/chat/completions", [("goldwash-key", made[name])], body)

    assert [ask("poor").status for _ in range(2)] == [200, 200]
    goldwash.flush()
    got = eventually(lambda: refused if (refused := ask("poor")).status != 200 else None, within=8)
    assert got is not None
    assert (got.status, told(got)["type"]) == (402, "budget_exceeded")
    assert "of $0.02 this day" in told(got)["message"]
    assert ask("all").status == 200
    listed = {key["name"]: key for key in json.loads(goldwash.cli("keys", "list", "--json").stdout)}
    assert Decimal(listed["poor"]["spent_usd"]) >= Decimal("0.025")
    assert set(listed) >= {"all", "narrow", "poor"}


def test_keys_come_and_go_while_it_runs(guarded, stage):
    """A new key works and a revoked one stops working within seconds, without a restart, also on a connection that is kept alive."""
    goldwash, _ = guarded
    key = goldwash.cli("keys", "add", "guest").stdout.strip()
    ask = request("GET", "/stage/open", [("goldwash-key", key)])
    assert eventually(lambda: fetch(goldwash.port, "GET", "/stage/open", [("goldwash-key", key)]).status == 200, within=5)
    with Client(goldwash.port) as client:
        for _ in range(3):  # often enough for its head to be remembered
            client.send(ask)
            assert client.answer().status == 200
        assert goldwash.cli("keys", "revoke", "guest").returncode == 0
        assert eventually(lambda: fetch(goldwash.port, "GET", "/stage/open", [("goldwash-key", key)]).status == 401, within=5)
        client.send(ask)
        assert client.answer().status == 401


def test_the_keys_are_nowhere(guarded):
    """No key lies in any file, in any row, in the output or in the metrics; the file of the hashes is 0600."""
    goldwash, made = guarded
    goldwash.flush()
    for key in made.values():
        assert [file for file in goldwash.directory.rglob("*") if file.is_file() and key.encode() in file.read_bytes()] == []
        assert key not in goldwash.metrics()
    for name in (keys.FILE, keys.SECRET, "spend.json", "keys.lock"):
        assert stat.S_IMODE((goldwash.data_dir / name).stat().st_mode) == 0o600, name


def settings(tmp_path: Path, toml: str):
    file = tmp_path / "goldwash.toml"
    file.write_text(f'data_dir = "{tmp_path / "data"}"\n{toml}')
    return load(file, {})


def test_no_open_door_by_mistake(tmp_path):
    """Beyond loopback it does not start without keys or the word that opens it, and says so; keys that cannot be read stop it too."""
    data_dir = tmp_path / "data"
    wide = settings(tmp_path, '[proxy]\nhost = "0.0.0.0"')
    with pytest.raises(CannotStart, match=r"goldwash keys add NAME.*open_to_network = true"):
        Supervisor(wide)
    assert not data_dir.exists()
    check_door(settings(tmp_path, '[proxy]\nhost = "0.0.0.0"\nopen_to_network = true'))
    check_door(settings(tmp_path, ""))
    keys.add(data_dir, "one")
    check_door(wide)
    (data_dir / keys.FILE).write_text("{")
    with pytest.raises(CannotStart, match=r"keys\.json is no list of keys"):
        check_door(settings(tmp_path, ""))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("All", (), "cannot be a key's name"),
        ("x/y", (), "cannot be a key's name"),
        ("a", ("--budget-usd", "0"), "lets nothing through"),
        ("a", ("--budget-usd", "nan"), "lets nothing through"),
        ("a", ("--budget-usd", "ten"), "is no amount"),
        ("a", ("--upstreams", "opnai"), "no upstream is called so"),
        ("a", ("--upstreams", ","), "names none"),
    ],
)
def test_a_wrong_order_is_told(guarded, name, options, message):
    """A key that makes no sense is not made."""
    goldwash, _ = guarded
    done = goldwash.cli("keys", "add", name, *options)
    assert done.returncode == 2
    assert message in done.stderr


def test_what_was_spent_is_shown_to_the_last_digit(capsys):
    """A budget of fractions of a cent is used up at a sum that four digits would show as nothing."""
    _table([{"name": "k", "created_at": "2026-11-21", "upstreams": None, "budget_usd": "0.00003", "per": "day", "spent_usd": "0.000036",
             "without_price": 0}])  # fmt: skip
    assert "0.000036" in capsys.readouterr().out


def test_a_file_is_no_data_dir(tmp_path):
    """Told as what it is, and not as keys that somebody else may read."""
    (tmp_path / "data").write_text("")
    with pytest.raises(keys.KeysUnreadable, match="is no directory: choose another data_dir"):
        keys.load(tmp_path / "data")
