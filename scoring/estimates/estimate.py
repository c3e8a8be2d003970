"""The failure rate of a population from a judge's verdicts and few labels, with an interval that holds although the judge errs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from scoring.estimates.cells import Cells, cells
from scoring.estimates.clustering import FEW, Clustering, clustering
from scoring.estimates.posterior import DRAWS, SEED, Draws, Worth, draw
from scoring.estimates.ppi import ENOUGH, enough, powered
from scoring.estimates.rogan_gladen import corrected
from scoring.estimates.sample import BadSample, Sample

Method = Literal["jeffreys", "ppi++", "rogan-gladen"]

LEVEL: Final = 0.95
OLD_LABELS: Final = (
    "labels are taken for old: the rate is that of the rows without one, by the judge's error rates on the labelled ones (Rogan-Gladen); "
    "wrong where the judge errs otherwise now, as when topics moved"
)
SHOWN: Final = 8
"""Cells that a warning names; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A failure rate with its interval; all rates are shares of failures, 0 to 1. None = not known."""

    judge_rate: float | None  # what the judge says, weighted to the population: biased, never to stand alone
    rate: float | None
    low: float
    high: float
    level: float
    method: str  # jeffreys | ppi++ | rogan-gladen | none (no labels)
    n: int  # rows
    n_labels: int
    n_unscored: int
    n_effective: float  # labels of equal weight, independent, that would be worth as much
    n_clusters: int | None  # traces with labels; None = rows stand alone
    design_effect: float
    warnings: tuple[str, ...]

    @property
    def half_width(self) -> float:
        """Half the interval."""
        return (self.high - self.low) / 2


def estimate(sample: Sample, *, method: Method = "jeffreys", level: float = LEVEL, seed: int = SEED, draws: int = DRAWS) -> Estimate:
    """The failure rate, by Jeffreys posteriors over strata and verdicts unless another method is asked for.

    ppi++ gives way to the default, and says so, below ten labelled failures or passes. rogan-gladen takes the labelled rows for older
    ones and estimates the others. Raises BadSample for an impossible level.
    """
    if not 0.5 <= level < 1:
        raise BadSample(f"level {level:g}: give a share from 0.5 to below 1, such as 0.95")
    found = cells(sample)
    together = clustering(sample, found, level)
    worth = Worth() if together is None else together.worth
    rate, (low, high), warnings = found.rate, (0.0, 1.0), _warnings(sample, found, together)
    used = "none" if rate is None else "jeffreys" if method == "ppi++" and not enough(sample) else method
    if used == "ppi++":
        tuned = powered(sample, level)
        rate, low, high = tuned.rate, tuned.low, tuned.high
    elif used == "rogan-gladen":
        moved = corrected(sample, level, seed, draws, worth.labels)
        rate, low, high = moved.rate, moved.low, moved.high
        warnings = [OLD_LABELS, *([] if rate is not None else ["the judge tells failures and passes apart no better than chance"])]
    elif rate is not None:
        low, high = draw(found, worth, seed, draws).interval(level)
    if used == "jeffreys" and method == "ppi++":
        warnings.append(f"ppi++ needs {ENOUGH} labelled failures and {ENOUGH} labelled passes: the default method stands in for it")
    has = sample.has_label
    scored = ~np.isnan(sample.verdict)
    weight = found.label_weight[found.label_weight > 0]
    return Estimate(
        judge_rate=float(np.average(sample.verdict[scored], weights=found.row_weight[scored])) if scored.any() else None,
        rate=rate,
        low=low if rate is None else max(0.0, min(low, rate)),
        high=high if rate is None else min(1.0, max(high, rate)),
        level=level,
        method=used,
        n=len(sample),
        n_labels=int(has.sum()),
        n_unscored=int((~scored).sum()),
        n_effective=float(weight.sum() ** 2 / (weight**2).sum()) / worth.labels if len(weight) else 0.0,
        n_clusters=None if together is None else together.clusters,
        design_effect=worth.labels,
        warnings=tuple(warnings),
    )


def posterior(sample: Sample, *, level: float = LEVEL, seed: int = SEED, draws: int = DRAWS) -> Draws | None:
    """Draws of the failure rate that an estimate is read from; None without labels."""
    found = cells(sample)
    together = clustering(sample, found, level)
    return None if found.rate is None else draw(found, Worth() if together is None else together.worth, seed, draws)


def _warnings(sample: Sample, found: Cells, together: Clustering | None) -> list[str]:
    said = []
    if not sample.has_label.any():
        return ["no row has a label, so nothing is known of the failure rate: label a random sample of rows"]
    if found.missing:
        mass = found.unlabelled.mass / found.row_weight.sum() if found.unlabelled else 0.0
        said.append(
            f"no labels in {_list(found.missing)} ({mass:.1%} of the population): the rate there may be anything; label some of them"
        )
    if found.pooled:
        said.append(f"no labels in {_list(found.pooled)}: so few rows that none was due; taken to fail like others of the same verdict")
    if together is not None and together.effective < FEW:
        said.append(
            f"labels come from {together.clusters} traces, worth {together.effective:.0f} of equal weight, fewer than {FEW}: "
            "the interval may be too narrow; label more traces"
        )
    return said


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
