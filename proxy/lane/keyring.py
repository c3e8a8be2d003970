"""Decides who may use the lane: by proxy key where keys are asked for, by the page's web site where a browser asks without one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog

from config.options import is_loopback
from config.settings import Settings
from proxy import spending
from proxy.keys import FILE, KeysUnreadable, ProxyKey, digest, load
from proxy.lane.request import Refused

HOW: Final = (
    "send it in the header goldwash-key, or in the base URL: /NAME/~key=KEY/…; whoever runs this proxy makes one with `goldwash keys add`"
)


class KeyRing:
    """The keys as they stand in `keys.json`, and whose budget is used up. `look` once a second; the rest reads nothing."""

    def __init__(self, settings: Settings, secret: bytes) -> None:
        self.spent: Mapping[str, str] = {}  # name of a key whose budget is used up -> what its holder is told
        self._data_dir = settings.data_dir
        self._secret = secret
        self._open = settings.proxy.open_to_network  # without a key, too
        self._local = is_loopback(settings.proxy.host)
        self._origins = frozenset(settings.proxy.allowed_origins)
        self._keys: dict[bytes, ProxyKey] = {}
        self._seen: tuple[int, ...] | None = None
        self._log = structlog.get_logger("lane")
        self.asks = True
        self.look()

    def admit(self, shown: bytes, upstream: str | None, origin: bytes, site: bytes) -> str:
        """The name of the key, "" where none was shown and none is needed. Raises Refused.

        upstream: None for what the proxy itself serves. origin, site: the headers Origin and Sec-Fetch-Site.
        """
        if shown:
            key = self._keys.get(digest(shown, self._secret))
            if key is None:
                raise Refused(401, "proxy_key_unknown", f"this proxy key is not known here, or was revoked: {HOW}")
            if upstream is not None and key.upstreams is not None and upstream not in key.upstreams:
                raise Refused(
                    403, "upstream_not_allowed", f"the proxy key {key.name} is not for {upstream}; it is for {', '.join(key.upstreams)}"
                )
            return key.name
        if self.asks:
            raise Refused(401, "proxy_key_missing", f"this proxy asks for a proxy key: {HOW}")
        if origin or site:
            self._check_site(origin.decode("latin-1").strip().lower(), site)
        return ""

    def _check_site(self, origin: str, site: bytes) -> None:
        """A page of any web site can make its visitor's browser ask here; only pages of this machine, and allowed ones, are served.

        Raises Refused. Schemes that are no web site's (an extension's, an app's) cannot be taken by a page.
        """
        if not origin:
            if site.strip().lower() == b"cross-site":
                raise Refused(403, "origin_refused", "the request comes from a web site that is not this machine's")
            return
        if origin in self._origins or "*" in self._origins:
            return
        if origin != "null":
            try:
                parts = urlsplit(origin)
                host = parts.hostname or ""
            except ValueError:
                parts, host = None, ""
            if parts is not None and (parts.scheme not in ("http", "https") or is_loopback(host) or host.endswith(".localhost")):
                return
        raise Refused(
            403,
            "origin_refused",
            f"a page of {origin[:200]} asks, and only pages of this machine may: add it to [proxy] allowed_origins, or give it a proxy key",
        )

    def look(self) -> bool:
        """Read what has changed; whether anything has that a plan may depend on."""
        changed = False
        seen = _mark(self._data_dir / FILE)
        if seen != self._seen:
            self._seen = seen
            changed = True
            try:
                self._keys = load(self._data_dir)
            except KeysUnreadable as error:  # the keys that were known stay good; without any, nobody comes in
                self._log.error("keys_unreadable", why=str(error))
                self.asks = True
            else:
                self.asks = not self._open and (not self._local or bool(self._keys))
        self.spent = self._overspent() if any(key.budget_usd is not None for key in self._keys.values()) else {}
        return changed

    def _overspent(self) -> dict[str, str]:
        now = datetime.now(UTC)
        spent = spending.read(self._data_dir)
        found = {}
        for key in self._keys.values():
            budget = key.budget
            if budget is None:
                continue
            used = spent.of(key.name, key.per, now)
            if used >= budget:
                found[key.name] = (
                    f"the budget of the proxy key {key.name} is used up: ${_shown(used)} of ${_shown(budget)} this {key.per}; "
                    f"it starts again at {spending.next_period(key.per, now):%Y-%m-%d %H:%M} UTC, and whoever runs this proxy can raise it"
                )
        return found


def _mark(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ino, found.st_size


def _shown(dollars: Decimal) -> str:
    return f"{dollars:.2f}" if dollars >= 1 else f"{dollars:.6f}".rstrip("0").rstrip(".")
