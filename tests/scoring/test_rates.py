"""Rates of a day from rows of the ledger: corrected by the audit's labels, or not known."""

from __future__ import annotations

import random
from datetime import date
from math import isnan, nan

import pytest

from scoring.rates import Judged, rates

DAY = date(2026, 3, 2)


def rows(number: int, labelled: float, failing: float = 0.2, feature: str = "search", day: date = DAY, seed: int = 1) -> list[Judged]:
    """Items of which a share fails; the judge sees 80% of the failures and cries wolf on 10% of the rest."""
    chance = random.Random(seed)
    made = []
    for place in range(number):
        fails = chance.random() < failing
        verdict = float(chance.random() < (0.8 if fails else 0.1))
        label = float(fails) if chance.random() < labelled else nan
        names = {"feature": feature, "model": "m", "prompt_version": f"{feature} v1"}
        made.append(
            Judged(
                f"{feature}{day}{place}", day, verdict, label, 0.05, labelled or 0.1, f"{feature}/none", f"{feature}{place}", "f1", names
            )
        )
    return made


def test_labels_correct_the_judge():
    """The judge says 24%, the truth is 20%, and the interval holds it."""
    found = {(one.kind, one.name): one for one in rates(rows(3000, 0.2))}
    whole = found["all", "all"]
    assert whole.judge_rate == pytest.approx(0.24, abs=0.02)
    assert whole.low < 0.2 < whole.high
    assert whole.rate is not None
    assert abs(whole.rate - 0.2) < 0.03
    assert found["feature", "search"].n == 3000


def test_without_labels_nothing_is_known():
    """The interval is everything, whatever the judge says."""
    whole = rates(rows(500, 0.0))[0]
    assert (whole.rate, whole.low, whole.high, whole.method) == (None, 0.0, 1.0, "none")


def test_older_labels_of_the_same_judge_serve_where_there_are_none():
    """The failure rate doubled since, and the interval holds it; labels of another judge do not count."""
    older = rows(1500, 0.3, day=date(2026, 2, 20), seed=2)
    today = rows(2000, 0.0, failing=0.4)
    whole = rates(today, older)[0]
    assert whole.method == "rogan-gladen"
    assert whole.low < 0.4 < whole.high < 1.0
    assert "older" in whole.warnings[0]
    others = [Judged(*(*(getattr(row, name) for name in row.__slots__[:-2]), "f2", row.names)) for row in older]
    assert rates(today, others)[0].method == "none"


def test_a_slice_that_differs_is_named():
    """One feature fails four times as often as the others."""
    together = rows(1500, 0.3, 0.05, "chat") + rows(1500, 0.3, 0.05, "mail", seed=5) + rows(600, 0.3, 0.4, "search", seed=9)
    found = {one.name: one for one in rates(together) if one.kind == "feature"}
    assert found["search"].differs
    assert list(found) == ["chat", "mail", "search"]


def test_an_empty_day_has_no_rates():
    """And unscored rows alone are no verdict."""
    assert rates([]) == []
    silent = [Judged(*(nan if name == "verdict" else getattr(row, name) for name in row.__slots__)) for row in rows(20, 0.0)]
    assert isnan(silent[0].verdict)
    assert rates(silent)[0].judge_rate is None
