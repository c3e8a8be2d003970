"""The deliberation: what it wants rerun, when it stops, and what it says at the end."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.gate.decide import Rerun, deliberate
from scoring.gate.results import BadInput, Result, Results
from scoring.gate.rules import Rules
from scoring.gate.wording import as_text
from scoring.gate.words import State
from tests.helpers.gate import TODAY, results, verdict

BASE, CANDIDATE = results("1" * 12 + "0" * 6 + "1" * 182), results("0" * 12 + "1" * 6 + "1" * 182)
"""Three points down: 12 worse and 6 better, p = 0.08."""


def _answers(truth):
    """A rerunner whose runs come out as truth(case) says: (base passes, candidate passes)."""
    wishes: list[Rerun] = []

    def rerun(wish):
        wishes.append(wish)
        numbers = range(wish.first, wish.first + wish.runs)
        return tuple([Result(case, run, truth(case)[side]) for case in wish.cases for run in numbers] for side in (0, 1))

    return rerun, wishes


def test_a_drop_in_doubt_reruns_all_that_differs_on_both_sides():
    """Those that broke and those that were mended: three runs, then five."""
    rerun, wishes = _answers(lambda case: (True, int(case[1:]) >= 6))
    found = verdict(BASE, CANDIDATE, rerun=rerun)
    assert wishes[0] == Rerun(tuple(sorted(f"c{i}" for i in range(18))), 2, 2, 1)
    assert found.reruns == sum(2 * wish.runs * len(wish.cases) for wish in wishes)
    assert found.rules[5].startswith("regression: fails when the pass rate is more than 2.0 points below the baseline's AND chance alone")


def test_cases_that_really_broke_fail_after_reruns():
    """Twelve fail whenever they are run, six flicker."""
    rerun, wishes = _answers(lambda case: (True, int(case[1:]) >= 12))
    found = verdict(BASE, CANDIDATE, rerun=rerun)
    assert (found.exit_code, found.ruling("regression").state) == (1, State.FAILED)
    assert len(wishes) == 1


def test_cases_that_only_flickered_pass_after_reruns():
    """Everything passes when it is run again: no drop worth the name is left."""
    rerun, wishes = _answers(lambda case: (True, True))
    found = verdict(BASE, CANDIDATE, rerun=rerun)
    assert (found.exit_code, found.is_inconclusive, len(wishes)) == (0, False, 1)


def test_what_stays_in_doubt_after_the_last_look_is_a_warning():
    """Broken and mended cases that are both real do not cancel the margin."""
    rerun, wishes = _answers(lambda case: (True, False) if int(case[1:]) < 12 else (False, True))
    found = verdict(BASE, CANDIDATE, rerun=rerun)
    assert [wish.runs for wish in wishes] == [2, 2]
    assert (found.exit_code, found.is_inconclusive) == (0, True)


def test_nothing_is_rerun_where_nothing_is_in_doubt():
    """Neither a clear pass, a clear failure, an outage, nor where the rules ask for none."""
    rerun, wishes = _answers(lambda case: (True, True))
    verdict(results("1" * 50), results("1" * 50), rerun=rerun)
    verdict(results("1" * 50), results("0" * 50), rerun=rerun)
    verdict(BASE, results("?" + "0" * 11 + "1" * 188), rerun=rerun)
    verdict(BASE, CANDIDATE, Rules.model_validate({"regression": {"rerun_to": []}}), rerun=rerun)
    assert wishes == []


def test_a_mended_case_that_fails_once_is_confirmed():
    """It is run again where it can be: five passes of six are no break, and a failure each time is."""
    base, candidate = results("1" * 100, status="guarding"), results("0" + "1" * 99, status="guarding")
    rerun, wishes = _answers(lambda case: (True, True))
    assert verdict(base, candidate, rerun=rerun).exit_code == 0
    assert [wish.cases for wish in wishes] == [("c0",)]
    rerun, wishes = _answers(lambda case: (True, False))
    assert verdict(base, candidate, rerun=rerun).exit_code == 1
    assert [wish.runs for wish in wishes] == [2, 2]


def test_a_rerun_that_reaches_nothing_is_an_outage():
    """The verdict is then 'could not tell'."""
    rerun, _ = _answers(lambda case: (True, None))
    assert verdict(BASE, CANDIDATE, rerun=rerun).exit_code == 4


def test_rows_that_answer_no_wish_are_refused():
    """Another case, or a run that is there already."""
    for row in (Result("c100", 2, True), Result("c0", 1, True)):
        steps = deliberate(BASE, CANDIDATE, Rules(), today=TODAY)
        next(steps)
        with pytest.raises(BadInput, match="not asked for or is there already"):
            steps.send(([row], []))


def test_a_file_with_reruns_is_judged_like_the_reruns_that_made_it():
    """At the error allowed a look."""
    more = [Result(f"c{i}", run, i >= 12, confirming=True) for i in range(18) for run in (2, 3)]
    found = verdict(BASE.with_more([Result(row.case, row.run, True, confirming=True) for row in more]), CANDIDATE.with_more(more))
    assert found.ruling("regression").figures["alpha"] == pytest.approx(0.025)
    assert found.exit_code == 1


def test_the_verdict_is_json_and_text():
    """Both name the outcome, the rules and what broke."""
    found = verdict(results("1" * 200), results("0" * 12 + "1" * 188))
    value = json.loads(json.dumps(found.as_json()))
    assert (value["exit_code"], value["outcome"]) == (1, "failed")
    assert {ruling["rule"] for ruling in value["rulings"]} >= {"regression", "floor", "critical", "missing"}
    text = as_text(found)
    assert text.startswith("FAILED\n200 cases compared, 1 run each")
    assert "c0 broke (1/1 before, 0/1 now)" in text
    assert "What this could see: a true drop of" in text
    assert "Rules:" in text


def test_long_lists_are_cut_in_the_text():
    """The JSON has all."""
    found = verdict(results("1" * 200), results("0" * 100 + "1" * 100))
    assert len(found.changes) == 100
    assert "… and 80 more" in as_text(found)


def test_nothing_in_common_is_bad_input():
    """A verdict on no case at all would be a pass that nobody earned."""
    aside = results("11", status="candidate")
    with pytest.raises(BadInput, match="no case in common"):
        verdict(aside, aside)


SIDE = st.dictionaries(
    st.sampled_from([f"c{i}" for i in range(8)]),
    st.builds(
        Result,
        case=st.just(""),
        run=st.just(1),
        passed=st.sampled_from([True, True, False, None]),
        critical=st.booleans(),
        cost_usd=st.none() | st.floats(0, 10),
        latency_ms=st.none() | st.floats(0, 10),
        cluster=st.none() | st.sampled_from("ab"),
        slice=st.none() | st.sampled_from("xy"),
        status=st.none() | st.sampled_from(["confirmed", "known_failing", "guarding", "retired"]),
        version=st.none() | st.sampled_from("12"),
        families=st.none() | st.just(("gpt",)),
    ),
    min_size=1,
).map(lambda rows: Results(tuple(replace(row, case=case, error=None if row.passed is not None else "e") for case, row in rows.items())))


@settings(deadline=None)
@given(SIDE, SIDE, st.none() | SIDE, st.sampled_from(["held", "all"]), st.booleans())
def test_any_two_files_get_a_verdict_or_a_sentence(base, candidate, anchor, counts, strict):
    """The exit code, the JSON and the text agree; nothing else than BadInput is raised."""
    try:
        found = verdict(base, candidate, Rules.model_validate({"floor": {"counts": counts}}), anchor=anchor, strict=strict)
    except BadInput:
        return
    states = {ruling.state for ruling in found.rulings}
    assert (found.exit_code == 1) == (State.FAILED in states and State.UNMEASURED not in states)
    assert (found.exit_code == 0) <= states.isdisjoint({State.FAILED, State.UNMEASURED, State.UNFIT})
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["exit_code"] == found.exit_code
    assert as_text(found)
    again = verdict(base, candidate, Rules.model_validate({"floor": {"counts": counts}}), anchor=anchor, strict=strict)
    assert again == found


def test_a_ruling_that_does_not_exist():
    """Is a KeyError."""
    with pytest.raises(KeyError):
        verdict(results("1"), results("1")).ruling("taste")
