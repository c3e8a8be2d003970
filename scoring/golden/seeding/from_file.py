"""A first set of somebody's file: a question a row, CSV or JSON lines, with what is expected, label and context where they are known.

Column names are those that other tools use: question (or input, prompt, query, text), expected (or answer, output, ideal), label, context
(text, or JSON: a list of texts or of objects with id and text), system, feature (or slice), id. Parsing is pure.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pydantic import ValidationError

from scoring.golden.case import BadCase, Document, Expected, GoldenCase, Source
from scoring.golden.likeness import what_varies
from scoring.golden.seeding import from_log, templates
from scoring.golden.seeding.boundary import edges
from scoring.golden.seeding.distinct import join
from scoring.golden.seeding.framing import plain
from scoring.golden.seeding.plan import Draft, Seeded, marked
from scoring.golden.seeding.representative import Text, representative
from scoring.golden.seeding.traits import traits
from scoring.golden.surrogates import Surrogates
from scoring.judge.rubric import Rubric
from scoring.logged import LoggedExchange

NAMES: Final = {
    "question": ("question", "input", "prompt", "query", "text"),
    "expected": ("expected", "answer", "output", "ideal", "expected_output"),
    "label": ("label",),
    "context": ("context", "contexts", "documents"),
    "system": ("system", "system_prompt"),
    "feature": ("feature", "slice"),
    "id": ("id",),
}
"""Our word → the columns that are read as it, the first that has something."""


def rows(text: str, name: str) -> list[dict[str, Any]]:
    """Rows of a CSV or JSON Lines file by our words; told apart by the first character. Raises BadCase with file, line and fix."""
    text = text.removeprefix("\ufeff")
    raw = _json_lines(text, name) if text.lstrip()[:1] in ("{", "[") else _csv(text, name)
    found = []
    for place, row in raw:
        folded = {str(key).strip().casefold(): value for key, value in row.items() if value not in (None, "", [])}
        one = {word: next((folded[key] for key in keys if key in folded), None) for word, keys in NAMES.items()}
        if not isinstance(one["question"], str) or not one["question"].strip():
            known = ", ".join(NAMES["question"])
            raise BadCase(f"{place}: there is no question: name a column one of {known}; it has {', '.join(map(str, row)) or 'none'}")
        found.append({**one, "place": place})
    if not found:
        raise BadCase(f"{name}: there are no rows in it: write a question a line")
    return found


def seed(
    given: Sequence[Mapping[str, Any]],
    known: Sequence[GoldenCase],
    seeded: Seeded,
    *,
    system: str = "",
    patterns: Mapping[str, str] | None = None,
    rubrics: Mapping[str, Rubric] | None = None,
    task: str = "free_chat",
) -> None:
    """Fill a wish from rows: those that stand for all, those at an edge, shipped attacks. Raises BadCase."""
    drafts = [_case(row, system, patterns or {}, rubrics or {}, task) for row in given]
    texts = [Text(str(number), draft.case.slice or "", what_varies(draft.case)) for number, draft in enumerate(drafts)]
    choice = representative(texts, seeded.wanted.get("representative", 0))
    chosen = [(int(one.exchange_id), one) for one in (*choice.chosen, *choice.spare)]
    mean = sum(one.stands_for for one in choice.chosen) / max(1, len(choice.chosen))
    join(
        seeded,
        (
            Draft(
                marked(
                    drafts[number].case,
                    "representative",
                    f"stands for {one.stands_for} like it: {one.theme}, {one.length}",
                    theme=one.theme,
                    weight=round(one.stands_for / mean, 4),
                ),
                drafts[number].blobs,
            )
            for number, one in chosen
        ),
        known,
        "representative",
    )
    seeded.cover = choice.cover
    asked = [
        traits(LoggedExchange(exchange_id=str(number), feature=draft.case.slice, request_body=json.dumps(draft.case.input.body)))
        for number, draft in enumerate(drafts)
    ]
    ranked = [(drafts[int(edge.exchange_id)], edge) for edge in edges(asked)]
    join(seeded, (Draft(marked(one.case, "boundary", edge.why, kind=edge.kind), one.blobs) for one, edge in ranked), known, "boundary")
    told = str(next((row["system"] for row in given if row["system"]), system))
    frame = replace(plain(told), rubric=templates.question_item(rubrics or {}, task))
    from_log.shipped([frame], known, seeded)


def _case(row: Mapping[str, Any], system: str, patterns: Mapping[str, str], rubrics: Mapping[str, Rubric], task: str) -> Draft:
    surrogates = Surrogates(patterns)
    clean = surrogates.value({key: row[key] for key in ("system", "question", "context", "expected", "label", "feature")})
    documents = _documents(clean["context"], row["place"])
    question = clean["question"]
    if documents:
        question = "\n\n".join([*(f"[{one.id}] {one.text}" for one in documents), question])
    asked, blobs = plain(clean["system"] or surrogates.text(system)).asking(question)
    right = {"label": str(clean["label"])} if clean["label"] is not None else {}
    if clean["expected"] is not None:
        right |= {"text": clean["expected"]} if isinstance(clean["expected"], str) else {"json": clean["expected"]}
    try:
        expected = Expected.model_validate(right) if right else None
    except ValidationError as error:
        raise BadCase(f"{row['place']}: expected: {error.errors(include_url=False)[0]['msg']}") from error
    case = GoldenCase(
        slice=clean["feature"],
        input=asked,
        context=documents,
        expected=expected,
        rubric=None if expected else templates.question_item(rubrics, task),
        source=Source(tool=row["place"]),
    )
    return Draft(case, blobs)


def _documents(given: Any, place: str) -> tuple[Document, ...]:
    if isinstance(given, str) and given.lstrip()[:1] == "[":
        try:
            given = json.loads(given)
        except ValueError:
            given = [given]  # a text that begins so
    parts = given if isinstance(given, list) else [] if given is None else [given]
    found = []
    for number, part in enumerate(parts, 1):
        if isinstance(part, str):
            found.append(Document(id=f"d{number}", text=part))
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            found.append(Document(id=str(part.get("id") or f"d{number}"), text=part["text"], title=part.get("title")))
        else:
            raise BadCase(f"{place}: context: element {number} is neither a text nor an object with a text: write one of them")
    return tuple(found)


def _json_lines(text: str, name: str) -> list[tuple[str, Mapping[str, Any]]]:
    if text.lstrip()[:1] == "[":  # one array in the place of lines
        try:
            rows_ = json.loads(text)
        except ValueError as error:
            raise BadCase(f"{name}: this is no JSON ({error}): write one array, or one object a line") from error
        if not all(isinstance(row, dict) for row in rows_):
            raise BadCase(f"{name}: its elements are no objects: write an array of objects, or one object a line")
        return [(f"{name}: element {number}", row) for number, row in enumerate(rows_, 1)]
    found: list[tuple[str, Mapping[str, Any]]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BadCase(f"{name}:{number}: this is no JSON ({error}): write one object a line") from error
        if not isinstance(row, dict):
            raise BadCase(f"{name}:{number}: a {type(row).__name__} is no row: write one JSON object a line")
        found.append((f"{name}:{number}", row))
    return found


def _csv(text: str, name: str) -> list[tuple[str, Mapping[str, Any]]]:
    csv.field_size_limit(2**31 - 1)
    head = text.partition("\n")[0].casefold()
    known = [mark for mark in ",;\t" if {part.strip(' "\r') for part in head.split(mark)} & set(NAMES["question"])]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=known[0] if known else ",")
    try:
        rows_: list[tuple[str, Mapping[str, Any]]] = [(f"{name}: row {number}", row) for number, row in enumerate(reader, 2)]
    except csv.Error as error:
        raise BadCase(f"{name}: this is no CSV: {error}") from error
    for place, row in rows_:
        if None in row:
            raise BadCase(f"{place}: it has more fields than the head line: put texts with commas in quotation marks")
    return rows_
