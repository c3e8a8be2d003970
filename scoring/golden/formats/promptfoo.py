"""promptfoo: test cases as JSON lines for `tests: file://golden.jsonl` (promptfoo 0.121), checks as its assertions.

promptfoo renders variables and assertion values as templates, and reads files or loads packages where a text begins with `file://` or
`package:`. What users wrote must do neither, so every text is escaped. Regular expressions are written so that JavaScript matches what
RE2 matches. Source: promptfoo's evaluator, read in the package.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from scoring.golden.case import CaseCheck, Expected, GoldenCase, canonical
from scoring.golden.expressions import NotShared, exactly, for_javascript
from scoring.golden.formats import json_rows, neutral
from scoring.golden.formats.contract import Format, Options
from scoring.golden.grading import plain_label

OURS: Final = "goldwash:"
"""Metric names of assertions that say which part of a case they come from."""
_TRIM: Final = "output.trim()"
_TEMPLATE: Final = re.compile(r"\{(?=[{%#])|#(?=\})")
_LOADS: Final = re.compile(r"\A(?=file://|package:)")
_ESCAPED: Final = re.compile(r"\{% raw %\}(.)\{% endraw %\}", re.DOTALL)


def escaped(text: str) -> str:
    """The text so that promptfoo's templates give it back as it is, and nothing is loaded."""
    safe = _TEMPLATE.sub(lambda match: f"{{% raw %}}{match[0]}{{% endraw %}}", text)
    return f"{{% raw %}}{safe[0]}{{% endraw %}}{safe[1:]}" if _LOADS.match(text) else safe


def unescaped(text: str) -> str:
    """A text that `escaped` made, as it was."""
    return _ESCAPED.sub(r"\1", text)


def write(cases: Sequence[GoldenCase], options: Options) -> str:
    """One test case a line."""
    return json_rows.lines(row_of(case, options) for case in cases)


def read(text: str, place: str) -> list[GoldenCase]:
    """Cases of test cases. Raises BadCase."""
    return [
        neutral.restored(row, neutral.own_of(row.get("metadata")), lambda case: row_of(case, Options()), case_of, where)
        for row, where in json_rows.parsed(text, place)
    ]


def row_of(case: GoldenCase, options: Options) -> dict[str, Any]:
    """A test case."""
    carried = neutral.carried(case)
    return {
        "description": _flat(f"{case.id} {case.question}")[:120],
        "vars": variables(case),
        "assert": assertions(case, options),
        # As one text: promptfoo looks into objects for references to files.
        "metadata": {**carried, neutral.CARRIED: canonical(carried[neutral.CARRIED])},
    }


def variables(case: GoldenCase) -> dict[str, str]:
    """What a prompt can be made of: the app's own variables, `messages` (JSON), `question`, `context`. A list would be a test each."""
    found = {"messages": canonical(neutral.chat(case)), "question": case.question}
    if case.context:
        found["context"] = "\n\n".join(neutral.texts(case))
    own = {name: value if isinstance(value, str) else canonical(value) for name, value in case.input.vars.items()}
    return {name: escaped(value) for name, value in {**found, **own}.items()}


def assertions(case: GoldenCase, options: Options) -> list[dict[str, Any]]:
    """Every part of a case that promptfoo can grade; a model grades only where a judge is named."""
    found = [{**one, "metric": f"{OURS}{name}"} for name, one in _parts(case) if one is not None]
    if options.judge:
        found += [{**one, "provider": options.judge, "metric": f"{OURS}{name}"} for name, one in _judged(case)]
    return found


def ungraded(case: GoldenCase, options: Options) -> tuple[str, ...]:
    """Parts that travel in metadata alone."""
    left = [name for name, one in _parts(case) if one is None]
    return tuple(left if options.judge else [*left, *(f"{name} (no --judge)" for name, _ in _judged(case))])


def _judged(case: GoldenCase) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    if case.rubric is not None and case.rubric.question is not None:
        asks = f"{case.rubric.question} The answer passes if this is answered with {case.rubric.good}."
        found.append((f"rubric.{case.rubric.name}.{case.rubric.item}", {"type": "llm-rubric", "value": escaped(asks)}))
    if case.expected is not None and case.expected.text is not None:
        found.append(("expected.text", {"type": "factuality", "value": escaped(case.expected.text)}))
    return found


def _parts(case: GoldenCase) -> list[tuple[str, dict[str, Any] | None]]:
    """Each deterministic part with its assertion; None = promptfoo has none like it."""
    found: list[tuple[str, dict[str, Any] | None]] = [(f"check.{check.name}", _asserted(check)) for check in case.checks]
    expected = case.expected
    if expected is None:
        return found
    if expected.json_ is not None:
        found.append(("expected.json", _json_equals(expected.json_)))
    if expected.facts:
        found.append(("expected.facts", {"type": "icontains-all", "value": [escaped(fact) for fact in expected.facts]}))
    for name, wanted in (("label", expected.label), ("choice", expected.choice)):
        if wanted is not None:
            marks = "[ \\t\\n\"'`*.]*"
            pattern = f"^{marks}{exactly(plain_label(wanted), any_case=True)}{marks}$"
            found.append((f"expected.{name}", {"type": "regex", "value": escaped(pattern), "transform": _TRIM}))
    if expected.refusal is not None:
        found.append(("expected.refusal", {"type": "is-refusal" if expected.refusal else "not-is-refusal"}))
    found += [(f"expected.{name}", None) for name in ("tools", "retrieved_ids", "test_file") if getattr(expected, name)]
    return found


def _asserted(check: CaseCheck) -> dict[str, Any] | None:
    options = check.options
    values = [options["values"]] if isinstance(options.get("values"), str) else list(options.get("values") or ())
    fold = "i" if options.get("ignore_case") else ""
    match check.name:
        case "equals" if not fold:
            return {"type": "equals", "value": escaped(str(options.get("value", "")).strip()), "transform": _TRIM}
        case "equals":
            pattern = f"^{exactly(str(options.get('value', '')).strip(), any_case=True)}$"
            return {"type": "regex", "value": escaped(pattern), "transform": _TRIM}
        case "contains":
            return {"type": f"{fold}contains-{options.get('need', 'all')}", "value": [escaped(value) for value in values]}
        case "not_contains":
            return {"type": f"not-{fold}contains-any", "value": [escaped(value) for value in values]}
        case "starts_with":
            return {"type": "starts-with", "value": escaped(str(options.get("value", "")).lstrip()), "transform": _TRIM}
        case "regex" | "not_regex":
            try:
                pattern = for_javascript(str(options.get("pattern", "")))
            except NotShared:
                return None
            return {"type": check.name.replace("_", "-"), "value": escaped(pattern), "transform": _TRIM}
        case "json_equals":
            return _json_equals(options.get("value"))
        case "json_fields":
            return {"type": "is-json", "value": _schema(options.get("fields") or {})}
        case "valid_json":
            return {"type": "is-json"}
        case "json_schema" if isinstance(options.get("schema"), dict):
            return {"type": "is-json", "value": options["schema"]}
        case "latency" if options.get("max_ms"):
            return {"type": "latency", "threshold": options["max_ms"]}
        case "cost" if options.get("max_usd"):
            return {"type": "cost", "threshold": options["max_usd"]}
        case _:
            return None


def _json_equals(value: Any) -> dict[str, Any]:
    """promptfoo compares JSON with an object or a list; anything else it would compare as text."""
    if isinstance(value, dict):
        return {"type": "equals", "value": value}
    return {"type": "is-json", "value": {"const": value}}


def _schema(fields: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema that asks of each path what `json_fields` asks of it."""
    schema: dict[str, Any] = {"type": "object"}
    for path, value in sorted(fields.items()):
        here = schema
        steps = path.split(".")
        for number, step in enumerate(steps):
            here.setdefault("required", [])
            if step not in here["required"]:
                here["required"].append(step)
            last = number == len(steps) - 1
            here = here.setdefault("properties", {}).setdefault(step, {"const": value} if last else {"type": "object"})
    return schema


def case_of(row: dict[str, Any], place: str) -> GoldenCase:
    """The case of a test case that somebody else wrote. Raises BadCase."""
    given = {name: unescaped(value) if isinstance(value, str) else value for name, value in (row.get("vars") or {}).items()}
    asked, context = neutral.asked_with(given, place)
    checks: list[CaseCheck] = []
    expected: dict[str, Any] = {}
    left: list[Any] = []
    for one in row.get("assert") or ():
        said = _said(one) if isinstance(one, dict) else None
        if said is None:
            left.append(one)
        elif isinstance(said, CaseCheck):
            checks.append(said)
        else:
            expected |= said
    metadata = neutral.facts_of(row.get("metadata"))
    if left and any(not str(one.get("metric", "")).startswith(OURS) for one in left if isinstance(one, dict)):
        metadata["promptfoo_assert"] = left
    return neutral.made(
        place,
        input=asked,
        context=context,
        checks=tuple(checks),
        expected=Expected.model_validate(expected) if expected else None,
        metadata=metadata,
        tool="promptfoo",
    )


def _said(one: dict[str, Any]) -> CaseCheck | dict[str, Any] | None:
    """What an assertion asks, as a check or as a part of what is expected; None = we have nothing like it, or a model grades it."""
    kind, value = str(one.get("type")), one.get("value")
    metric = str(one.get("metric") or "").removeprefix(OURS)
    inverse, base = kind.startswith("not-"), kind.removeprefix("not-")
    texts = [unescaped(str(item)) for item in value] if isinstance(value, list) else [unescaped(value)] if isinstance(value, str) else []
    if metric == "expected.facts" and texts:
        return {"facts": texts}
    if metric == "expected.json" and isinstance(value, dict):
        return {"json": value["const"] if kind == "is-json" and set(value) == {"const"} else value}
    if base in _CONTAINS and texts:
        if base.startswith("icontains"):
            fold: dict[str, Any] = {"ignore_case": True}
        else:
            fold = {}
        if inverse:
            return CaseCheck(name="not_contains", options={"values": texts, **fold}) if len(texts) == 1 or base.endswith("any") else None
        return CaseCheck(name="contains", options={"values": texts, **fold, **({"need": "any"} if base.endswith("any") else {})})
    if kind == "is-refusal" or (base == "is-refusal" and inverse):
        return {"refusal": not inverse}
    if base == "regex" and texts:
        try:
            for_javascript(texts[0])
        except NotShared:
            return None
        return CaseCheck(name="not_regex" if inverse else "regex", options={"pattern": texts[0]})
    if inverse:
        return None
    if kind == "equals":
        return CaseCheck(name="equals", options={"value": texts[0]}) if texts else {"json": value} if value is not None else None
    if kind == "starts-with" and texts:
        return CaseCheck(name="starts_with", options={"value": texts[0]})
    if kind == "is-json":
        return CaseCheck(name="json_schema", options={"schema": value}) if isinstance(value, dict) else CaseCheck(name="valid_json")
    limit = {"latency": "max_ms", "cost": "max_usd"}.get(kind)
    threshold = one.get("threshold")
    return CaseCheck(name=kind, options={limit: threshold}) if limit and isinstance(threshold, int | float) else None


_CONTAINS: Final = frozenset(f"{fold}contains{need}" for fold in ("", "i") for need in ("", "-all", "-any"))


def _flat(text: str) -> str:
    return escaped(" ".join("".join(one if one.isprintable() else " " for one in text).split()))


FORMAT = Format(
    "promptfoo",
    "Test cases for `tests: file://golden.jsonl`; prompts take {{messages}}, or {{question}} and {{context}}, or the app's variables.",
    ".jsonl",
    write,
    read,
    notes=(
        "Texts are escaped for a prompt that is a text, or `{{messages}}` alone; a prompt that is JSON itself would show the escapes.",
        "Model-graded parts (a rubric's question, a corrected answer) are written only with --judge, and name it as provider.",
        "In a regular expression a character beyond the Basic Multilingual Plane counts as two.",
        "is-refusal goes by promptfoo's own list of phrases.",
    ),
    ungraded=ungraded,
)
