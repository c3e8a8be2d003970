"""Cases are alike by what varies in them; few are chosen that stand for many, and the same cases give the same choice."""

from __future__ import annotations

from scoring.golden.case import of
from scoring.golden.likeness import NEARLY, choose, nearest, what_varies

TEMPLATE = "You are given a form. Read it with care, do as you are told, and answer with one number only. The form: "


def test_punctuation_makes_no_other_question() -> None:
    """Capitals, punctuation and white space do not tell two questions apart; a number does."""
    (_, first), (other, same), (_, different) = nearest(
        ["How long do refunds take?", "how long  do refunds take ??", "Which river has gold"], ["What is 3+5"]
    )
    assert first < 0.5
    assert (other, same >= NEARLY) == (1, True)
    assert different < 0.5
    assert nearest(["What is 3+6"], ["What is 3+5"])[0][1] < NEARLY


def test_what_all_share_counts_little() -> None:
    """Behind a long template the few words that differ decide."""
    texts = [TEMPLATE + name for name in ("invoice 17 of Smith", "invoice 18 of Jones", "letter from Berlin", "receipt for a boat")]
    assert all(alike < NEARLY for _, alike in nearest(texts, []))


def test_the_systems_words_do_not_count() -> None:
    """Two questions under one system prompt are two questions; documents and tool results count."""
    body = {"messages": [{"role": "system", "content": TEMPLATE}, {"role": "user", "content": "A?"}]}
    one = of({"input": {"body": body}, "context": [{"text": "doc"}]}, "x")
    assert what_varies(one).split() == ["A?", "doc"]
    assert "q" in what_varies(of({"input": {"vars": {"q": "words"}}}, "x"))


def test_few_stand_for_many() -> None:
    """Of three themes, three cases are chosen, one each, the largest theme first; what is covered already is not chosen again."""
    texts = [f"refund of order {n} how long" for n in range(6)] + [f"gold in river {n} how much" for n in range(3)] + ["weather tomorrow"]
    chosen = choose(texts, 3)
    assert chosen[0] < 6
    assert sorted(("refund" in texts[n], "gold" in texts[n]) for n in chosen) == [(False, False), (False, True), (True, False)]
    assert choose(texts, 3) == chosen
    assert "refund" not in texts[choose(texts, 1, covered=["refund of order 3 how long", "refund of order 5 how long"])[0]]
    assert len(choose(texts, 99)) == len(texts)
    assert choose([], 3) == []
    assert choose(["", ""], 1) == [0]
    heavy = [1.0] * 9 + [50.0]
    assert choose(texts, 1, weights=heavy) == [9]
