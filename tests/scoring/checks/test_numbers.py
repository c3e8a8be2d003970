"""Numbers that stand in a source, or in none."""

from __future__ import annotations

import pytest

from scoring.checks import numbers
from scoring.checks.numbers import all_numbers, numbers_in
from tests.scoring.checks.made import answered, asked, finding, passed

SOURCE = asked("<context>Revenue was $1,234.50 in 1987, 12% more, of 48000 units at 40°C.</context> What was it?")


@pytest.mark.parametrize(
    "text", ["It was 1234.5.", "It was 1,234.50 dollars.", "48,000 units, 12 % more", "1. first\n2. second: 12%\n10. tenth 1987"]
)
def test_supplied_numbers_pass(text):
    """Separators, percent signs, noughts at the end and list numbers do not matter."""
    assert passed(numbers, answered(text, SOURCE)) is True


def test_a_new_number_fails_and_informs():
    """The reason names it; parts of longer numbers do not count."""
    found = finding(numbers, answered("It was 1,235 and 48 of 48000.", SOURCE))
    assert found is not None
    assert found.passed is False
    assert found.reason.endswith("1235, 48")
    assert found.score is not None
    assert abs(found.score - 1 / 3) < 1e-9
    assert found.flags is numbers.MEASURED.validated


def test_a_share_may_be_new():
    """`share` says how many must be found."""
    assert passed(numbers, answered("It was 1,235 of 48000.", SOURCE), share=0.5) is True


def test_it_does_not_apply():
    """No source, no numbers but list numbers, years and converted temperatures."""
    assert passed(numbers, answered("It was 77.")) is None
    assert passed(numbers, answered("1. yes\n2. no, in 2024", SOURCE)) is None
    assert passed(numbers, answered("It is warm (104°F).", SOURCE)) is None


def test_names_versions_and_citations_are_no_numbers():
    """What belongs to a word is no figure."""
    assert numbers_in("gpt-4o, v1.2.3, x86_64, [12], 10:30, 3/4, http://a.example:8080/77, #42") == []
    assert numbers_in("costs 12.50, or 7%") == ["12.50", "7"]
    assert all_numbers("1,234.50 and 12.") == {"1234.50", "1234.5", "12"}
