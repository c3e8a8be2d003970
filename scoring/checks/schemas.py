"""Compiles JSON schemas that came from traffic: nothing is fetched, nothing large, deep or explosive is compiled, and few are kept.

A schema in a request is an attacker's text: a `$ref` to a URL or file would make the validator read it, and references can be nested so
that checking a small document takes years. What is refused is told with its reason, and the check says `unscored`.
Source: json-schema.org, drafts 4 to 2020-12; Gemini's OpenAPI subset is rewritten first.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NoReturn

import jsonschema_rs
import orjson

from proxy.providers.fields import items, mapping

MOST_BYTES: Final = 256 << 10  # the largest schema in the recorded corpus has 9 KB
MOST_DEPTH: Final = 64
MOST_VISITS: Final = 5_000_000  # of subschemas for one document: some seconds
KEPT: Final = 256  # compiled schemas; an application uses a handful
_REGEX: Final = jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000, size_limit=1 << 20, dfa_size_limit=4 << 20)

_HERE: Final = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")
_BELOW: Final = (
    "properties",
    "patternProperties",
    "additionalProperties",
    "items",
    "prefixItems",
    "additionalItems",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_NAMED: Final = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})
_GEMINI_TYPES: Final = ("TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")
_COUNTS: Final = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")


class Unusable(Exception):
    """A schema is not compiled, or a document not checked against it; says why."""


class Compiled:
    """A schema that documents can be held against."""

    def __init__(self, schema: Any, validator: Any, *, refers: bool) -> None:
        self._schema = schema
        self._validator = validator
        self._refers = refers
        self._affordable: dict[int, bool] = {}

    def faults(self, document: Any, most: int = 5) -> list[str]:
        """What is wrong with a document, at most so many sentences; raises Unusable where looking would take too long."""
        if self._refers:
            self._afford(document)
        if self._validator.is_valid(document):
            return []
        found = []
        for error in self._validator.iter_errors(document):
            if type(error.kind).__name__ in ("BacktrackLimitExceeded", "RegexEngineFailure"):
                raise Unusable("a pattern of the schema takes too long")
            place = "/".join(str(part) for part in error.instance_path)
            found.append(f"{place}: {error.message[:200]}" if place else error.message[:200])
            if len(found) == most:
                break
        return found

    def _afford(self, document: Any) -> None:
        depth = _depth(document, 0)
        if depth not in self._affordable:
            self._affordable[depth] = _visits(self._schema, depth) <= MOST_VISITS
        if not self._affordable[depth]:
            raise Unusable(f"the schema's references multiply: a document {depth} deep would take more than {MOST_VISITS} steps")


def compiled(schema: Any, *, openapi: bool = False) -> Compiled:
    """The compiled schema, from the cache where it is known; raises Unusable."""
    try:
        text = schema.encode("utf-8", "replace") if isinstance(schema, str) else orjson.dumps(schema)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise Unusable(f"the schema is no JSON: {str(error)[:100]}") from error
    if len(text) > MOST_BYTES:
        raise Unusable(f"the schema has {len(text)} bytes, more than {MOST_BYTES}")
    found = _compiled(text, openapi)
    if isinstance(found, str):
        raise Unusable(found)
    return found


@lru_cache(maxsize=KEPT)
def _compiled(text: bytes, openapi: bool) -> Compiled | str:
    """The schema, or why it is refused: both are remembered."""
    try:
        schema = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f"the schema is no JSON: {error}"
    if not isinstance(schema, dict | bool):
        return "the schema is neither an object nor true or false"
    try:
        if _depth(schema, 0) > MOST_DEPTH:
            return f"the schema is nested deeper than {MOST_DEPTH}"
        if openapi:
            schema = _from_openapi(schema)
        for reference in _references(schema):
            if not reference.startswith("#"):
                return f"the schema refers outside itself ({reference[:100]}), and nothing is fetched"
        validator = jsonschema_rs.validator_for(schema, retriever=_refuse, validate_formats=True, pattern_options=_REGEX)
    except (ValueError, RecursionError) as error:  # jsonschema_rs's errors are ValueErrors
        return f"the schema does not compile: {str(error).splitlines()[0][:200] if str(error) else type(error).__name__}"
    return Compiled(schema, validator, refers=b"Ref" in text or b"$ref" in text)


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is not fetched: a schema from traffic may refer to itself only")


def _depth(value: Any, above: int) -> int:
    """How deep a JSON value is nested, at most MOST_DEPTH + 1."""
    if above > MOST_DEPTH:
        return above
    inner: Any = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    deepest = above
    for part in inner:
        if isinstance(part, dict | list):
            deepest = max(deepest, _depth(part, above + 1))
    return deepest


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in ("$ref", "$dynamicRef", "$recursiveRef") and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for part in schema:
            yield from _references(part)


def _visits(root: Any, depth: int) -> int:
    """An upper bound of how many subschemas a validator visits for a document of this depth (one element a level and name)."""
    anchors = dict(_anchors(root))
    known: dict[tuple[int, int], int] = {}
    open_: set[tuple[int, int]] = set()

    def count(schema: Any, left: int) -> int:
        if not isinstance(schema, dict):
            return 1
        key = (id(schema), left)
        if key in known:
            return known[key]
        if key in open_:  # refers to itself at one place: the validator stops there
            return 1
        open_.add(key)
        total = 1
        for reference in ("$ref", "$dynamicRef", "$recursiveRef"):
            if isinstance(schema.get(reference), str):
                total += count(_resolve(root, schema[reference], anchors), left)
        for keyword in _HERE:
            total += sum(count(part, left) for part in _parts(keyword, schema.get(keyword)))
        if left:
            for keyword in _BELOW:
                total += sum(count(part, left - 1) for part in _parts(keyword, schema.get(keyword)))
        open_.discard(key)
        known[key] = min(total, MOST_VISITS + 1)
        return known[key]

    try:
        return count(root, depth)
    except RecursionError:
        return MOST_VISITS + 1


def _parts(keyword: str, value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return list(value.values()) if keyword in _NAMED else [value]
    return []


def _anchors(schema: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(schema, dict):
        for name in ("$anchor", "$dynamicAnchor"):
            if isinstance(schema.get(name), str):
                yield schema[name], schema
        for value in schema.values():
            yield from _anchors(value)
    elif isinstance(schema, list):
        for part in schema:
            yield from _anchors(part)


def _resolve(root: Any, reference: str, anchors: dict[str, Any]) -> Any:
    pointer = reference[1:]
    if not pointer.startswith("/"):
        return anchors.get(pointer, root)
    found = root
    for step in pointer[1:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and name.isascii() and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found


def _from_openapi(schema: Any) -> Any:
    """Gemini's Schema as JSON schema: type names in capitals, `nullable`, counts as text (protobuf's int64)."""
    if not isinstance(schema, dict):
        return schema
    plain = {key: value for key, value in schema.items() if key not in ("nullable", "format", "propertyOrdering", "property_ordering")}
    kind = plain.get("type")
    if isinstance(kind, int) and not isinstance(kind, bool) and 0 <= kind < len(_GEMINI_TYPES):
        kind = _GEMINI_TYPES[kind]  # `enum-encoding=int`
    if isinstance(kind, str):
        plain["type"] = kind.lower()
        if kind.upper() == "TYPE_UNSPECIFIED":
            del plain["type"]
    for name in _COUNTS:
        if isinstance(plain.get(name), str) and plain[name].isascii() and plain[name].isdigit():
            plain[name] = int(plain[name])
    if isinstance(plain.get("properties"), dict):
        plain["properties"] = {name: _from_openapi(part) for name, part in mapping(plain["properties"]).items()}
    for name in ("$defs", "definitions", "defs"):
        if isinstance(plain.get(name), dict):
            plain[name] = {key: _from_openapi(part) for key, part in plain[name].items()}
    for name in ("items", "additionalProperties", "not"):
        if isinstance(plain.get(name), dict):
            plain[name] = _from_openapi(plain[name])
    for old, new in (("anyOf", "anyOf"), ("any_of", "anyOf"), ("allOf", "allOf"), ("oneOf", "oneOf"), ("prefixItems", "prefixItems")):
        if isinstance(plain.get(old), list):
            plain[new] = [_from_openapi(part) for part in items(plain.pop(old))]
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain
