"""Pricing and reading again: what changes is a new row beside the old one, through the spool like everything else."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.commands.reprice import reprice
from proxy.commands.reread import reread
from proxy.commands.verify import verify
from proxy.exchange import Captured, Reading, Usage
from proxy.log.attach import Log
from proxy.log.ingest import Loader
from proxy.log.redaction import Redactor

ANSWER = json.dumps(
    {
        "id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Green."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
    }
).encode()  # fmt: skip
RIGHT = Decimal(1000) * Decimal("2.5e-6") + Decimal(100) * Decimal("10e-6")


class Wrong:
    """A price that was wrong."""

    cost_usd = Decimal(7)
    source, version, hash, unknown = "old list", "0", "h", None


class Missing(Wrong):
    """A price nobody had."""

    cost_usd = None
    unknown = "unknown model"


def read_badly(captured: Captured) -> Reading:
    """A reader that takes the answer for another model's, and half of its tokens."""
    return Reading(
        dialect="openai.chat", operation="chat", is_stream=False, request_model="gpt-4o", response_model="gpt-4o-2024-08-06",
        usage=Usage(input_tokens=1000, output_tokens=50), output_text="Gre", finish_reasons=("stop",),
    )  # fmt: skip


def fill(room, price: object, read=read_badly) -> None:
    """One exchange as an older version loaded it; then nothing runs."""
    room.loader.close()
    loader = Loader(room.log, room.path / "spool", read, lambda *_: price, Redactor())
    traffic = room.traffic()
    exchange_id = traffic.accept(b'{"model":"gpt-4o","messages":[{"role":"user","content":"sk-proj-abcdefgh12345678"}]}')
    traffic.finish(exchange_id, ANSWER, headers=(("content-type", "application/json"),))
    loader.step(0)
    traffic.spool.close()
    loader.close()
    room.log.close()


def run(room, command, *arguments: str) -> Result:
    """The command on the room's data, with nothing else running."""
    config = room.path / "goldwash.toml"
    config.write_text(f"data_dir = {json.dumps(str(room.path))}\n")
    result = CliRunner().invoke(command, ["--config", str(config), *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def opened(room):
    room.log = Log.open("goldwash.duckdb", room.path)
    room.loader = room.new_loader()
    return room


@pytest.mark.parametrize("price", [Wrong(), Missing()])
def test_a_price_is_made_again(room, price):
    """The new price stands beside the old one; the second time nothing differs."""
    fill(room, price, lambda captured: Reading(**{**_fields(read_badly(captured)), "usage": Usage(input_tokens=1000, output_tokens=100)}))
    assert "1 would get another price" in run(room, reprice, "--plan").output
    assert "1 got another price" in run(room, reprice).output
    assert "0 got another price" in run(room, reprice).output
    room = opened(room)
    assert room.one("SELECT cost_usd FROM exchanges") == price.cost_usd
    old, new, source, note = room.one("SELECT old_cost_usd, new_cost_usd, new_price_source, old_price_source FROM reprices")
    assert (old, new, source, note) == (price.cost_usd, RIGHT, "genai-prices", "old list")
    assert room.one("SELECT cost_usd, repriced_cost_usd FROM cost_daily") == (price.cost_usd, RIGHT)


def _fields(reading: Reading) -> dict[str, object]:
    return {name: getattr(reading, name) for name in Reading.__slots__}


def test_a_selection_leaves_the_rest_alone(room):
    """Only rows of the days and the provider named are looked at."""
    fill(room, Wrong())
    assert run(room, reprice, "--provider", "anthropic").output.startswith("0 rows looked at")
    assert run(room, reprice, "--since", "2024-10-05").output.startswith("0 rows looked at")
    assert run(room, reprice, "--unpriced").output.startswith("0 rows looked at")
    assert "1 rows looked at" in run(room, reprice, "--plan", "--since", "2024-10-04", "--until", "2024-10-04").output


def test_a_reading_is_made_again(room):
    """What the older reader got wrong is corrected, its price with it; the values before are kept, and the account still holds."""
    fill(room, Wrong())
    assert "1 would be corrected" in run(room, reread, "--plan").output
    assert "1 were corrected" in run(room, reread).output
    assert "0 were corrected" in run(room, reread).output
    run(room, verify, "--max-lost", "0")
    room = opened(room)
    row = room.one("SELECT output_text, output_tokens, input_tokens, response_id, cost_usd, finish_reasons, dialect, ending FROM exchanges")
    assert row == ("Green.", 100, 1000, "chatcmpl-1", RIGHT, ["stop"], "openai.chat", "complete")
    before, after = (json.loads(text) for text in room.one("SELECT before, after FROM readings_history"))
    assert (before["output_text"], before["output_tokens"], Decimal(before["cost_usd"])) == ("Gre", 50, 7)
    assert (after["output_text"], after["output_tokens"], Decimal(after["cost_usd"])) == ("Green.", 100, RIGHT)
    assert "dialect" not in before


def test_what_was_not_stored_is_not_read_again(room):
    """Without its body an exchange keeps its first reading."""
    fill(room, Wrong())
    log = Log.open("goldwash.duckdb", room.path)
    log.cursor().execute("DELETE FROM small_bodies")
    log.close()
    assert "1 rows looked at, 1 without a stored body, 0 were corrected" in run(room, reread).output


def test_verify_tells_by_its_exit_code(room: object, tmp_path: Path):
    """A row that vanished makes `verify` fail, as JSON and as a table; --max-lost bounds what is lost."""
    fill(room, Wrong())
    log = Log.open("goldwash.duckdb", tmp_path)
    log.cursor().execute("UPDATE ledger SET lost = lost + 1, accepted = accepted + 1, shed = shed + 1")
    log.close()
    config = tmp_path / "goldwash.toml"
    config.write_text(f"data_dir = {json.dumps(str(tmp_path))}\n")
    outcome = CliRunner().invoke(verify, ["--config", str(config), "--json", "--max-lost", "0"])
    assert outcome.exit_code == 1
    told = json.loads(outcome.output)
    assert (told["ok"], told["lost"], told["unaccounted"], told["totals"]["accepted"]) == (False, 1, 0, 2)
    assert CliRunner().invoke(verify, ["--config", str(config), "--max-lost", "1"]).exit_code == 0
    log = Log.open("goldwash.duckdb", tmp_path)
    log.cursor().execute("DELETE FROM exchanges")
    log.close()
    outcome = CliRunner().invoke(verify, ["--config", str(config)])
    assert outcome.exit_code == 1
    assert "unaccounted 1" in outcome.output
    assert uuid.UUID(int=0).hex not in outcome.output
