"""One way to turn bytes of a provider into a JSON value, as forgiving as real traffic asks for.

orjson is strict and fast; what it refuses and real hosts send (NaN, half of a surrogate pair at a chunk's edge, stray bytes that are
no UTF-8, a BOM) is read by the standard library. Nothing but `Unparsable` is raised.
"""

from __future__ import annotations

import json
from typing import Any

import orjson
import pydantic_core

_OF_NUMBERS = b"+-.0123456789eE"


class Unparsable(ValueError):
    """The bytes are no JSON document; says where and why."""


def parse_json(data: bytes | str) -> Any:
    """Give the JSON value that `data` holds; `Unparsable` where it holds none."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    text = data.decode("utf-8-sig", "replace") if isinstance(data, bytes) else data
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unparsable(str(error) or type(error).__name__) from error


def parse_cut_json(data: bytes) -> Any:
    """Give what a JSON document that was cut off still tells: complete members are kept, the broken last one is left out.

    A number at the very end is left out too: 12 may be the beginning of 1234.
    """
    try:
        return pydantic_core.from_json(data.rstrip(_OF_NUMBERS), allow_partial=True)
    except (ValueError, RecursionError) as error:
        raise Unparsable(str(error)) from error


def json_text(value: Any) -> str:
    """Give `value` (parsed from JSON before) as compact JSON text."""
    try:
        return orjson.dumps(value).decode()
    except (orjson.JSONEncodeError, RecursionError):
        pass
    try:
        return json.dumps(value)
    except RecursionError:
        return "null"  # nested deeper than anything that means something
