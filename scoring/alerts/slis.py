"""The service level indicators: each a share of bad events among counted ones, so that one statistic and one wording serve them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Sli:
    """One indicator: `failed` of `n` in a window."""

    name: str
    bad: str  # what makes an event bad, as a plural noun with its verb: "verdicts that fail"
    counted: str  # what n counts
    good: str  # what the share of the rest is called


SLIS: Final = {
    sli.name: sli
    for sli in (
        Sli("judged_pass", "judged failures", "judged exchanges", "quality"),
        Sli("grounding", "answers not grounded in their sources", "answers checked against sources", "grounding"),
        Sli("refusal", "refusals", "checked answers", "share without refusal"),
        Sli("fallback", "fallback answers", "checked answers", "share without fallback"),
        Sli("tool_errors", "tool calls in error", "tool calls", "share of tool calls that work"),
        Sli("thumbs_down", "thumbs down", "rated answers", "share not rated down"),
        Sli("retries", "answers asked for again", "answers", "share not asked for again"),
        Sli("errors", "failed requests", "requests", "share that succeed"),
    )
}
"""Every indicator by its name in rules and SLOs."""

DIMENSIONS: Final = ("all", "feature", "response_model", "prompt_version", "route")
"""What an indicator is sliced by, one at a time; "all" = everything together, "route" = upstream and operation, such as openai/chat."""
