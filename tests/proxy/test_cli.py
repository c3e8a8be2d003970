"""The frame of the command: quick help, the nearest name for a typo, one sentence for an error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from proxy import cli
from proxy.log.attach import Log


def _goldwash(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "proxy.cli", *arguments], check=False, capture_output=True, text=True, timeout=30)


def test_help_lists_every_command_that_exists():
    """Each name of the table whose module is there stands in the help with its sentence, and nothing else does."""
    text = _goldwash("--help").stdout
    for name, place in cli.COMMANDS.items():
        module = Path(__file__).parents[2] / (place.target.partition(":")[0].replace(".", "/") + ".py")
        assert (f"\n  {name} " in text) == module.exists(), name


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_and_config(name):
    """The two options that all commands share."""
    command = cli.goldwash.get_command(click.Context(cli.goldwash), name)
    if command is None:
        pytest.skip(f"{name} is not installed")
    assert "--config" in {option for parameter in command.params for option in parameter.opts}
    assert _goldwash(name, "--help").returncode == 0


def test_a_typo_is_answered_with_the_nearest_command():
    """`goldwash upp` is refused with code 2 and the name that was meant."""
    done = _goldwash("upp")
    assert done.returncode == 2
    assert "did you mean 'up'?" in done.stderr


def test_a_mistake_in_the_config_is_one_sentence(tmp_path):
    """Exit code 2, the sentence on stderr, no traceback; --debug adds the traceback, wherever it stands."""
    file = tmp_path / "mine.toml"
    file.write_text("[proxy]\nprot = 1")
    done = _goldwash("up", "--config", str(file))
    assert done.returncode == 2
    assert "did you mean [proxy] port?" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in _goldwash("up", "--config", str(file), "--debug").stderr


def test_a_command_of_another_floor_is_found_by_its_entry_point(tmp_path, monkeypatch):
    """A distribution that names a module in the group adds a command, listed without importing the module."""
    (tmp_path / "upstairs.py").write_text(
        '"""Says that it is upstairs."""\nimport click\n\n@click.command()\ndef hello():\n    click.echo("upstairs")\n'
    )
    info = tmp_path / "upstairs-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: upstairs\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[goldwash.commands]\nhello = upstairs:hello\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[2]}")
    assert "Says that it is upstairs." in _goldwash("--help").stdout
    assert _goldwash("hello").stdout == "upstairs\n"


def test_the_file_of_the_environment_reaches_commands_like_the_option(tmp_path, monkeypatch):
    """What lies beside a file that GOLDWASH_CONFIG names must be found; one that is absent is left to the settings to refuse."""
    file = tmp_path / "there.toml"
    file.write_text("")
    seen: list[Path | None] = []

    @click.command()
    @cli.config_option
    def look(config: Path | None) -> None:
        seen.append(config)

    for name, given in ((str(file), []), (str(file), ["--config", "own.toml"]), (str(tmp_path / "absent.toml"), []), ("", [])):
        monkeypatch.setenv("GOLDWASH_CONFIG", name)
        look.main(given, standalone_mode=False)
    assert seen == [file, Path("own.toml"), None, None]


def test_a_file_that_cannot_be_written_is_named(tmp_path, capsys):
    """The place and what is wrong with it, as every other mistake is told; no number of the system's."""
    with pytest.raises(SystemExit):
        cli.main(["sql", "--config", str(_empty(tmp_path)), "--format", "csv", "-o", str(tmp_path / "no" / "rows.csv"), "SELECT 1 AS a"])
    assert capsys.readouterr().err.strip() == f"goldwash: {tmp_path / 'no' / 'rows.csv'}: No such file or directory"


def _empty(directory):
    """A configuration whose log holds nothing."""
    Log.open("goldwash.duckdb", directory / "data").close()
    file = directory / "goldwash.toml"
    file.write_text(f'data_dir = "{directory}/data"\n')
    return file
