"""The shelf of formats: one line each. How golden cases travel to other tools and back, and what is lost on the way."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from scoring.golden.blobs import MissingBlob, names, put_back, taken_out
from scoring.golden.case import BadCase, GoldenCase
from scoring.golden.formats import braintrust, csv, deepeval, goldwash, langfuse, langsmith, mlflow, openai_evals, phoenix, promptfoo
from scoring.golden.formats.contract import Format, Loss, Options

SHELF: Final[tuple[Format, ...]] = (
    goldwash.FORMAT,
    promptfoo.FORMAT,
    csv.FORMAT,
    langsmith.FORMAT,
    braintrust.FORMAT,
    openai_evals.FORMAT,
    deepeval.FORMAT,
    mlflow.FORMAT,
    langfuse.FORMAT,
    phoenix.FORMAT,
)


class UnknownFormat(BadCase):
    """There is no such format."""


def named(name: str) -> Format:
    """A format by its name. Raises UnknownFormat."""
    found = next((one for one in SHELF if one.name == name.replace("-", "_")), None)
    if found is None:
        known = [one.name for one in SHELF]
        near = difflib.get_close_matches(name, known, n=1)
        raise UnknownFormat(f"format {name!r} is not known: {f'did you mean {near[0]}?' if near else 'choose from ' + ', '.join(known)}")
    return found


def inflated(case: GoldenCase, blobs: Mapping[str, bytes]) -> GoldenCase:
    """The case with its long strings in place, for tools that know no blobs. Raises MissingBlob."""
    if not names(case.input.body):
        return case
    return case.model_copy(update={"input": case.input.model_copy(update={"body": put_back(case.input.body, blobs), "attachments": ()})})


def deflated(case: GoldenCase, blobs: dict[str, bytes]) -> GoldenCase:
    """The case with its long strings taken out into `blobs`."""
    body = taken_out(case.input.body, blobs)
    if body == case.input.body:
        return case
    return case.model_copy(update={"input": case.input.model_copy(update={"body": body, "attachments": tuple(names(body))})})


def read_file(chosen: Format, path: Path, golden: Path) -> tuple[list[GoldenCase], dict[str, bytes]]:
    """The cases of a file, and the blobs that they bring along. golden: where blobs may lie already. Raises BadCase, MissingBlob."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadCase(f"{path}: cannot be read as UTF-8 text ({error}); correct the path or the file") from error
    blobs: dict[str, bytes] = {}
    cases = [deflated(case, blobs) for case in chosen.read(text, str(path))]
    for case in cases:
        for name in names(case.input.body):
            if name not in blobs:
                blobs[name] = _blob(name, (path.parent / "blobs", golden / "blobs"))
    seen: dict[str, GoldenCase] = {}
    for case in cases:
        if seen.setdefault(case.id, case) != case:
            raise BadCase(f"{path}: two rows ask the same (case {case.id}) and expect something else: keep one of them")
    return list(seen.values()), blobs


def beside(directory: Path, blobs: Mapping[str, bytes]) -> None:
    """Write blobs for lines that go somewhere else."""
    for name, data in sorted(blobs.items()):
        path = directory / "blobs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            part = path.with_name(f".{name}.{os.getpid()}.part")
            part.write_bytes(data)
            part.replace(path)


def losses_of(chosen: Format, cases: Sequence[GoldenCase], options: Options) -> list[str]:
    """What just these cases lose in this format, in words."""
    said = [f"{loss.field} is lost: {loss.why}" for loss in chosen.losses if any(_has(case, loss.field) for case in cases)]
    if chosen.ungraded is not None:
        counts: dict[str, int] = {}
        for case in cases:
            for what in chosen.ungraded(case, options):
                counts[what] = counts.get(what, 0) + 1
        said += [f"{what} is carried and not graded there ({n} cases)" for what, n in sorted(counts.items())]
    return said


def _has(case: GoldenCase, field: str) -> bool:
    if field in ("id", "version", "status", "unit", "input.operation", "input.method", "input.path"):
        return False  # every case has them; the page says it once
    value: object = case
    plain: object = GoldenCase.model_construct(input=case.input)
    for step in field.split("."):
        value, plain = getattr(value, step, None), getattr(plain, step, None)
    return value not in (None, (), {}, False) and (value != plain or field.startswith("input."))


def _blob(name: str, places: Iterable[Path]) -> bytes:
    for place in places:
        path = place / name
        if path.is_file():
            data = path.read_bytes()
            if sha256(data).hexdigest() == name:
                return data
    raise MissingBlob(f"blob {name} is missing: copy the folder blobs/ with the golden file")


__all__ = ["SHELF", "Format", "Loss", "Options", "beside", "deflated", "inflated", "losses_of", "named", "read_file"]
