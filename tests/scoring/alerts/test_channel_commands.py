"""The commands by which people silence, look and try: on a real log, as processes would run them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from config.settings import load
from proxy.log.attach import Log
from proxy.service.client import Access
from scoring.alerts import silences
from scoring.alerts.delivery import receive
from scoring.alerts.rules import load as load_rules
from scoring.commands.alert_channels import COMMANDS
from tests.helpers.goldwash import free_port
from tests.scoring.alerts.receivers import Receiver
from tests.scoring.alerts.test_delivery import SECRET, hook, moved


@click.group()
def alerts() -> None:
    """Stands for the group."""


for command in COMMANDS:
    alerts.add_command(command)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with an empty log and one channel on a port where nobody listens yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    (tmp_path / "data").mkdir()
    Log.open("goldwash.duckdb", tmp_path / "data").close()
    channel(tmp_path, free_port())
    file = tmp_path / "goldwash.toml"
    file.write_text(f'data_dir = "{tmp_path / "data"}"\n')
    return file


def channel(directory: Path, port: int) -> None:
    (directory / "config").mkdir(exist_ok=True)
    lines = [f"{key} = {value}" for key, value in hook(port).items()]
    (directory / "config" / "alerts.toml").write_text("[channel.hook]\n" + "\n".join(lines) + "\n")


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(alerts, [arguments[0], "--config", str(config), *arguments[1:]])


def test_a_silence_is_kept_shown_and_lifted(config: Path) -> None:
    """It lies in the log with its owner, its end and its reason; lifting it is a row too, and it no longer holds."""
    made = run(config, "silence", "errors", "--feature", "search", "--until", "2h", "--owner", "ann", "--reason", "migration")
    assert made.exit_code == 0, made.output
    assert "errors (feature=search) until" in made.output
    (one,) = json.loads(run(config, "silences", "--json").output)
    assert (one["rule"], one["slice"], one["owner"], one["reason"], one["holds"]) == (
        "errors",
        {"feature": "search"},
        "ann",
        "migration",
        True,
    )
    lifted = run(config, "unsilence", one["silence_id"])
    assert lifted.exit_code == 0, lifted.output
    assert "no silence holds" in run(config, "silences").output
    (old,) = json.loads(run(config, "silences", "--all", "--json").output)
    assert not old["holds"]
    assert "there is no silence" in run(config, "unsilence", one["silence_id"]).output


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("silence", "eror", "--until", "2h", "--reason", "x"), "did you mean 'errors'?"),
        (("silence", "errors", "--until", "soon", "--reason", "x"), "write a length such as 2h"),
        (("silence", "errors", "--until", "2020-01-01", "--reason", "x"), "is over"),
        (("silence", "errors", "--until", "365d", "--reason", "x"), "90 days at most"),
        (("silence", "errors", "--until", "2h", "--reason", " "), "an owner and a reason"),
        (("silence", "errors", "--until", "2h", "--reason", "x", "--slice", "feature"), "write KEY=VALUE"),
        (("silence", "errors", "--until", "2h"), "Missing option '--reason'"),
        (("test", "hok"), "did you mean 'hook'?"),
        (("test", "zzz"), "[channel.NAME] in config/alerts.toml adds one"),
    ],
)
def test_a_mistake_is_told_with_its_fix(config: Path, arguments: tuple[str, ...], wrong: str) -> None:
    """And nothing is written."""
    done = run(config, *arguments)
    assert done.exit_code != 0
    assert wrong in done.output + str(done.exception)
    assert json.loads(run(config, "silences", "--all", "--json").output) == []


def test_a_channel_is_tried(config: Path, tmp_path: Path) -> None:
    """Taken: exit 0 and an incident with its end arrived; down: exit 1 with the reason."""
    down = run(config, "test", "hook")
    assert (down.exit_code, "opened was not taken: it cannot be reached: Connection refused" in down.output) == (1, True)
    with Receiver() as receiver:
        channel(tmp_path, receiver.port)
        done = run(config, "test", "hook")
        assert done.exit_code == 0, done.output
        assert done.output == "hook: opened was taken\nhook: resolved was taken\n"
        assert [json.loads(one.body)["data"]["kind"] for one in receiver.got] == ["opened", "resolved"]


def test_a_channel_for_the_gravest_only_is_tried_with_such_a_one(config: Path, tmp_path: Path) -> None:
    """Whoever tries a channel wants to see something there."""
    with Receiver() as receiver:
        channel(tmp_path, receiver.port)
        with (tmp_path / "config" / "alerts.toml").open("a") as file:
            file.write('least = "critical"\n')
        assert run(config, "test", "hook").exit_code == 0
        assert [json.loads(one.body)["data"]["severity"] for one in receiver.got] == ["critical", "critical"]
        assert "opened is not told there" in run(config, "test", "hook", "--severity", "info").output


def test_what_a_silence_of_the_log_covers_is_not_told(config: Path) -> None:
    """The watcher reads silences from the log, and goes by those it knew while the log is down."""
    settings = load(config, {})
    now = datetime.now(UTC)
    silences.add(settings, "errors", {"feature": "search"}, now + timedelta(hours=1), "ann", "migration", now - timedelta(minutes=1))
    file = load_rules(config.parent / "config" / "alerts.toml")
    with Access(settings) as access:
        (told,) = receive(access, [moved(now, "firing", "search"), moved(now, "firing", "chat\x1b[2J")], file, now)
    assert told.slice == {"feature": "chat\x1b[2J"}
    shown = run(config, "incidents")
    assert "chat\ufffd[2J fails" in shown.output
    assert "\x1b" not in shown.output
    standing = run(config, "channels")
    assert "1 waiting" in standing.output
    (row,) = json.loads(run(config, "channels", "--json").output)
    assert (row["channel"], row["waiting"], row["failing_since"]) == ("hook", 1, None)
