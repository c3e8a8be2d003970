"""A day in a log that no service holds: pages, checks, population and sample, on rows that are made up."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from config.scoring import Sampling
from config.settings import Settings, load
from proxy.cli import main
from proxy.service.client import Access
from scoring import checking, tasks
from scoring.nightly import check, sample
from scoring.outbox import Outbox, record_id
from scoring.pages import Window, day, exchanges, paged, windows
from scoring.population import Population, left_out
from scoring.progress import Quiet
from scoring.run import Night, Summary
from scoring.sampling import Stratum
from tests.helpers.goldwash import toml
from tests.scoring.made import DAY, exchange_id, row, store

START = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
TASKS = tasks.load()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a log that is closed."""
    file = tmp_path / "goldwash.toml"
    file.write_text(toml({"data_dir": str(tmp_path / "data")}, {}))
    return load(file, {})


def filled(settings: Settings, *rows: Any) -> Settings:
    store(settings.data_dir, list(rows))
    return settings


def night(settings: Settings, **changes: Any) -> Night:
    from config.scoring import Scoring

    known: dict[str, Any] = {"options": Scoring(), "tasks": TASKS, "rubrics": {}, "day": DAY, "progress": Quiet(), "environ": {}}
    return Night(settings, **{**known, **changes})


def checked(settings: Settings, with_: Night | None = None) -> Summary:
    """Run the checks of the day."""
    chosen = with_ or night(settings)
    summary = Summary(chosen.day, chosen.run_id)
    with Outbox(settings) as outbox:
        check(chosen, outbox, summary)
    return summary


def population(settings: Settings, read: Callable[[Population], Any], options: Sampling | None = None) -> Any:
    """What the population of the checked day says."""
    with Access(settings) as access:
        return read(Population(access, day(DAY), TASKS, checking.fingerprint(TASKS), options or Sampling()))


def test_record_ids_are_made_of_what_they_are_about():
    """The same again has the same id; it lies in time where its exchange does."""
    like = exchange_id(START, 7)
    one = UUID(bytes=record_id("check", "empty", "f1", like=like))
    assert one == UUID(bytes=record_id("check", "empty", "f1", like=like))
    assert one != UUID(bytes=record_id("check", "empty", "f2", like=like))
    assert (one.version, one.int >> 80) == (7, UUID(like).int >> 80)
    assert UUID(bytes=record_id("ledger", "a trace", like="no uuid")).version == 7


def test_pages_hold_every_exchange_once_and_know_their_neighbours(settings):
    """Windows of whole seconds cover the day; a trace that crosses pages is linked across them."""
    trace = [row(n, trace_id="t", accepted_at=START + timedelta(seconds=60 * n), size=50) for n in range(12)]
    filled(settings, *(row(n, size=50) for n in range(100, 400)), *trace)
    with Access(settings) as access:
        parts = windows(access, day(DAY), "e.purpose = 'app'", {})
        assert sum(n for _, n in parts) == 312
        found = [one for window, _ in parts for page in exchanges(access, window, "e.purpose = 'app'", {}, size=5) for one in page]
    assert len({one.exchange_id for one in found}) == len(found) == 312
    steps = [one for one in found if one.trace_id == "t"]
    assert [step.previous and step.previous.exchange_id for step in steps] == [None, *(step.exchange_id for step in steps[:-1])]
    assert [step.next and step.next.exchange_id for step in steps] == [*(step.exchange_id for step in steps[1:]), None]


def test_paging_by_key_gives_all_rows(settings):
    """In pieces of any size."""
    filled(settings, *(row(n, size=20) for n in range(57)))
    with Access(settings) as access:
        found = [one["id"] for one in paged(access, "SELECT exchange_id::VARCHAR AS id FROM exchanges", "id", size=10)]
    assert found == sorted(found)
    assert len(found) == 57


def test_checks_are_done_once_and_what_comes_later_is_added(settings):
    """A second run writes nothing; new exchanges alone are checked by the third."""
    filled(settings, *(row(n, size=50, finish_reasons=["length"] if n < 5 else ["stop"]) for n in range(40)))
    first = checked(settings)
    assert (first.exchanges, first.checked, first.failed_checks) == (40, 40, 5)
    assert checked(settings).checked == 0
    filled(settings, *(row(n, size=50) for n in range(40, 50)))
    assert checked(settings).checked == 10
    with Access(settings) as access:
        rows = access.rows("SELECT kind, name, passed, count(*) AS n FROM scores GROUP BY ALL ORDER BY n DESC")
    counts = {(one["kind"], one["name"], one["passed"]): one["n"] for one in rows}
    assert counts["checks", "checks", True] == 45
    assert counts["check", "truncated", False] == 5


def test_only_finished_production_answers_are_items(settings):
    """Retries, other purposes and environments, errors, embeddings and what broke off are left out."""
    out = [
        {"retry_of": "x"},
        {"properties": [("retry_count", "1")]},
        {"purpose": "judge"},
        {"environment": "staging"},
        {"ending": "partial"},
        {"ending": "client_gone"},
        {"status": 500, "error_type": "server_error"},
        {"operation": "embeddings"},
    ]
    filled(
        settings,
        *(row(n, size=50, **changes) for n, changes in enumerate(out)),
        row(50, size=50, environment="Production"),
        row(51, size=50),
    )
    checked(settings)
    assert sum(population(settings, Population.sizes).values()) == 2
    with Access(settings) as access:
        found = left_out(access, day(DAY), Sampling())
    assert found == {
        "a retry": 2,
        "answered with an error": 1,
        "no words in the answer: embeddings": 1,
        "not finished: client_gone": 1,
        "not finished: partial": 1,
        "the environment staging is not among [sampling] environments": 1,
        "traffic of judge": 1,
    }


def test_risks_are_found_and_the_gravest_counts(settings):
    """Thumbs down before a failed check before a new version before length, of which the longest twentieth counts: 6 of 124."""
    week_ago = START - timedelta(days=3)
    rows = [row(n, size=50, feature="search", output_tokens=100 + n) for n in range(120)]
    rows += [row(900, size=50, feature="search", accepted_at=week_ago)]
    rows += [row(200, size=50, feature="search", prompt_version="v2"), row(201, size=6000, feature="search", output_tokens=5000)]
    rows += [
        row(202, size=50, feature="search", finish_reasons=["length"], prompt_version="v2"),
        row(203, size=50, feature="search", prompt_version="v2"),
    ]
    filled(settings, *rows)
    with Outbox(settings) as outbox:
        outbox.add("feedback", {"response_id": "chatcmpl-203", "name": "feedback", "value": "false"}, record_id("feedback"))
        outbox.deliver()
    checked(settings)
    found = population(settings, Population.sizes)
    assert found == {
        Stratum("search", "none"): 115,
        Stratum("search", "new_version"): 1,
        Stratum("search", "long"): 6,
        Stratum("search", "failed_check"): 1,
        Stratum("search", "thumbs_down"): 1,
    }


def test_a_trace_is_one_item_on_the_day_it_began(settings):
    """One that began yesterday is yesterday's, sessions stand in for traces, and other tasks keep to exchanges."""
    rows = [row(n, size=50, trace_id="mine", accepted_at=START + timedelta(minutes=n)) for n in range(3)]
    rows += [row(10, size=50, trace_id="yesterday", accepted_at=START - timedelta(minutes=5))]
    rows += [row(11, size=50, trace_id="yesterday", accepted_at=START + timedelta(minutes=5))]
    rows += [row(n, size=50, session_id="talk", accepted_at=START + timedelta(minutes=n)) for n in range(20, 22)]
    rows += [row(n, size=50, trace_id="labels", task="classification", accepted_at=START + timedelta(minutes=n)) for n in range(30, 33)]
    filled(settings, *rows)
    checked(settings)
    drawn = sample(night(settings, options=night(settings).options.model_copy(update={"sampling": Sampling(rate=1.0)})))
    items = {task.item.item: task.item for task in drawn.tasks}
    assert {"mine", "talk"} <= items.keys()
    assert "yesterday" not in items
    assert (items["mine"].unit, items["mine"].exchanges, items["mine"].exchange_id) == (
        "trace",
        3,
        exchange_id(START + timedelta(minutes=2), 2),
    )
    assert sum(item.task == "classification" for item in items.values()) == 3


def test_the_log_counts_in_parts_what_it_counts_in_one(settings, monkeypatch):
    """Parts and buckets change neither the sizes nor the sample: ten million rows are many of them."""
    traced = [row(n, size=20, trace_id=f"t{n % 20}") for n in range(300, 360)]
    filled(settings, *(row(n, size=20) for n in range(300)), *traced)
    checked(settings)
    whole = population(settings, Population.sizes), [task.item.item for task in sample(night(settings)).tasks]
    monkeypatch.setattr("scoring.pages.PART", 40)
    monkeypatch.setattr("scoring.population.BUCKET", 17)
    monkeypatch.setattr("scoring.population.MOST_DRAWN", 3)
    assert (population(settings, Population.sizes), [task.item.item for task in sample(night(settings)).tasks]) == whole


def test_answers_that_repeat_all_over_the_day_are_found(settings):
    """Twelve questions got the same long answer; also when a killed run had checked half of them."""
    stock = "We are sorry, but all our agents are busy at the moment, so please call again some other day of the week, or write."
    filled(
        settings,
        *(row(n, answer=stock, question=f"question {n}", feature="help") for n in range(12)),
        *(row(n, feature="help") for n in range(20, 60)),
    )
    half = night(settings, growing=True)
    with Access(settings) as access:
        parts = checking.pending(access, Window(START, START + timedelta(seconds=5)), TASKS)
    with Outbox(settings) as outbox:
        checking.check_all(settings, TASKS, parts, outbox, lambda _: None, run_id=half.run_id, seed="s", sketched=0.0)
        outbox.deliver()
    summary = checked(settings)
    assert 0 < summary.checked < 52
    assert summary.near_duplicates == 12
    with Access(settings) as access:
        found = access.rows("SELECT exchange_id, properties FROM scores WHERE name = 'near_duplicate'")
    assert len(found) == 12
    assert all(
        (json.loads(one["properties"]) if isinstance(one["properties"], str) else one["properties"])["overrides_judge"] for one in found
    )


def test_a_day_that_has_not_begun_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty report of next year would look like a quiet day."""
    (tmp_path / "goldwash.toml").write_text(toml({"data_dir": str(tmp_path / "data")}, {}), "utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["score", "--date", "2199-01-01", "--config", str(tmp_path / "goldwash.toml")])
    assert ended.value.code == 2
    assert "--date 2199-01-01: this day has not begun" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "data").exists()
