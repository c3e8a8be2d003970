"""Which rows an indicator of quality counts: one table for the alert rules, which ask by slice, and for `/metrics`."""

from __future__ import annotations

from typing import Final

NOT_PRODUCTION: Final = ("dev", "development", "test", "testing", "ci", "staging", "stage", "sandbox", "local", "preview", "qa", "demo")
"""Environments whose traffic no rule looks at. Any other name is somebody's production: an alert that is not needed can be silenced."""
PRODUCTION: Final = (
    "purpose = 'app' AND (environment IS NULL OR lower(environment) NOT IN (" + ", ".join(f"'{name}'" for name in NOT_PRODUCTION) + "))"
)
"""What holds for rows of the roll-ups that are an app's production traffic."""
SAID: Final[dict[str, str]] = {
    "grounding": "source = 'score' AND name IN ('supported', 'grounding', 'groundedness', 'faithfulness', 'citations', 'quotes')",
    "refusal": "source = 'score' AND name = 'refusal'",
    "fallback": "source = 'score' AND name = 'fallback'",
    "tool_errors": "source = 'score' AND name IN ('tool_errors', 'tool_arguments')",
    "thumbs_down": "source = 'feedback'",
}
"""By indicator, the rows of `rollup_scores` that it counts: checks by their names, the rubric's `supported`, scores that others name so."""
