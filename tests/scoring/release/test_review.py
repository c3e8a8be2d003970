"""What is said of production after a release: the same time before and after on a real log, nothing where there is too little."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from config.settings import load
from proxy.commands.submission import Submission
from scoring.commands.release import release
from scoring.pages import Window
from scoring.rates import Judged
from scoring.release.review import quantile, review, spans
from scoring.release.signals import Signals
from tests.scoring.made import row, store

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def side(start: datetime, hours: float, **more: Any) -> Signals:
    """One side with a thousand exchanges."""
    chance = np.random.default_rng(more.pop("seed", 1))
    n = more.pop("n", 1000)
    given: dict[str, Any] = {
        "exchanges": n,
        "errors": n // 50,
        "durations_ms": chance.lognormal(7, 0.5, n),
        "first_chunks_ms": np.array([]),
        "costs_usd": chance.lognormal(-7, 0.5, n),
        "unpriced": 0,
        "versions": {"v2": n},
        "checks": {},
        "users": {},
        "judged": (),
    }
    return Signals(Window(start, start + timedelta(hours=hours)), **{**given, **more})


def verdicts(one: Any) -> dict[str, str]:
    return {signal.name: signal.verdict for signal in one.signals}


def test_spans_as_they_are_written():
    """Minutes, hours, days and weeks, the shortest first; what is none is refused with an example."""
    assert [name for name, _ in spans("7d, 1h,24h")] == ["1h", "24h", "7d"]
    with pytest.raises(ValueError, match="write it as 30m"):
        spans("soon")


def test_what_changed_beyond_chance_is_said():
    """Errors, cost and latency that rose are worse, what fell is better, and a quiet pair shows no change."""
    before = side(AT - timedelta(hours=1), 1)
    quiet = review("1h", timedelta(hours=1), before, side(AT, 1, seed=4), AT + timedelta(days=2), None)
    assert set(verdicts(quiet).values()) == {"no change seen"}
    after = side(AT, 1, seed=3, errors=80, durations_ms=before.durations_ms * 2, costs_usd=before.costs_usd * 0.5)
    loud = verdicts(review("1h", timedelta(hours=1), before, after, AT + timedelta(days=2), None))
    assert (loud["errors"], loud["latency p50"], loud["cost per exchange"]) == ("worse", "worse", "better")


def test_quiet_releases_cry_wolf_seldom():
    """Of 300 releases that change nothing, at most 5% show anything worse or better: all signals are looked at together."""
    chance = random.Random(7)
    false = 0
    for number in range(300):
        errors = [sum(chance.random() < 0.03 for _ in range(500)) for _ in range(2)]
        one, other = (
            side(
                start,
                1,
                n=500,
                seed=2 * number + k,
                errors=errors[k],
                checks={"refusal": (errors[k] // 2, 500)},
                users={"thumbs-down": (errors[k], 500)},
            )
            for k, start in enumerate((AT - timedelta(hours=1), AT))
        )
        found = verdicts(review("1h", timedelta(hours=1), one, other, AT + timedelta(days=1), None))
        false += bool({"worse", "better"} & set(found.values()))
    assert false / 300 <= 0.05


def test_too_few_and_not_over_give_no_verdict():
    """A hundred exchanges on each side at least; a span that still runs says so and decides nothing."""
    few = review("1h", timedelta(hours=1), side(AT, 1, n=30), side(AT, 1, n=30, errors=30), AT + timedelta(days=1), None)
    assert set(verdicts(few).values()) == {"too few"}
    now = AT + timedelta(hours=3)
    running = review("24h", timedelta(hours=24), side(AT - timedelta(hours=3), 3), side(AT, 3, errors=900), now, AT - timedelta(hours=1))
    assert set(verdicts(running).values()) == {"not over"}
    assert not running.is_over
    assert any("3 h of 24 h have passed" in note for note in running.notes)
    assert any("the log begins at" in note for note in running.notes)


def test_judged_rates_need_labels_on_both_sides():
    """A failure rate that people's labels bear out is worse when it rose beyond chance; with few labels it is no verdict."""

    def judged(n: int, failures: int) -> tuple[Judged, ...]:
        names = {"feature": "f", "model": "m", "prompt_version": "v"}
        return tuple(
            Judged(f"{k}", AT.date(), float(k < failures), float(k < failures), 0.5, 1.0, "s", f"{k}", "f1", names) for k in range(n)
        )

    def said(before: tuple[Judged, ...], after: tuple[Judged, ...]) -> str:
        one, other = side(AT - timedelta(days=1), 24, judged=before), side(AT, 24, judged=after)
        return verdicts(review("24h", timedelta(hours=24), one, other, AT + timedelta(days=2), None))["judged failure rate"]

    assert said(judged(200, 10), judged(200, 70)) == "worse"
    assert said(judged(200, 10), judged(200, 11)) == "no change seen"
    assert said(judged(200, 10), judged(12, 12)) == "too few"


def test_quantiles_cover_the_truth():
    """The interval of the order statistics holds the true median in at least 95 of 100 samples, and the p95 too."""
    chance = np.random.default_rng(5)
    for q in (0.5, 0.95):
        held = 0
        for _ in range(400):
            found = quantile(chance.random(120), q, 0.95)
            held += found.low is not None and (found.high is None or found.low <= q <= found.high)
        assert held / 400 >= 0.94
    assert quantile(np.array([1.0, 2.0]), 0.95, 0.95).high is None


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("reviewed")
    config = directory / "goldwash.toml"
    config.write_text(f"data_dir = {json.dumps(str(directory / 'data'))}\n")
    rows = []
    for number in range(800):
        later = number >= 400
        at = AT + timedelta(seconds=(number % 400) * 8) - (timedelta() if later else timedelta(hours=1))
        bad = number % 400 < (60 if later else 8)
        more: dict[str, Any] = {"status": 500, "error_type": "server_error"} if bad else {}
        feature = "chat" if number % 2 else "search"
        version = "v2" if later else "v1"
        made = row(number, accepted_at=at, feature=feature, prompt_version=version, duration_ms=900.0 + number % 97, **more)
        rows.append(made)
    store(directory / "data", rows)
    settings = load(config, {})
    with Submission(settings, "test") as submission:
        for number, (made, _) in enumerate(rows):
            later = number >= 400
            failed = ["refusal"] if number % 400 < (90 if later else 10) else []
            told = {"ran": [] if failed else ["refusal"], **({"failed": failed} if failed else {})}
            submission.add("scores", {"exchange_id": made["exchange_id"], "name": "checks", "kind": "checks", **told})
            if later and number % 10 == 0:
                submission.add("feedback", {"exchange_id": made["exchange_id"], "name": "thumb", "score": 0})
    return config


def test_review_on_a_log(desk: Path):
    """Errors, a check and thumbs-down that rose after the release are told with both sides; unchanged latency and cost are not."""
    done = CliRunner().invoke(release, ["review", AT.isoformat(), "--at", "1h", "--json", "--config", str(desk)])
    assert done.exit_code == 0, done.output
    (span,) = json.loads(done.output)["spans"]
    assert span["exchanges"] == [400, 400]
    assert span["versions"] == [["v2", 400]]
    found = {one["name"]: one for one in span["signals"]}
    assert {name: one["verdict"] for name, one in found.items()} == {
        "errors": "worse",
        "corrections": "no change seen",
        "thumbs-down": "worse",
        "check refusal": "worse",
        "latency p50": "no change seen",
        "latency p95": "no change seen",
        "cost per exchange": "no change seen",
    }
    assert found["errors"]["before"]["value"] == pytest.approx(8 / 400)
    assert found["check refusal"]["after"] == {
        "value": 90 / 400,
        "low": pytest.approx(0.187, abs=1e-3),
        "high": pytest.approx(0.268, abs=1e-3),
        "n": 400,
    }
    strict = CliRunner().invoke(release, ["review", AT.isoformat(), "--at", "1h", "--strict", "--feature", "chat", "--config", str(desk)])
    assert strict.exit_code == 1
    assert "200 exchanges, 200 in the same time before" in strict.output
    assert "WORSE" in strict.output


def test_review_of_the_future_and_of_nothing(desk: Path):
    """A release that has just shipped has no span that is over; a name that nobody marked is refused with what is."""
    now = datetime.now(UTC).isoformat()
    told = CliRunner().invoke(release, ["review", now, "--config", str(desk), "--record"])
    assert told.exit_code == 0, told.output
    assert told.output.count("not over:") == 3
    assert "SELECT * FROM releases" in told.output
    gone = CliRunner().invoke(release, ["review", "v9", "--config", str(desk)])
    assert "there is no such release" in str(gone.exception)
