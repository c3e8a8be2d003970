"""Writes docs/configuration.md from the options themselves, so that the page cannot lag behind the code.

`python -m config.reference` prints the page; a test compares it with the file.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from config.options import Section, Upstream, section_of
from config.settings import Settings
from config.targets import Prompt, Target
from config.upstreams import BUILTIN

INTRODUCTION = """\
<!-- Made by scripts/docs from config/; edit the code, not this page. -->
# Configuration

Nothing needs configuring: the defaults below run. To change them, write a TOML file and name it with `--config FILE` or
`GOLDWASH_CONFIG`; a `goldwash.toml` in the working directory is found by itself. Environment variables come over the
file, and options of the command line over both. A variable is `GOLDWASH_` + section + `__` + key, so `[proxy] port` is
`GOLDWASH_PROXY__PORT`, and `[upstreams.x-ai] url` is `GOLDWASH_UPSTREAMS__X_AI__URL`. A key Goldwash does not know is an
error that names the nearest one. Passwords are refused in the file: give such a value in the environment.

`GOLDWASH_LOG_LEVEL` (debug, info, warning, error) says how much the processes tell; at debug each exchange is a line.
`GOLDWASH_COMPILED=0` runs the sources although compiled modules are there.

A running `goldwash up` reads the file again on SIGHUP.
"""

UPSTREAMS = """\
## Built-in upstreams

The first path segment of a base URL, `http://127.0.0.1:8080/NAME/…`. A table `[upstreams.NAME]` of the same name changes
only the keys it sets; a new name adds an upstream. `{region}` is filled from the path where it names one
(`…/locations/REGION/…`), else from `region`.

| name | url | region | provider's documentation |
|---|---|---|---|
"""


NAMED: dict[str, type[Section]] = {"upstreams": Upstream, "target": Target}
"""Sections of which there are many, each with a name."""


def page() -> str:
    """The whole page as Markdown."""
    return "".join(_page())


def _page() -> Iterator[str]:
    yield INTRODUCTION
    yield "\n## Top level\n\n"
    yield from _table(
        Settings, {name: f for name, f in Settings.model_fields.items() if name not in NAMED and not section_of(f.annotation)}
    )
    for name, field in Settings.model_fields.items():
        section = NAMED.get(name) or section_of(field.annotation)
        if section is None:
            continue
        summary = (inspect.getdoc(section) or "").partition(": ")[2]
        title = f"[{name}.NAME]" if name in NAMED else f"[{name}]"
        yield f"\n## `{title}`\n\n{summary[:1].upper()}{summary[1:]}\n\n"
        yield from _table(section, section.model_fields)
    yield f"\n{UPSTREAMS}"
    for name, builtin in BUILTIN.items():
        url = f"`{builtin.url}`" if builtin.url else "set `url` to your own"
        yield f"| `{name}` | {url} | {builtin.region or ''} | <{builtin.docs}> |\n"


def _table(section: type[Section], fields: dict[str, FieldInfo]) -> Iterator[str]:
    yield "| key | type | default | what it does |\n|---|---|---|---|\n"
    for name, field in fields.items():
        kind = _kind(field.annotation, section.__name__ + "." + name)
        default, sentence = _default(field.get_default(call_default_factory=True)), (field.description or "").replace("|", "\\|")
        yield f"| `{name}` | {kind} | {default} | {sentence} |\n"


def _kind(annotation: Any, where: str) -> str:
    """A type in an operator's words; raises TypeError for one that has none yet."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kind(get_args(annotation)[0], where)
    if origin in {Union, types.UnionType}:
        return " or ".join(_kind(part, where) for part in get_args(annotation) if part is not type(None))
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    if origin is tuple:
        return "list of text"
    if origin is Mapping:
        return "table of text"
    if annotation is Prompt:
        return "table"
    words = {int: "whole number", float: "number", str: "text", bool: "true or false", Path: "path"}
    if annotation not in words:
        raise TypeError(f"{where}: {annotation!r} has no word yet: add it to config/reference.py")
    return words[annotation]


def _default(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str | Path):
        return f'`"{value}"`'
    if isinstance(value, dict):
        return "none"
    if isinstance(value, tuple):
        return "none" if not value else ", ".join(f"`{part}`" for part in value)
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


if __name__ == "__main__":
    print(page(), end="")
