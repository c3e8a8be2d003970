"""What must be told is told: through a day-long outage, a kill -9, refusals, slow channels and a full desk, to real receivers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config.settings import ConfigError, Settings
from proxy.log.attach import Log
from proxy.service.client import Access, ServiceError
from scoring.alerts import delivery, rules
from scoring.alerts.channels import channels, webhook
from scoring.alerts.delivery import Delivery, job, receive, standing
from scoring.alerts.desk import Desk
from scoring.alerts.in_force import begin
from scoring.alerts.rules import RuleFile
from scoring.alerts.states import Reading, State, Transition
from tests.helpers.goldwash import ROOT, free_port
from tests.scoring.alerts.receivers import Answer, Clock, Got, Receiver
from tests.scoring.alerts.said import said

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECRET = "a-secret-that-must-never-be-stored-anywhere"
ENVIRON = {"HOOK_SECRET": SECRET, "PD_KEY": "0123456789abcdef0123456789abcdef"}


class NoLog(Access):
    """A log that does not answer."""

    def __init__(self, data_dir: Path) -> None:
        self.settings = Settings(data_dir=data_dir)
        self.remote = self.log = self._readers = None

    def rows(self, sql: str, parameters: Any = None) -> list[dict[str, Any]]:
        raise ServiceError(503, "the log service does not answer", "it is starting")


def file_of(**tables: Mapping[str, Any]) -> RuleFile:
    lines = [f"[channel.{name}]\n" + "\n".join(f"{key} = {value}" for key, value in table.items()) for name, table in tables.items()]
    return rules.parse("\n".join(lines) + "\n", "alerts.toml")


def hook(port: int, **more: str) -> dict[str, str]:
    return {"kind": '"webhook"', "url": f'"http://127.0.0.1:{port}/hook"', "secret": '{ env = "HOOK_SECRET" }', **more}


def moved(at: datetime, after: State, feature: str, since: datetime | None = None) -> Transition:
    reading = Reading("errors", {"feature": feature}, at, 0.05, 0.02, None, 500, after == "firing", f"{feature} fails")
    return Transition(reading, "pending" if after == "firing" else "firing", after, since or at)


def datas(got: list[Got]) -> list[dict[str, Any]]:
    return [json.loads(one.body)["data"] for one in got]


@pytest.mark.slow
def test_a_day_long_outage_loses_nothing_and_holds_up_nobody(tmp_path: Path) -> None:
    """Twelve incidents begin and end while one channel is down: the other hears at once, this one hears all of it in order when it is back."""
    clock = Clock(START)
    with Receiver() as well:
        down = Receiver()
        down.up()
        down.down()  # a port of its own, on which nobody listens
        file = file_of(well=hook(well.port), broken=hook(down.port))
        to = channels(file)
        access = NoLog(tmp_path)
        outgoing = Delivery(tmp_path, ENVIRON, clock, lambda: 0.5)
        for minute in range(0, 24 * 60, 10):
            now = clock.pass_(minutes=10)
            changes = []
            if minute % 120 == 0:
                changes = [moved(now, "firing", f"f{minute // 120}")]
            elif minute % 120 == 10:
                changes = [moved(now, "resolved", f"f{minute // 120}", now - timedelta(minutes=10))]
            receive(access, changes, file, now)
            outgoing.run(to)
        assert [one["kind"] for one in datas(well.got)] == ["opened", "resolved"] * 12
        (ill,) = [one for one in standing(tmp_path) if one.name == "broken"]
        assert (ill.waiting, ill.dead, ill.failing_since) == (24, 0, START + timedelta(minutes=10))
        assert ill.error is not None
        assert "Connection refused" in ill.error
        assert 60 <= ill.failures <= 100, "it was tried every 15 minutes or so and no more often"
        down.up()
        try:
            for _ in range(20):
                clock.pass_(minutes=1)
                outgoing.run(to)
        finally:
            down.down()
        assert [(one["kind"], one["slice"]) for one in datas(down.got)] == [(one["kind"], one["slice"]) for one in datas(well.got)]
        assert len({one.headers["webhook-id"] for one in down.got}) == 24, "none twice"
        late = int((START + timedelta(days=1)).timestamp())
        assert all(webhook.verify(SECRET, one.headers, one.body, late) for one in down.got), "each try is stamped when it is made"
        (again,) = [one for one in standing(tmp_path) if one.name == "broken"]
        assert (again.waiting, again.failures, again.failing_since, again.error) == (0, 0, None, None)
    assert SECRET.encode() not in (tmp_path / "alerts.sqlite").read_bytes()


CHILD = """
import os, sys
from pathlib import Path
from scoring.alerts import rules
from scoring.alerts.channels import channels
from scoring.alerts.delivery import Delivery
Delivery(Path(sys.argv[1]), os.environ).run(channels(rules.parse(Path(sys.argv[2]).read_text(), "alerts.toml")))
"""


@pytest.mark.slow
def test_kill_9_loses_none_and_doubles_none_where_ids_are_kept(tmp_path: Path) -> None:
    """The sender is killed again and again, each time after the receiver took a message and before it could answer."""
    hold = threading.Event()

    def answer(got: Got) -> Answer:
        if len(receiver.got) in {2, 4, 7}:
            hold.set()
            time.sleep(5)
        return 200, {}, b""

    with Receiver(answer) as receiver:
        table = hook(receiver.port)
        text = "[channel.hook]\n" + "\n".join(f"{key} = {value}" for key, value in table.items()) + "\n"
        (tmp_path / "alerts.toml").write_text(text)
        file = rules.parse(text, "alerts.toml")
        for number in range(6):
            at = datetime.now(UTC) + timedelta(hours=2 * number)
            receive(NoLog(tmp_path), [moved(at, "firing", f"f{number}")], file, at)
        wanted = [one.notification.id for one in _waiting(tmp_path)]
        kills = 0
        while _waiting(tmp_path):
            hold.clear()
            child = subprocess.Popen(
                [sys.executable, "-c", CHILD, str(tmp_path), str(tmp_path / "alerts.toml")], cwd=ROOT, env={**os.environ, **ENVIRON}
            )
            while child.poll() is None and not hold.is_set():
                time.sleep(0.01)
            if child.poll() is None:
                os.kill(child.pid, signal.SIGKILL)
                kills += 1
            child.wait()
        ids = [one.headers["webhook-id"] for one in receiver.got]
        assert kills == 3
        assert list(dict.fromkeys(ids)) == wanted
        assert len(ids) == len(wanted) + kills, "only what was in flight came twice, under the same id"


def _waiting(data_dir: Path) -> list[Any]:
    with Desk(data_dir) as desk:
        return desk.waiting("hook")


def test_the_desk_is_whole_after_a_kill_between_two_incidents(tmp_path: Path) -> None:
    """The same transitions again, as after a crash before they were stored, say nothing again."""
    file = file_of(hook=hook(free_port()))
    changes = [moved(START, "firing", "a"), moved(START, "firing", "b")]
    assert len(receive(NoLog(tmp_path), changes, file, START)) == 1
    assert receive(NoLog(tmp_path), changes, file, START + timedelta(seconds=5)) == []
    assert len(_waiting(tmp_path)) == 1


def _deliver(tmp_path: Path, file: RuleFile, clock: Clock, **more: Any) -> Delivery:
    outgoing = Delivery(tmp_path, ENVIRON, clock, lambda: 1.0, **more)
    outgoing.run(channels(file))
    return outgoing


def _noted(tmp_path: Path) -> list[tuple[str, str, str | None]]:
    """What the log would be told now, and has been told then: (channel, state, error)."""
    with Desk(tmp_path) as desk:
        said = desk.unlogged()
        desk.logged((message.id, state) for message, state, _ in said)
        return [(message.channel, state, error) for message, state, error in said]


def test_retry_after_is_honoured(tmp_path: Path) -> None:
    """In seconds and as a date; nothing is tried before, whatever the backoff says."""
    clock = Clock(START)
    answers: list[Answer] = [
        (429, {"Retry-After": "120"}, b"slow down"),
        (503, {"Retry-After": "Mon, 02 Mar 2026 09:10:00 GMT"}, b""),
        (200, {}, b""),
    ]
    with Receiver(lambda _: answers[len(receiver.got) - 1]) as receiver:
        file = file_of(hook=hook(receiver.port))
        receive(NoLog(tmp_path), [moved(START, "firing", "a")], file, START)
        tried = []
        for _ in range(100):
            before = len(receiver.got)
            _deliver(tmp_path, file, clock)
            if len(receiver.got) > before:
                tried.append(int((clock.at - START).total_seconds()))
            clock.pass_(seconds=10)
        assert tried == [0, 120, 600]


def test_what_is_refused_for_good_is_a_dead_letter_and_the_next_goes_on(tmp_path: Path) -> None:
    """400 says that this message will never be taken; 401 may be mended by an operator."""
    clock = Clock(START)
    told: list[tuple[str, str, str | None]] = []
    with Receiver(
        lambda _: (400, {}, b"invalid_blocks") if len(receiver.got) == 1 else (401, {}, b"") if len(receiver.got) == 2 else (200, {}, b"")
    ) as receiver:
        file = file_of(hook=hook(receiver.port))
        for number in range(2):
            at = START + timedelta(hours=2 * number)
            receive(NoLog(tmp_path), [moved(at, "firing", f"f{number}")], file, at)
        for _ in range(3):
            _deliver(tmp_path, file, clock)
            told += _noted(tmp_path)
            clock.pass_(minutes=1)
    assert told == [("hook", "dead", "status 400: invalid_blocks"), ("hook", "failed", "status 401"), ("hook", "sent", None)]
    (now,) = standing(tmp_path)
    assert (now.dead, now.waiting) == (1, 0)


def test_it_is_given_up_after_its_time_and_not_because_a_clock_jumped(tmp_path: Path) -> None:
    """Three days of failing make a dead letter; a clock that jumps a month ahead does not, by itself."""
    clock = Clock(START)
    file = file_of(hook=hook(free_port()))
    receive(NoLog(tmp_path), [moved(START, "firing", "a")], file, START)
    _deliver(tmp_path, file, clock)
    clock.pass_(days=30)
    _deliver(tmp_path, file, clock)
    assert [state for _, state, _ in _noted(tmp_path)] == ["failed"]
    for _ in range(30):
        clock.pass_(minutes=16)
        _deliver(tmp_path, file, clock)
    assert [state for _, state, _ in _noted(tmp_path)] == ["dead"]


def test_a_clock_that_steps_back_stops_no_channel(tmp_path: Path) -> None:
    """A pause that would last a year is no pause."""
    clock = Clock(START + timedelta(days=365))
    with Receiver(lambda _: (500, {}, b"") if len(receiver.got) == 1 else (200, {}, b"")) as receiver:
        file = file_of(hook=hook(receiver.port))
        receive(NoLog(tmp_path), [moved(START, "firing", "a")], file, START)
        _deliver(tmp_path, file, clock)
        clock.at = START
        _deliver(tmp_path, file, clock)
        assert len(receiver.got) == 2


def test_a_channel_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    """One never answers; the others have their message long before its time is over."""
    with Receiver(lambda _: (time.sleep(3), (200, {}, b""))[1]) as hanging, Receiver() as quick:
        file = file_of(slow=hook(hanging.port, timeout="1.0"), quick=hook(quick.port))
        receive(NoLog(tmp_path), [moved(START, "firing", "a")], file, START)
        thread = threading.Thread(target=_deliver, args=(tmp_path, file, Clock(START)))
        thread.start()
        for _ in range(60):
            if quick.got:
                break
            time.sleep(0.01)
        assert quick.got
        thread.join()
    (_, slow) = sorted(standing(tmp_path), key=lambda one: one.name)
    assert slow.error == "no answer in time"


def test_a_server_that_answers_a_byte_at_a_time_is_not_waited_for(tmp_path: Path) -> None:
    """It keeps its own thread busy; the next runs serve the others, and leave it alone."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as drip, Receiver() as quick:
        stop = threading.Event()

        def serve() -> None:
            connection, _ = drip.accept()
            with connection:
                while not stop.wait(0.2):
                    connection.sendall(b"H")

        threading.Thread(target=serve, daemon=True).start()
        file = file_of(drip=hook(drip.getsockname()[1], timeout="1.0"), quick=hook(quick.port))
        outgoing = Delivery(tmp_path, ENVIRON, Clock(START), lambda: 1.0)
        for number in range(3):
            at = START + timedelta(hours=2 * number)
            receive(NoLog(tmp_path), [moved(at, "firing", f"f{number}")], file, at)
            outgoing.run(channels(file), patience=1.5)
        assert len(quick.got) == 3
        stop.set()


def test_a_proxy_for_plain_http_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY of the environment is not where anybody configured a channel to be."""
    with Receiver() as proxy, Receiver() as receiver:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        file = file_of(hook=hook(receiver.port))
        receive(NoLog(tmp_path), [moved(START, "firing", "a")], file, START)
        _deliver(tmp_path, file, Clock(START))
        assert (len(receiver.got), proxy.got) == (1, [])


def test_only_the_latest_update_waits(tmp_path: Path) -> None:
    """An outage keeps the opening, the last reminder and the end of an incident, not a day of reminders."""
    file = rules.parse(
        '[rule.errors]\nkind = "errors"\nrenotify = "1h"\n[channel.hook]\nkind = "webhook"\nurl = "http://127.0.0.1:9/"\nsecret = { env = "S" }\n',
        "alerts.toml",
    )
    receive(NoLog(tmp_path), [moved(START, "firing", "a")], file, START)
    for hour in range(1, 24):
        receive(NoLog(tmp_path), [], file, START + timedelta(hours=hour))
    receive(NoLog(tmp_path), [moved(START + timedelta(hours=24), "resolved", "a", START)], file, START + timedelta(hours=24))
    assert [(one.notification.kind, one.notification.at.hour) for one in _waiting(tmp_path)] == [
        ("opened", 9),
        ("reminded", 8),
        ("resolved", 9),
    ]


def test_no_redirect_is_followed(tmp_path: Path) -> None:
    """A signature goes where it was configured to go, and nowhere else."""
    with Receiver() as elsewhere, Receiver(lambda _: (307, {"Location": elsewhere.url}, b"")) as receiver:
        file = file_of(hook=hook(receiver.port))
        receive(NoLog(tmp_path), [moved(START, "firing", "a")], file, START)
        _deliver(tmp_path, file, Clock(START))
        assert elsewhere.got == []
    assert standing(tmp_path)[0].error == "status 307"


def test_rules_choose_channels_and_channels_choose_severities(tmp_path: Path) -> None:
    """channels = [...] of a rule, least = "…" of a channel, resolved = false."""
    text = (
        '[rule.errors]\nkind = "errors"\nseverity = "warning"\nchannels = ["named", "grave", "beginnings"]\n'
        '[channel.named]\nkind = "log"\n[channel.other]\nkind = "log"\n[channel.grave]\nkind = "log"\nleast = "critical"\n'
        '[channel.beginnings]\nkind = "log"\nresolved = false\n[channel.off]\nkind = "log"\nenabled = false\n'
    )
    file = rules.parse(text, "alerts.toml")
    receive(NoLog(tmp_path), [moved(START, "firing", "a")], file, START)
    receive(NoLog(tmp_path), [moved(START, "resolved", "a", START)], file, START + timedelta(minutes=20))
    with Desk(tmp_path) as desk:
        found = {channel.name: [one.notification.kind for one in desk.waiting(channel.name)] for channel in channels(file)}
    assert found == {"named": ["opened", "resolved"], "other": [], "grave": [], "beginnings": ["opened"], "off": []}


def test_a_cause_is_added_and_its_failure_stops_nothing(tmp_path: Path) -> None:
    """explain() adds SQL and samples; where it fails the notification goes without."""
    from dataclasses import replace

    file = file_of(log={"kind": '"log"'})
    (one,) = receive(NoLog(tmp_path), [moved(START, "firing", "a")], file, START, lambda what: replace(what, sql="SELECT 1"))
    assert one.sql == "SELECT 1"
    (two,) = receive(NoLog(tmp_path), [moved(START + timedelta(hours=3), "firing", "b")], file, START + timedelta(hours=3), lambda _: 1 / 0)  # type: ignore[arg-type,return-value]
    assert two.sql is None


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('[channel.a]\nkind = "slak"\n', r"alerts.toml, line 2: \[channel.a\] kind: 'slak' is no kind of channel: did you mean 'slack'"),
        ("[channel.a]\nurl = 1\n", r"line 1: \[channel.a\]: it has no kind: known are slack"),
        (
            '[channel.a]\nkind = "slack"\nurl = "https://hooks.slack.com/services/T/B/X"\n',
            r'line 3: \[channel.a\] url: a secret never stands in this file: write \{ env = "NAME" \}',
        ),
        ('[channel.a]\nkind = "slack"\n', r"\[channel.a\] url: it is missing; add it \(The webhook's address"),
        ('[channel.a]\nkind = "log"\nlest = "info"\n', r"line 3: \[channel.a\] lest: no such key; did you mean least"),
        ('[channel.a]\nkind = "slack"\nurl = { envv = "X" }\n', r"line 3: \[channel.a\] url.envv: no such key; did you mean env"),
        ('[channel.a]\nkind = "slack"\nurl = { env = "X", file = "y" }\n', r"line 3: .* name one place"),
        ('[channel.a]\nkind = "webhook"\nsecret = { env = "X" }\nurl = "ftp://x"\n', r"line 4: \[channel.a\] url: .*full URL"),
        (
            '[channel.a]\nkind = "webhook"\nsecret = { env = "X" }\nurl = "https://x"\nheaders = { Authorization = "y" }\n',
            r"Authorization carries a secret",
        ),
        ('[channel.a]\nkind = "webhook"\nsecret = { env = "X" }\nurl = "https://x/y?token=1"\n', r"line 4: .* for the whole address"),
        (
            '[channel.a]\nkind = "email"\nhost = "mx.example"\ntls = "none"\nsender = "a@b.c"\nto = ["d@e.f"]\n',
            r"in the clear to mx.example",
        ),
        (
            '[channel.a]\nkind = "email"\nhost = "mx"\nsender = "a@b.c\\nBcc: x"\nto = ["d@e.f"]\n',
            r"line 4: \[channel.a\] sender: it must be one plain address",
        ),
        ('[channel.a]\nkind = "pagerduty"\nrouting_key = "0123456789abcdef0123456789abcdef"\n', r"a secret never stands in this file"),
    ],
)
def test_a_mistake_names_file_line_key_and_fix(text: str, wrong: str) -> None:
    """And shows no value where a secret might stand."""
    with pytest.raises(ConfigError, match=wrong) as told:
        channels(rules.parse(text, "alerts.toml"))
    assert "0123456789abcdef" not in str(told.value)
    assert "/T/B/X" not in str(told.value)


def test_a_secret_that_is_not_there_is_told_and_tried_again(tmp_path: Path) -> None:
    """An operator who sets the variable and starts again loses nothing."""
    with Receiver() as receiver:
        file = file_of(hook=hook(receiver.port))
        receive(NoLog(tmp_path), [moved(START, "firing", "a")], file, START)
        clock = Clock(START)
        Delivery(tmp_path, {}, clock).run(channels(file))
        assert "HOOK_SECRET is empty or not set" in (standing(tmp_path)[0].error or "")
        clock.pass_(minutes=1)
        Delivery(tmp_path, ENVIRON, clock).run(channels(file))
        assert len(receiver.got) == 1


def test_the_job_writes_rows_and_keeps_the_old_channels_while_the_file_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a real log: sent, failed and dead messages are rows of `notifications`; silences are read from it."""
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    data = tmp_path / "data"
    data.mkdir()
    Log.open("goldwash.duckdb", data).close()
    with Receiver() as receiver:
        rules_file = tmp_path / "alerts.toml"
        text = "[channel.hook]\n" + "\n".join(f"{key} = {value}" for key, value in hook(receiver.port).items()) + "\n"
        rules_file.write_text(text)
        base = Settings(data_dir=data)
        settings = base.model_copy(update={"alerts": base.alerts.model_copy(update={"rules": rules_file})})
        made = job(settings)
        now = datetime.now(UTC)
        with Access(settings) as access:
            receive(access, [moved(now, "firing", "a")], rules.load(rules_file), now)
            made.run(access, now)
            rules_file.write_text(text + "[channel.")
            receive(access, [moved(now, "resolved", "a", now)], rules.parse(text, "x"), now + timedelta(minutes=20))
            made.run(access, now + timedelta(minutes=20))
        assert [one["kind"] for one in datas(receiver.got)] == ["opened", "resolved"]
    from proxy.commands.submission import load

    load(settings)
    with Access(settings) as access:
        found = access.rows("SELECT kind, channel, state, tries, rule, slice, incident_id FROM notifications ORDER BY created_at")
    assert [(one["kind"], one["channel"], one["state"], one["tries"], one["rule"]) for one in found] == [
        ("opened", "hook", "sent", 1, "errors"),
        ("resolved", "hook", "sent", 1, "errors"),
    ]
    assert json.loads(found[0]["slice"]) if isinstance(found[0]["slice"], str) else found[0]["slice"] == {"feature": "a"}


def test_what_waits_for_a_channel_that_was_taken_away_is_given_up(tmp_path: Path) -> None:
    """It does not count as a channel that fails for ever."""
    file = file_of(gone=hook(free_port()), kept=hook(free_port()))
    receive(NoLog(tmp_path), [moved(START, "firing", "a")], file, START)
    _deliver(tmp_path, file, Clock(START))
    with Desk(tmp_path) as desk:
        desk.retire(["kept"], START)
    found = {one.name: one for one in standing(tmp_path)}
    assert (found["gone"].waiting, found["gone"].dead, found["gone"].failing_since) == (0, 1, None)
    assert (found["kept"].waiting, found["kept"].failures) == (1, 1)
    assert ("gone", "dead", "its channel was taken away") in _noted(tmp_path)


def test_only_what_a_channel_was_told_is_repeated_there(tmp_path: Path) -> None:
    """Alertmanager hears again each minute of incidents that were routed to it, and of no others."""
    with Receiver() as receiver:
        text = (
            f'[rule.latency]\nkind = "latency"\nchannels = ["am"]\n[rule.errors]\nkind = "errors"\nchannels = ["quiet"]\n'
            f'[channel.quiet]\nkind = "log"\n[channel.am]\nkind = "alertmanager"\nurl = "{receiver.url}"\n'
        )
        file = rules.parse(text, "alerts.toml")
        latency = Transition(Reading("latency", {}, START, 900.0, 300.0, 100.0, 500, True, "slow"), "pending", "firing", START)
        receive(NoLog(tmp_path), [latency, moved(START, "firing", "a")], file, START)
        clock = Clock(START)
        for _ in range(3):
            _deliver(tmp_path, file, clock)
            clock.pass_(seconds=61)
        assert {one["labels"]["alertname"] for got in receiver.got for one in json.loads(got.body)} == {"latency"}
        assert len(receiver.got) == 4, "the opening, and a repetition in each run"


def test_a_mistake_and_a_restart_change_nothing_of_what_is_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules and channels of the last good file hold, and what waits is delivered; without one the shipped rules do."""
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    rules_file = tmp_path / "alerts.toml"
    base = Settings(data_dir=tmp_path / "data")
    settings = base.model_copy(update={"alerts": base.alerts.model_copy(update={"rules": rules_file})})
    with Receiver() as receiver:
        text = "[channel.hook]\n" + "\n".join(f"{key} = {value}" for key, value in hook(receiver.port).items()) + "\n"
        rules_file.write_text(text + "[channel.oops]\n")
        file, wrong = begin(settings)
        assert "it has no kind" in (wrong or "")
        assert "The shipped rules are in force" in (wrong or "")
        assert file.channels == {}
        rules_file.write_text(text)
        job(settings).run(NoLog(settings.data_dir), START)
        rules_file.write_text(text + "[channel.")
        file, wrong = begin(settings)
        assert list(file.channels) == ["hook"]
        assert "The rules that were in force before stay in force" in (wrong or "")
        receive(NoLog(settings.data_dir), [moved(START, "firing", "a")], file, START)
        job(settings).run(NoLog(settings.data_dir), START)
        assert len(receiver.got) == 1
    assert (settings.data_dir / "alerts.in_force.toml").stat().st_mode & 0o777 == 0o600


def test_a_damaged_desk_silences_nothing(tmp_path: Path) -> None:
    """The file is put aside, and what comes is told."""
    (tmp_path / "alerts.sqlite").write_bytes(b"no database at all" * 1000)
    file = file_of(hook=hook(free_port()))
    assert len(receive(NoLog(tmp_path), [moved(START, "firing", "a")], file, START)) == 1
    assert (tmp_path / "alerts.damaged").exists()
    assert len(_waiting(tmp_path)) == 1


def test_ten_thousand_waiting_messages_are_no_burden(tmp_path: Path) -> None:
    """A desk that is full is emptied in pages, and looked at quickly."""
    with Desk(tmp_path) as desk:
        many = [("hook", said(incident_id=f"i{number}")) for number in range(10_000)]
        began = time.process_time()
        assert len(desk.keep([], [], many, START)) == 10_000
        assert len(desk.waiting("hook")) == 100
        assert desk.standing()[0].waiting == 10_000
        assert time.process_time() - began < 5
    assert delivery.standing(tmp_path)[0].oldest == START
