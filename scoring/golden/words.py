"""Reads what a person says is right, as a command line gives it, into the parts of a case; each mistake names the option and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ValidationError

from proxy.streams.json_value import Unparsable, parse_json
from scoring.golden.assertions import BadOptions, prepared
from scoring.golden.case import BadCase, Call, CaseCheck, Expected, RubricItem
from scoring.golden.surrogates import Surrogates
from scoring.judge.rubric import Rubric

_OPTIONS: Final = (
    *("expected", "expected_json", "facts", "label", "choice", "tools", "refusal"),
    *("contains", "not_contains", "regex", "not_regex", "checks", "note"),
)


def any_given(said: Mapping[str, Any]) -> bool:
    """Whether any option brings words that must be redacted."""
    return any(said.get(name) not in (None, ()) for name in _OPTIONS)


def expected(said: Mapping[str, Any], before: Expected | None, surrogates: Surrogates | None) -> Expected | None:
    """What is expected, the options over what the case says already; None where no option says anything. Raises BadCase."""
    given: dict[str, Any] = {
        "text": _read(said.get("expected"), "--expected"),
        "json": _json(said.get("expected_json"), "--expected-json"),
        "facts": list(said.get("facts") or ()),
        "label": said.get("label"),
        "choice": said.get("choice"),
        "tools": [_call(one) for one in said.get("tools") or ()],
        "refusal": said.get("refusal"),
    }
    given = {key: value for key, value in given.items() if value not in (None, [])}
    if not given:
        return None
    if surrogates is not None:
        given = surrogates.value(given)
    over = before.model_dump(mode="json", by_alias=True, exclude_defaults=True) if before is not None else {}
    try:
        return Expected.model_validate({**over, **given})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise BadCase(f"{'.'.join(map(str, first['loc'])) or 'expected'}: {first['msg']}") from error


def checks(said: Mapping[str, Any], surrogates: Surrogates | None) -> tuple[CaseCheck, ...]:
    """The checks that the options name. Raises BadCase."""
    found = [CaseCheck(name=name, options={"values": list(said[name])}) for name in ("contains", "not_contains") if said.get(name)]
    found += [CaseCheck(name=name, options={"pattern": said[name]}) for name in ("regex", "not_regex") if said.get(name)]
    for one in said.get("checks") or ():
        name, _, options = one.partition("=")
        found.append(CaseCheck(name=name.strip(), options=_object(options, f"--check {name}") if options else {}))
    for check in found:
        try:
            prepared(check.name, check.options)
        except BadOptions as error:
            raise BadCase(str(error)) from error
    if surrogates is not None:
        found = [one.model_copy(update={"options": surrogates.value(one.options)}) for one in found]
    return tuple(found)


def rubric(said: str | None, rubrics: Mapping[str, Rubric], before: RubricItem | None, *, failed: bool = True) -> RubricItem | None:
    """The question that `RUBRIC.ITEM` names, with the verdict that what was observed failed it (or passes it). Raises BadCase."""
    if not said:
        return None
    name, _, item = said.partition(".")
    asked = rubrics.get(name)
    if asked is None:
        raise BadCase(f"--rubric {said}: there is no rubric {name!r}; {_near(name, list(rubrics))}")
    found = next((one for one in asked.item if one.id == item), None)
    if found is None:
        raise BadCase(f"--rubric {said}: {name} has no item {item!r}; {_near(item, [one.id for one in asked.item])}")
    verdict: Literal["pass", "fail"] = "fail" if failed else "pass"
    judged = before.fingerprint if before is not None and (before.name, before.item) == (name, item) else None
    return RubricItem(name=name, item=item, question=found.question, good=found.good, verdict=verdict, fingerprint=judged or asked.hash)


def _near(said: str, known: list[str]) -> str:
    near = difflib.get_close_matches(said, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known) or 'none'}"


def _call(said: str) -> dict[str, Any]:
    name, _, arguments = said.partition("=")
    call = Call(name=name.strip(), arguments=_object(arguments, f"--tool {name}") if arguments else None)
    return call.model_dump(mode="json", exclude_none=True)


def _object(said: str, option: str) -> dict[str, Any]:
    value = _json(said, option)
    if not isinstance(value, dict):
        raise BadCase(f"{option}: {said[:80]!r} is no JSON object: write it as NAME={{…}}")
    return value


def _json(said: str | None, option: str) -> Any:
    text = _read(said, option)
    if text is None:
        return None
    try:
        return parse_json(text)
    except Unparsable as error:
        raise BadCase(f"{option}: this is no JSON: {error}") from error


def _read(said: str | None, option: str) -> str | None:
    if said is None or not said.startswith("@"):
        return said
    path = Path(said[1:])
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadCase(f"{option}: {path} cannot be read as UTF-8 text: {error}") from error
