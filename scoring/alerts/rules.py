"""Reads alerts.toml: strict, with file, line, key and fix for every mistake, and the old rules stay in force while a file is broken.

The shipped file is config/alerts.toml; a file of one's own need only name what differs: its `[rule.NAME]` tables are laid over those of
the same name. Pure but for `load` and `reload`, which read files.
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from config.settings import ConfigError
from scoring.alerts.kinds import KINDS, Common, Rule, Slo
from scoring.alerts.toml_lines import line_of

SHIPPED: Final = Path(__file__).parents[2] / "config" / "alerts.toml"
TABLES: Final = ("rule", "slo", "channel")
_Made = TypeVar("_Made", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class RuleFile:
    """All rules in force, the SLOs they speak of, and the channels as they were written (read by scoring/alerts/channels)."""

    rules: tuple[Rule, ...] = ()
    slos: tuple[Slo, ...] = ()
    channels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # [channel.NAME] as in the file
    source: str = "alerts.toml"  # the file, for messages
    text: str = ""  # of that file, so that a reader of its channels can point at a line (`line_of`)

    def named(self, name: str) -> Rule | None:
        """The rule of that name, switched on or off."""
        return next((rule for rule in self.rules if rule.name == name), None)

    @property
    def enabled(self) -> tuple[Rule, ...]:
        """Those that are evaluated."""
        return tuple(rule for rule in self.rules if rule.enabled)

    def fingerprint(self) -> str:
        """Twelve hex digits that change with any rule or SLO."""
        parts = [part.model_dump_json() for part in (*self.rules, *self.slos)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def load(path: Path | None = None) -> RuleFile:
    """The rules of a file over the shipped ones; None = the shipped ones. Raises ConfigError with file, line, key and fix."""
    shipped = _tree(_text(SHIPPED), str(SHIPPED))
    if path is None:
        return _built(shipped, {}, _text(SHIPPED), str(SHIPPED))
    text = _text(path)
    return _built(shipped, _tree(text, str(path)), text, str(path))


def parse(text: str, name: str) -> RuleFile:
    """Rules from TOML text laid over the shipped ones. Raises ConfigError with name, line, key and fix."""
    return _built(_tree(_text(SHIPPED), str(SHIPPED)), _tree(text, name), text, name)


def reload(path: Path | None, in_force: RuleFile) -> tuple[RuleFile, str | None]:
    """The rules to go on with, and what is wrong with the file in a sentence: where something is, those in force stay."""
    try:
        return load(path), None
    except ConfigError as error:
        return in_force, f"{error}. The rules that were in force ({in_force.source}) stay in force"


def wrong(text: str, name: str, path: Sequence[str], what: str) -> ConfigError:
    """The error for a key of the rules file, with its line: `alerts.toml, line 12: [rule.errors] limit: …`."""
    line = line_of(text, path)
    table, keys = list(path[:2]), list(path[2:])
    place = f"[{'.'.join(table)}]{' ' + '.'.join(keys) if keys else ''}"
    return ConfigError(f"{name}{f', line {line}' if line else ''}: {place}: {what}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text: {error}; name a rules file (TOML)") from error


def _tree(text: str, name: str) -> dict[str, Any]:
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: this is not valid TOML: {error}; mend the TOML") from error
    for key, value in tree.items():
        if key not in TABLES:
            near = difflib.get_close_matches(key, TABLES, n=1)
            fix = f"did you mean [{near[0]}.NAME]?" if near else "known are [rule.NAME], [slo.NAME] and [channel.NAME]"
            raise wrong(text, name, [key], f"no such table: {fix}")
        if not isinstance(value, dict):
            raise wrong(text, name, [key], f"it is no value but a table: write [{key}.NAME] above its keys")
        for inner, table in value.items():
            if not isinstance(table, dict):
                raise wrong(text, name, [key, inner], f"it stands outside any [{key}.NAME]: write one above it")
    return tree


def _built(shipped: dict[str, Any], own: dict[str, Any], text: str, name: str) -> RuleFile:
    def laid(table: str) -> dict[str, dict[str, Any]]:
        below, above = shipped.get(table, {}), own.get(table, {})
        return {key: {**below.get(key, {}), **above.get(key, {})} for key in {**below, **above}}

    rules = tuple(_rule(key, values, key in shipped.get("rule", {}), text, name) for key, values in laid("rule").items())
    slos = tuple(_checked(Slo, ("slo", key), values, text, name) for key, values in laid("slo").items())
    channels = laid("channel")
    for rule in rules:
        unknown = [one for one in rule.channels if one not in channels]
        if unknown:
            known = f"known are {', '.join(channels)}" if channels else "no [channel.NAME] is declared"
            raise wrong(text, name, ("rule", rule.name, "channels"), f"there is no channel {unknown[0]!r}: {known}")
    return RuleFile(rules=rules, slos=slos, channels=channels, source=name, text=text)


def _rule(key: str, values: dict[str, Any], is_shipped: bool, text: str, name: str) -> Rule:
    kind = values.get("kind")
    if kind is None:
        near = [] if is_shipped else difflib.get_close_matches(key, _shipped_names(), n=1, cutoff=0.7)
        fix = f"did you mean [rule.{near[0]}]? Else add" if near else "add"
        raise wrong(text, name, ("rule", key), f'it has no kind: {fix} kind = "…", one of {", ".join(KINDS)}')
    if not isinstance(kind, str) or kind not in KINDS:
        near = difflib.get_close_matches(str(kind), KINDS, n=1)
        fix = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(KINDS)}"
        raise wrong(text, name, ("rule", key, "kind"), f"{kind!r} is no kind of rule: {fix}")
    rule: Any = _checked(KINDS[kind], ("rule", key), values, text, name)
    return rule  # type: ignore[no-any-return]


def _shipped_names() -> list[str]:
    return list(_tree(_text(SHIPPED), str(SHIPPED)).get("rule", {}))


def _checked(model: type[_Made], path: tuple[str, str], values: dict[str, Any], text: str, name: str) -> _Made:
    if "name" in values:
        raise wrong(text, name, (*path, "name"), f"its name stands in its table, [{'.'.join(path)}]: leave the key out")
    try:
        return model.model_validate({**values, "name": path[1]})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = [str(part) for part in first["loc"]]
        raise wrong(text, name, (*path, *place), _fix(first, place, model)) from error


def _fix(error: Any, place: list[str], model: type[BaseModel]) -> str:
    known = [key for key in model.model_fields if key != "name"]
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(place[-1], known, n=1)
        return f"no such key; {f'did you mean {near[0]}?' if near else 'known are ' + ', '.join(known)}"
    if error["type"] == "missing":
        about = model.model_fields[place[0]].description or "" if place[0] in model.model_fields else ""
        return f"it is missing; add it{f' ({about.rstrip(chr(46))})' if about else ''}"
    what = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    shown = "" if isinstance(error["input"], dict) or not place else f"{error['input']!r}: "
    return f"{shown}{what}"


__all__ = ["SHIPPED", "Common", "Rule", "RuleFile", "Slo", "line_of", "load", "parse", "reload", "wrong"]
