"""How Goldwash speaks of itself: structlog, readable lines in a terminal, JSON where a machine reads them; and never of what passes.

What fails is told with its place and type. The text of an exception can hold the bytes it failed on (`int("sk-…")`): a worker, which
handles requests with their keys, leaves it out; all else that is told goes through the same search for secrets as the rows of the log.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import structlog


def set_up(level: str = "info", stream: TextIO | None = None, *, carries_keys: bool = False) -> None:
    """Configure structlog for this process, and whoever else would speak: the standard library

    level: debug | info | warning | error. carries_keys: leave out the text of exceptions.
    """
    out = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Places() if carries_keys else structlog.processors.format_exc_info,
        _Scrubbed(),
    ]
    last: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=True, exception_formatter=structlog.dev.plain_traceback)  # others show locals, and so bodies
        if out.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_Handler(carries_keys=carries_keys)]
    root.setLevel(logging.WARNING)


def hook() -> None:
    """Tell the end of the process or of a thread as everything else is told, and leave no image of the memory behind.

    RLIMIT_CORE is 1 and not 0: a core pattern that is a pipe heeds no limit but this one (Linux, fs/coredump.c).
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    limit = 1 if hard == resource.RLIM_INFINITY else min(1, hard)
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
    log = structlog.get_logger("process")

    def ended(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            log.error("ended_by_a_fault", exc_info=(kind, error, trace))

    def thread_ended(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            ended(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)

    def unraisable(arguments: Any) -> None:
        if arguments.exc_value is not None:
            log.error("fault_while_cleaning_up", exc_info=(arguments.exc_type, arguments.exc_value, arguments.exc_traceback))

    sys.excepthook = ended
    threading.excepthook = thread_ended
    sys.unraisablehook = unraisable


def loop_fault(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A loop's exception handler: what failed and where, without the arguments (a callback's may be the bytes of a request)."""
    what = str(context.get("message") or "").partition("(")[0].partition("<")[0].strip()
    structlog.get_logger("loop").error("fault", what=what, exc_info=context.get("exception"))


class _Places:
    """Replaces an exception by its type and the places it came through, and those of its causes."""

    def __call__(self, _: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        given = event.pop("exc_info", None)
        error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
        if isinstance(error, BaseException):
            event["exception"] = places(error)
        return event


def places(error: BaseException) -> str:
    """`KeyError at client.py:210 head, request.py:88 read; from ValueError at …`."""
    told: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames = traceback.extract_tb(error.__traceback__)
        where = ", ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
        told.append(f"{type(error).__name__} at {where or 'no place'}")
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return "; from ".join(told)


class _Scrubbed:
    """Takes secrets out of every text that is told."""

    def __init__(self) -> None:
        self._redactor: Any = None

    def __call__(self, _: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if self._redactor is None:
            from proxy.log.redaction import Redactor  # compiled at the first line, so that commands that tell nothing do not wait

            self._redactor = Redactor()
        for name, value in event.items():
            if isinstance(value, str):
                event[name] = self._redactor.text(value)
        return event


class _Handler(logging.Handler):
    """What libraries say, told as our own."""

    def __init__(self, *, carries_keys: bool) -> None:
        super().__init__()
        self._carries_keys = carries_keys

    def emit(self, record: logging.LogRecord) -> None:
        """Tell it; in a worker without its arguments."""
        tell = structlog.get_logger("library").error if record.levelno >= logging.ERROR else structlog.get_logger("library").warning
        tell(str(record.msg) if self._carries_keys else record.getMessage(), library=record.name, exc_info=record.exc_info)
