"""Keeps the rules that were in force last: a rules file that is broken when the watcher starts changes nothing of what is watched.

Without it a mistake and a restart would put the shipped rules in the place of an operator's own, close their incidents and know no channel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from config.settings import ConfigError, Settings
from scoring.alerts import rules
from scoring.alerts.channels import channels
from scoring.alerts.rules import RuleFile

KEPT: Final = "alerts.in_force.toml"


def begin(settings: Settings) -> tuple[RuleFile, str | None]:
    """The rules to begin with, and what is wrong with the file in a sentence: then those that were kept, or the shipped ones, hold."""
    path = settings.alerts.rules
    try:
        file = rules.load(path)
        channels(file)
    except ConfigError as error:
        kept = _kept(settings.data_dir, str(path))
        which = "the rules that were in force before stay in force" if kept else "the shipped rules are in force"
        return kept or rules.load(None), f"{error}. {which[0].upper()}{which[1:]}"
    return file, None


def keep(settings: Settings, file: RuleFile) -> None:
    """Remember a file that can be used; it holds no secret, since one that does cannot. Raises OSError."""
    path = settings.data_dir / KEPT
    if settings.alerts.rules is None:
        path.unlink(missing_ok=True)
        return
    try:
        if path.read_text(encoding="utf-8") == file.text:
            return
    except (OSError, UnicodeDecodeError):
        pass
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(file.text, encoding="utf-8")
    fresh.replace(path)


def _kept(data_dir: Path, name: str) -> RuleFile | None:
    try:
        file = rules.parse((data_dir / KEPT).read_text(encoding="utf-8"), name)
        channels(file)
    except (OSError, UnicodeDecodeError, ConfigError):
        return None
    return file
