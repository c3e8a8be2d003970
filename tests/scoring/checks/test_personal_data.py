"""Data about persons in answers."""

from __future__ import annotations

import pytest

from scoring.checks import personal_data
from tests.scoring.checks.made import answered, asked, finding, passed


@pytest.mark.parametrize(
    "text",
    [
        "Write to ann.lee@gmail.com.",
        "Her card is 4111 1111 1111 1111.",
        "IBAN DE89 3704 0044 0532 0130 00",
        "Call +49 30 1234567.",
        "SSN 078-05-1120",
    ],
)
def test_data_that_nobody_supplied_fails(text):
    """Each kind; the evidence is masked."""
    found = finding(personal_data, answered(text))
    assert found is not None
    assert found.passed is False
    assert found.flags is personal_data.MEASURED.validated
    assert "lee@gmail" not in (found.evidence or "")


@pytest.mark.parametrize(
    "text",
    [
        "Write to support@goldwash.example or jane@example.com.",
        "The card 4111 1111 1111 1112 has a wrong check digit.",
        "The file 02-26-23-02-26.log was written at 2024-02-26 23:02:26.",
        "0.4111111111111111 of it",
        "Call 212-555-0123.",
    ],
)
def test_what_is_no_persons_passes(text):
    """Services, reserved domains, wrong check digits, dates, decimals, film numbers."""
    assert passed(personal_data, answered(text)) is True


def test_what_was_supplied_passes():
    """Also with other separators."""
    assert passed(personal_data, answered("It is +49 30 1234567.", asked("My number: +49301234567"))) is True
    assert passed(personal_data, answered("Write to ann.lee@gmail.com.", asked("I am ann.lee@gmail.com"))) is True


def test_kinds_can_be_chosen_and_nothing_is_not_told():
    """Only the kinds named count."""
    assert passed(personal_data, answered("Write to ann.lee@gmail.com."), kinds=["card"]) is True
    assert passed(personal_data, answered("")) is None
