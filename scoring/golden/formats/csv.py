"""CSV with promptfoo's columns: a column a variable, `__expected1` … an assertion each, `__description`, `__metadata:…`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Any, Final

from scoring.golden.case import BadCase, GoldenCase, Source, canonical
from scoring.golden.formats import neutral, promptfoo
from scoring.golden.formats.contract import Format, Options

CARRIED: Final = f"__metadata:{neutral.CARRIED}"
_FORM: Final = re.compile(r"(not-)?([a-z][a-z-]*)(?:\(([0-9.]+)\))?(?::\s*(.*))?", re.DOTALL)
_KINDS: Final = frozenset(
    """
    equals contains contains-all contains-any icontains icontains-all icontains-any regex starts-with is-json is-refusal latency cost
    """.split()
)
_BIGGEST: Final = 2**31 - 1


def write(cases: Sequence[GoldenCase], _: Options) -> str:
    """A head line and a line a case, in RFC 4180's form with line feeds."""
    rows = [_row(case) for case in cases]
    names = sorted({name for row in rows for name in row}, key=_order)
    out = io.StringIO()
    # All in quotation marks: left to itself, this writer leaves a lone carriage return bare, which ends the line for every reader.
    writer = csv.DictWriter(out, names or ["__expected"], restval="", lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def read(text: str, place: str) -> list[GoldenCase]:
    """Cases of lines. Raises BadCase."""
    csv.field_size_limit(_BIGGEST)
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    found = []
    try:
        for number, raw in enumerate(rows, 2):
            where = f"{place}: row {number}"
            if None in raw:
                raise BadCase(f"{where}: it has more fields than the head line: put texts with commas in quotation marks")
            row = {name.strip(): value for name, value in raw.items() if value not in (None, "")}
            found.append(neutral.restored(row, row.get(CARRIED), _row, _case, where))
    except csv.Error as error:
        raise BadCase(f"{place}: this is no CSV: {error}") from error
    return found


def _order(name: str) -> tuple[int, int, str]:
    expected = re.fullmatch(r"__expected(\d*)", name)
    place = 2 if expected else 1 if name == "__description" else 3 if name.startswith("__") else 0
    return place, int(expected[1] or 0) if expected else 0, name


def _row(case: GoldenCase) -> dict[str, str]:
    variables = promptfoo.variables(case)  # a name that no template can use is no column
    row = {name: value for name, value in variables.items() if value and name.isidentifier() and not name.startswith("__")}
    row["__description"] = promptfoo.row_of(case, Options())["description"]
    for number, one in enumerate(filter(None, map(cell, promptfoo.assertions(case, Options()))), 1):
        row[f"__expected{number}"] = one
    carried = neutral.carried(case)
    row |= {f"__metadata:{name}": str(value) for name, value in carried.items() if name != neutral.CARRIED}
    row[CARRIED] = canonical(carried[neutral.CARRIED])
    return row


def cell(one: dict[str, Any]) -> str | None:
    """An assertion in promptfoo's short form; None = it has none that means the same."""
    kind, value = str(one["type"]), one.get("value")
    if kind in ("latency", "cost"):
        return f"{kind}({one['threshold']:g})"
    if isinstance(value, list):  # a list of one needs no commas, which the short form would split at
        single = kind.removesuffix("-all").removesuffix("-any")
        if len(value) == 1:
            return _text(single, value[0])
        return f"{kind}: {','.join(map(_quoted, value))}" if all(part == part.strip() and part for part in value) else None
    if kind == "is-json":
        return f"is-json:{canonical(value)}" if value is not None else "is-json"
    if isinstance(value, dict):
        return f"is-json:{canonical({'const': value})}"  # `equals` would compare it as text
    if kind in ("is-refusal", "not-is-refusal"):
        return kind
    return _text(kind, str(value))


def _text(kind: str, value: str) -> str | None:
    return f"{kind}: {value}" if value == value.strip() and value else None  # the short form strips


def _quoted(value: str) -> str:
    return '"{}"'.format(value.replace('"', '""')) if re.search(r'[,"\n]', value) else value


def _case(row: dict[str, str], place: str) -> GoldenCase:
    cells = sorted((name for name in row if re.fullmatch(r"__expected\d*", name)), key=_order)
    given = {
        "vars": {name: value for name, value in row.items() if not name.startswith("__")},
        "assert": [_assertion(row[name].strip()) for name in cells],
        "metadata": {name.removeprefix("__metadata:"): value for name, value in row.items() if name.startswith("__metadata:")},
    }
    return promptfoo.case_of(given, place).model_copy(update={"source": Source(tool="csv")})


def _assertion(cell: str) -> dict[str, Any]:
    match = _FORM.fullmatch(cell)
    if match is None or match[2] not in _KINDS:
        model = match is not None and match[2] in _MODEL and match[4] is not None
        return {"type": match[2], "value": match[4]} if match is not None and model else {"type": "equals", "value": cell}
    one: dict[str, Any] = {"type": f"{match[1] or ''}{match[2]}"}
    if match[3]:
        one["threshold"] = float(match[3])
    value = match[4]
    if value is not None:
        if match[2].endswith(("-all", "-any")):
            one["value"] = [part.strip() for part in next(csv.reader([value], skipinitialspace=True))]
        elif match[2] == "is-json":
            one["value"] = neutral.parsed(value)
        else:
            one["value"] = value.strip()
    return one


_MODEL: Final = frozenset(
    """
    llm-rubric grade javascript fn eval python similar factuality answer-relevance model-graded-closedqa model-graded-factuality
    context-recall context-relevance context-faithfulness levenshtein rouge-n classifier moderation webhook
    """.split()
)

FORMAT = Format(
    "csv",
    "Comma-separated values with promptfoo's `__expected` columns; also read from a spreadsheet with columns of your own.",
    ".csv",
    write,
    read,
    notes=(
        "The short form of an assertion strips white space and has no transform: what would not mean the same travels in metadata alone.",
        "A program that opens CSV as a spreadsheet may run what begins with = + - or @: import it as text.",
    ),
    ungraded=promptfoo.ungraded,
)
