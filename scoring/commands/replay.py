"""Run one logged exchange again on another model or target, and show both answers and their costs beside each other."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli import config_option, load_settings

if TYPE_CHECKING:
    from config.settings import Settings
    from scoring.gate.targets.variants import Variant
    from scoring.logged import LoggedExchange


@click.command()
@config_option
@click.argument("exchange_id")
@click.option("--model", help="The model to ask instead.")
@click.option("--upstream", help="The upstream to ask it of; else the exchange's own.")
@click.option("--target", "target_name", help="A [target.NAME] to run it on: its model, parameters, prompt and tools.")
@click.option("--times", type=click.IntRange(1, 20), default=1, show_default=True, help="How often to ask.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def replay(
    config: Path | None, exchange_id: str, model: str | None, upstream: str | None, target_name: str | None, times: int, as_json: bool
) -> None:
    """Run one logged exchange again elsewhere, and show the difference.

    The request goes out as it was logged, through the proxy, with purpose `gate`. Exit code 2: it cannot be replayed, 4: no answer came.
    """
    from scoring.gate.replaying import differences, replayed

    settings = load_settings(config)
    exchange = _logged(settings, exchange_id)
    variant = _variant(settings, config, model, upstream, target_name)
    replies = replayed(exchange, variant, settings, times)
    found = differences(exchange, variant.name, replies)
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        _print(found)
    if all(reply.error is not None for reply in replies):
        sys.exit(4)


def _logged(settings: Settings, exchange_id: str) -> LoggedExchange:
    from uuid import UUID

    from proxy.service.client import Access
    from scoring.gate.results import BadInput
    from scoring.pages import by_id

    try:
        wanted = str(UUID(exchange_id))
    except ValueError as error:
        raise BadInput(f"{exchange_id!r} is no exchange id: give the goldwash-id of an answer, or exchange_id from the log") from error
    with Access(settings) as log:
        found = by_id(log, [wanted])
    if wanted not in found:
        raise BadInput(f"{wanted}: there is no such exchange in the log (or its row is gone by retention)")
    return found[wanted]


def _variant(settings: Settings, config: Path | None, model: str | None, upstream: str | None, target_name: str | None) -> Variant:
    import os

    from config.settings import find_file
    from config.targets import Target
    from scoring.gate.results import BadInput
    from scoring.gate.targets.variants import Variant, variants

    changes = {key: value for key, value in {"model": model, "upstream": upstream}.items() if value is not None}
    if target_name is None:
        if not changes:
            raise BadInput("say what to run it on: --model, --upstream or --target")
        return Variant(model or upstream or "", Target.model_validate(changes))
    file = find_file(config, os.environ)
    found = variants(settings.target, [target_name], (), file.parent if file else Path())
    if len(found) > 1:
        raise BadInput(f"[target.{target_name}] has {len(found)} prompts: replay takes a target with one")
    if found[0].target.kind != "endpoint" and changes:
        raise BadInput(f"[target.{target_name}] is of kind {found[0].target.kind}: --model and --upstream go with endpoints")
    return Variant(found[0].name, found[0].target.model_copy(update=changes), found[0].prompt, found[0].tools, found[0].watched)


def _print(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    sides = [found["logged"], *found["replayed"]]
    table = Table(header_style="bold", show_lines=True)
    table.add_column("")
    table.add_column("logged", overflow="fold", ratio=1)
    for number in range(1, len(sides)):
        table.add_column(found["target"] + (f" ({number})" if len(sides) > 2 else ""), overflow="fold", ratio=1)
    for key in (
        "model",
        "text",
        "tool_calls",
        "refusal",
        "finish_reasons",
        "input_tokens",
        "output_tokens",
        "cost_usd",
        "latency_ms",
        "error",
    ):
        cells = [_cell(key, side.get(key)) for side in sides]
        if any(cells):
            table.add_row(key, *(Text(cell) for cell in cells))
    console.print(table)
    for line in found["diff"]:
        style = "green" if line.startswith("+") else "red" if line.startswith("-") else ""
        console.print(Text(line, style=style))
    console.print(Text(found["sentence"]))


def _cell(key: str, value: Any) -> str:
    if value is None or value == []:
        return ""
    if isinstance(value, int | float) and key in ("cost_usd", "latency_ms"):
        return f"{value:.6f}" if key == "cost_usd" else f"{value:,.0f}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
