"""A real Alertmanager takes what is sent, shows it, passes it on, and resolves it; its own amtool accepts the shipped example."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scoring.alerts import rules
from scoring.alerts.channels import Channel, alertmanager, channels
from scoring.alerts.delivery import Delivery, receive
from scoring.alerts.sending import send
from tests.helpers.goldwash import ROOT, free_port
from tests.helpers.waiting import eventually
from tests.scoring.alerts.receivers import Receiver
from tests.scoring.alerts.said import hostile, said
from tests.scoring.alerts.test_delivery import NoLog, moved

PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
AMTOOL = shutil.which("amtool")
installed = pytest.mark.skipif(PROGRAM is None, reason="Alertmanager is not installed (Debian: prometheus-alertmanager)")


@pytest.fixture
def hooked() -> Iterator[Receiver]:
    """Where the Alertmanager passes alerts on to."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def manager(tmp_path: Path, hooked: Receiver) -> Iterator[str]:
    """The address of an Alertmanager of its own."""
    config = tmp_path / "alertmanager.yml"
    config.write_text(
        "route: {receiver: r, group_by: [alertname], group_wait: 100ms, group_interval: 300ms}\n"
        f"receivers: [{{name: r, webhook_configs: [{{url: '{hooked.url}/am', send_resolved: true}}]}}]\n"
    )
    port = free_port()
    assert PROGRAM is not None
    with (tmp_path / "log").open("wb") as output:
        process = subprocess.Popen(
            [
                PROGRAM,
                f"--config.file={config}",
                f"--storage.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=output,
            stderr=output,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            assert eventually(lambda: _ready(url), 20), (tmp_path / "log").read_text()
            yield url
        finally:
            process.terminate()
            process.wait(10)


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def shown(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=5) as answer:
        found: list[dict[str, Any]] = json.load(answer)
        return found


@installed
def test_an_incident_is_shown_passed_on_and_resolved(tmp_path: Path, manager: str, hooked: Receiver) -> None:
    """Through the desk and the channel, as the watcher does it: firing, told again, over."""
    file = rules.parse(f'[channel.am]\nkind = "alertmanager"\nurl = "{manager}"\nlink = "https://goldwash.example/"\n', "alerts.toml")
    now = datetime.now(UTC)
    desk = tmp_path / "desk"
    receive(NoLog(desk), [moved(now, "firing", "search"), moved(now, "firing", "chat")], file, now)
    Delivery(desk, {}).run(channels(file))
    alerts = shown(manager)
    assert {one["labels"]["feature"] for one in alerts} == {"search", "chat"}
    assert {(one["labels"]["alertname"], one["labels"]["service"], one["status"]["state"]) for one in alerts} == {
        ("errors", "goldwash", "active")
    }
    assert "2 slices at once" in alerts[0]["annotations"]["summary"]
    end = datetime.fromisoformat(alerts[0]["endsAt"])
    assert timedelta(minutes=4) < end - now < timedelta(minutes=6)
    hooks = eventually(lambda: list(hooked.got), 10)
    assert json.loads(hooks[0].body)["status"] == "firing"
    time.sleep(1.1)
    later = datetime.now(UTC) + timedelta(minutes=2)
    Delivery(desk, {}, lambda: later).run(channels(file))
    assert datetime.fromisoformat(shown(manager)[0]["endsAt"]) > end, "told again that it goes on"
    assert len(shown(manager)) == 2
    over = datetime.now(UTC)
    receive(NoLog(desk), [moved(over, "resolved", one, now) for one in ("search", "chat")], file, over)
    Delivery(desk, {}).run(channels(file))
    assert eventually(lambda: any(json.loads(one.body)["status"] == "resolved" for one in hooked.got), 10)
    assert shown(manager) == []


@installed
def test_hostile_names_are_taken_and_shown_as_text(manager: str) -> None:
    """Whatever traffic calls a feature, Alertmanager takes the alert."""
    am = Channel("am", "alertmanager", alertmanager.Alertmanager.model_validate({"url": manager}))
    now = datetime.now(UTC)
    made = am.message(hostile(at=now, since=now), {}, now)
    assert made is not None
    assert send(made, now).ok
    (one,) = shown(manager)  # fifty times the same slice is one alert
    assert one["labels"]["slice_severity"] == "info"
    assert one["labels"]["severity"] == "critical"


@installed
def test_our_webhook_form_is_alertmanager_s_own(manager: str, hooked: Receiver) -> None:
    """The keys of what we post are the keys of what it posts, at the top and in each alert."""
    am = Channel("am", "alertmanager", alertmanager.Alertmanager.model_validate({"url": manager}))
    now = datetime.now(UTC)
    made = am.message(said(at=now, since=now), {}, now)
    assert made is not None
    assert send(made, now).ok
    assert eventually(lambda: hooked.got, 10)
    theirs, ours = json.loads(hooked.got[0].body), alertmanager.webhook(said(at=now, since=now))
    assert theirs.keys() == ours.keys()
    assert theirs["alerts"][0].keys() == ours["alerts"][0].keys()
    assert {key: type(value) for key, value in theirs.items()} == {key: type(value) for key, value in ours.items()}
    assert (theirs["version"], theirs["status"], theirs["alerts"][0]["endsAt"]) == (
        ours["version"],
        ours["status"],
        ours["alerts"][0]["endsAt"],
    )


@pytest.mark.skipif(AMTOOL is None, reason="amtool is not installed (Debian: prometheus-alertmanager)")
def test_amtool_accepts_the_example() -> None:
    """docs/alertmanager.yml is a configuration that Alertmanager loads."""
    assert AMTOOL is not None
    done = subprocess.run([AMTOOL, "check-config", str(ROOT / "docs/alertmanager.yml")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "SUCCESS" in done.stdout
