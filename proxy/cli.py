"""The command `goldwash`: a frame that knows the names of all commands and imports one only when it is run.

A command is a click command in a module of its own. Floors above the proxy add theirs by the entry-point group
`goldwash.commands`, so that nothing here imports upwards.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from pathlib import Path

    from config.settings import Settings

GROUP = "goldwash.commands"
"""Entry points of this group are commands; the first line of the module's docstring is their help in the list."""


class Place(NamedTuple):
    """Where a command lives, and what the list of commands says of it without importing it."""

    target: str  # "module:attribute"
    sentence: str


COMMANDS: dict[str, Place] = {
    "up": Place("proxy.commands.up:up", "Run everything on one machine: proxy workers, log service, watcher."),
    "sql": Place("proxy.commands.sql:sql", "Run a query on the log, whether `up` is running or not."),
    "snapshot": Place("proxy.commands.snapshot:snapshot", "Copy the log into a plain DuckDB file, consistent, while it runs."),
    "verify": Place("proxy.commands.verify:verify", "Account for every accepted request, day by day."),
    "reprice": Place("proxy.commands.reprice:reprice", "Price past rows again with today's price data, keeping both values."),
    "reread": Place("proxy.commands.reread:reread", "Read stored bodies again with today's readers."),
    "keys": Place("proxy.commands.keys:keys", "Make, list and revoke proxy keys: who may use the proxy port, up to which sum."),
    "forget": Place("proxy.commands.forget:forget", "Erase what the log holds of a user, an exchange or a time."),
    "doctor": Place("proxy.commands.doctor:doctor", "Say what is wrong with the installation, the config and the log, and the fix."),
}


class Frame(click.Group):
    """Lists commands from a table and imports the one that is called; a command that is not installed is not listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of use: our own first, then those that other floors add."""
        return [*(name for name, place in COMMANDS.items() if _exists(place)), *sorted(_added())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now; None where there is none."""
        place = COMMANDS.get(cmd_name)
        target = place.target if place and _exists(place) else _added().get(cmd_name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Click's own answer to an unknown name, with the nearest known one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            known = self.list_commands(ctx)
            near = difflib.get_close_matches(args[0], known, n=1)
            fix = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}."
            raise click.UsageError(f"'{args[0]}' is no command: {fix}", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from the table alone, so that help imports nothing."""
        rows = [(name, COMMANDS[name].sentence if name in COMMANDS else _first_line(name)) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def _exists(place: Place) -> bool:
    try:
        return importlib.util.find_spec(place.target.partition(":")[0]) is not None
    except ModuleNotFoundError:
        return False


def _added() -> dict[str, str]:
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=GROUP) if point.name not in COMMANDS}


def _first_line(name: str) -> str:
    """First docstring line of an added command's module, read from its source without running it."""
    import ast
    from pathlib import Path

    module = _added()[name].partition(":")[0]
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def config_option(command: Any) -> Any:
    """Decorator that gives a command `--config FILE`; it reaches the function as `config: Path | None`."""
    from pathlib import Path

    return click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=lambda _context, _option, given: given or _from_environment(),
        help="TOML file to use; else GOLDWASH_CONFIG, else goldwash.toml here, else the defaults.",
    )(command)


def _from_environment() -> Path | None:
    """The file that GOLDWASH_CONFIG names, so that what lies beside it is found too; one that is absent is left to `load` to refuse."""
    import os
    from pathlib import Path

    named = os.environ.get("GOLDWASH_CONFIG")
    return Path(named) if named and Path(named).is_file() else None


def load_settings(config: Any, **overrides: Any) -> Settings:
    """The settings for a command: file, environment, and what the command line overrides (None = not given)."""
    import os

    from config.settings import load

    return load(config, os.environ, **overrides)


@click.group(cls=Frame, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="goldwash", message="goldwash %(version)s")
def goldwash(debug: bool) -> None:
    """A logging reverse proxy for LLM APIs: change one base URL, and ask in SQL what the traffic was and what it cost."""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a command; an error is one sentence on stderr and a code that is not 0. `--debug` adds the traceback.

    Exit codes: 2 for bad input or configuration (click's and ours), 130 for Ctrl-C, else what the error names, else 1.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = [argument for argument in given if argument != "--debug"]  # taken anywhere, not only before the command
    try:
        code = goldwash.main(arguments, prog_name="goldwash", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except Exception as error:
        if "--debug" in given:
            traceback.print_exc()
        text = str(error) or type(error).__name__
        if isinstance(error, OSError) and error.filename and error.strerror:
            text = f"{error.filename}: {error.strerror}"
        click.echo(f"goldwash: {text}", err=True)
        sys.exit(getattr(error, "exit_code", 1))
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
