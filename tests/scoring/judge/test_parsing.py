"""What a judge's answer means: sealed, last, quoted; anything else is unscored."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.judge.material import Material, Passage
from scoring.judge.parsing import confidence, grades, occurs, overall
from scoring.judge.prompt import Question, question
from scoring.judge.rubric import Item, Rubric

RUBRIC = Rubric(
    name="r",
    version="1",
    owner="tests",
    item=(
        Item(id="supported", question="Is every claim supported?"),
        Item(id="invents", question="Does it invent anything?", good="no", quote="always"),
        Item(id="polite", question="Is the answer polite at all?", critical=False, quote="never"),
    ),
)
MATERIAL = Material(
    (Passage("conversation", "[user] Where is gold?"), Passage("answer", "Gold lies in “slow” bends.\nPan there.")), frozenset(), 0
)


def posed() -> Question:
    """The question that all answers here are to."""
    return question(RUBRIC, RUBRIC.item, MATERIAL, "item-1", "seed")


def answer(seal: str | None = None, **changes: object) -> str:
    """A right answer, with changes by item id; None leaves an item out."""
    given: dict[str, object] = {
        "supported": {"reason": "it is", "quote": "", "verdict": "yes", "confidence": 90},
        "invents": {"reason": "it does not", "quote": "slow bends", "verdict": "no", "confidence": 80},
        "polite": {"reason": "fine", "quote": "", "verdict": "yes", "confidence": 99},
    }
    given["invents"]["quote"] = '"slow" bends'  # type: ignore[index]
    given |= changes
    return json.dumps({"seal": seal or posed().seal, "grades": {key: value for key, value in given.items() if value is not None}})


def grade(verdict: str, quote: str = "", sure: object = 90) -> dict[str, object]:
    return {"reason": "because", "quote": quote, "verdict": verdict, "confidence": sure}


def test_a_right_answer_passes():
    """Each item is compared with its own good answer, and the whole passes with the confidence of its least sure item."""
    found = grades(answer(), posed())
    assert [one.passed for one in found] == [True, True, True]
    assert overall(found) == (True, None)
    assert confidence(found) == 0.8


def test_one_failed_critical_item_fails_the_whole():
    """A failure needs its quote, and is as sure as its surest item."""
    found = grades(answer(supported=grade("no", "Pan there", 70)), posed())
    assert overall(found) == (False, None)
    assert confidence(found) == 0.7
    assert overall(grades(answer(polite=grade("no")), posed())) == (True, None)


def test_a_quote_that_stands_nowhere_makes_the_verdict_unscored():
    """Whoever makes up the words makes up the verdict."""
    found = grades(answer(supported=grade("no", "Gold lies in fast bends")), posed())
    assert found[0].passed is None
    assert found[0].unscored == "the judge's quote does not stand in the judged text"
    assert overall(found) == (None, "supported: the judge's quote does not stand in the judged text")
    assert grades(answer(supported=grade("no")), posed())[0].unscored == "the judge quotes nothing for it"
    assert grades(answer(invents=grade("no")), posed())[1].unscored == "the judge quotes nothing for it"


@pytest.mark.parametrize("quote", ["GOLD LIES", "gold … pan there", '"slow"', "slow” bends. Pan", "Where is gold?"])
def test_quotes_may_differ_in_typography(quote):
    """White space, case, quotation marks and left-out middles do not matter."""
    assert occurs(quote, MATERIAL.text)


def test_the_middle_of_a_quote_must_stand_in_order():
    """Parts of a quote in another order are not a quote."""
    assert not occurs("pan there … gold lies", MATERIAL.text)
    assert not occurs("…", MATERIAL.text)


def test_the_last_sealed_grades_count():
    """A judge that drafts first is read by its last word; grades with another seal are somebody else's."""
    draft, final = answer(supported=grade("no", "Pan there")), answer()
    assert overall(grades(f"Let me think. {draft}\nOn reflection:\n```json\n{final}\n```", posed())) == (True, None)
    assert overall(grades(f"{final} {draft}", posed())) == (False, None)
    assert overall(grades(f"{draft} {answer(seal='000000000000')}", posed())) == (False, None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "the judge gave no answer"),
        ("   ", "the judge gave no answer"),
        ("PASS", "the judge's answer holds no sealed grades"),
        ('{"grades": {}}', "the judge's answer holds no sealed grades"),
        (answer(seal="123456789abc"), "the judge's answer holds no sealed grades"),
        (answer()[:-5], "the judge's answer holds no sealed grades"),
    ],
)
def test_what_cannot_be_read_is_unscored_never_failed(text, why):
    """Nothing, prose, JSON without the seal, JSON that was cut off."""
    found = grades(text, posed())
    assert [one.passed for one in found] == [None, None, None]
    assert found[0].unscored == why


def test_items_that_are_left_out_or_odd_are_unscored():
    """The other items keep their verdicts."""
    found = grades(answer(supported=None, invents=grade("perhaps")), posed())
    assert found[0].unscored == "the judge left the question out"
    assert found[1].unscored == "the verdict 'perhaps' is none of yes, no, cannot_tell"
    assert found[2].passed
    assert grades(answer(supported=grade("cannot_tell")), posed())[0].unscored == "the judge cannot tell"


@pytest.mark.parametrize(
    ("said", "read"), [(90, 0.9), (0.9, 0.9), ("85%", 0.85), ("sure", None), (None, None), (True, None), (400, None), (1, 1.0)]
)
def test_confidence_is_read_as_a_share(said, read):
    """Judges write it in many ways; what is no number is not known."""
    assert grades(answer(supported=grade("yes", sure=said)), posed())[0].confidence == read


@given(
    st.text()
    | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_no_answer_breaks_the_parser(value):
    """Any text, and any JSON with the right seal, is read or unscored."""
    text = value if isinstance(value, str) else json.dumps({"seal": posed().seal, "grades": value})
    found = grades(text, posed())
    assert len(found) == 3
    assert all(one.passed is not False or one.quote for one in found[:2])
