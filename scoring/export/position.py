"""How far the export has come: a file beside the log, replaced as a whole after each acknowledgement."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from scoring.export.reading import Position

FILE: Final = "otel.json"
AGAIN: Final = ".otel-again.json"
LOCK: Final = "otel.lock"
LAST_ID: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"


class NoPosition(Exception):
    """The file cannot be read."""

    exit_code = 1


class Taken(Exception):
    """Another process sends from here."""

    exit_code = 1


@dataclass(slots=True)
class Stream:
    """One thing that is sent, and how it goes."""

    at_us: int = 0
    last_id: str = LAST_ID
    sent: int = 0
    refused: int = 0  # what the receiver would not take: not sent again
    acknowledged_at: float | None = None  # Unix time
    held_since: float | None = None  # Unix time; None: it goes well
    why: str | None = None

    @property
    def position(self) -> Position:
        """Up to where it is sent."""
        return Position(self.at_us, self.last_id)


@dataclass(slots=True)
class Progress:
    """All streams by name, and the histograms that were counted so far. One process at a time: see `hold`."""

    file: Path
    streams: dict[str, Stream] = field(default_factory=dict)
    histograms: dict[str, Any] | None = None

    def save(self) -> None:
        """Replace the file, on disk before this returns."""
        partial = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        content = {"streams": {name: asdict(stream) for name, stream in self.streams.items()}, "histograms": self.histograms}
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w", encoding="utf-8") as handle:
            json.dump(content, handle)
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(self.file)


def load(data_dir: Path) -> Progress:
    """What was saved; nothing where nothing was. Raises NoPosition."""
    file = data_dir / FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return Progress(file, {name: Stream(**stream) for name, stream in content["streams"].items()}, content["histograms"])
    except FileNotFoundError:
        return Progress(file)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise NoPosition(
            f"{file} says how far the export has come and cannot be read ({error}): restore it, or delete it to go on from now and send "
            "what is missing with `goldwash export otel --since …`"
        ) from error


def hold(data_dir: Path) -> int:
    """The lock of who sends; close it at the end. Raises Taken."""
    lock = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise Taken(
            f"{data_dir}: another process sends from here, probably the watcher of `goldwash up`: let it, or stop it first"
        ) from error
    return lock
