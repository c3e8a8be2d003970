"""`goldwash gate FILES…` as processes of their own, against models and judges on real sockets: every exit code and their order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helpers.golden import JSON, JUDGE_PATH, RIGHT, Shop, case, judged
from tests.helpers.goldwash import free_port, run
from tests.helpers.upstream import Upstream, answer

CLEAN = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
MIXED = [*(case(number) for number in range(6)), *(judged(number) for number in range(10, 14))]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Six cases that code decides and four that a judge does; all pass, and the judge is calibrated."""
    with Upstream() as upstream:
        found = Shop(tmp_path, upstream, MIXED)
        found.untimed()
        found.judge()
        yield found


def right(shop: Shop) -> None:
    """Nothing is wrong."""


def wrong(shop: Shop) -> None:
    """The model answers wrongly."""
    shop.says = lambda system, question: "BAD"


def bad_pointer(shop: Shop) -> None:
    """The prompt would land nowhere."""
    (shop.directory / "answer.md").write_text("You sell tea.", "utf-8")
    shop.targets["app"]["prompt"] = {"file": "answer.md", "at": "/messages/7/content"}
    shop.write()


def stale_judge(shop: Shop) -> None:
    """The judge was not held against people for long."""
    shop.judge(stale=("labels are old",))


def unknown_judge(shop: Shop) -> None:
    """The judge was never held against people."""
    shop.judge(calibrated=False)


def no_target(shop: Shop) -> None:
    """Nobody answers at the target's address."""
    shop.targets["app"]["base_url"] = f"http://127.0.0.1:{free_port()}/v1"
    shop.write()


def half_down(shop: Shop) -> None:
    """The model answers some questions wrongly and fails at another."""
    shop.says = lambda system, question: answer(503, JSON, b'{"error": {"message": "overloaded"}}') if "tea 0?" in question else "BAD"


def no_judge(shop: Shop) -> None:
    """The judge answers with an error."""
    shop.upstream.on(JUDGE_PATH, answer(401, JSON, b'{"error": {"message": "no such key"}}'))


@pytest.mark.parametrize(
    ("does", "code", "says"),
    [
        ([right], 0, "PASSED"),
        ([wrong], 1, "FAILED"),
        ([bad_pointer], 2, "prompt.at = /messages/7/content does not resolve: /messages has 2 items"),
        ([stale_judge], 3, "is stale"),
        ([unknown_judge], 3, "is uncalibrated"),
        ([no_target], 4, "nobody answers at"),
        ([no_judge], 4, "no such key"),
        ([wrong, stale_judge], 1, "FAILED"),
        ([half_down], 4, "overloaded"),
        ([half_down, stale_judge], 4, "overloaded"),
        ([no_target, bad_pointer], 2, "does not resolve"),
    ],
    ids=lambda value: "+".join(one.__name__ for one in value) if isinstance(value, list) else None,
)
def test_exit_codes_and_their_order(shop: Shop, does: list[Callable[[Shop], None]], code: int, says: str) -> None:
    """0 to 4; where several hold, 2, then 4, then 1, then 3. An outage is never a regression."""
    for one in does:
        one(shop)
    done = run("gate", str(shop.file), "--config", str(shop.config), environ=CLEAN)
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_worse_release_fails_against_its_baseline(shop: Shop) -> None:
    """Made, promoted, held against: the run that is worse names the cases that broke."""
    shop.put([case(number) for number in range(40)])
    made = run("gate", "baseline", "make", str(shop.file), "--config", str(shop.config), environ=CLEAN)
    assert made.returncode == 0, made.stderr
    assert "current.jsonl is the baseline now" in made.stdout
    shop.says = lambda system, question: "red" if "tea 1" in question else RIGHT
    done = run("gate", str(shop.file), "--config", str(shop.config), "--no-cache", environ=CLEAN)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED    regression" in done.stdout
    assert done.stdout.count(" broke (1/1 before, 0/1 now)") == 11  # tea 1 and 10 to 19
