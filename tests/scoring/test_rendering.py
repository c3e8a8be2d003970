"""The report's page: everything is there on each medium, and text of the traffic stays text."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from scoring.calibration.calibrate import Opinion, calibrations, people
from scoring.calibration.report import Report as Calibrations
from scoring.estimates.labels import Chosen, Truth
from scoring.metrics import Metric
from scoring.rates import Rate
from scoring.rendering import markdown, page, show, write
from scoring.report import Report, rate_words

HOSTILE = "<img src=x onerror=alert(1)> | [click](http://evil.example) `rm`"


def rate(**changes: Any) -> Rate:
    known: dict[str, Any] = {"kind": "all", "name": "all", "n": 500, "judge_rate": 0.11, "rate": 0.081, "low": 0.05, "high": 0.12}
    return Rate(**{**known, "n_labels": 60, "method": "jeffreys", "differs": False, "warnings": (), **changes})


def health() -> Calibrations:
    """A judge with sixty labels, and two people who labelled ten of them."""
    at = datetime(2026, 3, 2, tzinfo=UTC)
    opinions = [
        Opinion(str(n), "free_chat", "f1", "m-1", n % 4 != 0, 0.9, 0.5, 0.5, None, None, anchor=n < 30, is_question=False, at=at)
        for n in range(60)
    ]
    again = [replace(one, passed=not one.passed if int(one.item) < 9 else one.passed, at=at + timedelta(days=7)) for one in opinions[:30]]
    truths = {str(n): Truth(n % 4 != 0 or n > 50, 0.5, at) for n in range(60)}
    chosen = Chosen(truths, {}, [(n % 4 != 0, n % 5 != 0) for n in range(20)])
    found = calibrations([*opinions, *again], chosen, at, level=0.95, seed=1)
    return Calibrations(at, 0.95, found, people(chosen, level=0.95, seed=1), {})


@pytest.fixture
def report() -> Report:
    """A day with something in every section."""
    feature = rate(kind="feature", name=HOSTILE, warnings=("no labels in a/pass",), differs=True)
    return Report(
        date(2026, 3, 2),
        {"exchanges": 1000, "checked": 1000, "failed": 12},
        [{"name": "truncated", "failed": 12, "informs": 0, "unscored": 1}],
        [{"state": "scored", "why": None, "n": 480}, {"state": "failed", "why": "status 503", "n": 20}],
        [
            {
                "scorer": "m-1",
                "role": "judge",
                "answers": 480,
                "unscored": 2,
                "cost_usd": 0.5,
                "unpriced": 1,
                "answered_as": "m-2",
                "tries": 490,
            },
        ],
        [],
        [rate(), feature],
        {("all", "all"): rate(rate=0.07)},
        {},
        {"free_chat": [Metric("verdict_pass", 0.9, 480), Metric("recall_at_k", None, 0, "no relevance was reported")]},
        [{"is_new": True, "theme": "refund, card", "names": "judge:free_chat", "flags": 9, "groups": 2, "example": HOSTILE}],
        {"failure": 9, "review": 2, "exchanges": 40, "audit": 10, "second": 4, "candidates": 3},
        {"a retry": 7},
        health(),
    )


class Tags(HTMLParser):
    """Names of all tags."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)


def test_every_medium_shows_every_figure(report):
    """Rates with their intervals, new themes, what waits, the judge's health, what was not scored."""
    terminal = io.StringIO()
    show(report, terminal)
    for shown in (terminal.getvalue(), markdown(report), page(report)):
        flat = " ".join(shown.replace("\\", "").split())
        for wanted in (
            "8.1% (5.0% to 12.0%)",
            "refund, card",
            "status 503",
            "$0.5000",
            "differs from the rest",
            "verdict_pass",
            "m-1 is an alias",
            "these failures and doubts are 40 exchanges",
            "not sampled",
            "a retry",
            "people with each other: kappa 0.",
            "9 of 30, drift",
            "9 of 30 frozen anchors flipped",
        ):
            assert wanted in flat, wanted


def test_text_of_the_traffic_stays_text(report):
    """No tag, link, image, table cell or code comes of it."""
    tags = Tags()
    tags.feed(page(report))
    assert tags.seen.isdisjoint({"img", "script", "a", "iframe"})
    lines = [line for line in markdown(report).splitlines() if "onerror" in line]
    assert lines
    assert not any(re.search(r"(?<!\\)[<\[`!]", line) for line in lines)
    assert len({line.replace("\\|", "").count("|") for line in lines if "refund" in line}) == 1


def test_a_rate_never_stands_without_its_interval():
    """What is not known says so."""
    assert rate_words(rate()) == "8.1% (5.0% to 12.0%)"
    assert rate_words(rate(rate=None, low=0.0, high=1.0)) == "not known: no labels"
    assert rate_words(rate(method="rogan-gladen")).endswith("by older labels")


def test_files_are_named_by_the_day(report, tmp_path: Path):
    """Written whole, and over those of an earlier run."""
    written = write(report, tmp_path / "reports")
    assert [file.name for file in written] == ["2026-03-02.md", "2026-03-02.html"]
    assert write(report, tmp_path / "reports") == written
    assert sorted(file.name for file in (tmp_path / "reports").iterdir()) == ["2026-03-02.html", "2026-03-02.md"]
