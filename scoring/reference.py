"""Writes docs/tasks.md from the shipped tasks and the metrics themselves; `python -m scoring.reference` prints the page.

A test compares it with the file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from scoring.judge.rubric import Rubric, load_all
from scoring.metrics import METRICS
from scoring.tasks import RUBRICS, Tasks, load

INTRODUCTION: Final = """\
<!-- Made by python -m scoring.reference from config/tasks.toml, config/rubrics and scoring/metrics.py; edit those, not this page. -->
# Tasks

What an exchange is good for decides how it is judged. A task names the checks that run and their options, the rubric a judge gets, what
is measured, and its unit: one exchange, or the whole trace. Goldwash ships six and assigns exchanges to them with nothing configured:
by the `goldwash-task` header where the application sends it, else by the request's own shape.

Your own file of the form of `config/tasks.toml` comes over the shipped one: a table of the same name changes only the keys it sets, a new
name adds a task, and yours are asked first.

```toml
[checks.latency]                        # options of a check, for all tasks
max_ms = 20000

[tasks.support]
about = "Answers to customers from the handbook."
rubric = "support"                      # a rubric of yours, or a shipped one
metrics = ["groundedness", "citation_hit_rate", "cost_per_success"]
without = ["numbers"]                   # checks that do not run here
[tasks.support.checks.citations]
required = true
[tasks.support.checks."my.checks:polite"]
[[tasks.support.match]]                 # one table that fits is enough; all keys of a table must hold
feature = ["support-*"]
[[tasks.support.match]]
model = ["gpt-4o*"]
sql = "properties['team'] = 'support' AND input_tokens > 500"
```

Keys of a match: `feature`, `task` (the header), `path`, `model` (as asked) take names with `*` and `?`; `sql` is one condition over
columns of `exchanges` (write them as `e.…` where a name is ambiguous); `shape` is any of documents, tools, json. Tables that name
something are asked before those that only know a shape; an empty table takes what is left. `enabled = false` puts a task away.

Retrieved documents are found in the request: Cohere's `documents`, document and search-result parts of Anthropic, Bedrock and Cohere,
texts in tags (`<document id="…">`, `<context>`, `<source>` …) or under a heading `Context:`, there numbered `[1]` or whole. What never
passes the proxy is reported to `POST /api/context`, with rank and relevance: a relevant document without a rank is one that retrieval
missed.

## Shipped tasks

| task | unit | rubric | belongs by header | by shape | metrics |
|---|---|---|---|---|---|
"""


def page() -> str:
    """The whole page as Markdown."""
    return "".join(_page(load(), load_all([RUBRICS])))


def _page(tasks: Tasks, rubrics: dict[str, Rubric]) -> Iterator[str]:
    yield INTRODUCTION
    for task in tasks.tasks:
        rules = [rule for rule, _, owner in tasks.rules if owner is task]
        header = ", ".join(f"`{name}`" for rule in rules for name in rule.task)
        shape = ", ".join(shape for rule in rules for shape in rule.shape) or ("what is left" if any(r.rank == 2 for r in rules) else "")
        yield f"| {task.name} | {task.unit} | {task.rubric} | {header} | {shape} | {', '.join(task.metrics)} |\n"
    yield "\n## Shipped rubrics\n\nA judge answers each question with yes or no. Those in *italics* do not fail the whole.\n"
    for rubric in rubrics.values():
        yield f"\n**{rubric.name}**, version {rubric.version}. {rubric.about}\n\n"
        for item in rubric.item:
            question = item.question if item.critical else f"*{item.question}*"
            needs = f", where there is {' and '.join(item.needs)}" if item.needs else ""
            yield f"- `{item.id}` {question} (good: {item.good}{needs})\n"
    yield "\n## Metrics\n\nA metric whose ground is missing has no value, and says why; it is never 0.\n\n| metric | |\n|---|---|\n"
    for name, (_, sentence) in METRICS.items():
        yield f"| {name} | {sentence} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
