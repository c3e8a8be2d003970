"""Evaluators that ask a judge, over real sockets: who may grade, when a second is asked, and what an outage comes to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from scoring.gate.evaluators import evaluate
from scoring.gate.evaluators.judges import Judges
from scoring.judge import client
from scoring.judge.fingerprint import fingerprint
from scoring.judge.rubric import Item, Rubric
from tests.helpers import judge as judges
from tests.helpers.upstream import Upstream, answer
from tests.scoring.gate.evaluators.made import bench, by_human, by_judge, case, reply

FIRST, SECOND = "/judge/v1/chat/completions", "/judge/v1/messages"
RUBRIC: dict[str, Any] = {
    "name": "support",
    "item": "polite",
    "question": "Is the answer polite to the user?",
    "good": "yes",
    "verdict": "fail",
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of a hundredth."""
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.005)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """In the place of proxy and judges together."""
    with Upstream() as running:
        running.on(FIRST, judges.judge())
        running.on(SECOND, judges.judge())
        yield running


def calls(upstream: Upstream) -> tuple[int, int]:
    """Requests to the first and to the second judge."""
    return len(upstream.to(FIRST)), len(upstream.to(SECOND))


async def test_a_rubrics_question_is_graded_with_fingerprint_reason_and_quote(upstream, tmp_path):
    """The grade says which judge, asked how, and why it failed."""
    async with bench(tmp_path, upstream) as found:
        good = await evaluate(case(rubric=RUBRIC), reply("With pleasure."), found)
        bad = await evaluate(case(rubric=RUBRIC), reply("You are a BAD customer."), found)
    assert good.passed is True
    assert (bad.passed, bad.deterministic, bad.families) == (False, False, ("first",))
    grade = bad.grades[0]
    assert (grade.name, grade.evidence, grade.family) == ("rubric.support.polite", "BAD", "first")
    assert "because of polite" in grade.reason
    assert len(grade.detail["fingerprint"]) == 16
    assert bad.cost_usd is None, "the price of this judge is not known, and unknown is not 0"


async def test_the_words_of_the_case_are_asked_not_those_that_the_rubric_has_now(upstream, tmp_path):
    """A case is pinned to the question it was confirmed with; a rubric gives the words only where the case has none."""
    rubric = Rubric(name="support", version="2", owner="t", item=(Item(id="polite", question="Is every word of it courteous?"),))
    async with bench(tmp_path, upstream, rubrics={"support": rubric}) as found:
        await evaluate(case(rubric=RUBRIC), reply("With pleasure."), found)
        now = await evaluate(case(rubric={**RUBRIC, "question": None, "fingerprint": "f" * 16}), reply("With pleasure."), found)
        nightly = fingerprint(found.first.judge, rubric, found.most_characters).id
        assert (now.grades[0].detail["fingerprint"], now.grades[0].detail["confirmed_with"]) == (nightly, "f" * 16)
        unknown = await evaluate(case(rubric={**RUBRIC, "question": None, "item": "other"}), reply("With pleasure."), found)
    asked = [judges.Asked(bytes(one.body)).user for one in upstream.to(FIRST)]
    assert "Is the answer polite to the user?" in asked[0]
    assert "Is every word of it courteous?" in asked[1]
    assert unknown.passed is None
    assert "no rubric support has a question other" in (unknown.error or "")


async def test_a_judge_that_confirmed_a_case_may_not_grade_it(upstream, tmp_path):
    """Without another family nothing is measured; with one, that one is asked."""
    confirmed = case(rubric=RUBRIC, confirmation=[by_judge("first")])
    async with bench(tmp_path, upstream) as found:
        alone = await evaluate(confirmed, reply("Fine."), found)
    assert alone.passed is None
    assert "none of them may grade it" in (alone.error or "")
    assert calls(upstream) == (0, 0)
    async with bench(tmp_path, upstream, second=True) as found:
        other = await evaluate(confirmed, reply("BAD"), found)
    assert (other.passed, other.families) == (False, ("second",))
    assert calls(upstream) == (0, 1)


async def test_a_failed_critical_case_is_confirmed_by_another_family(upstream, tmp_path):
    """Only such a case costs a second call; both opinions stand in the grades."""
    upstream.on(SECOND, judges.judge(lambda item, evidence: ("yes", "", 90)))
    critical = {"rubric": RUBRIC, "critical": True, "confirmation": [by_human()]}
    async with bench(tmp_path, upstream, second=True) as found:
        ordinary = await evaluate(case(rubric=RUBRIC), reply("BAD"), found)
        assert (ordinary.families, calls(upstream)) == (("first",), (1, 0))
        doubted = await evaluate(case("Another?", **critical), reply("BAD"), found)
    assert (doubted.passed, doubted.families) == (False, ("first",))
    assert [grade.passed for grade in doubted.grades] == [False, True]
    assert calls(upstream) == (2, 1)


@pytest.mark.parametrize("mood", [answer(503, [], b"down"), answer(401, [], b"no key"), answer(200, [], b"<html>")])
async def test_a_judge_that_is_down_measures_nothing(upstream, tmp_path, mood):
    """None and the reason, for rubric, reference and pair alike; never a failure."""
    upstream.on(FIRST, lambda _: mood)
    parts: list[dict[str, Any]] = [
        {"rubric": RUBRIC},
        {"expected": {"text": "Two weeks."}},
        {"checks": [{"name": "pairwise", "options": {"against": "expected"}}], "expected": {"text": "Two weeks."}},
    ]
    async with bench(tmp_path, upstream) as found:
        for part in parts:
            evaluation = await evaluate(case(**part), reply("In 14 days."), found)
            assert evaluation.passed is None
            assert "gave no verdict" in (evaluation.error or "")


async def test_another_model_that_answers_is_not_believed(upstream, tmp_path):
    """The fingerprint is pinned to a model: a substitute's verdict is none."""

    def impostor(request: Any) -> Any:
        asked = judges.Asked(bytes(request.body))
        return answer(200, [("Content-Type", "application/json")], judges.wrapped(asked, judges.graded(asked), "gpt-cheap"))

    upstream.on(FIRST, impostor)
    async with bench(tmp_path, upstream) as found:
        evaluation = await evaluate(case(rubric=RUBRIC), reply("BAD"), found)
        assert found.memory == {}, "what must not be believed is not kept"
    assert evaluation.passed is None
    assert "gpt-cheap answered" in (evaluation.error or "")


async def test_free_text_is_held_to_the_expected_text_by_a_judge(upstream, tmp_path):
    """The judge is shown both; contradicting fails, whatever the words."""
    wanted = case(expected={"text": "Refunds take 14 days."})
    upstream.on(FIRST, judges.judge(lambda item, evidence: ("no" if item == "contradicts" else "yes", "", 95)))
    async with bench(tmp_path, upstream) as found:
        assert (await evaluate(wanted, reply("Two weeks."), found)).passed is True
        upstream.on(FIRST, judges.judge(lambda item, evidence: ("yes", "BAD" if item == "contradicts" else "", 95)))
        wrong = await evaluate(wanted, reply("Three weeks, BAD."), found)
        silent = await evaluate(wanted, reply(None), found)
    assert "Refunds take 14 days." in judges.Asked(bytes(upstream.to(FIRST)[0].body)).evidence
    assert (wrong.passed, wrong.grades[0].evidence) == (False, "BAD")
    assert (silent.passed, silent.deterministic) == (False, True)


@pytest.mark.parametrize(
    ("prefers", "outcome", "passed", "better"),
    [("NEW", "better", True, True), ("OLD", "worse", False, False), ("first", "tie", True, False), ("none", "tie", True, False)],
)
async def test_a_pair_is_judged_in_both_orders(upstream, tmp_path, prefers, outcome, passed, better):
    """A judge that only likes the first place makes a tie."""

    def by(item: str, evidence: str) -> tuple[str, str, int]:
        first = evidence.partition("<answer A>")[2].partition("</answer A>")[0]
        return {"first": "a", "none": "cannot_tell"}.get(prefers) or ("a" if prefers in first else "b"), "", 90

    upstream.on(FIRST, judges.judge(by))
    async with bench(tmp_path, upstream) as found:
        for need, expected in (("not_worse", passed), ("better", better)):
            one = case(checks=[{"name": "pairwise", "options": {"need": need}}])
            evaluation = await evaluate(one, reply("NEW words"), Judges(found.first, baseline={one.id: "OLD words"}))
            assert (evaluation.passed, evaluation.grades[0].detail["outcome"]) == (expected, outcome)
    assert calls(upstream) == (4, 0)


async def test_a_pair_needs_the_other_answer(upstream, tmp_path):
    """Without one nothing is measured; with the same one nobody is asked."""
    one = case(checks=[{"name": "pairwise"}])
    async with bench(tmp_path, upstream, baseline={}) as found:
        assert "no answer of the baseline" in ((await evaluate(one, reply("x"), found)).error or "")
    async with bench(tmp_path, upstream, baseline={one.id: "x "}) as found:
        assert (await evaluate(one, reply("x"), found)).passed is True
    assert calls(upstream) == (0, 0)


async def test_the_same_reply_is_judged_once_and_stored_answers_decide_without_keys(upstream, tmp_path):
    """Memory carries over to a run that may ask nobody; a reply that is new to it is not measured."""
    memory: dict[str, Any] = {}
    async with bench(tmp_path, upstream, memory=memory) as found:
        first = await evaluate(case(rubric=RUBRIC), reply("BAD"), found)
        again = await evaluate(case(rubric=RUBRIC), reply("BAD"), found)
    assert (first.passed, again.passed, again.cost_usd) == (False, False, 0.0)
    assert calls(upstream) == (1, 0)
    async with bench(tmp_path, upstream, memory=memory, recorded=True) as found:
        stored = await evaluate(case(rubric=RUBRIC), reply("BAD"), found)
        fresh = await evaluate(case(rubric=RUBRIC), reply("Other."), found)
    assert stored.passed is False
    assert fresh.passed is None
    assert "a run with the judge's key is needed" in (fresh.error or "")
    assert calls(upstream) == (1, 0)


async def test_no_judge_is_asked_where_code_found_a_failure(upstream, tmp_path):
    """A failed check settles it for nothing."""
    async with bench(tmp_path, upstream) as found:
        evaluation = await evaluate(case(rubric=RUBRIC, checks=[{"name": "contains", "options": {"values": ["14"]}}]), reply("BAD"), found)
    assert (evaluation.passed, evaluation.deterministic, evaluation.cost_usd) == (False, True, 0.0)
    assert calls(upstream) == (0, 0)
