"""Proxy keys: who may use the proxy port, what for, and up to which sum; kept in `keys.json` as keyed hashes.

A key is 256 random bits, so nothing is gained by hashing it slowly: scrypt protects what people can guess, and nobody guesses 2^256.
A hash keyed by `key.secret` is enough, takes a microsecond, and tells who reads the file alone nothing at all. A key is looked up by that
hash; how long a look-up takes says nothing about a key, since nobody without `key.secret` knows which hash they make.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, Literal

FILE: Final = "keys.json"
SECRET: Final = "key.secret"  # noqa: S105  a file name
PREFIX: Final = "gwk_"
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
NO_KEYS: Final = (
    "make a key with `goldwash keys add NAME`, or set open_to_network = true under [proxy] if the network itself keeps strangers out"
)

Period = Literal["day", "month"]


class KeysUnreadable(Exception):
    """`keys.json` is there and cannot be used; the text says why, and what to do."""

    exit_code = 1


class KeyRefused(Exception):
    """A key cannot be made or revoked as asked; the text says why."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class ProxyKey:
    """One key, but for the key itself."""

    name: str  # as it stands in the rows
    hash: str  # hex
    created_at: str  # ISO 8601
    budget_usd: str | None = None  # decimal; None = no limit
    per: Period = "month"
    upstreams: tuple[str, ...] | None = None  # None = all

    @property
    def budget(self) -> Decimal | None:
        """Dollars a period."""
        return None if self.budget_usd is None else Decimal(self.budget_usd)


def key_secret(data_dir: Path) -> bytes:
    """The secret under which keys are hashed, made 0600 with 256 random bits where there is none. Raises OSError."""
    file = data_dir / SECRET
    with contextlib.suppress(FileNotFoundError):
        found = file.read_bytes()
        if len(found) >= 32:
            return found
    _write(file, secrets.token_bytes(32))
    return file.read_bytes()


def digest(key: bytes, secret: bytes) -> bytes:
    """The hash that a key is known by."""
    return hashlib.blake2b(key, digest_size=32, key=secret[:64], person=b"goldwash-key").hexdigest().encode()


def provider_key_hash(key: bytes, secret: bytes) -> str:
    """What the log knows a provider's key by: it counts by key and tells nothing of it."""
    return hashlib.blake2b(key.strip(), digest_size=12, key=secret[:64]).hexdigest()


def load(data_dir: Path) -> dict[bytes, ProxyKey]:
    """All keys by their hash; none where there is no file. Raises KeysUnreadable."""
    file = data_dir / FILE
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return {}
    except NotADirectoryError as error:
        raise KeysUnreadable(f"{data_dir} is no directory: choose another data_dir") from error
    except OSError as error:
        raise KeysUnreadable(f"{file} cannot be read: {error.strerror}; run this as the user who runs goldwash") from error
    try:
        found = [_key(item) for item in json.loads(text)["keys"]]
    except (ValueError, TypeError, KeyError, InvalidOperation) as error:
        raise KeysUnreadable(
            f"{file} is no list of keys ({type(error).__name__}); restore it, or move it away and make the keys again"
        ) from error
    return {key.hash.encode(): key for key in found}


def _key(item: dict[str, Any]) -> ProxyKey:
    upstreams = item.get("upstreams")
    made = ProxyKey(**{**item, "upstreams": None if upstreams is None else tuple(upstreams)})
    if not NAME.fullmatch(made.name) or not isinstance(made.hash, str) or made.per not in ("day", "month"):
        raise ValueError(made.name)
    if made.budget is not None and not made.budget > 0:
        raise ValueError(made.budget_usd)
    return made


def add(data_dir: Path, name: str, budget: Decimal | None = None, per: Period = "month", upstreams: tuple[str, ...] | None = None) -> str:
    """Make a key and return it; it is shown to nobody again. Raises KeyRefused, KeysUnreadable, OSError."""
    if not NAME.fullmatch(name):
        raise KeyRefused(f"{name!r} cannot be a key's name, which is lower case letters, digits, '-', '.' and '_': choose another")
    if budget is not None and not (budget.is_finite() and budget > 0):
        raise KeyRefused(f"a budget of {budget} dollars lets nothing through: give more than 0, or leave it out for no limit")
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(data_dir):
        known = load(data_dir)
        if any(key.name == name for key in known.values()):
            raise KeyRefused(f"there is a key {name} already: revoke it first, or choose another name")
        made = PREFIX + secrets.token_urlsafe(32)
        hashed = digest(made.encode(), key_secret(data_dir)).decode()
        at = datetime.now(UTC).isoformat(timespec="seconds")
        key = ProxyKey(name, hashed, at, None if budget is None else format(budget, "f"), per, upstreams)
        _store(data_dir, [*known.values(), key])
    return made


def revoke(data_dir: Path, name: str) -> None:
    """Forget a key; running workers refuse it within a second. Raises KeyRefused, KeysUnreadable, OSError."""
    with _locked(data_dir):
        known = load(data_dir)
        left = [key for key in known.values() if key.name != name]
        if len(left) == len(known):
            names = ", ".join(sorted(key.name for key in known.values())) or "none"
            raise KeyRefused(f"there is no key {name}; known: {names}")
        _store(data_dir, left)


def _store(data_dir: Path, keys: list[ProxyKey]) -> None:
    text = json.dumps({"version": 1, "keys": [asdict(key) for key in keys]}, indent=1) + "\n"
    _write(data_dir / FILE, text.encode(), replace=True)


@contextlib.contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    lock = os.open(data_dir / "keys.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _write(file: Path, data: bytes, *, replace: bool = False) -> None:
    """Whole or not at all, 0600, on disk. Without `replace`, who comes first wins."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    if replace or (file.exists() and file.stat().st_size < 32):
        partial.replace(file)
        return
    try:
        os.link(partial, file)
    except FileExistsError:
        partial.unlink()
    except OSError:  # a file system without links
        partial.replace(file)
    else:
        partial.unlink()
