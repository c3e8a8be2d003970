"""Measures the quality rule on streams of which the truth is known, made of real verdicts: how soon a drop is told, how often nothing is.

`scripts/drift` prints the tables of docs/alerts.md; seeded, bounded to a few minutes of one core. A day's verdicts are drawn from those
that real judges gave real items (../shared/evaldata); the day's rate is drawn first, around that of the judge, with a spread from day to
day. A drop mixes in the verdicts of a judge that fails more. The rule is run whole, as `goldwash alerts replay` runs it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

import duckdb
import numpy as np

from scoring.alerts.kinds import Quality
from scoring.alerts.quality import readings
from scoring.alerts.series import Days

EVALDATA = Path(__file__).parents[4] / "shared" / "evaldata"
FIRST = date(2026, 1, 5)
QUIET_BEFORE, QUIET = 28, 90
DROP_AT, WATCHED = 42, 40
RULE = Quality(name="quality")
POOLS = {
    "LLMBar, one case study, 65 judges": "SELECT (v0 <> human)::INT FROM '{0}/llmbar.parquet' WHERE dataset = 'llmbar:CaseStudy/Normal'",
    "LLMBar natural, GPT-4 judges": "SELECT (v0 <> human)::INT FROM '{0}/llmbar.parquet' WHERE dataset = 'llmbar:LLMBar/Natural' AND judge LIKE 'GPT-4%'",
    "LLM-Rubric, dialogues rated below 3": "SELECT (Q0 < 3)::INT FROM '{0}/llmrubric_real_human.parquet'",
    "LLMBar, GPT-4 with metrics": "SELECT (v0 <> human)::INT FROM '{0}/llmbar.parquet' WHERE judge = 'GPT-4/Metrics_Reference'",
    "PandaLM, gpt-3.5 against annotator 1": "SELECT (gpt_result <> annotator1::VARCHAR)::INT FROM '{0}/pandalm.parquet' WHERE annotator1 <> 0",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One kind of stream."""

    rate: float
    n: int = 200
    spread: float = 0.02  # of the daily rate, as a standard deviation
    drop: float = 0.0  # from day DROP_AT on
    drop_at: int = DROP_AT
    days: int = QUIET_BEFORE + QUIET
    weekend: float = 0.0  # more failures on Saturday and Sunday
    weekend_n: float = 1.0  # share of n that comes on them
    missing: float = 0.0  # share of days without data
    vary: float = 0.0  # of n from day to day, as a standard deviation of its logarithm
    lasting: float = 0.0  # correlation of a day's rate with the day's before
    streams: int = 400


def rates() -> dict[str, tuple[float, int]]:
    """Failure rate and number of real verdicts of each pool."""
    db = duckdb.connect()
    found = {}
    for name, query in POOLS.items():
        verdicts = [row[0] for row in db.execute(query.format(EVALDATA)).fetchall() if row[0] is not None]
        found[name] = (sum(verdicts) / len(verdicts), len(verdicts))
    return found


def made(setting: Setting, seed: int) -> list[Days]:
    """Streams of counted days."""
    random = np.random.default_rng(seed)
    shape = (setting.streams, setting.days)
    day = np.arange(setting.days)
    end_of_week = day % 7 >= 5
    usual = setting.rate + np.where(end_of_week, setting.weekend, -setting.weekend * 2 / 5) + setting.drop * (day >= setting.drop_at)
    off = random.normal(size=shape)
    for column in range(1, setting.days):
        off[:, column] = setting.lasting * off[:, column - 1] + np.sqrt(1 - setting.lasting**2) * off[:, column]
    n = setting.n * np.where(end_of_week, setting.weekend_n, 1.0) * np.exp(setting.vary * random.normal(size=shape))
    n = np.maximum(np.rint(n), 1).astype(np.int64) * (random.random(shape) >= setting.missing)
    failed = random.binomial(n, np.clip(usual + setting.spread * off, 0, 1))
    return [Days(FIRST, n[row].astype(float), failed[row].astype(float)) for row in range(setting.streams)]


def fired(streams: list[Days], rule: Quality = RULE) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Streams × days: where the rule fires."""
    told = readings(rule, [({"feature": str(row)}, days) for row, days in enumerate(streams)])
    return np.array([[one.breached is True for one in stream] for stream in told])


def fired_plainly(streams: list[Days]) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """The same for the plain rule: the 7-day mean more than 0.05 over that of the 28 days before, nothing else asked."""
    found = np.zeros((len(streams), len(streams[0])), bool)
    for row, days in enumerate(streams):
        n, bad = np.r_[0, np.cumsum(days.n)], np.r_[0, np.cumsum(days.failed)]
        for column in range(13, len(days)):
            end, start = column + 1, max(0, column - 34)
            week, before = n[end] - n[end - 7], n[end - 7] - n[start]
            if week and before:
                found[row, column] = (bad[end] - bad[end - 7]) / week - (bad[end - 7] - bad[start]) / before > RULE.drop
    return found


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one kind of stream: days are counted from the first day of the drop, which is day 1."""

    false_alarms: float  # share of streams that fire in the QUIET days after the first QUIET_BEFORE
    early: float  # share that fire before those
    half: dict[float, float]  # drop -> day by which half of them are told; nan = never
    most: dict[float, float]  # the same for nine tenths


def measure(setting: Setting, seed: int, *, plainly: bool = False, rule: Quality = RULE) -> Told:
    """Quiet streams and streams that drop by 0.05 and 0.10."""
    run = fired_plainly if plainly else partial(fired, rule=rule)
    quiet = run(made(setting, seed))
    half, most = {}, {}
    for drop in (0.05, 0.10):
        dropped = run(made(replace(setting, drop=drop, days=setting.drop_at + WATCHED), seed + 1))[:, setting.drop_at :]
        delay = np.where(dropped.any(1), dropped.argmax(1) + 1.0, np.inf)
        half[drop], most[drop] = float(np.quantile(delay, 0.5, method="lower")), float(np.quantile(delay, 0.9, method="lower"))
    return Told(float(quiet[:, QUIET_BEFORE:].any(1).mean()), float(quiet[:, :QUIET_BEFORE].any(1).mean()), half, most)


def line(name: str, setting: Setting, seed: int, *, plain: bool = True) -> str:
    """A row of a Markdown table."""
    rule = measure(setting, seed)
    cells = [f"{rule.false_alarms:.3f}", *_delays(rule)]
    if plain:
        other = measure(setting, seed, plainly=True)
        cells += [f"{other.false_alarms:.3f}", *_delays(other)]
    return f"| {name} | {' | '.join(cells)} |"


def _delays(told: Told) -> Iterator[str]:
    for drop in (0.05, 0.10):
        yield "/".join("–" if np.isinf(day) else f"{day:.0f}" for day in (told.half[drop], told.most[drop]))


def pools() -> Iterator[str]:
    """Streams of real verdicts."""
    yield "| verdicts | a day | spread | false alarms | 0.05 told | 0.10 told | 7-day rule: false alarms | 0.05 | 0.10 |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, (rate, count) in rates().items():
        for n in (200, 50):
            for spread in (0.02, 0.0):
                yield line(f"{name} ({count:,}): {rate:.1%} | {n} | {spread:g}", Setting(rate, n, spread), seed=n)


def bound() -> Iterator[str]:
    """What a CUSUM could do that is told the rate, the spread and the drop beforehand, and fires in 5% of 90 quiet days: nothing does better."""
    yield "| failures | a day | spread | 0.05 told | 0.10 told |"
    yield "|---|---|---|---|---|"
    for rate, _ in rates().values():
        for n in (200, 50):
            for spread in (0.02, 0.0):
                setting = Setting(rate, n, spread, streams=2000)
                yield f"| {rate:.1%} | {n} | {spread:g} | {' | '.join(_known(setting, drop) for drop in (0.05, 0.10))} |"


def _known(setting: Setting, drop: float) -> str:
    weight = 1 / (1 + (setting.n - 1) * setting.spread**2 / (setting.rate * (1 - setting.rate)))
    worse, same = np.log((setting.rate + drop) / setting.rate), np.log((1 - setting.rate - drop) / (1 - setting.rate))

    def summed(streams: list[Days]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        gains = weight * np.array([days.failed * worse + (days.n - days.failed) * same for days in streams])
        held = np.zeros_like(gains)
        for column in range(gains.shape[1]):
            held[:, column] = np.maximum(held[:, column - 1] if column else 0.0, 0.0) + gains[:, column]
        return held

    limit = np.quantile(summed(made(setting, 1))[:, QUIET_BEFORE:].max(1), 0.95)
    dropped = summed(made(replace(setting, drop=drop, days=setting.drop_at + WATCHED), 2))[:, setting.drop_at :] > limit
    delay = np.where(dropped.any(1), dropped.argmax(1) + 1.0, np.inf)
    return "/".join("–" if np.isinf(day) else f"{day:.0f}" for day in (np.quantile(delay, at, method="lower") for at in (0.5, 0.9)))


def others() -> Iterator[str]:
    """Streams that are harder."""
    usual = Setting(0.08)
    yield "| stream: 8% failures, 200 a day, spread 0.02, except | false alarms | 0.05 told | 0.10 told |"
    yield "|---|---|---|---|"
    for name, setting in {
        "–": usual,
        "2% failures": replace(usual, rate=0.02),
        "30% failures": replace(usual, rate=0.3),
        "1,000 a day": replace(usual, n=1000),
        "20 a day": replace(usual, n=20),
        "weekends 3 points worse": replace(usual, weekend=0.03),
        "weekends 3 points worse, with a fifth of the verdicts": replace(usual, weekend=0.03, weekend_n=0.2),
        "n varies (log SD 0.5)": replace(usual, vary=0.5),
        "a fifth of the days missing": replace(usual, missing=0.2),
        "spread 0.03": replace(usual, spread=0.03),
        "spread 0.04": replace(usual, spread=0.04),
        "days resemble the day before (correlation 0.3)": replace(usual, lasting=0.3),
        "drop on day 10": replace(usual, drop_at=10),
        "drop on day 20": replace(usual, drop_at=20),
        "drop on day 80": replace(usual, drop_at=80),
    }.items():
        yield line(name, setting, seed=11, plain=False)


def slices() -> Iterator[str]:
    """What it costs that all slices of a rule share its false alarms: the share of whole rules that fire falsely, and the delay of one slice."""
    yield "| slices of a rule (8% failures, spread 0.02) | verdicts a day each | over | rules with a false alarm | 0.05 told | 0.10 told |"
    yield "|---|---|---|---|---|---|"
    for count in (10, 40):
        for n in (200, 50):
            setting = Setting(0.08, n, streams=1200)
            for over in ("slice", "rule"):
                alarms = RULE.false_alarms if over == "slice" else 1 - (1 - RULE.false_alarms) ** (1 / count)
                rule = RULE.model_copy(update={"false_alarms": alarms})
                told = measure(setting, 11, rule=rule)
                quiet = fired(made(setting, 11), rule)[:, QUIET_BEFORE:].any(1).reshape(-1, count).any(1).mean()
                yield f"| {count} | {n} | {over} | {quiet:.2f} | {' | '.join(_delays(told))} |"


if __name__ == "__main__":
    for row in {"pools": pools, "others": others, "bound": bound, "slices": slices}[sys.argv[1]]():
        print(row, flush=True)
