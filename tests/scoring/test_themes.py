"""Groups of much the same texts, and themes with names."""

from __future__ import annotations

import random

from scoring.themes import groups, themes
from tests.scoring.made import prose

TOPICS = {
    "refund": "refund money order cancelled payment card charged twice invoice shop",
    "password": "password login account locked reset email link expired signin security",
    "weather": "weather rain forecast wind storm temperature snow cloud sunny degrees",
}


def about(topic: str, number: int) -> str:
    """A text on a topic, of its words and some of everybody's."""
    chance = random.Random(f"{topic}{number}")
    return " ".join(chance.choices(TOPICS[topic].split(), k=14) + chance.choices("customer asks help today thing matter case".split(), k=6))


def test_copies_with_a_word_changed_are_one_group():
    """The group bears the number of its first text; different texts stay apart."""
    chance = random.Random(3)
    first, other = prose(chance, 600), prose(chance, 600)
    changed = first.replace(" gold ", " silver ", 1).replace(" river ", " lake ", 1)
    assert groups([first, other, changed, first, other.upper()]) == [0, 1, 0, 0, 1]
    assert groups(["", "", "a"]) == [0, 0, 2]


def test_themes_are_told_apart_and_named_by_their_words():
    """Thirty texts on three matters: a theme holds one matter, and its name says which."""
    texts = [about(topic, number) for number in range(10) for topic in TOPICS]
    of_text, names = themes(texts)
    assert themes(texts) == (of_text, names)
    for place, theme in enumerate(of_text):
        mine = list(TOPICS)[place % 3]
        named = set(names[theme].replace(",", "").split())
        assert len(named & set(TOPICS[mine].split())) >= 2, (mine, names[theme])
        assert all(named.isdisjoint(words.split()) for topic, words in TOPICS.items() if topic != mine)


def test_few_or_empty_texts_are_no_error():
    """One text is a theme; a text without words has a name that says so."""
    assert themes([]) == ([], [])
    assert themes([about("refund", 1)])[0] == [0]
    assert themes(["", "12 34"]) == ([0, 0], ["(no words)"])
