"""Measures the gate on real pairs: recorded verdicts of 65 judge configurations on the same questions, each asked in two answer orders.

A judge in one order and the same judge in the other are two runs of one thing: nothing changed but the noise, and the sides are swapped by
lot so that a judge that likes one order better counts as often for as against. Two judges of which one is right less often are a real drop.
The file is LLMBar's, as a table with dataset, item, judge, v0, v1 (verdict '1' or '2' in each order) and human.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import numpy as np

from scoring.gate.decide import decide
from scoring.gate.results import Result, Results
from scoring.gate.rules import Rules
from scoring.gate.simulation import DAY, Random, Tally

Runs = dict[str, tuple[bool, bool]]
"""Question -> whether the judge was right, in each order; an unreadable verdict is not."""


def load(file: Path) -> dict[str, Runs]:
    """Judge -> its runs on the questions that every judge was asked, of which there are 419."""
    rows = duckdb.execute(
        """
        select judge, dataset || '/' || item, coalesce(v0 = human, false), coalesce(v1 = human, false)
        from read_parquet(?) where dataset like 'llmbar:LLMBar/%' order by all
        """,
        [str(file)],
    ).fetchall()
    judges: dict[str, Runs] = {}
    for judge, question, first, second in rows:
        judges.setdefault(judge, {})[question] = (first, second)
    every = set.intersection(*(set(runs) for runs in judges.values()))
    return {judge: {question: runs[question] for question in sorted(every)} for judge, runs in judges.items()}


def same_judge(judges: dict[str, Runs], cases: int, rounds: int, seed: int, rules: Rules) -> dict[str, Tally]:
    """Judge -> what the gate said of it against itself in the other order, on `rounds` draws of questions."""
    tallies: dict[str, Tally] = {}
    for number, (judge, runs) in enumerate(sorted(judges.items())):
        tally = tallies[judge] = Tally()
        for draw in range(rounds):
            random = np.random.default_rng((seed, number, draw))
            chosen = _chosen(list(runs), cases, random)
            side = int(random.integers(2))
            _count(tally, [runs[q][side] for q in chosen], [runs[q][1 - side] for q in chosen], chosen, rules)
    return tallies


def worse_judge(judges: dict[str, Runs], low: float, high: float, cases: int, pairs: int, seed: int, rules: Rules) -> Tally:
    """What the gate said where the candidate is another judge that is right less often, by between `low` and `high`, on the whole."""
    tally = Tally()
    rates = {judge: sum(first for first, _ in runs.values()) / len(runs) for judge, runs in judges.items()}
    fitting = [(one, other) for one in sorted(rates) for other in sorted(rates) if low <= rates[one] - rates[other] < high]
    random = np.random.default_rng(seed)
    for pick in random.permutation(len(fitting))[:pairs]:
        better, worse = judges[fitting[pick][0]], judges[fitting[pick][1]]
        chosen = _chosen(list(better), cases, random)
        _count(tally, [better[q][0] for q in chosen], [worse[q][0] for q in chosen], chosen, rules)
    return tally


def _chosen(questions: Sequence[str], cases: int, random: Random) -> list[str]:
    return [questions[i] for i in sorted(random.permutation(len(questions))[:cases])]


def _count(tally: Tally, before: Sequence[bool], after: Sequence[bool], cases: Sequence[str], rules: Rules) -> None:
    base, candidate = (
        Results(tuple(Result(case, 1, passed) for case, passed in zip(cases, side, strict=True))) for side in (before, after)
    )
    verdict = decide(base, candidate, rules, today=DAY)
    tally.comparisons += 1
    tally.failed += verdict.outcome == "failed"
    tally.nonzero += verdict.exit_code != 0
    tally.unclear += verdict.is_inconclusive
    for ruling in verdict.rulings:
        if ruling.state == "failed":
            tally.rules[ruling.rule] = tally.rules.get(ruling.rule, 0) + 1


def table(file: Path, seed: int, cases: int = 200) -> Iterator[str]:
    """Lines of a Markdown table: judges against themselves, by how often they contradict themselves, and against others."""
    judges, rules = load(file), Rules()
    flips = {judge: sum(a != b for a, b in runs.values()) / len(runs) for judge, runs in judges.items()}
    yield "| pairs | comparisons | failed the regression rule | failed the floor | unclear |"
    yield "|---|---|---|---|---|"
    tallies = same_judge(judges, cases, 40, seed, rules)
    for low, high in ((0, 0.15), (0.15, 0.3), (0.3, 1)):
        inside = [tally for judge, tally in tallies.items() if low <= flips[judge] < high]
        yield _line(f"the same judge, {low:.0%}–{high:.0%} of its verdicts flip with the order ({len(inside)} judges)", inside)
    for low, high in ((0.02, 0.05), (0.05, 0.1), (0.1, 0.2), (0.2, 1)):
        tally = worse_judge(judges, low, high, cases, 600, seed, rules)
        yield _line(f"another judge, {low * 100:.0f}–{high * 100:.0f} points worse", [tally])


def _line(name: str, tallies: Sequence[Tally]) -> str:
    n = max(sum(tally.comparisons for tally in tallies), 1)
    regression, floor = (sum(tally.rules.get(rule, 0) for tally in tallies) / n for rule in ("regression", "floor"))
    unclear = sum(tally.unclear for tally in tallies) / n
    return f"| {name} | {n:,} | {regression:.3f} | {floor:.3f} | {unclear:.3f} |"
