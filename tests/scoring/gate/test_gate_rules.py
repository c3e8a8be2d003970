"""The rules file: the shipped one is the default, and a mistake is answered with the nearest rule."""

from __future__ import annotations

from datetime import date

import pytest

from scoring.gate.results import BadInput
from scoring.gate.rules import SHIPPED, Rules, load, parse


def test_the_shipped_file_says_what_the_defaults_are():
    """Whoever reads the file reads what holds without one."""
    assert load() == Rules()


def test_the_shipped_file_names_every_rule():
    """No key is hidden in the code."""
    text = SHIPPED.read_text(encoding="utf-8")
    for part, about in Rules.model_fields.items():
        for key in getattr(about.annotation, "model_fields", {part: None}):
            assert key in text, f"{part}.{key}"


def test_a_file_need_only_name_what_differs():
    """The rest stays."""
    rules = parse("[floor]\nrate = 0.9\n[floor.slices]\nbilling = 0.95", "mine.toml")
    assert rules.floor.slices == {"billing": 0.95}
    assert rules.regression == Rules().regression
    assert rules.fingerprint() != Rules().fingerprint()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[flor]\nrate = 1", "mine.toml: 'flor' is no rule"),
        ("[floor]\nrat = 1", "did you mean 'floor.rate'"),
        ("[floor]\nrate = 1.5", "floor.rate = 1.5: Input should be less than or equal to 1"),
        ("[regression]\nrerun_to = [5, 3]", "rerun_to must rise"),
        ("[regression", "mend the TOML"),
        ('[[acceptance]]\ncase = "a"\naccepted_on = 2026-01-01\nexpires_on = 2026-02-01\nreason = "r"', "acceptance.0.owner"),
        ('[[acceptance]]\ncase = "a"\nowner = "o"\naccepted_on = 2026-03-01\nexpires_on = 2026-02-01\nreason = "r"', "lies before"),
    ],
)
def test_a_mistake_is_named_with_its_fix(text, said):
    """File, key, value, and the nearest one that is known."""
    with pytest.raises(BadInput, match=said):
        parse(text, "mine.toml")


def test_an_acceptance_holds_from_its_day_to_its_last():
    """Neither before nor after."""
    text = '[[acceptance]]\ncase = "a"\nowner = "Ada"\naccepted_on = 2026-01-10\nexpires_on = 2026-02-01\nreason = "r"'
    rules = parse(text, "mine.toml")
    assert rules.accepted("a", date(2026, 1, 9)) is None
    assert rules.accepted("a", date(2026, 2, 2)) is None
    assert rules.accepted("b", date(2026, 1, 10)) is None
    found = rules.accepted("a", date(2026, 2, 1))
    assert found is not None
    assert found.owner == "Ada"


def test_a_rules_file_that_is_not_there(tmp_path):
    """The sentence names it."""
    with pytest.raises(BadInput, match="name a rules file"):
        load(tmp_path / "none.toml")
