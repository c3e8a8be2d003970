"""The few words that result files, rules and verdicts share, so that each is spelled in one place."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

Status = Literal["candidate", "confirmed", "known_failing", "guarding", "retired"]
"""Where a golden case stands: only confirmed and guarding ones are held against a release."""

JudgeState = Literal["calibrated", "stale", "uncalibrated"]
"""What the calibration says of the judge that graded a file."""

Side = Literal["base", "candidate"]


class State(StrEnum):
    """What one rule came to."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"  # worse, and not by more than chance explains
    UNMEASURED = "unmeasured"  # the target or the judge did not answer
    UNFIT = "unfit"  # the judge is stale or uncalibrated
    SKIPPED = "skipped"  # does not apply: no baseline figure, no slice, no anchor
