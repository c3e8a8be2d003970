"""Runs a query on the log, whether `up` is running or not."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import IO

import click

from proxy.cli import config_option, load_settings

FORMATS = ("table", "json", "jsonl", "csv", "arrow", "parquet")
SHOWN = 1000
"""Rows that a table shows; the other formats give all."""


@click.command()
@config_option
@click.option("--format", "name", type=click.Choice(FORMATS), default="table", show_default=True, help="How to print the rows.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File to write to, instead of standard output.")
@click.argument("query", required=False)
def sql(config: Path | None, name: str, output: Path | None, query: str | None) -> None:
    """Run QUERY (or standard input) on the log: one read-only statement, under the limits of [sql].

    SHOW TABLES lists what there is, DESCRIBE exchanges its columns.
    """
    from proxy.service.client import Access

    if query is None:
        if sys.stdin.isatty():
            raise click.UsageError('give a query, such as: goldwash sql "FROM cost_daily"')
        query = sys.stdin.read()
    if not query.strip():
        raise click.UsageError('the query is empty: give one, such as: goldwash sql "FROM cost_daily"')
    if name in {"arrow", "parquet"} and output is None and sys.stdout.isatty():
        raise click.UsageError(f"{name} is no text for a terminal: add --output FILE, or send it on with >")
    with Access(load_settings(config)) as log:
        segments, size = log.waiting()
        if segments:
            click.echo(f"{size / 1e6:,.1f} MB in {segments} segments of the spool wait to be loaded; `goldwash up` loads them", err=True)
        answer = log.sql(query, "jsonl" if name == "table" else name)
        with answer.file as file:
            if name == "table":
                _table(file, answer.rows)
            elif output is not None:
                with output.open("wb") as target:
                    shutil.copyfileobj(file, target)
            else:
                shutil.copyfileobj(file, sys.stdout.buffer)
                sys.stdout.buffer.flush()
        if answer.truncated:
            click.echo(f"cut off after {answer.rows:,} rows; [sql] max_rows sets how many", err=True)


def _table(file: IO[bytes], rows: int) -> None:
    """The rows as a table as wide as the terminal, or as its text needs where the output is piped."""
    from decimal import Decimal
    from json import loads

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from proxy.service.formats import cell

    table = Table(header_style="bold")
    names: list[str] = []
    for n, line in enumerate(file):
        row = loads(line, parse_float=Decimal)
        if not n:
            names = list(row)
            numbers = {name for name, value in row.items() if isinstance(value, int | Decimal) and not isinstance(value, bool)}
            for name in names:
                table.add_column(Text(name), justify="right" if name in numbers else "left", overflow="fold")
        if n < SHOWN:
            table.add_row(*(Text(cell(row[name]) if row[name] is not None else "·") for name in names))
    console = Console(width=None if sys.stdout.isatty() else 400)
    if names:
        console.print(table)
    console.print(f"{rows:,} row{'' if rows == 1 else 's'}" + (f", the first {SHOWN:,} shown" if rows > SHOWN else ""), highlight=False)
