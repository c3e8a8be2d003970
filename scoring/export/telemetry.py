"""The export itself: which streams there are, where each begins, and how they are sent; for the watcher and for `goldwash export otel`."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any, Final

import structlog

from config.settings import Settings
from proxy.log.attach import LAKE
from proxy.service.client import Access
from proxy.service.figures import own_host
from scoring.export.channel import Channel, Outcome
from scoring.export.following import PAGE, Advance, Following, Held, Row
from scoring.export.histograms import Histograms
from scoring.export.position import LAST_ID, Progress, Stream
from scoring.export.reading import Page, Position, Source, settled
from scoring.export.spans import as_event, as_span, of_exchange, resource, scope

TRACES: Final = "traces"
EVENTS: Final = "evaluation_events"
SPANS: Final = "evaluation_spans"
METRICS: Final = "metrics"
SPELL: Final = 20.0
"""Seconds of one run that go to one stream before the others have their turn."""
BEFORE: Final = timedelta(seconds=60)
"""How far before its first start the export begins: traffic may have come while its process was starting."""
FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 300.0
AGAIN: Final = 60.0
"""Seconds after which metrics are sent again although nothing was added: receivers forget what is silent."""

log = structlog.get_logger("otel")


@dataclass(slots=True)
class Wait:
    """When a stream may be tried again."""

    until: float = 0.0  # monotonic
    times: int = 0
    told: str | None = None


@dataclass(slots=True)
class Export:
    """All streams of one configuration. One thread; close() at the end."""

    settings: Settings
    progress: Progress
    now: Callable[[], float] = time.time
    channel: Channel = field(init=False)
    waits: dict[str, Wait] = field(default_factory=dict)

    def __post_init__(self) -> None:
        otel = self.settings.otel
        made_by = version("goldwash")
        self.channel = Channel(otel, self.now)
        self._resource, self._scope = resource(otel, made_by), scope(made_by)

    _resource: Any = field(init=False)
    _scope: Any = field(init=False)

    def names(self) -> list[str]:
        """The streams that are switched on."""
        otel = self.settings.otel
        wanted = (TRACES, "traces" in otel.signals), (EVENTS, "logs" in otel.signals), (SPANS, otel.evaluation_spans)
        return [name for name, on in (*wanted, (METRICS, "metrics" in otel.signals)) if on]

    def begin(self, at: datetime) -> None:
        """Give each stream that is new a place to begin: what comes into the log from now on, less what `up` may have taken to start."""
        wanted = self.names()
        new = [name for name in wanted if name not in self.progress.streams]
        for name, stream in self.progress.streams.items():
            if name not in wanted:
                stream.held_since = None  # nobody waits for what was switched off
        if new:
            for name in new:
                self.progress.streams[name] = Stream(int((at - BEFORE).timestamp() * 1e6))
            self.progress.save()
            log.info("sending what comes into the log from now on; `goldwash export otel --since` sends what is older", streams=new)

    def run(self, access: Access, at: datetime) -> int:
        """One turn of every stream that need not wait; the count of rows acknowledged. Raises ServiceError, ConfigError."""
        self.begin(at)
        sent, newest = 0, self.newest(access, at)
        for name in self.names():
            wait = self.waits.setdefault(name, Wait())
            if time.monotonic() < wait.until:
                continue
            try:
                sent += self.turn(name, access, at, newest=newest)
            except Held as error:
                self._held(name, wait, error)
            else:
                if wait.told:
                    log.info("the receiver takes what is sent again", stream=name)
                self.waits[name] = Wait()
        return sent

    def newest(self, access: Access, at: datetime) -> int | None:
        """Up to where a stream that comes to the end has seen all; None = that cannot be said. Raises ServiceError."""
        source = self._source(access, at)
        return None if source.until else source.newest()

    def turn(self, name: str, access: Access, at: datetime, until: float | None = None, newest: int | None = None) -> int:
        """Send what one stream has, until then (monotonic) or for SPELL seconds. newest: what `newest` said before.

        Raises Held, ServiceError, ConfigError.
        """
        stream = self.progress.streams[name]
        source = self._source(access, at)
        ends = time.monotonic() + SPELL if until is None else until
        if name == METRICS:
            came = self._metrics(stream, source, lambda: time.monotonic() < ends)
        else:
            came = self.following(name, stream, source).advance(self.progress, self.now, lambda: time.monotonic() < ends)
        if came.at_the_end and newest is not None and newest > stream.at_us:
            stream.at_us, stream.last_id = newest, LAST_ID  # all up to there was seen, and what was not sent is not to be
        return came.sent

    def following(self, name: str, stream: Stream, source: Source, by: str = "loaded_at") -> Following:
        """One stream of spans or events. by: loaded_at, or accepted_at to send a time again."""
        otel = self.settings.otel

        def spans(rows: list[Row]) -> Outcome:
            return self._each("traces", rows, lambda row: of_exchange(row, otel, self._resource, self._scope))

        def events(rows: list[Row]) -> Outcome:
            return self._each("logs", rows, lambda row: as_event(row, otel, self._resource, self._scope))

        def evaluations(rows: list[Row]) -> Outcome:
            return self._each("traces", rows, lambda row: as_span(row, otel, self._resource, self._scope))

        read, key, made = (source.exchanges, "exchange_id", "accepted_us") if name == TRACES else (source.scores, "record_id", "created_us")
        send = {TRACES: spans, EVENTS: events, SPANS: evaluations}[name]

        def page(after: Position, limit: int) -> Page:
            return read(after, limit, by)

        return Following(stream, key, "loaded_us" if by == "loaded_at" else made, page, send, otel.batch)

    def _each(self, signal: str, rows: list[Row], make: Callable[[Row], Any]) -> Outcome:
        """Send what rows become; one that cannot become anything is told and counted, and does not stop the others for ever."""
        made, broken = [], 0
        for row in rows:
            try:
                made.append(make(row))
            except Exception:  # whatever is odd about one row
                broken += 1
                log.exception("a row cannot be sent; it is passed over", exchange=row.get("exchange_id"), record=row.get("record_id"))
        outcome = self.channel.send(signal, made) if made else Outcome("acknowledged")
        return replace(outcome, rejected=outcome.rejected + broken) if outcome.kind == "acknowledged" else outcome

    def _metrics(self, stream: Stream, source: Source, going_on: Callable[[], bool]) -> Advance:
        """Count what is new into the histograms, send them, and keep both counts and position where that was acknowledged."""
        otel, now = self.settings.otel, self.now()
        kept = self.progress.histograms
        counted = Histograms.load(copy.deepcopy(kept), otel.label_values) if kept else Histograms(int(now * 1e9), otel.label_values)
        at, rows, full = stream.position, 0, True
        while full and (going_on() or not rows):
            page = source.exchanges(at, max(otel.batch, PAGE))
            for row in page.rows:
                counted.add(row)
            rows, full = rows + len(page.rows), page.full
            if page.rows:
                at = Position(page.rows[-1]["loaded_us"], page.rows[-1]["exchange_id"])
        if rows or (kept and now - (stream.acknowledged_at or 0) > AGAIN):
            outcome = self.channel.send("metrics", counted.data(int(now * 1e9), self._resource, self._scope))
            if outcome.kind != "acknowledged":
                raise Held(outcome.why, outcome.retry_after)
            stream.at_us, stream.last_id = at
            stream.sent, stream.refused = stream.sent + rows, stream.refused + outcome.rejected
            stream.acknowledged_at, stream.held_since, stream.why = now, None, outcome.why or None
            self.progress.histograms = counted.dump()
            self.progress.save()
        return Advance(rows, at_the_end=not full)

    def _source(self, access: Access, at: datetime) -> Source:
        lake = self.settings.log.address.startswith(LAKE)
        otel = self.settings.otel
        return Source(access, otel.purposes, own_host() if lake else None, otel.content, settled(at, lake=lake))

    def _held(self, name: str, wait: Wait, error: Held) -> None:
        pause = min(FIRST_WAIT * 2**wait.times, LONGEST_WAIT) * random.uniform(0.8, 1.2)
        wait.until = time.monotonic() + max(pause, error.retry_after or 0.0)
        wait.times = min(wait.times + 1, 10)
        stream = self.progress.streams[name]
        stream.held_since = stream.held_since or self.now()
        stream.why = str(error)
        self.progress.save()
        if wait.told != stream.why:
            wait.told = stream.why
            log.warning("the receiver takes nothing; it is tried again and nothing is lost", stream=name, why=stream.why)

    def close(self) -> None:
        """Let go of the receiver."""
        self.channel.close()
