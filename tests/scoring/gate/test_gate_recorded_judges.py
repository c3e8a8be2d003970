"""The gate on real pairs: recorded judges against themselves and against each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from scoring.gate.recorded_judges import load, same_judge, worse_judge
from scoring.gate.rules import Rules

FILE = Path(__file__).parents[3].parent / "shared" / "evaldata" / "llmbar.parquet"


@pytest.fixture(scope="module")
def judges():
    if not FILE.exists():
        pytest.skip("LLMBar's recorded judges are not here")
    return load(FILE)


def test_a_judge_against_itself_is_no_regression(judges):
    """Over all 65, six draws of 200 questions each."""
    assert len(judges) == 65
    tallies = same_judge({judge: judges[judge] for judge in sorted(judges)[::4]}, 200, 6, 3, Rules())
    assert sum(tally.rules.get("regression", 0) for tally in tallies.values()) <= 0.1 * sum(tally.comparisons for tally in tallies.values())


def test_a_judge_that_is_much_worse_is_one(judges):
    """Ten to twenty points."""
    tally = worse_judge(judges, 0.1, 0.2, 200, 40, 3, Rules())
    assert tally.rules["regression"] >= 36
