"""Copies the log into a plain DuckDB file, consistent, while it runs."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import click

from proxy.cli import config_option, load_settings


@click.command()
@config_option
@click.option("--force", is_flag=True, help="Replace FILE where it exists.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def snapshot(config: Path | None, force: bool, file: Path) -> None:
    """Copy the log, as it is now, into FILE: a plain DuckDB file for any tool."""
    from proxy.service.client import Access

    if file.exists() and not force:
        raise click.ClickException(f"{file} exists: choose another name, or add --force")
    if not file.absolute().parent.is_dir():
        raise click.ClickException(f"{file.absolute().parent}: there is no such directory; make it first")
    began = time.monotonic()
    with Access(load_settings(config)) as log:
        made = log.snapshot()
    try:
        made.replace(file)
    except OSError:  # another file system
        partial = file.with_name(f".{file.name}.{os.getpid()}")
        shutil.copyfile(made, partial)
        partial.chmod(0o600)
        partial.replace(file)
        made.unlink()
    click.echo(f"{file}: {file.stat().st_size / 1e6:,.1f} MB in {time.monotonic() - began:.1f} s; open it with any DuckDB", err=True)
