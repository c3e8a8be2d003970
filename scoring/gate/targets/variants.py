"""What is run: a target with one of its prompts, all files read; from the configuration, or from the header of a result file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from config.targets import Target
from scoring.gate.results import BadInput
from scoring.gate.targets.prompts import PromptText

DESCRIBED: Final = (
    "kind",
    "upstream",
    "base_url",
    "path",
    "model",
    "params",
    "without",
    "stream",
    "command",
    "of",
    "watch",
    "key_env",
    "headers",
)
"""Keys of a target that the header of a result file carries, besides its prompt and tools; none of them is a secret."""
ASKED: Final = ("kind", "upstream", "base_url", "path", "model", "params", "without", "stream", "command", "headers")
"""Those that decide what is answered."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One column of the matrix."""

    name: str
    target: Target
    prompt: PromptText | None = None
    tools: tuple[Mapping[str, Any], ...] | None = None
    watched: str | None = None  # hash of the files that make a program's answers

    def as_json(self) -> dict[str, Any]:
        """For the header of a result file; `of_header` gives an equal Variant back."""
        said = self.target.model_dump(mode="json", exclude_defaults=True, include=set(DESCRIBED))
        return {
            **said,
            "name": self.name,
            "kind": self.target.kind,
            "prompt": self.prompt.as_json() if self.prompt else None,
            "tools": [dict(tool) for tool in self.tools] if self.tools is not None else None,
            "watched": self.watched,
        }

    def identity(self) -> dict[str, Any]:
        """All of it that decides what is answered, for fingerprints. A recorded target is the one that was recorded."""
        said = self.target.model_dump(mode="json", exclude_defaults=True, include=set(ASKED))
        return {**said, "kind": self.target.kind, "watched": self.watched}

    @property
    def is_repeatable(self) -> bool:
        """Whether an answer may be kept: nobody knows when a program that is not watched gives another."""
        return self.target.kind == "endpoint" or (self.target.kind in ("command", "app") and self.watched is not None)


def variants(targets: Mapping[str, Target], names: Sequence[str], prompts: Sequence[Path], home: Path) -> list[Variant]:
    """The targets of these names, each with each of its prompts, or with each of `prompts` instead. Raises BadInput.

    home: folder of the configuration file, where files are looked for before the working directory.
    """
    found: list[Variant] = []
    for name in names:
        target = targets.get(name)
        if target is None:
            known = f", or choose of: {', '.join(sorted(targets))}" if targets else "; an empty table runs each case as it was recorded"
            raise BadInput(f"there is no target {name!r}: write [target.{name}] in goldwash.toml{known}")
        if prompts and target.prompt is None:
            raise BadInput(
                f"--prompt: [target.{name}] has no prompt.at that says where a prompt goes: add one, such as /messages/0/content"
            )
        found += _each(name, target, prompts, home)
    taken = {variant.name for variant in found}
    if len(taken) < len(found):
        raise BadInput("two prompt files have one name: rename one of them, since each gets a result file of its name")
    return found


def _each(name: str, target: Target, prompts: Sequence[Path], home: Path) -> Iterator[Variant]:
    files = prompts or (target.prompt.files if target.prompt else ())
    tools = _tools(target, name, home)
    watched = _watched(target, name, home)
    if target.prompt is None:
        yield Variant(name, target, None, tools, watched)
        return
    for file in files:
        text = _text(placed(file, home), f"[target.{name}] prompt.file")
        title = name if len(files) == 1 else f"{name}@{file.stem}"
        yield Variant(title, target, PromptText(str(file), target.prompt.at, text), tools, watched)


def of_header(described: Any, known: Mapping[str, Target], name: str) -> Variant | None:
    """The variant that a result file was made with, for running it again; None where the header does not say enough. Raises BadInput.

    The key's place is taken from the configured target of that name, so that a key that moved is still found.
    """
    if not isinstance(described, dict) or described.get("kind") != "endpoint":
        return None  # the code behind a program, and a recorded answer, are what they are today
    said = {key: value for key, value in described.items() if key in DESCRIBED and value is not None}
    prompt = described.get("prompt")
    here = known.get(str(described.get("name", "")).partition("@")[0])
    if here is not None:
        said |= here.model_dump(include={"key_env", "key_file", "proxy_key_env", "timeout"}, exclude_none=True)
    try:
        target = Target.model_validate(said)
    except ValidationError as error:
        raise BadInput(f"{name}: its header's target cannot be used ({error.errors()[0]['msg']}): make the baseline again") from error
    text = (
        PromptText(prompt["file"], prompt["at"], prompt["text"])
        if isinstance(prompt, dict) and {"file", "at", "text"} <= set(prompt)
        else None
    )
    tools = described.get("tools")
    return Variant(str(described.get("name", "baseline")), target, text, tuple(tools) if isinstance(tools, list) else None)


def placed(file: Path, home: Path) -> Path:
    """A path of the configuration: beside its file, else in the working directory."""
    beside = home / file
    return beside if beside.exists() or not file.exists() else file


def _text(file: Path, label: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{label} = {str(file)!r}: cannot be read as UTF-8 text ({error}): correct the path") from error


def _tools(target: Target, name: str, home: Path) -> tuple[Mapping[str, Any], ...] | None:
    if not isinstance(target.tools, Path):
        return target.tools
    label = f"[target.{name}] tools"
    try:
        found = json.loads(_text(placed(target.tools, home), label))
    except ValueError as error:
        raise BadInput(f"{label} = {str(target.tools)!r}: this is no JSON ({error}): write a list of tools") from error
    if not isinstance(found, list) or not all(isinstance(tool, dict) for tool in found):
        raise BadInput(f"{label} = {str(target.tools)!r}: it must hold a JSON list of tools")
    return tuple(found)


def _watched(target: Target, name: str, home: Path) -> str | None:
    if not target.watch:
        return None
    digest = sha256()
    for pattern in target.watch:
        root = home if next(home.glob(pattern), None) is not None else Path()
        files = sorted(file for file in root.glob(pattern) if file.is_file())
        if not files:
            raise BadInput(f"[target.{name}] watch = {pattern!r}: there is no such file: correct the pattern")
        for file in files:
            digest.update(f"{file.relative_to(root)}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()
