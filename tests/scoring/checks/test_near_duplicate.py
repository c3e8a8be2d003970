"""One answer to many questions."""

from __future__ import annotations

import pickle
import random

import pytest

from scoring.checks import near_duplicate
from scoring.checks.near_duplicate import Duplicates, Options, sketch
from tests.scoring.checks.made import PROSE, answered, asked

WORDS = [f"word{n}" for n in range(2_000)]


def _day(texts, questions=None, options=None, **columns):
    """The findings over exchanges with these texts, each to a question of its own."""
    options = options or Options()
    day = Duplicates(options)
    for number, text in enumerate(texts):
        question = questions[number] if questions else f"Question {number}: why is that so?"
        one = sketch(answered(text, asked(question), exchange_id=f"id-{number}", **columns), options)
        if one is not None:
            day.add(one)
    return day


def _edited(text, chance):
    words = text.split()
    words[chance.randrange(len(words))] = "instead"
    return " ".join(words)


def test_one_answer_to_many_questions_fails_and_overrides_a_judge():
    """Also where a word differs each time."""
    chance = random.Random(1)
    findings = _day([_edited(PROSE * 3, chance) for _ in range(30)]).findings()
    assert len(findings) == 30
    first = findings["id-0"]
    assert first.passed is False
    assert first.overrides_judge
    assert "30 different questions" in first.reason


def test_different_answers_pass():
    """Of the same length and the same words in other sets."""
    chance = random.Random(2)
    assert _day([" ".join(chance.choices(WORDS, k=100)) for _ in range(60)]).findings() == {}


def test_one_question_asked_again_is_no_fault():
    """The same answer to the same question is what one hopes for."""
    assert _day([PROSE] * 30, questions=["Where is gold?"] * 30).findings() == {}


def test_a_small_share_of_a_features_day_is_no_fault():
    """Ten stock answers among a thousand others."""
    chance = random.Random(3)
    others = [" ".join(chance.choices(WORDS, k=60)) for _ in range(600)]
    assert _day([PROSE * 2] * 12 + others).findings() == {}


@pytest.mark.parametrize(
    "text", ["positive", '{"name": "the same fields again and again, as extraction has them, more than twelve words"}', ""]
)
def test_it_does_not_apply(text):
    """Labels, JSON, nothing."""
    assert sketch(answered(text), Options()) is None


def test_garbage_in_brackets_is_looked_at():
    """Only what is JSON is left out: a model that games a judge may begin with a bracket."""
    assert len(_day(["[[ output " + PROSE] * 20).findings()) == 20


def test_memory_is_bounded(monkeypatch):
    """Beyond so many different answers no new ones are remembered, and those that came early are still found."""
    monkeypatch.setattr(near_duplicate, "MOST_GROUPS", 5)
    chance = random.Random(4)
    day = _day([PROSE * 2] + [" ".join(chance.choices(WORDS, k=60)) for _ in range(50)] + [PROSE * 2] * 20)
    assert len(day._first) == 5
    assert len(day.findings()) == 21


def test_a_sketch_travels_between_processes():
    """Pickled and back, it finds the same group."""
    one, other = (sketch(answered(PROSE, exchange_id=name), Options()) for name in "ab")
    assert one is not None
    assert other is not None
    day = Duplicates()
    day.add(pickle.loads(pickle.dumps(one)))
    day.add(other)
    assert list(day.groups()) == [["a", "b"]]


def test_a_lone_surrogate_does_not_stop_the_night():
    """Text that is no UTF-8 is sketched all the same."""
    assert sketch(answered(PROSE + "\ud800"), Options()) is not None
