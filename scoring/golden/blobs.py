"""Keeps what is long out of the lines: a string over 16 KB stands in `golden/blobs/` under its hash, and the line refers to it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

LONG: Final = 16_384
"""Characters from which a string goes: images as base64, files, whole documents; a line must stay fit for `git diff`."""
REFERENCE: Final = "blob:sha256:"


class MissingBlob(Exception):
    """A case refers to a blob that is not there."""

    exit_code = 2


def taken_out(value: Any, blobs: dict[str, bytes]) -> Any:
    """The value with references for its long strings, which are added to `blobs` by hash, as UTF-8."""
    if isinstance(value, str) and len(value) > LONG:
        data = value.encode("utf-8", "replace")
        name = sha256(data).hexdigest()
        blobs[name] = data
        return REFERENCE + name
    if isinstance(value, dict):
        return {key: taken_out(item, blobs) for key, item in value.items()}
    return [taken_out(item, blobs) for item in value] if isinstance(value, list) else value


def put_back(value: Any, blobs: Mapping[str, bytes]) -> Any:
    """The value with its long strings in place again. Raises MissingBlob."""
    if isinstance(value, str) and value.startswith(REFERENCE):
        name = value.removeprefix(REFERENCE)
        if name not in blobs:
            raise MissingBlob(f"blob {name} is missing: golden/blobs/{name} belongs to the golden files, commit it with them")
        return blobs[name].decode()
    if isinstance(value, dict):
        return {key: put_back(item, blobs) for key, item in value.items()}
    return [put_back(item, blobs) for item in value] if isinstance(value, list) else value


def names(value: Any) -> list[str]:
    """The blobs that a value refers to, sorted."""
    if isinstance(value, str):
        return [value.removeprefix(REFERENCE)] if value.startswith(REFERENCE) and len(value) == len(REFERENCE) + 64 else []
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sorted({name for item in inner for name in names(item)})
