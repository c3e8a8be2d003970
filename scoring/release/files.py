"""The marks of releases on disk, `releases/NAME.json` beside the configuration file, and the rows that tell the log of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from scoring.release.mark import BadRelease, digest, parse, text_of

DIRECTORY: Final = Path("releases")


def directory(config: Path | None) -> Path:
    """Where marks lie for a configuration file."""
    return (config.parent if config else Path()) / DIRECTORY


def write(folder: Path, value: dict[str, Any], *, replace: bool = False) -> tuple[Path, bool]:
    """(file, whether it is new); a mark that says the same but for its time stays as it is. Raises BadRelease."""
    path = folder / f"{value['release']}.json"
    if path.exists():
        known = parse(path.read_text(encoding="utf-8"), str(path))
        if {**known, "at": None} == {**value, "at": None}:
            return path, False
        if not replace:
            raise BadRelease(f"{path}: release {value['release']} is marked already, and otherwise: choose another name, or say --replace")
    folder.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    beside.write_text(text_of(value), encoding="utf-8")
    beside.replace(path)
    return path, True


def read(folder: Path, name: str) -> dict[str, Any]:
    """One mark. Raises BadRelease."""
    path = folder / f"{name}.json"
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(one["release"] for one in every(folder)[-5:]) or "none"
        raise BadRelease(f"{path}: there is no such release ({known} are marked): `goldwash release mark {name} …` makes it") from error


def every(folder: Path) -> list[dict[str, Any]]:
    """All marks, oldest first. Raises BadRelease."""
    found = [parse(path.read_text(encoding="utf-8"), str(path)) for path in sorted(folder.glob("*.json"))]
    return sorted(found, key=lambda one: (one["at"], one["release"]))


SHIPPED: Final = "shipped:"
"""What a path begins with that names a file of Goldwash itself; its version follows."""


def shipped(path: Path, version: str, **more: Any) -> dict[str, Any]:
    """A file that comes with Goldwash, as a mark names it: no path of this machine."""
    data = path.read_bytes()
    return {"path": f"{SHIPPED}{version}/{path.name}", "sha256": digest(data), "bytes": len(data), **more}


def described(path: Path, home: Path, **more: Any) -> dict[str, Any]:
    """A file as a mark names it: its path seen from `home`, its size and its hash. Raises BadRelease."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadRelease(f"{path}: {error.strerror or error}: name the file that the verdict rests on") from error
    place = os.path.relpath(path.resolve(), home.resolve())
    return {"path": Path(place).as_posix(), "sha256": digest(data), "bytes": len(data), **more}


def row(value: dict[str, Any], event: str) -> dict[str, Any]:
    """The row of `releases` that tells the log of a mark."""
    return {
        "release": value["release"],
        "at": value["at"],
        "event": event,
        "outcome": value["verdict"]["outcome"],
        "environment": value.get("environment"),
        "feature": value.get("feature"),
        "prompt_version": value.get("prompt_version"),
        "model": value["ships"].get("model"),
        "by": value["accepted"]["by"],
        "content": value,
    }
