"""`goldwash replay ID`: one logged exchange asked again through the proxy, both answers beside each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.cli import main
from tests.helpers.golden import JSON, completion
from tests.helpers.goldwash import Goldwash, post_json
from tests.helpers.upstream import Upstream, answer

BODY = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Which colour has tea?"}]}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Goldwash, str]]:
    """A Goldwash with one logged exchange, and its id."""

    def says(request):
        model = json.loads(bytes(request.body))["model"]
        return answer(200, JSON, completion("green and\nfragrant" if model == "gpt-4.1" else "green and\ncheap", model))

    with Upstream() as upstream:
        upstream.on("/v1/chat/completions", says)
        directory: Path = tmp_path_factory.mktemp("replay")
        with Goldwash(directory, {"openai": {"url": upstream.url}}) as goldwash:
            first = post_json(goldwash.port, "/openai/v1/chat/completions", BODY)
            goldwash.flush()
            yield goldwash, first.get("goldwash-id")


def test_both_answers_and_costs_stand_beside_each_other(running):
    """On another model, through the proxy, and logged there as the gate's."""
    goldwash, exchange_id = running
    done = goldwash.cli("replay", exchange_id, "--model", "gpt-4.1-mini", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["logged"]["text"] == "green and\nfragrant"
    assert found["replayed"][0]["text"] == "green and\ncheap"
    assert found["replayed"][0]["model"] == "gpt-4.1-mini-2025-04-14"
    assert found["replayed"][0]["cost_usd"] == pytest.approx(found["logged"]["cost_usd"] / 5)
    assert found["diff"][-2:] == ["-fragrant", "+cheap"]
    row = goldwash.row("purpose = 'gate'")
    assert row["exchange_id"] == found["replayed"][0]["exchange_id"]
    shown = goldwash.cli("replay", exchange_id, "--model", "gpt-4.1")
    assert "The same text; $0.000080 instead of $0.000080 (1.00 times)." in shown.stdout


def test_what_cannot_be_replayed_is_told(running, capsys):
    """With the reason and the fix."""
    goldwash, exchange_id = running
    for arguments, says in (
        (["nonsense", "--model", "m"], "is no exchange id"),
        (["0199aaaa-0000-7000-8000-000000000000", "--model", "m"], "there is no such exchange"),
        ([exchange_id], "say what to run it on"),
        ([exchange_id, "--upstream", "nowhere"], "there is no upstream 'nowhere'"),
        ([exchange_id, "--target", "none"], "there is no target 'none'"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["replay", *arguments, "--config", str(goldwash.config)])
        assert ended.value.code == 2
        assert says in capsys.readouterr().err
