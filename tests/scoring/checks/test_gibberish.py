"""Answers that are no language."""

from __future__ import annotations

import random

import pytest

from scoring.checks import gibberish
from tests.scoring.checks.made import PROSE, answered, asked, finding, passed

CHANCE = random.Random(1)


def _letters(alphabet: str, words: int = 60) -> str:
    return " ".join("".join(CHANCE.choice(alphabet) for _ in range(CHANCE.randrange(4, 10))) for _ in range(words))


@pytest.mark.parametrize(
    "text",
    [
        _letters("bcdfghjklmnpqrstvwxzaeiou"),
        _letters("qwrtpsdfgk"),
        "\ufffd\ufffd" * 20 + PROSE,
        "ababab" * 30,
        " ".join("".join(CHANCE.choice("abcdefghijежзийклмнопрс") for _ in range(7)) for _ in range(40)),
        "\x01\x02\x03" * 10 + PROSE,
    ],
    ids=["letters", "consonants", "replacement", "two letters", "two alphabets", "control"],
)
def test_gibberish_fails_and_overrides_a_judge(text):
    """A judge's pass does not stand against it."""
    found = finding(gibberish, answered(text))
    assert found is not None
    assert found.passed is False
    assert found.overrides_judge


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "Der Fluss wird langsam, wo er sich biegt, und das Gold sinkt dort zu Boden, hinter Felsen und Wurzeln.",
        "Řeka zpomaluje tam, kde se ohýbá, a zlato, které nesla, padá ke dnu za balvany a mezi kořeny starých stromů.",
        "Strč prst skrz krk je česká věta, která nemá jedinou samohlásku, ale zbytek tohoto odstavce jich má dost a dost.",
        "Река замедляется там, где она изгибается, и золото, которое она несла, падает на дно за валунами и корнями.",
        "河流在转弯处变慢，金子便沉到河底。淘金的人常在大石头后面和老树根之间寻找它们，尤其是在春天融雪之后的日子里，水位很高。" * 2,
        "النهر يتباطأ حيث ينحني والذهب الذي كان يحمله يسقط إلى القاع خلف الصخور وبين جذور الأشجار القديمة على الضفة",
        "HTTP GET PUT DNS TCP UDP TLS HTML CSS JSON XML YAML HTTPS SMTP IMAP and other such names that have no vowels at all in them",
        "1. 33.2 2. 44.1 3. 55.9 4. 66.4 5. 33.2 6. 44.1 7. 55.9 8. 66.4 9. 33.2 10. 44.1 11. 55.9 12. 66.4",
    ],
)
def test_languages_pass(text):
    """Alphabets, syllables, abbreviations and numbers."""
    assert passed(gibberish, answered(text)) is not False


def test_it_does_not_apply():
    """Short answers, JSON, and code alone."""
    assert passed(gibberish, answered("xzqw")) is None
    assert passed(gibberish, answered('{"key": "' + _letters("bcdfg") + '"}')) is None
    assert passed(gibberish, answered(_letters("bcdfg"), asked(response_format={"type": "json_object"}))) is None
    assert passed(gibberish, answered("```\n" + _letters("bcdfg") + "\n```")) is None
