"""Puts the loader together from its parts: the readers of dialects, prices, redaction and retention as configured."""

from __future__ import annotations

import tomllib

from config.settings import Settings
from proxy.accounting.overrides import Overrides, parse
from proxy.accounting.pricing import Pricer
from proxy.log.attach import Log
from proxy.log.ingest import Loader
from proxy.log.redaction import Redactor
from proxy.reading import read


def make_loader(log: Log, settings: Settings) -> Loader:
    """The loader of a log service. Raises ConfigError for a price file that cannot be used."""
    pricer = Pricer(price_overrides(settings))
    return Loader(
        log,
        settings.data_dir / "spool",
        read,
        pricer.price,
        Redactor(),
        rows=settings.log.flush_rows,
    )


def price_overrides(settings: Settings) -> Overrides | None:
    """The operator's own prices, where configured. Raises ConfigError."""
    file = settings.prices.file
    if file is None:
        return None
    with file.open("rb") as opened:
        return parse(tomllib.load(opened), str(file))
