"""Measures how often the 95% interval holds the truth, on populations whose truth is known: the table of docs/estimates.md.

Run by scripts/coverage. Every cell is its own seed, so a part of the table can be run again alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from scoring.estimates.estimate import LEVEL, estimate
from scoring.estimates.sample import Sample
from tests.scoring.estimates.populations import EVALDATA, JUDGES, Known, real, simulated, stratified, traces, weighted

LABELS = (50, 100, 200, 400)
RATES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Cell:
    """One population at one number of labels."""

    coverage: float
    missed_low: float  # the interval lies above the truth
    half_width: float  # mean
    judge: float  # coverage of Wilson's interval on the judge's own rate


def cell(name: str, known: Known, labels: int, resamples: int) -> Cell:
    """Coverage by resampling."""
    truth, population = known
    random = np.random.default_rng(crc32(f"{name}|{labels}".encode()))
    covered = above = judge = 0
    width = 0.0
    for _ in range(resamples):
        sample = population(random, labels)
        found = estimate(sample)
        covered += found.low <= truth <= found.high
        above += truth < found.low
        width += found.half_width
        judge += judge_covers(sample, truth)
    return Cell(covered / resamples, above / resamples, width / resamples, judge / resamples)


def judge_covers(sample: Sample, truth: float) -> bool:
    """Whether the interval that a dashboard shows, Wilson's on the share of fail verdicts, holds the truth."""
    verdict = sample.verdict[~np.isnan(sample.verdict)]
    n, rate, z = len(verdict), float(verdict.mean()), 1.959964
    middle, half = rate + z * z / (2 * n), z * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return bool(middle - half <= truth * (1 + z * z / n) <= middle + half)


def populations(which: str) -> dict[str, Known]:
    """Name -> population, of one table."""
    if which == "real":
        return real()
    if which == "simulated":
        return {f"{rate:.1%} failures, judge {name}": simulated(rate, *judge) for rate in RATES for name, judge in JUDGES.items()}
    found: dict[str, Known] = {}
    for rate in (0.01, 0.05, 0.2):
        found |= {f"{rate:.0%}, weighted sample, labels by {by}": weighted(rate, by) for by in ("all", "risk", "fail", "pass")}
        found[f"{rate:.0%}, verdicts missing"] = simulated(rate, 0.7, 0.9, unscored=0.05)
        found |= {f"{rate:.0%}, {number} strata": stratified(rate, number) for number in (3, 40)}
        found[f"{rate:.0%}, 5 strata labelled evenly"] = stratified(rate, 5, evenly=True)
        for alike in (0.0, 0.3, 1.0):
            found |= {
                f"{rate:.0%}, traces alike {alike:g}, {'whole' if whole else 'steps'} labelled": traces(rate, alike, whole)
                for whole in (False, True)
            }
    return found


def table(known: Mapping[str, Known], labels: Sequence[int], resamples: int) -> None:
    """Prints a Markdown table: coverage (mean half-width) by number of labels, beside the raw judge's."""
    print(f"| | {' | '.join(f'{n} labels' for n in labels)} | judge alone |\n|---|{'---|' * (len(labels) + 1)}", flush=True)
    every: dict[int, list[Cell]] = {n: [] for n in labels}
    for name, one in known.items():
        row = [cell(name, one, n, resamples) for n in labels]
        for n, found in zip(labels, row, strict=True):
            every[n].append(found)
        said = " | ".join(f"{found.coverage:.3f} (±{found.half_width:.3f})" for found in row)
        print(f"| {name} | {said} | {np.mean([found.judge for found in row]):.3f} |", flush=True)
    for word, of in (("mean", np.mean), ("least", np.min)):
        said = " | ".join(f"**{of([found.coverage for found in every[n]]):.3f}**" for n in labels)
        judge = of([found.judge for cells in every.values() for found in cells])
        print(f"| **{word}** | {said} | {judge:.3f} |", flush=True)
    cells = [found.coverage for of_n in every.values() for found in of_n]
    print(f"\n{LEVEL:.0%} intervals, {resamples} resamples a cell, mean {np.mean(cells):.4f}, least {min(cells):.3f}", flush=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", help="real, simulated, designs; left out = all")
    parser.add_argument("--resamples", type=int, default=2_000)
    parser.add_argument("--labels", type=int, nargs="+", default=LABELS)
    given = parser.parse_args()
    for which in given.tables or ["real", "simulated", "designs"]:
        if which == "real" and not EVALDATA.exists():
            print(f"{EVALDATA} is not here: the real sets are left out")
            continue
        print(f"\n### {which}\n")
        table(populations(which), given.labels, given.resamples)


if __name__ == "__main__":
    main()
