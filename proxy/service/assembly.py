"""Puts the loader and the log's upkeep together from their parts: readers of dialects, prices, redaction and retention as configured."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from config.settings import Settings
from proxy.accounting.estimate import estimate
from proxy.accounting.overrides import Overrides, parse
from proxy.accounting.pricing import Pricer
from proxy.exchange import Captured, Reading
from proxy.keys import key_secret
from proxy.log import rollups
from proxy.log.attach import Log
from proxy.log.forgetting import Subject
from proxy.log.ingest import Loader
from proxy.log.redaction import Redactor
from proxy.log.retention import expire
from proxy.reading import read
from proxy.streams.encoding import Decoder
from proxy.streams.json_value import Unparsable, parse_json


def make_loader(log: Log, settings: Settings) -> Loader:
    """The loader of a log service. Raises ConfigError for a price file that cannot be used."""
    pricer = Pricer(price_overrides(settings))
    return Loader(
        log,
        settings.data_dir / "spool",
        read_or_estimate,
        pricer.price,
        make_redactor(settings),
        turn_prices=pricer.turn_prices,
        rows=settings.log.flush_rows,
    )


def make_redactor(settings: Settings) -> Redactor:
    """What `[redaction]` takes out of the stored copy; the same value gets the same surrogate as long as `key.secret` is the same."""
    chosen = settings.redaction
    names = ("secrets", "email", "phone", "card", "iban")
    policies = [name for name in names if getattr(chosen, name)] + (["national_id"] if chosen.national_ids else [])
    return Redactor(tuple(policies), chosen.patterns, key_secret(settings.data_dir))


def subject_of(settings: Settings, user: str | None, exchange: str | None, before: str | None) -> Subject:
    """Whom or what to forget, from words: a user's id is meant as it was said and as redaction stores it. Raises ValueError."""
    for given in (user, exchange, before):
        if given is not None and (not isinstance(given, str) or not given.strip()):
            raise ValueError("it is empty")
    if user is not None:
        return Subject(user=tuple(dict.fromkeys((user, make_redactor(settings).text(user)))))
    if before is not None:
        at = datetime.fromisoformat(before)
        return Subject(before=at if at.tzinfo else at.replace(tzinfo=UTC))
    return Subject(exchange=exchange)


def read_or_estimate(captured: Captured) -> Reading:
    """What an exchange meant; where its provider reported no usage, our count of it, marked as such."""
    reading = read(captured)
    if reading.usage is not None or not captured.request_body:
        return reading
    body = captured.request_body
    for name, value in captured.request_headers:
        if name == "content-encoding":
            body = Decoder(value).feed(body)
    try:
        request = parse_json(body)
    except Unparsable:
        return reading
    usage = estimate(captured, reading, request)
    return reading if usage is None else replace(reading, usage=usage, usage_estimated=True)


def price_overrides(settings: Settings) -> Overrides | None:
    """The operator's own prices, where configured. Raises ConfigError."""
    file = settings.prices.file
    if file is None:
        return None
    with file.open("rb") as opened:
        return parse(tomllib.load(opened), str(file))


def make_upkeep(log: Log, settings: Settings) -> Callable[[], bool]:
    """Deletes what is older than `[log]` keeps and merges old sums, a second's worth a call; says whether there is more."""

    def upkeep() -> bool:
        now = datetime.now(UTC)
        expired = expire(log, settings.log.bodies_days, settings.log.rows_days, now, seconds=1.0)
        return rollups.tidy(log, now) or expired.more

    return upkeep
