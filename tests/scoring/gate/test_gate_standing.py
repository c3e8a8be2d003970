"""Rules on single cases: measured, missing, critical, guarding, and the judge's health."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from scoring.gate.results import BadInput, Header, Result, Results
from scoring.gate.rules import Acceptance, Rules
from scoring.gate.words import State
from tests.helpers.gate import results, verdict

ACCEPTED = Acceptance(case="c0", owner="Ada", accepted_on=date(2026, 11, 1), expires_on=date(2026, 12, 1), reason="r")


def test_equal_files_pass():
    """Nothing changed, and nothing is said to have."""
    found = verdict(results("1" * 50), results("1" * 50))
    assert (found.outcome, found.exit_code, found.changes, found.is_inconclusive) == ("passed", 0, (), False)


def test_an_outage_is_no_failure():
    """A run without a result makes the verdict 'could not tell', whatever else failed."""
    found = verdict(results("1" * 20), results("?" + "0" * 19))
    assert (found.outcome, found.exit_code) == ("could_not_tell", 4)
    assert "c0 run 1: timed out" in found.ruling("measured").sentence
    assert verdict(results("?1"), results("11")).exit_code == 4


def test_a_missing_case_fails_and_a_new_one_does_not():
    """The candidate must run what the baseline had; what the baseline never had is no regression, passed or failed."""
    assert verdict(results("111"), results("11 ")).ruling("missing").cases == ("c2",)
    assert verdict(results("111"), results("11 ")).exit_code == 1
    found = verdict(results("1" * 20), results("1" * 20 + "0" * 40))
    assert found.exit_code == 0
    assert [change.change for change in found.changes] == ["new"] * 40


def test_a_retired_case_may_be_missing():
    """So may one that was never confirmed, and their results count for nothing."""
    for status in ("retired", "candidate"):
        aside = Results((Result("old", 1, True, status=status), Result("c0", 1, True)))
        assert verdict(aside, results("1")).exit_code == 0
        failing = Results((Result("old", 1, False, status=status, critical=True), Result("c0", 1, True)))
        assert verdict(aside, failing).exit_code == 0


def test_another_version_of_a_case_is_no_regression():
    """It is another question; it is listed."""
    base = Results((Result("c0", 1, True, version="1"), Result("c1", 1, True)))
    candidate = Results((Result("c0", 1, False, version="2"), Result("c1", 1, True)))
    found = verdict(base, candidate)
    assert found.exit_code == 0
    assert [(change.case, change.change) for change in found.changes] == [("c0", "changed")]


@pytest.mark.parametrize("mark", ["critical", "safety"])
def test_one_critical_failure_fails(mark):
    """One run confirms nothing, so it counts, in the baseline or not; so does one of five."""
    assert verdict(results("1" * 200), results("0" + "1" * 199, **{mark: True})).ruling("critical").cases == ("c0",)
    assert verdict(results("0" + "1" * 199, **{mark: True}), results("0" + "1" * 199)).exit_code == 1
    found = verdict(results(["11"] * 5), results(["11"] * 4 + ["01"], **{mark: True}))
    assert found.exit_code == 1
    assert "c0 (1 of 5 runs)" in found.ruling("critical").sentence


def test_a_named_owner_may_accept_a_critical_failure_for_a_time():
    """The verdict says who; when the time is over it fails again."""
    base, candidate = results("1" * 200), results("0" + "1" * 199, critical=True)
    found = verdict(base, candidate, Rules(acceptance=(ACCEPTED,)))
    assert found.exit_code == 0
    assert "accepted by Ada until 2026-12-01" in found.ruling("critical").sentence
    over = ACCEPTED.model_copy(update={"expires_on": date(2026, 11, 19)})
    assert verdict(base, candidate, Rules(acceptance=(over,))).exit_code == 1


@pytest.mark.parametrize(
    ("evidence", "state"),
    [
        ({"families": ("gpt",)}, State.INCONCLUSIVE),
        ({"families": ("gpt", "gpt")}, State.INCONCLUSIVE),
        ({"families": ("gpt", "claude")}, State.FAILED),
        ({"families": ("gpt",), "deterministic": True}, State.FAILED),
        ({"deterministic": False}, State.INCONCLUSIVE),
        ({}, State.FAILED),
    ],
)
def test_a_critical_failure_counts_when_a_check_or_two_families_saw_it(evidence, state):
    """One judge alone leaves it open, which only --strict makes an exit code."""
    candidate = Results((Result("c0", 1, False, critical=True, **evidence), *(Result(f"c{i}", 1, True) for i in range(1, 200))))
    found = verdict(results("1" * 200), candidate)
    assert found.ruling("critical").state is state
    assert found.exit_code == (state is State.FAILED)
    assert verdict(results("1" * 200), candidate, strict=True).exit_code == (1 if state is State.FAILED else 4)


def test_a_known_failure_stands_outside_floor_and_regression():
    """It may fail or pass; it is shown."""
    base = Results((*results("1" * 100).rows, *(Result(f"k{i}", 1, False, status="known_failing") for i in range(100))))
    found = verdict(base, base)
    assert found.exit_code == 0
    assert found.cases == 100
    assert {change.change for change in found.changes} == {"still_failing"}


def test_a_known_failure_that_passes_five_times_is_fixed():
    """Fewer do not show it."""
    base, after = (results(["1" * 10 + mark] * 5) for mark in "01")
    mark = {"c10": "known_failing"}
    base, after = (Results(tuple(replace(row, status=mark.get(row.case)) for row in side.rows)) for side in (base, after))
    assert [change.change for change in verdict(base, after).changes] == ["fixed"]
    once = Results(tuple(row for row in base.rows if row.run == 1)), Results(tuple(row for row in after.rows if row.run == 1))
    assert [change.change for change in verdict(*once).changes] == ["still_failing"]


def test_a_label_that_hides_a_regression_is_shown():
    """Marked known_failing, passed by the baseline, failed by the candidate."""
    candidate = Results((*results("1" * 9).rows, Result("c9", 1, False, status="known_failing")))
    assert [change.change for change in verdict(results("1" * 10), candidate).changes] == ["masked"]


def test_a_mended_case_that_breaks_again_fails_alone():
    """One of 200 suffices, though as a drop it is none; guarding is for good, whatever the candidate's file calls it."""
    base = results("1" * 200, status="guarding")
    for status in ("guarding", "known_failing", None):
        found = verdict(base, results("0" + "1" * 199, status=status))
        assert found.exit_code == 1
        assert found.ruling("guarding").cases == ("c0",)


def test_a_mended_case_that_flickers_in_the_baseline_only_warns():
    """A deploy without change is not blocked by it."""
    found = verdict(results(["1" * 40, "0" + "1" * 39, "1" * 40], status="guarding"), results(["0" + "1" * 39] * 3, status="guarding"))
    assert found.ruling("guarding").state is State.INCONCLUSIVE
    assert found.exit_code == 0


@pytest.mark.parametrize(
    ("header", "code", "said"),
    [
        (Header(), 0, "name no judge"),
        (Header(judge="j", judge_state="stale"), 3, "j is stale"),
        (Header(judge="j", judge_state="uncalibrated"), 3, "j is uncalibrated"),
        (Header(judge="j"), 3, "no calibration"),
        (Header(judge="j", judge_state="calibrated"), 0, "j is calibrated"),
        (Header(judge="j", judge_calibrated_on="2026-11-01"), 0, "19 days ago"),
        (Header(judge="j", judge_calibrated_on="2026-09-01"), 3, "80 days ago and 30 are allowed"),
    ],
)
def test_the_judges_health_is_part_of_the_verdict(header, code, said):
    """Stale and uncalibrated end with 3, and a failure goes before it."""
    found = verdict(results("1" * 20), results("1" * 20, header=header))
    assert found.exit_code == code
    assert said in found.ruling("judge").sentence
    assert verdict(results("1" * 20), results("0" * 20, header=header)).exit_code == 1
    assert verdict(results("1" * 20), results("?" * 20, header=header)).exit_code == 4


def test_a_calibration_date_that_is_none():
    """It is named with what it should look like."""
    with pytest.raises(BadInput, match="must be a date such as"):
        verdict(results("1"), results("1", header=Header(judge="j", judge_calibrated_on="yesterday")))


@pytest.mark.parametrize("key", ["judge", "rubric"])
def test_two_judges_or_rubrics_cannot_be_compared(key):
    """That would compare the judges."""
    with pytest.raises(BadInput, match=f"graded with {key} old"):
        verdict(results("1", header=Header(**{key: "old"})), results("1", header=Header(**{key: "new"})))


def test_another_dataset_is_compared_case_by_case():
    """New cases join with every release."""
    assert verdict(results("1", header=Header(dataset="d1")), results("1", header=Header(dataset="d2"))).exit_code == 0


@pytest.mark.parametrize("key", ["dataset", "rubric", "judge", "prices"])
def test_a_pinned_version_must_be_the_files(key):
    """On both sides; a file that does not state it does not have it."""
    rules = Rules.model_validate({"pinned": {key: "v7"}})
    right = Header(**{key: "v7"}, judge_state="calibrated")
    assert verdict(results("1", header=right), results("1", header=right), rules).exit_code == 0
    with pytest.raises(BadInput, match=rf"its {key} is not stated and the rules pin v7"):
        verdict(results("1", header=right), results("1"), rules)
