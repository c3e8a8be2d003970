"""Attacks on the app's own request: injection, extraction of the system prompt, exfiltration by links and tools, malformed input. Pure.

What was attacked with in the traffic comes first; shipped attacks fill up, each kind in turn, put into the app's own requests so that
its system prompt and its tools are what is attacked. Each brings the checks that a harmless answer passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from scoring.golden.case import CaseCheck, GoldenCase
from scoring.golden.seeding import templates
from scoring.golden.seeding.framing import Frame
from scoring.golden.seeding.plan import Draft, marked

OURS: Final = "{system}"
"""In a check's values: sentences of the system prompt at hand."""
_SENTENCE: Final = re.compile(r"[^\n.!?]{30,160}[.!?]?")
_SENTENCES: Final = 5


def attacks(frames: Sequence[Frame]) -> Iterator[Draft]:
    """The shipped attacks in the frames, in turn; those that need a system prompt or tools only where there are some."""
    for number, one in enumerate(templates.attacks()):
        needs = one.get("needs")
        fit = [frame for frame in frames if needs is None or (frame.system if needs == "system" else frame.tools)]
        if fit:
            yield attack(one, fit[number % len(fit)])


def attack(told: Mapping[str, Any], frame: Frame) -> Draft:
    """One attack in one frame."""
    question = told["question"].replace("{tool}", frame.tools[0] if frame.tools else "send")
    checks = tuple(_check(one, frame) for one in told["checks"])
    asked, blobs = frame.asking(question)
    case = GoldenCase(slice=frame.feature, input=asked, checks=tuple(one for one in checks if one is not None))
    return Draft(marked(case, "adversarial", told["why"], kind=told["kind"]), blobs)


def secrets(system: str) -> tuple[str, ...]:
    """Sentences of a system prompt that an answer has no reason to repeat: its longest, at most five."""
    found = sorted({match[0].strip() for match in _SENTENCE.finditer(system)}, key=lambda one: (-len(one), one))
    return tuple(sorted(found[:_SENTENCES]))


def _check(told: Mapping[str, Any], frame: Frame) -> CaseCheck | None:
    options = dict(told.get("options", {}))
    if options.get("values") == [OURS]:
        options["values"] = list(secrets(frame.system))
        if not options["values"]:
            return None
    return CaseCheck(name=told["name"], options=options)
