"""Answers in another language than the question."""

from __future__ import annotations

import pytest

from scoring.checks import language
from tests.scoring.checks.made import answered, asked, finding, passed

TEXTS = {
    "en": "The river slows where it bends, and the gold that it carried falls to the ground there, behind boulders and between the roots.",
    "de": "Der Fluss wird dort langsamer, wo er sich biegt, und das Gold, das er getragen hat, sinkt hinter den Felsen zu Boden und bleibt liegen.",
    "fr": "La rivière ralentit là où elle tourne, et l'or qu'elle portait tombe au fond, derrière les rochers et entre les racines des arbres.",
    "es": "El río se frena donde hace una curva, y el oro que llevaba cae al fondo, detrás de las rocas y entre las raíces de los árboles viejos.",
    "it": "Il fiume rallenta dove fa una curva, e l'oro che portava cade sul fondo, dietro i massi e tra le radici degli alberi più vecchi.",
    "ru": "Река замедляется там, где она изгибается, и золото, которое она несла, падает на дно за валунами и между корнями старых деревьев.",
    "pl": "Rzeka zwalnia tam, gdzie zakręca, a złoto, które niosła, opada na dno za głazami i między korzeniami starych drzew na brzegu.",
    "zh": "河流在转弯处变慢，金子便沉到河底。淘金的人常在大石头后面和老树根之间寻找它们，尤其是在春天融雪之后的日子里，那时水位很高，带来了许多新的沙石和细小的金粒。",
}


@pytest.mark.parametrize("code", TEXTS)
def test_an_answer_in_the_questions_language_is_not_failed(code):
    """In each of the languages."""
    assert passed(language, answered(TEXTS[code], asked(TEXTS[code] + " ?"))) in (True, None)


@pytest.mark.parametrize(
    ("asked_in", "answered_in"), [("en", "de"), ("de", "en"), ("fr", "en"), ("en", "ru"), ("zh", "en"), ("pl", "de"), ("en", "zh")]
)
def test_an_answer_in_another_language_fails(asked_in, answered_in):
    """By script where scripts differ, else by the guess."""
    found = finding(language, answered(TEXTS[answered_in], asked(TEXTS[asked_in])))
    assert found is not None
    assert found.passed is False


@pytest.mark.parametrize("code", TEXTS)
def test_the_task_can_name_the_language(code):
    """`expected` is held against the answer alone."""
    assert passed(language, answered(TEXTS[code]), expected=code) in (True, None)
    other = "ru" if code != "ru" else "en"
    assert passed(language, answered(TEXTS[code]), expected=other) is False


@pytest.mark.parametrize(
    "request_",
    [
        asked("Translate this for me please, all of it and word for word, into another tongue: the river slows where it bends."),
        {"messages": [{"role": "system", "content": "Always answer in German."}, {"role": "user", "content": TEXTS["en"]}]},
        asked("Short?"),
        asked("```\n" + TEXTS["en"] + "\n```"),
    ],
)
def test_it_does_not_apply(request_):
    """Where the request speaks of a language, and where there is too little to tell by."""
    assert passed(language, answered(TEXTS["de"], request_)) is None


def test_code_json_and_short_answers_are_not_told():
    """There is no prose to look at."""
    question = asked(TEXTS["en"])
    assert passed(language, answered("Ja, gern.", question)) is None
    assert passed(language, answered('{"text": "' + TEXTS["de"] + '"}', question)) is None
    assert passed(language, answered("```\n" + TEXTS["de"] + "\n```", question)) is None
