"""Plays ten releases of a product whose failures become golden cases, and counts where the gate stood in the way or let something by.

Each release brings new failures from production into the set. A deploy is one of three kinds: nothing changed; some known failures are
mended; or a case that had been mended breaks again. The gate decides on fresh runs of both sides, and what it lets through is the next
baseline. Seeded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scoring.gate.decide import Rerun, Reruns, decide
from scoring.gate.lifecycle import after_baseline, after_release, owed_to_baseline, owed_to_release
from scoring.gate.results import Result, Results
from scoring.gate.rules import Rules
from scoring.gate.simulation import DAY, Random
from scoring.gate.words import Status

KINDS = ("no change", "mends", "breaks")


@dataclass(frozen=True, slots=True)
class Product:
    """What the played product is like."""

    releases: int = 10
    cases: int = 150
    flaky: float = 0.1  # of the cases it starts with: pass half the time
    joining: int = 12  # failures of production that join with each release
    joining_flaky: float = 0.25  # of those: fail half the time only
    mended: int = 6  # known failures that a mending release mends
    runs: int = 1
    has_reruns: bool = False


@dataclass(slots=True)
class Deploys:
    """What became of the deploys of one kind."""

    tried: int = 0
    blocked: int = 0
    named: int = 0  # a case that broke again was named among the reasons

    def add(self, other: Deploys) -> None:
        """Counts the other's deploys too."""
        self.tried += other.tried
        self.blocked += other.blocked
        self.named += other.named


@dataclass(slots=True)
class _Side:
    """One version of the product under the gate's runs."""

    chances: dict[str, float]
    random: Random

    def run(self, statuses: dict[str, Status], numbers: range, cases: tuple[str, ...] | None = None) -> tuple[Result, ...]:
        wanted = tuple(statuses) if cases is None else cases
        return tuple(
            Result(case=case, run=run, passed=bool(self.random.random() < self.chances[case]), status=statuses[case])
            for case in wanted
            for run in numbers
        )


def play(product: Product, seed: int, rules: Rules | None = None) -> dict[str, Deploys]:
    """Plays all releases once; kind of deploy -> what became of them."""
    rules = rules or Rules()
    random = np.random.default_rng(seed)
    counts = {kind: Deploys() for kind in KINDS}
    chances = {f"seed-{i}": 0.5 if i < product.flaky * product.cases else 1.0 for i in range(product.cases)}
    statuses: dict[str, Status] = dict.fromkeys(chances, "confirmed")
    for release in range(product.releases):
        for i in range(product.joining):
            case = f"found-{release}-{i}"
            chances[case] = 0.5 if i < product.joining_flaky * product.joining else 0.0
            statuses[case] = "confirmed"  # a person has seen it fail once
        statuses = _labelled(chances, statuses, rules, random)
        for kind in KINDS:
            chances, statuses = _deploy(kind, chances, statuses, product, rules, random, counts[kind])
    return counts


def _labelled(chances: dict[str, float], statuses: dict[str, Status], rules: Rules, random: Random) -> dict[str, Status]:
    """Runs the product as it is, and marks what it is proven to fail."""
    now = _Side(chances, random)
    baseline = Results(now.run(statuses, range(1, 2)), name="baseline")
    for case, runs in owed_to_baseline(statuses, baseline, rules).items():
        baseline = baseline.with_more(now.run(statuses, range(2, 2 + runs), (case,)))
    return after_baseline(statuses, baseline, rules)


def _deploy(
    kind: str, chances: dict[str, float], statuses: dict[str, Status], product: Product, rules: Rules, random: Random, count: Deploys
) -> tuple[dict[str, float], dict[str, Status]]:
    """Tries one deploy; gives the product and the statuses as they are after it."""
    changed = dict(chances)
    broken = ""
    if kind == "mends":
        for case in [case for case, status in statuses.items() if status == "known_failing"][: product.mended]:
            changed[case] = 1.0
    elif kind == "breaks":
        steady = [case for case, status in statuses.items() if status == "guarding" and chances[case] == 1.0]
        if not steady:
            return chances, statuses
        broken = steady[int(random.integers(len(steady)))]
        changed[broken] = 0.0
    before, after = _Side(chances, random), _Side(changed, random)
    numbers = range(1, product.runs + 1)

    def more(side: _Side, case: str, first: int, runs: int) -> tuple[Result, ...]:
        return tuple(replace(row, confirming=True) for row in side.run(statuses, range(first, first + runs), (case,)))

    base = Results(before.run(statuses, numbers), name="base")
    candidate = Results(after.run(statuses, numbers), name="candidate")
    for case, owed in owed_to_release(statuses, base, candidate, rules).items():
        base = base.with_more(more(before, case, product.runs + 1, owed.base))
        candidate = candidate.with_more(more(after, case, product.runs + 1, owed.candidate))

    def rerun(wish: Rerun) -> Reruns:
        further = range(wish.first, wish.first + wish.runs)
        return before.run(statuses, further, wish.cases), after.run(statuses, further, wish.cases)

    verdict = decide(base, candidate, rules, today=DAY, rerun=rerun if product.has_reruns else None)
    count.tried += 1
    count.blocked += verdict.exit_code != 0
    count.named += bool(broken) and broken in verdict.ruling("guarding").cases
    if verdict.exit_code:
        return chances, statuses
    return changed, after_release(statuses, base, candidate, rules)
