"""The shelf of checks: one line each. What deterministic code can say of an exchange, on all of the traffic."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, NamedTuple

from scoring.checks import (
    citations,
    cost,
    empty,
    exfiltration,
    fallback,
    gibberish,
    json_schema,
    label,
    language,
    latency,
    numbers,
    personal_data,
    policy,
    prompt_injection,
    quotes,
    refusal,
    repetition,
    required_fields,
    secret_leak,
    tool_arguments,
    tool_errors,
    truncated,
    valid_json,
)
from scoring.checks.contract import Check, Finding
from scoring.checks.options import BadOptions, options_of
from scoring.logged import LoggedExchange

SHELF: Final = (
    Check("valid_json", valid_json.check, valid_json.Options),
    Check("json_schema", json_schema.check, json_schema.Options),
    Check("required_fields", required_fields.check, required_fields.Options),
    Check("label", label.check, label.Options),
    Check("tool_arguments", tool_arguments.check, tool_arguments.Options),
    Check("tool_errors", tool_errors.check, tool_errors.Options),
    Check("empty", empty.check, empty.Options),
    Check("truncated", truncated.check, truncated.Options),
    Check("refusal", refusal.check, refusal.Options),
    Check("fallback", fallback.check, fallback.Options),
    Check("repetition", repetition.check, repetition.Options),
    Check("gibberish", gibberish.check, gibberish.Options),
    Check("language", language.check, language.Options),
    Check("citations", citations.check, citations.Options),
    Check("quotes", quotes.check, quotes.Options),
    Check("numbers", numbers.check, numbers.Options),
    Check("secret_leak", secret_leak.check, secret_leak.Options),
    Check("personal_data", personal_data.check, personal_data.Options),
    Check("exfiltration", exfiltration.check, exfiltration.Options),
    Check("prompt_injection", prompt_injection.check, prompt_injection.Options),
    Check("policy", policy.check, policy.Options),
    Check("latency", latency.check, latency.Options),
    Check("cost", cost.check, cost.Options),
)
"""All checks of one exchange; `near_duplicate`, over a whole day, stands beside them."""

VALIDATED: Final = "validated"
"""An option of every check: true lets its failures flag where the corpus could not show its precision, false keeps them from it."""


class Prepared(NamedTuple):
    """A check with its options, ready to run."""

    name: str
    check: Callable[[LoggedExchange, Any], Finding | None]
    options: Any
    validated: bool | None  # the operator's word on its precision
    fingerprint: str  # changes with the options and with the release: one score an exchange, check and fingerprint


class Result(NamedTuple):
    """What one check said of one exchange."""

    name: str
    fingerprint: str
    finding: Finding


def prepare(tables: Mapping[str, Mapping[str, Any]] | Iterable[str]) -> tuple[Prepared, ...]:
    """Checks by name, each with its table of options; a name `my.module:function` is a user's own.

    Raises BadOptions that names the check, the key and the fix.
    """
    named = tables if isinstance(tables, Mapping) else {name: {} for name in tables}
    return tuple(_prepared(name, dict(table)) for name, table in named.items())


def run(exchange: LoggedExchange, checks: Iterable[Prepared]) -> list[Result]:
    """What the checks say of an exchange; those that do not apply are left out. Never raises: a check that does is unscored."""
    results: list[Result] = []
    for name, check, options, validated, fingerprint in checks:
        try:
            finding = check(exchange, options)
        except Exception as error:  # a user's own check, or a shape that nobody foresaw: one item must not end the night
            finding = Finding(None, f"unscored: the check raised {type(error).__name__}: {str(error)[:200]}")
        if finding is not None:
            if validated is not None and validated is not finding.validated:
                finding = replace(finding, validated=validated)
            results.append(Result(name, fingerprint, finding))
    return results


def overrides(results: Iterable[Result]) -> Result | None:
    """The finding that a judge's pass cannot stand against, if there is one."""
    return next((result for result in results if result.finding.passed is False and result.finding.overrides_judge), None)


def _prepared(name: str, table: dict[str, Any]) -> Prepared:
    line = _find(name)
    validated = table.pop(VALIDATED, None)
    if validated is not None and not isinstance(validated, bool):
        raise BadOptions(f"check {name}: {VALIDATED} = {validated!r}: write true or false", check=name, key=VALIDATED)
    try:
        options = options_of(line.options, table)
    except BadOptions as error:
        raise BadOptions(f"check {name}: {error}", check=name, key=error.key) from error
    said = f"{_release()}|{name}|{validated}|{sorted(table.items(), key=lambda item: item[0])!r}"
    return Prepared(name, line.check, options, validated, sha256(said.encode("utf-8", "replace")).hexdigest()[:16])


def _find(name: str) -> Check:
    for line in SHELF:
        if line.name == name:
            return line
    module, colon, function = name.partition(":")
    if not colon:
        known = ", ".join(line.name for line in SHELF)
        raise BadOptions(f"check {name!r} is not known: choose from {known}, or write module:function", check=name)
    try:
        own = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise BadOptions(f"check {name!r}: {error}; the module must be importable where the nightly job runs", check=name) from error
    if not callable(own):
        raise BadOptions(f"check {name!r} is no function of (exchange, options)", check=name)
    options = getattr(own, "Options", dict)  # a dataclass on the function itself has its options checked too
    return Check(name, own, options)


@cache
def _release() -> str:
    try:
        return version("goldwash")
    except PackageNotFoundError:
        return "unknown"
