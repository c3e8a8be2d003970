"""How Goldwash speaks of itself: structlog, readable lines in a terminal, JSON where a machine reads them."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog


def set_up(level: str = "info", stream: TextIO | None = None) -> None:
    """Configure structlog for this process. `level`: debug | info | warning | error."""
    out = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=True, exception_formatter=structlog.dev.plain_traceback)]  # others show locals, and so bodies
        if out.isatty()
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
