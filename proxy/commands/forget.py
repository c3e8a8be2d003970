"""Erases what the log holds of a user, an exchange or a time, and looks through all files whether it is gone."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli import config_option, load_settings

if TYPE_CHECKING:
    from config.settings import Settings
    from proxy.log.forgetting import Found
    from proxy.service.client import Remote

PATIENCE = 6 * 3600.0
"""Seconds that writing the log anew may take: some 4 s a GB."""


class NotErased(Exception):
    """Something is left; the text says what and where."""

    exit_code = 1


@click.command()
@config_option
@click.option("--user", metavar="ID", help="Everything of this user_id, and of sessions of theirs that name nobody.")
@click.option("--exchange", metavar="ID", help="One exchange, by its goldwash-id or by the provider's response id.")
@click.option("--before", metavar="DATE", help="Everything accepted before this day (UTC) or moment.")
@click.option("--dry-run", is_flag=True, help="Say what there is, and erase nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(config: Path | None, user: str | None, exchange: str | None, before: str | None, dry_run: bool, yes: bool) -> None:
    """Erase bodies, texts, headers and ids of a user, an exchange or a time: from the rows, from the file and from the spool.

    The rows stay with what accounts for tokens and money: times, model, usage, cost, ending; a user's id becomes [forgotten]. The log is
    written anew, and all files under data_dir are searched for what was erased. Traffic goes on meanwhile; what is in flight now is not
    covered. Snapshots, backups and exports elsewhere, and golden cases in git, are yours to erase: the cases are named.
    """
    given = {name: value for name, value in (("user", user), ("exchange", exchange), ("before", before)) if value is not None}
    if len(given) != 1:
        raise click.UsageError("say what to forget: one of --user ID, --exchange ID, --before DATE")
    settings = load_settings(config)
    found = _order(settings, given, dry_run=True)
    _tell(found, dry_run=dry_run)
    if dry_run:
        return
    if not yes and sys.stdin.isatty():
        click.confirm("Erase it? This cannot be undone.", abort=True)
    found = _order(settings, given, dry_run=False)
    click.echo(f"erased: {found.frames:,} frames of the spool blanked, {found.torn:,} torn files deleted, the log written anew")
    _prove(settings, found)


def _order(settings: Settings, given: dict[str, str], *, dry_run: bool) -> Found:
    """Have it done by the running service, or do it here. Raises LogError, ServiceError, NoLog."""
    from proxy.log.forgetting import Found
    from proxy.service import state
    from proxy.service.client import NoLog, Remote, find

    remote = find(settings)
    if remote is not None:
        remote = Remote(remote.at, state.make_token(state.token_file(settings)))
        answer = remote.json("/api/forget", {**given, "dry_run": dry_run}, timeout=PATIENCE)
        if not dry_run:
            _wait(settings, remote)
        return Found(**{name: value for name, value in answer.items() if name != "status"})
    if not settings.data_dir.exists():
        raise NoLog(f"{settings.data_dir}: nothing was ever logged here; name the configuration that Goldwash ran with by --config")
    return _here(settings, given, dry_run=dry_run)


def _here(settings: Settings, given: dict[str, str], *, dry_run: bool) -> Found:
    """Nothing runs: load what is spooled, erase, and write the file anew. Raises LogError, duckdb.Error, OSError."""
    from proxy.commands.submission import load
    from proxy.log import rewriting
    from proxy.log.attach import Log
    from proxy.log.forgetting import forget
    from proxy.service.assembly import subject_of

    load(settings)
    log = Log.open(settings.log.address, settings.data_dir, settings.log.data_path, settings.sql.memory)
    try:
        if not dry_run:
            rewriting.mark(settings.data_dir)
        subject = subject_of(settings, given.get("user"), given.get("exchange"), given.get("before"))
        found = forget(log, settings.data_dir / "spool", subject, dry_run=dry_run)
        if not dry_run and log.file is None:
            rewriting.clean_lake(log, settings.data_dir)
    finally:
        log.close()
    if not dry_run and log.file is not None:
        rewriting.rewrite(settings.data_dir, log.file, settings.sql.memory)
    return found


def _wait(settings: Settings, before: Remote) -> None:
    """Until the service serves the file that was written anew. Raises NotErased."""
    from proxy.log import rewriting
    from proxy.service.client import ServiceError, find

    until = time.monotonic() + PATIENCE
    if settings.log.address.startswith("ducklake:"):
        return
    while time.monotonic() < until:
        with contextlib.suppress(ServiceError):
            service = find(settings)
            if service is not None and service.at.pid != before.at.pid:
                if rewriting.pending(settings.data_dir):
                    raise NotErased("the log could not be written anew: its service says why; free disk space, and run this again")
                return
        time.sleep(0.2)
    raise NotErased("the log service does not come back: see what it says, and run this again")


def _tell(found: Found, *, dry_run: bool) -> None:
    if found.nothing:
        earlier = "" if dry_run else "; bytes of earlier rows that were deleted are erased all the same"
        click.echo(f"nothing of this is in the log{earlier}")
    else:
        rows = ", ".join(f"{count:,} in {table}" for table, count in found.rows.items())
        click.echo(f"{found.exchanges:,} exchange{'' if found.exchanges == 1 else 's'}; rows: {rows}")
    if found.cases:
        click.echo(f"golden cases made of them, which are yours to retire: {', '.join(found.cases)}", err=True)


def _prove(settings: Settings, found: Found) -> None:
    """Search all files for what was erased. Raises NotErased."""
    from proxy.log import rewriting

    texts = found.fragments
    places = rewriting.holding(settings.data_dir, texts) if texts else {}
    others = {text: count for text in places if (count := _elsewhere(settings, text))}
    left = {text: files for text, files in places.items() if text not in others}
    if left:
        files = sorted({file for names in left.values() for file in names})
        raise NotErased(
            f"{len(left)} of {len(texts)} pieces of it are still in {', '.join(files)}: run this again when no request is in flight"
        )
    shared = f"; {len(others)} of them stand in rows of others, too, and stay there" if others else ""
    size = sum(file.stat().st_size for file in settings.data_dir.rglob("*") if file.is_file())
    click.echo(f"searched {size / 1e6:,.1f} MB of files for {len(texts):,} pieces of what was erased: none is left{shared}")


def _elsewhere(settings: Settings, text: str) -> int:
    """In how many rows of others a text stands: a common system prompt, a name that somebody else wrote."""
    from proxy.service.client import Access

    query = """
        SELECT (SELECT count(*) FROM bodies WHERE contains(coalesce(request_body, '') || coalesce(response_body, ''), $1))
            + (SELECT count(*) FROM exchanges WHERE contains(concat_ws(' ', output_text, reasoning_text, user_id, session_id,
                error_message, CAST(properties AS VARCHAR), CAST(request_headers AS VARCHAR)), $1)) AS n"""
    with Access(settings) as log:
        rows: list[dict[str, Any]] = log.rows(query, [text])
    return int(rows[0]["n"])
