"""How others on this machine find the running log service and prove that they may ask: `service.json` and the token, both 0600."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from config.settings import Settings

STATE: Final = "service.json"
TOKEN: Final = "admin.token"  # noqa: S105  a file name


@dataclass(frozen=True, slots=True)
class State:
    """A running log service."""

    pid: int
    host: str  # as bound; a wildcard is reached through loopback
    port: int
    token_file: str | None  # None: none is asked for

    @property
    def reach(self) -> str:
        """The address to connect to."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)

    @property
    def url(self) -> str:
        """Base URL of the admin port."""
        return f"http://[{self.reach}]:{self.port}" if ":" in self.reach else f"http://{self.reach}:{self.port}"


def write(data_dir: Path, state: State) -> None:
    """Tell where the service answers; replaces what an earlier one left."""
    _write_private(data_dir / STATE, json.dumps(asdict(state)) + "\n")


def read(data_dir: Path) -> State | None:
    """The service that says it runs here; None = none does. It may have died since: see `alive`."""
    try:
        return State(**json.loads((data_dir / STATE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def remove(data_dir: Path) -> None:
    """Forget it, if it is this process's."""
    state = read(data_dir)
    if state is not None and state.pid == os.getpid():
        (data_dir / STATE).unlink(missing_ok=True)


def alive(state: State) -> bool:
    """Whether its process still exists."""
    try:
        os.kill(state.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def token_file(settings: Settings) -> Path:
    """Where the token of the admin port lies."""
    return settings.admin.token_file or settings.data_dir / TOKEN


def make_token(file: Path) -> str:
    """The token in a file, made 0600 with 256 random bits where there is none."""
    try:
        token = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        token = ""
    if not token:
        token = secrets.token_urlsafe(32)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_private(file, token + "\n")
    return token


def _write_private(file: Path, text: str) -> None:
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
    partial.replace(file)
