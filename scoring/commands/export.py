"""Send the log to other tools: exchanges, scores and metrics to an OpenTelemetry receiver."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli import config_option, load_settings

if TYPE_CHECKING:
    from proxy.service.client import Access
    from scoring.export.following import Following
    from scoring.export.telemetry import Export

FORMS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S"]


@click.group()
def export() -> None:
    """Send the log to other tools."""


@export.command()
@config_option
@click.option("--since", type=click.DateTime(FORMS), help="Send what was accepted from then on, UTC; again, if it was sent before.")
@click.option("--until", type=click.DateTime(FORMS), help="With --since: up to then.")
@click.option("--patience", type=click.FloatRange(0), default=60.0, show_default=True, help="Seconds to wait for a receiver that is down.")
def otel(config: Path | None, since: datetime | None, until: datetime | None, patience: float) -> None:
    """Send exchanges and scores to the receiver of [otel].

    Without --since: what the cursor has not had yet, as `goldwash up` does by itself; exit 1 where something could not be sent. With
    --since: that time once more, with the same ids, so that a receiver that knows them has nothing twice; metrics are left out, and the
    cursor stays where it is.
    """
    import os

    from config.settings import ConfigError
    from proxy.service.client import Access
    from scoring.export import position
    from scoring.export.telemetry import Export

    settings = load_settings(config)
    if not settings.otel.endpoint:
        raise ConfigError("[otel] endpoint is empty: set it to an OTLP receiver, such as http://127.0.0.1:4318")
    if until is not None and since is None:
        raise click.UsageError("--until goes with --since")
    with Access(settings) as access:
        if since is not None:
            again = Export(settings, position.Progress(settings.data_dir / position.AGAIN))
            try:
                _again(again, access, _utc(since), _utc(until) if until else None, patience)
            finally:
                again.close()
                again.progress.file.unlink(missing_ok=True)
            return
        lock = position.hold(settings.data_dir)
        standing = Export(settings, position.load(settings.data_dir))
        try:
            standing.begin(datetime.now(UTC))
            for name in standing.names():
                before = standing.progress.streams[name].refused
                sent = _patiently(partial(standing.turn, name, access, datetime.now(UTC), float("inf")), patience)
                _tell(name, sent, standing.progress.streams[name].refused - before)
        finally:
            standing.close()
            os.close(lock)


def _again(export: Export, access: Access, since: datetime, until: datetime | None, patience: float) -> None:
    """Send a time once more, by the time of the traffic."""
    from scoring.export.following import Held
    from scoring.export.position import Stream
    from scoring.export.reading import NOWHERE, Source
    from scoring.export.telemetry import METRICS

    otel = export.settings.otel
    source = Source(access, otel.purposes, content=otel.content, until=until)
    for name in (name for name in export.names() if name != METRICS):
        stream = export.progress.streams[name] = Stream(int(since.timestamp() * 1e6), NOWHERE)
        following = export.following(name, stream, source, "accepted_at")
        try:
            _patiently(partial(_whole, following, export), patience)
        except Held as error:
            reached = datetime.fromtimestamp(stream.at_us / 1e6, UTC).isoformat(timespec="seconds")
            raise Held(f"{error}; {name}: {stream.sent:,} sent, go on with --since {reached}") from error
        _tell(name, stream.sent, stream.refused)


def _whole(following: Following, export: Export) -> int:
    return following.advance(export.progress, time.time, lambda: True).sent


def _patiently(turn: Callable[[], int], patience: float) -> int:
    """Try until it is done or patience ends; what was acknowledged is not sent again. Raises Held."""
    from scoring.export.following import Held

    until, pause, sent = time.monotonic() + patience, 1.0, 0
    while True:
        try:
            return sent + turn()
        except Held as error:
            wait = max(pause, error.retry_after or 0.0)
            if time.monotonic() + wait > until:
                raise
            click.echo(f"{error}; waiting {wait:g} s", err=True)
            time.sleep(wait)
            pause = min(pause * 2, 30.0)


def _tell(name: str, sent: int, refused: int) -> None:
    click.echo(f"{name}: {sent:,} sent" + (f", {refused:,} refused by the receiver" if refused else ""))


def _utc(when: datetime) -> datetime:
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
