"""Shows a report on a terminal, as Markdown and as one HTML file: the same sections, nothing but layout here."""

from __future__ import annotations

import html
import sys
from pathlib import Path
from typing import Final, TextIO

from scoring.report import Report, Section

STYLE: Final = (
    "body{font:15px/1.45 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;width:100%;margin:.4rem 0 1rem}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ddd;"
    "vertical-align:top}th{font-weight:600;background:#f6f6f4}h2{font-size:1.1rem;margin:1.6rem 0 .2rem}.note{color:#666;margin:.2rem 0}"
    "@media(prefers-color-scheme:dark){body{background:#191919;color:#ddd}th{background:#242424}td,th{border-color:#383838}.note{color:#999}}"
)


def show(report: Report, stream: TextIO | None = None) -> None:
    """Print it on a terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    out = stream or sys.stdout
    console = Console(file=out, width=None if out.isatty() else 160, highlight=False)
    console.print(f"[bold]{escape(_title(report))}[/bold]")
    for section in report.sections():
        if not section.rows and not section.notes:
            continue
        console.print(f"\n[bold]{escape(section.title)}[/bold]")
        if section.rows:
            table = Table(header_style="bold", show_edge=False, pad_edge=False)
            for column in section.columns:
                table.add_column(escape(column))
            for row in section.rows:
                table.add_row(*(escape(cell) for cell in row))
            console.print(table)
        for note in section.notes:
            console.print(f"  {escape(note)}")


def markdown(report: Report) -> str:
    """The page as Markdown with tables."""
    lines = [f"# {_title(report)}", ""]
    for section in report.sections():
        if not section.rows and not section.notes:
            continue
        lines += [f"## {section.title}", ""]
        if section.rows:
            lines.append(_markdown_row(section.columns))
            lines.append("|" + " --- |" * len(section.columns))
            lines += [_markdown_row(row) for row in section.rows]
            lines.append("")
        lines += [f"- {_plain(note)}" for note in section.notes]
        lines += [""] if section.notes else []
    return "\n".join(lines).rstrip() + "\n"


def page(report: Report) -> str:
    """The page as one HTML file that asks for nothing else. Text of the traffic stands in it as text."""
    title = html.escape(_title(report))
    body = "\n".join(_html_section(section) for section in report.sections() if section.rows or section.notes)
    policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    head = f'<meta charset="utf-8">{policy}<meta name="viewport" content="width=device-width"><title>{title}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n<h1>{title}</h1>\n{body}\n</body></html>\n'


def write(report: Report, directory: Path) -> list[Path]:
    """Write Markdown and HTML, named by the day; the files. Raises OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = []
    for suffix, text in ((".md", markdown(report)), (".html", page(report))):
        file = directory / f"{report.day.isoformat()}{suffix}"
        partial = file.with_name(f".{file.name}")
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
        written.append(file)
    return written


def _title(report: Report) -> str:
    return f"goldwash, {report.day:%A %d %B %Y} (UTC)"


def _html_section(section: Section) -> str:
    parts = [f"<h2>{html.escape(section.title)}</h2>"]
    if section.rows:
        head = "".join(f"<th>{html.escape(column)}</th>" for column in section.columns)
        rows = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>\n" for row in section.rows)
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table>")
    parts += [f'<p class="note">{html.escape(note)}</p>' for note in section.notes]
    return "\n".join(parts)


def _markdown_row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(_plain(cell) for cell in cells) + " |"


def _plain(text: str) -> str:
    """Text of the traffic as text: nothing in it may become a table, a link, an image or a tag."""
    flat = " ".join(text.split())
    for mark in "\\`*_[]<>|!":
        flat = flat.replace(mark, f"\\{mark}")
    return flat
