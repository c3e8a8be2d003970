"""Rubric files, and how their mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from scoring.judge.rubric import BadRubric, load_all, parse
from scoring.tasks import RUBRICS

GOOD = """
name = "grounded"
version = 2
owner = "search team"

[[item]]
id = "supported"
question = "Is every claim supported by the documents?"
needs = ["context"]

[[item]]
id = "refuses"
question = "Does the answer refuse without need?"
good = "no"
"""


def test_a_rubric_is_read():
    """Defaults are filled in, and items are asked where the exchange has what they need."""
    rubric = parse(GOOD, "r.toml")
    assert (rubric.name, rubric.version, rubric.item[1].good, rubric.item[0].quote) == ("grounded", "2", "no", "on_fail")
    assert [item.id for item in rubric.asked(frozenset())] == ["refuses"]
    assert [item.id for item in rubric.asked(frozenset({"context"}))] == ["supported", "refuses"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('good = "no"', 'god = "no"'), "r.toml, line 14: item 2 god: there is no such key; did you mean good?"),
        (('good = "no"', 'good = "maybe"'), "r.toml, line 14: item 2 good: Input should be 'yes' or 'no'"),
        (('owner = "search team"\n', ""), "r.toml, line 1: owner: it is missing; add owner = …"),
        (('id = "refuses"', 'id = "supported"'), "r.toml, line 6: item: the id 'supported' stands twice: give each question its own"),
        (('id = "refuses"', 'id = "Re fuses"'), "r.toml, line 12: item 2 id: write lower case letters, digits and _, such as is_supported"),
        (('question = "Does the answer refuse without need?"', 'question = "No?"'), "r.toml, line 13: item 2 question:"),
        (('needs = ["context"]', 'needs = ["docs"]'), "r.toml, line 9: item 1 needs:"),
        (("[[item]]", "[[items]]"), "r.toml, line"),
        (("version = 2", "version = "), "r.toml: this is not valid TOML:"),
    ],
)
def test_a_mistake_is_told_with_its_line(change, told):
    """File, line, key and fix."""
    with pytest.raises(BadRubric) as error:
        parse(GOOD.replace(*change), "r.toml")
    assert str(error.value).startswith(told)


def test_a_rubric_without_a_critical_item_is_refused():
    """It could never fail anything."""
    with pytest.raises(BadRubric, match="no item is critical"):
        parse(GOOD.replace('good = "no"', "critical = false").replace('needs = ["context"]', "critical = false"), "r.toml")


def test_ones_own_rubric_replaces_a_shipped_one(tmp_path: Path):
    """Directories that stand earlier win; the same name twice in one directory is a mistake."""
    (tmp_path / "mine.toml").write_text(GOOD.replace('"grounded"', '"retrieval_qa"'))
    found = load_all([tmp_path, RUBRICS])
    assert found["retrieval_qa"].owner == "search team"
    assert len(found) == len(load_all([RUBRICS]))
    (tmp_path / "twice.toml").write_text(GOOD.replace('"grounded"', '"retrieval_qa"'))
    with pytest.raises(BadRubric, match=r"mine\.toml has the name 'retrieval_qa' already"):
        load_all([tmp_path])


def test_shipped_rubrics_are_sound():
    """Each one is read, has an owner, and its hash depends on its words."""
    found = load_all([RUBRICS])
    assert found
    assert len({rubric.hash for rubric in found.values()}) == len(found)
