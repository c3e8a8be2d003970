"""Whether a classifier gives the expected label; over the set these grades become precision, recall and F1 (figures.py).

The answer is the label itself, or JSON with it in the field that the case's `label` check names. Case, white space, quotation marks and a
full stop do not matter.
"""

from __future__ import annotations

from dataclasses import replace

from scoring.checks.label import answered
from scoring.gate.evaluators.contract import Found, Subject
from scoring.gate.evaluators.expectations import parts
from scoring.golden.grading import label_field, plain_label

LONGEST = 80  # characters of a label; what is longer is no label, and all of that is one class


async def evaluate(subject: Subject) -> Found:
    """A grade for `expected.label` and `expected.choice`, with both labels in its detail."""
    field = label_field(subject.case.checks)
    found = parts(subject, "label", "choice", field=field)
    given = plain_label(answered(subject.exchange, field) or "")
    shown = given if 0 < len(given) <= LONGEST else ""
    wanted = (
        {"expected.label": subject.case.expected.label, "expected.choice": subject.case.expected.choice} if subject.case.expected else {}
    )
    return Found(tuple(replace(one, detail={"expected": plain_label(wanted[one.name] or ""), "given": shown}) for one in found))
