"""Says what is wrong with the installation, the config and the log, and the fix; changes nothing."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from proxy.cli import config_option, load_settings

if TYPE_CHECKING:
    from config.settings import Settings
    from proxy.service.client import Access

DUCKDB: Final = "1.5.5"
"""The version whose extension wheels exist; all of them must be of it."""
OLD_PRICES: Final = 60
"""Days after which packaged prices are likely to miss a change."""
LITTLE_ROOM: Final = 2 << 30
"""Bytes of free disk under which a busy day may not fit."""

Mark = Literal["ok", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: ok, worth a note, or wrong; and what to do."""

    mark: Mark
    what: str
    fix: str = ""


@click.command()
@config_option
def doctor(config: Path | None) -> None:
    """Look at installation, configuration and log; exit with 1 where something is wrong."""
    from config.settings import ConfigError

    findings = list(installation())
    try:
        settings = load_settings(config)
    except ConfigError as error:
        findings.append(Finding("wrong", f"the configuration cannot be used: {error}"))
    else:
        findings += [Finding("ok", "the configuration can be used")]
        for look in CHECKS:
            findings += look(settings)
    for finding in findings:
        _show(finding)
    wrong = sum(finding.mark == "wrong" for finding in findings)
    notes = sum(finding.mark == "note" for finding in findings)
    click.echo(f"{wrong} wrong, {notes} to note, {len(findings) - wrong - notes} ok")
    sys.exit(1 if wrong else 0)


def _show(finding: Finding) -> None:
    mark = {"ok": click.style("ok   ", fg="green"), "note": click.style("note ", fg="yellow"), "wrong": click.style("wrong", fg="red")}
    click.echo(f"{mark[finding.mark]} {finding.what}" + (f"\n      {finding.fix}" if finding.fix else ""))


def installation() -> Iterable[Finding]:
    """Python, system and packages."""
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.platform != "linux":
        yield Finding("note", f"{sys.platform} is not what Goldwash is tested on", "run it on Linux, or in the container")
    for name in ("duckdb", "duckdb-extension-httpfs", "duckdb-extension-quack", "duckdb-extension-ducklake"):
        version = _version(name)
        if version != DUCKDB:
            mark: Mark = "wrong" if name == "duckdb" else "note"
            yield Finding(mark, f"{name} is {version or 'not installed'}", f"pip install {name}=={DUCKDB}")
    yield Finding("ok", f"Python {found}, DuckDB {_version('duckdb')}, genai-prices {_version('genai-prices')}")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def options(settings: Settings) -> Iterable[Finding]:
    """Options that can be used and do not do what somebody who wrote them wants."""
    from config.upstreams import BUILTIN

    for name, upstream in settings.upstreams.items():
        if upstream.url is None and name not in BUILTIN:
            yield Finding("note", f"[upstreams.{name}] has no url, so nothing can be sent there", "set url, or take the table out")
    spool, workers = settings.spool, settings.proxy.workers or os.cpu_count() or 1
    least = 2 * (workers + 1) * spool.segment_mb / 1000  # each worker and the log service hold one, while another is loaded
    if spool.max_gb < least:
        what = f"[spool] max_gb = {spool.max_gb:g} holds not even two segments of {spool.segment_mb} MB a process: bodies will be shed"
        yield Finding("note", what, f"set it to {least:g} or more, or segment_mb lower")


def directory(settings: Settings) -> Iterable[Finding]:
    """The data directory: there, writable, private, with room."""
    data_dir = settings.data_dir
    if not data_dir.exists():
        above = next(parent for parent in data_dir.parents if parent.exists())
        if os.access(above, os.W_OK):
            yield Finding("ok", f"{data_dir} will be made at the first start")
        else:
            yield Finding("wrong", f"{data_dir} cannot be made: {above} is not writable", "set data_dir to a directory of your own")
        return
    if not data_dir.is_dir():
        yield Finding("wrong", f"{data_dir} is no directory", "set another data_dir")
        return
    if not os.access(data_dir, os.W_OK | os.X_OK):
        yield Finding("wrong", f"{data_dir} is not writable", "run as its owner, or set another data_dir")
        return
    open_to_others = [
        file for file in (data_dir, *data_dir.iterdir()) if file.stat().st_mode & 0o077 and (file == data_dir or file.is_file())
    ]
    for file in open_to_others:
        yield Finding("wrong", f"{file} can be read by others", f"chmod {'700' if file.is_dir() else '600'} {file}")
    free = shutil.disk_usage(data_dir).free
    if free < LITTLE_ROOM:
        yield Finding("wrong", f"{data_dir} has {free / 1e9:.1f} GB of room left", "free disk space, or set data_dir to a larger disk")
    elif free < settings.spool.max_gb * 1e9:
        note = f"{data_dir} has {free / 1e9:.0f} GB of room, and the spool may take {settings.spool.max_gb:g}"
        yield Finding("note", note, "set [spool] max_gb lower, or make room")
    else:
        yield Finding("ok", f"{data_dir}: {free / 1e9:.0f} GB of room")


def ports(settings: Settings) -> Iterable[Finding]:
    """The two ports: free, or held by this Goldwash."""
    from proxy.service.client import ServiceError, find

    try:
        running = find(settings)
    except ServiceError as error:
        yield Finding("wrong", str(error))
        return
    if running is not None:
        yield Finding("ok", f"the log service answers at {running.at.url} (process {running.at.pid})")
        return
    yield Finding("ok", "Goldwash is not running")
    for section, host, port in (("proxy", settings.proxy.host, settings.proxy.port), ("admin", settings.admin.host, settings.admin.port)):
        if port and (why := _bind_error(host, port)):
            yield Finding("wrong", f"[{section}] {host}:{port} cannot be listened on: {why}", f"stop who uses it, or set [{section}] port")


def _bind_error(host: str, port: int) -> str | None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror
    return None


def doors(settings: Settings) -> Iterable[Finding]:
    """What is open beyond this machine."""
    from config.options import is_loopback
    from proxy import keys

    if not is_loopback(settings.proxy.host):
        where = f"clients on other machines reach the proxy at {settings.proxy.host}:{settings.proxy.port}"
        try:
            count = len(keys.load(settings.data_dir))
        except keys.KeysUnreadable as error:
            yield Finding("wrong", str(error))
        else:
            if count and not settings.proxy.open_to_network:
                yield Finding("ok", f"{where} with one of {count} proxy keys")
            elif settings.proxy.open_to_network:
                yield Finding("note", f"{where} without a key", "leave open_to_network out, and make keys with `goldwash keys add NAME`")
            else:
                yield Finding("wrong", f"{where}, and there is no proxy key", keys.NO_KEYS)
    if not is_loopback(settings.admin.host):
        yield Finding("note", f"the admin port at {settings.admin.host}:{settings.admin.port} is open to others, with its token")
    if settings.proxy.tls_cert is not None:
        yield from _certificate(settings.proxy.tls_cert)


def _certificate(file: Path) -> Iterable[Finding]:
    import ssl

    try:
        decoded = ssl._ssl._test_decode_cert(str(file))  # type: ignore[attr-defined]  # noqa: SLF001  the one reader that the standard library has
        ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(decoded["notAfter"]), UTC)
    except (OSError, ValueError, KeyError) as error:
        yield Finding("wrong", f"{file} is no PEM certificate: {error}", "set [proxy] tls_cert to the chain in PEM")
        return
    days = (ends - datetime.now(UTC)).days
    mark: Mark = "wrong" if days < 0 else "note" if days < 14 else "ok"
    yield Finding(mark, f"the certificate {file} ends on {ends:%Y-%m-%d}", "" if mark == "ok" else "renew it, then send SIGHUP")


def prices(_: Settings) -> Iterable[Finding]:
    """How old the packaged prices are at least."""
    from proxy.accounting.catalogue import price_data_version

    data = price_data_version(datetime.now(UTC).date())
    if data.age_days is not None and data.age_days > OLD_PRICES:
        yield Finding(
            "note", f"the newest packaged price is {data.age_days} days old", "pip install --upgrade genai-prices, then goldwash reprice"
        )
    else:
        yield Finding("ok", f"packaged prices {data.version}, newest of {data.newest}")


def log(settings: Settings) -> Iterable[Finding]:
    """The log: opens, keeps up, adds up; and what in it is unknown."""
    import duckdb

    from proxy.log.attach import LogError
    from proxy.service.client import Access, NoLog, ServiceError

    try:
        with Access(settings) as access:
            yield from _contents(access)
    except NoLog:
        yield Finding("ok", "nothing has been logged yet")
    except (LogError, ServiceError, duckdb.Error, OSError) as error:
        yield Finding("wrong", f"the log cannot be read: {error}")


def _contents(access: Access) -> Iterable[Finding]:
    segments, size = access.waiting()
    if segments:
        yield Finding(
            "note", f"{size / 1e6:,.1f} MB in {segments} segments of the spool wait to be loaded", "start `goldwash up`: it loads them"
        )
    total = access.rows("SELECT count(*) AS n, count(*) FILTER (ending = 'lost') AS lost FROM exchanges")[0]
    yield Finding("ok", f"the log holds {_exchanges(total['n'])}")
    if total["lost"]:
        were = "was" if total["lost"] == 1 else "were"
        yield Finding("note", f"{_exchanges(total['lost'])} {were} lost when a worker died", "goldwash verify says when")
    for row in access.rows(_UNPRICED):
        where = f"{row['provider']} {row['model'] or '(no model)'}"
        have = "has" if row["n"] == 1 else "have"
        yield Finding("note", f"{_exchanges(row['n'])} of {where} {have} no price: {row['why'] or 'unknown'}", _price_fix(row["why"]))
    for row in access.rows(_UNREAD):
        fix = f"set dialect in [upstreams.{row['provider']}] if it speaks a known one"
        were = "was" if row["n"] == 1 else "were"
        yield Finding("note", f"{_exchanges(row['n'])} of {row['provider']} {row['path']} {were} read by no dialect", fix)
    losses = access.rows("SELECT count(*) AS n FROM losses")[0]["n"]
    if losses:
        yield Finding("wrong", f"the spool was damaged in {losses:,} places", "goldwash verify lists them; look at the disk")


def _exchanges(n: int) -> str:
    return f"{n:,} exchange{'' if n == 1 else 's'}"


def _price_fix(why: str | None) -> str:
    if why and "usage" in why:
        return "the provider reports usage only when asked, such as by stream_options.include_usage"
    return "name its price in the file of [prices] file, then goldwash reprice"


_UNPRICED: Final = """
    SELECT provider, coalesce(response_model, request_model) AS model, any_value(cost_note) AS why, count(*) AS n
    FROM exchanges WHERE cost_usd IS NULL AND status BETWEEN 200 AND 299 AND operation IS NOT NULL
    GROUP BY ALL ORDER BY n DESC LIMIT 5"""
_UNREAD: Final = """
    SELECT provider, path, count(*) AS n FROM exchanges WHERE dialect IS NULL AND status BETWEEN 200 AND 299
    GROUP BY ALL ORDER BY n DESC LIMIT 5"""

CHECKS: Final[tuple[Callable[[Settings], Iterable[Finding]], ...]] = (options, directory, ports, doors, prices, log)
"""Every look at a configured installation, in the order shown."""
