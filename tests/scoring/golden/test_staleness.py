"""How old a golden set is: its distance from traffic, cases that no longer match, growth, and who vouches for it; on a real log too."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from scoring.commands.golden import golden
from scoring.golden.case import Confirmation, Expected, GoldenCase, Input, RubricItem, Source, text_of
from scoring.golden.coverage import coverage, jensen_shannon
from scoring.golden.staleness import Seen, Trend, gone, months, one_judge, opposed
from tests.scoring.made import DAY, row, store

PARCEL = "When will my parcel number {} arrive, the courier tracking stands still"
REFUND = "I want the refund money for invoice {} back on my credit card please"
RECIPE = "Which spices belong into a vegetable curry with {} grams of lentils"


def case(question: str, **fields: Any) -> GoldenCase:
    given = {"confirmation": (Confirmation(by="human", who="ann", verdict="pass", at="2026-02-01"),), "status": "confirmed", **fields}
    body = {"messages": [{"role": "user", "content": question}], **given.pop("body", {})}
    return GoldenCase(split="representative", input=Input(body=body), expected=Expected(text="x"), **given)


def test_the_distance_is_jensen_and_shannons():
    """0 for the same shares, 1 for nothing shared, and a figure worked out by hand between."""
    import numpy as np

    assert jensen_shannon(np.array([2.0, 2.0]), np.array([5.0, 5.0])) == pytest.approx(0)
    assert jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(1)
    assert jensen_shannon(np.array([1.0, 0.0]), np.array([1.0, 1.0])) ** 2 == pytest.approx(0.311278, abs=1e-6)


def test_coverage_tells_themes_that_only_one_side_has():
    """A theme of the traffic without a case is uncovered, with Wilson's interval; one without traffic is told too."""
    traffic = [PARCEL.format(n) for n in range(60)] + [REFUND.format(n) for n in range(40)]
    near = coverage(traffic, [PARCEL.format(n) for n in range(100, 112)] + [REFUND.format(n) for n in range(100, 108)])
    assert near.uncovered is not None
    assert near.uncovered.value == 0
    assert near.distance is not None
    assert near.by_chance is not None
    assert near.distance.value < 0.3
    far = coverage(traffic, [PARCEL.format(n) for n in range(100, 110)] + [RECIPE.format(n) for n in range(10)])
    assert far.uncovered is not None
    assert far.distance is not None
    assert far.by_chance is not None
    assert far.uncovered.value == pytest.approx(0.4)
    assert 0.3 < far.uncovered.low < 0.4 < far.uncovered.high < 0.5
    assert far.distance.low > far.by_chance
    assert any(one.cases and not one.exchanges for one in far.themes)
    assert coverage(traffic[:5], ["a"]).distance is None
    assert coverage(traffic, ["a"]) == coverage(traffic, ["a"])


def test_a_set_that_stands_for_the_traffic_seldom_warns():
    """Of 50 sets drawn from the traffic itself some 5% lie further than chance explains; of sets that lack a quarter of it, nearly all."""
    import numpy as np

    from scoring.golden.coverage import _distance

    chance = np.random.default_rng(3)
    told = {0.0: 0, 0.25: 0}
    for _ in range(50):
        themes = chance.dirichlet(np.ones(12) * 2)
        for moved in told:
            traffic = np.concatenate([themes * (1 - moved), [moved / 2, moved / 2]])
            n = chance.multinomial(1000, traffic).astype(np.float64)
            cases = chance.multinomial(40, np.concatenate([themes, [0, 0]])).astype(np.float64)
            distance, by_chance = _distance(n[n + cases > 0], cases[n + cases > 0], 1)
            told[moved] += distance.value > by_chance
    assert told[0.0] <= 7
    assert told[0.25] >= 47


def test_cases_that_the_traffic_left_behind():
    """A model, prompt version, tool or feature that is not seen any more is named; too little traffic says nothing."""
    tool = {"tools": [{"type": "function", "function": {"name": "fly"}}]}
    source = Source(exchange_id="x", feature="chat", request_model="gpt-4o", prompt_version="v1")
    cases = [case("one", source=source, body=tool), case("two", source=Source(exchange_id="y", feature="old")), case("three")]
    seen = {"chat": Seen(90, frozenset({"gpt-5"}), frozenset({"v2"}), frozenset({"walk"}))}
    assert [(one.what) for one in gone(cases, seen)] == ["prompt_version", "model", "tools", "feature"]
    assert gone(cases, {"chat": Seen(10, frozenset({"gpt-5"}), frozenset({"v2"}), frozenset())}) == []


def test_growth_by_month():
    """Cases count in the month of their first confirmation, and again in that of their retirement."""
    retired = case("b", status="retired", metadata={"retired": {"who": "ann", "at": "2026-03-09T00:00:00+00:00"}})
    assert [(one.month, one.confirmed, one.retired) for one in months([case("a"), retired])] == [("2026-02", 2, 0), ("2026-03", 0, 1)]


def test_one_judge_that_does_everything_is_told():
    """Cases that one family alone confirmed, and that it would grade; a person or another family ends the warning."""
    by = (Confirmation(by="judge", who="gpt-5-2025-08-07", family="openai", verdict="pass", at="2026-02-01"),)
    alone = [
        case(f"q{n}", confirmation=by, rubric=RubricItem(name="free_chat", item="x"), expected_source="judge_draft_accepted")
        for n in range(3)
    ]
    (said,) = one_judge([*alone, case("human")], frozenset({"openai"}))
    assert "3 of 4 held cases were confirmed by judges of the family openai alone, 3 of them with an expected answer" in said
    assert "may not grade 3 of them" in said
    assert one_judge([case("human")], frozenset({"openai"})) == []


def test_form_against_users():
    """Better format checks beside more complaints warn, each beyond chance; either alone, or too few, does not."""
    better, worse = Trend("valid_json", 20, 1000, 90, 1000), Trend("thumbs-down", 80, 1000, 30, 1000)
    (said,) = opposed([better], [worse])
    assert "valid_json 9.0% → 2.0%" in said
    assert "thumbs-down 3.0% → 8.0%" in said
    assert opposed([better], [Trend("thumbs-down", 33, 1000, 30, 1000)]) == []
    assert opposed([Trend("valid_json", 0, 50, 9, 50)], [worse]) == []


def test_staleness_on_a_log(tmp_path: Path):
    """The command on four weeks of a real log: distance, uncovered share, a prompt version that is gone, and an exit code for CI."""
    config = tmp_path / "goldwash.toml"
    config.write_text(f"data_dir = {json.dumps(str(tmp_path / 'data'))}\n")
    rows = []
    for number in range(240):
        question = (PARCEL if number % 3 else RECIPE).format(number)
        at = datetime(DAY.year, DAY.month, DAY.day, 9, tzinfo=UTC) - timedelta(days=number % 28)
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": question}]})
        rows.append(row(number, question=question, feature="chat", prompt_version="v2", accepted_at=at, request_body=body))
    store(tmp_path / "data", rows)
    source = Source(exchange_id="x", feature="chat", request_model="gpt-4o-mini", prompt_version="v1")
    (tmp_path / "golden").mkdir()
    cases = [case(PARCEL.format(900 + n), source=source if n == 0 else Source()) for n in range(10)]
    (tmp_path / "golden" / "cases.jsonl").write_text(text_of(cases))

    def run(*more: str) -> Any:
        return CliRunner().invoke(golden, ["staleness", "--date", DAY.isoformat(), "--config", str(config), *more])

    told = run()
    assert told.exit_code == 0, told.output
    assert "10 cases, 10 of them representative, against 240 exchanges of 4 weeks" in told.output
    assert "further from the traffic than chance explains" in told.output
    assert "33.3%" in told.output
    assert "prompt version v1 is not used any more, v2 is" in told.output
    said = json.loads(run("--json").output)
    assert said["coverage"]["uncovered"]["value"] == pytest.approx(1 / 3)
    failures = [one.model_copy(update={"split": "regression"}) for one in cases]
    (tmp_path / "golden" / "cases.jsonl").write_text(text_of(failures))
    assert "no case is representative" in run().output
    assert run("--most", "0.2").exit_code == 1
    assert run("--most", "0.4").exit_code == 0
