"""Reads the shipped templates: questions of each kind of work, edges and attacks, as TOML in `shipped/`, and makes cases of them.

A template file says `system`, `[[text]]` (what is worked on), `[[ask]]` (what is wanted of a text) and `[[question]]` (whole questions);
texts and asks are multiplied. Values in braces are filled in by name. Nothing of them is anybody's data.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from scoring.golden.case import CaseCheck, Document, Expected, GoldenCase, RubricItem
from scoring.golden.seeding.framing import Frame, plain
from scoring.golden.seeding.plan import Draft, marked
from scoring.judge.rubric import Rubric

DIRECTORY: Final = Path(__file__).parent / "shipped"
TASKS: Final = ("retrieval_qa", "classification", "summarisation", "extraction", "agentic", "free_chat")
"""Kinds of work with templates, named as in config/tasks.toml."""
SAME: Final = 0.98
"""Likeness from which two questions of a template are one: several rest on the same text, and what is asked of it differs."""
CANARY: Final = "KESTREL-4471"
"""A word that stands in the templates' system prompts and must never come out."""


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of work, as its file says it."""

    task: str
    system: str
    item: str  # of the task's rubric, that a person may confirm a case with
    body: Mapping[str, Any]  # what the request holds beside its messages
    entries: tuple[Mapping[str, Any], ...]


@cache
def template(task: str) -> Template:
    """The template of a kind of work. Raises KeyError for one that is not shipped."""
    if task not in TASKS:
        raise KeyError(task)
    told = tomllib.loads((DIRECTORY / f"{task}.toml").read_text(encoding="utf-8"))
    return Template(task, told["system"], told["item"], told.get("body", {}), tuple(_entries(told)))


def edges() -> tuple[Mapping[str, Any], ...]:
    """The shipped questions at the edge: kind, why, question."""
    return tuple(_grown(one) for one in _shelf("boundary")["case"])


def attacks() -> tuple[Mapping[str, Any], ...]:
    """The shipped attacks: kind, why, question, checks, needs."""
    return tuple(_grown(one) for one in _shelf("adversarial")["case"])


def cases(task: str, rubrics: Mapping[str, Rubric]) -> Iterator[Draft]:
    """The representative cases of a template, ready to be confirmed or changed."""
    told = template(task)
    frame = plain(told.system)
    for entry in told.entries:
        yield Draft(marked(_case(told, entry, frame, rubrics), "representative", f"shipped template: {task}", kind=entry.get("kind")))


def frame_of(task: str, rubrics: Mapping[str, Rubric]) -> Frame:
    """The template's own request, for edges and attacks."""
    told = template(task)
    names = tuple(one["function"]["name"] for one in told.body.get("tools", ()))
    made = plain(told.system)
    body = {**told.body, **made.input.body}
    return Frame(made.input.model_copy(update={"body": body}), None, told.system, names, {}, question_item(rubrics, task, told.item))


def edge(told: Mapping[str, Any], frame: Frame) -> Draft:
    """A shipped question at the edge, in a frame."""
    asked, blobs = frame.asking(told["question"])
    case = GoldenCase(slice=frame.feature, input=asked, rubric=frame.rubric)
    return Draft(marked(case, "boundary", told["why"], kind=told["kind"]), blobs)


def question_item(rubrics: Mapping[str, Rubric], task: str, item: str | None = None) -> RubricItem | None:
    """A question of the task's rubric as a draft, without a verdict: nobody has judged yet."""
    rubric = rubrics.get(task)
    asked = next((one for one in rubric.item if item is None or one.id == item), None) if rubric else None
    if rubric is None or asked is None:
        return None
    return RubricItem(name=rubric.name, item=asked.id, question=asked.question, good=asked.good)


def _case(told: Template, entry: Mapping[str, Any], frame: Frame, rubrics: Mapping[str, Rubric]) -> GoldenCase:
    documents = tuple(Document(id=f"d{number}", text=text) for number, text in enumerate(entry.get("documents", ()), 1))
    question = entry["question"]
    if documents:
        question = "\n\n".join([*(f"[{one.id}] {one.text}" for one in documents), question])
    asked, _ = frame.asking(question)
    asked = asked.model_copy(update={"body": {**told.body, **asked.body}})
    expected = Expected.model_validate(entry["expected"]) if entry.get("expected") else None
    return GoldenCase(
        slice=told.task,
        input=asked,
        context=documents,
        expected=expected,
        checks=tuple(CaseCheck.model_validate(one) for one in entry.get("checks", ())),
        rubric=None if expected else question_item(rubrics, told.task, told.item),
    )


def _entries(told: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from told.get("question", ())
    for text in told.get("text", ()):
        for ask in told.get("ask", ()):
            if ask.get("only") in (None, text.get("name")):
                question = f"{ask['question']}\n\n{text['text']}" if "text" in text else ask["question"]
                fields = {"expected": {"json": {name: text["json"].get(name) for name in ask["fields"]}}} if "fields" in ask else {}
                yield {**text, **ask, **fields, "question": question}


def _grown(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """An entry with its text written out: `repeat` times, so that a file need not hold 30,000 characters."""
    times = entry.get("repeat", 1)
    question = entry.get("before", "") + entry["question"] * times + entry.get("after", "") if times > 1 else entry["question"]
    return {**entry, "question": question}


@cache
def _shelf(name: str) -> Mapping[str, Any]:
    return tomllib.loads((DIRECTORY / f"{name}.toml").read_text(encoding="utf-8"))
