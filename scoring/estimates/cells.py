"""Sorts the rows into cells by stratum and verdict, and says how much each verdict's labels are worth.

Weights are post-stratified: within a cell a label speaks for one over its probability of being drawn and labelled, and the labels of
a cell together for the cell's share of the population. All cells of a verdict then make one posterior with an effective number of
labels, so that fifty strata do not bring fifty prior guesses with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from scoring.estimates.sample import UNNAMED, Bools, Floats, Ints, Sample

THIN: Final = 5.0
"""Labels that a cell must expect by design to stand alone: with fewer, that none fell into it is no wonder (e^-5 = 0.7%), so it is pooled
with others of its verdict. With more, it was left out by somebody, and its rate is unknown."""
CLASSES: Final = 6
"""Distinct sampling weights that are cells of their own; more are cut into this many classes of equal numbers."""
SHRINKAGE: Final = 2.0
"""Labels' worth of its verdict's mean that a cell's rate is drawn to, for variances only: a cell of three passes is not sure of 0%."""
VERDICTS: Final = ("pass", "fail", "unscored")


@dataclass(frozen=True, slots=True)
class Group:
    """All labelled rows of one verdict."""

    verdict: str  # pass | fail | unscored
    mass: float  # share of the population, unnormalised
    rows: float  # effective number of rows behind the mass
    rate: float  # weighted failure rate of its labels
    labels: float  # effective number of labels behind the rate


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The groups, what has no labels, and each row's part in the estimate."""

    groups: tuple[Group, ...]
    unlabelled: Group | None  # cells without labels that none of the groups can stand for; its rate is a mere guess
    missing: tuple[str, ...]  # names of those cells
    pooled: tuple[str, ...]  # names of cells without labels that stand for so few rows that none was due
    row_weight: Floats  # (N,) of each row in the population
    label_weight: Floats  # (N,) of each label in the rate, 0 without label: sums to the mass that has labels
    expected: Floats  # (N,) the rate that each row's cell has, for variances

    @property
    def rate(self) -> float | None:
        """The weighted failure rate, guesses included; None where nothing is known."""
        if not self.groups:
            return None
        every = (*self.groups, *(() if self.unlabelled is None else (self.unlabelled,)))
        return float(sum(group.mass * group.rate for group in every) / sum(group.mass for group in every))


def cells(sample: Sample) -> Cells:
    """Sort a sample into cells. Pure; any sample will do."""
    weight = 1.0 / sample.p
    verdict = np.where(np.isnan(sample.verdict), 2, sample.verdict).astype(np.int64)
    has = sample.has_label
    due = _due(sample, verdict)
    fine = _fine(sample, verdict)
    post = _posts(fine, verdict, due)
    n_posts = int(post.max()) + 1
    labelled = np.bincount(post, has, n_posts) > 0
    mass = np.bincount(post, weight, n_posts)
    chance = due if sample.p_label is None else np.where(has, sample.p_label, due)
    label_weight = np.divide(weight, chance, out=np.zeros(len(sample)), where=has)
    label_weight *= np.divide(mass, np.bincount(post, label_weight, n_posts), out=np.zeros(n_posts), where=labelled)[post]
    seen = float(label_weight @ np.nan_to_num(sample.label) / max(label_weight.sum(), 1e-300))
    promised = np.bincount(post, due, n_posts)
    # Left out by somebody, it may be anything; missed by chance, it is few rows, more like the others than like a coin.
    expected = np.where((promised >= THIN) | (promised == 0), 0.5, seen)[post]
    groups = []
    for number, name in enumerate(VERDICTS):
        rows = (verdict == number) & labelled[post]
        if rows.any():
            group, rates = _group(name, rows, post, weight, label_weight, np.nan_to_num(sample.label), due)
            groups.append(group)
            expected[rows] = rates[post[rows]]
    dark = ~labelled[post]
    unlabelled = None
    if dark.any():
        w = weight[dark]
        unlabelled = Group("unlabelled", float(w.sum()), _kish(w), float(w @ expected[dark] / w.sum()), 0.0)
    bare = np.flatnonzero(np.bincount(fine, has) == 0)
    names = [(_name(sample, verdict, int(row)), bool(dark[row])) for row in np.unique(fine, return_index=True)[1][bare]]
    return Cells(
        tuple(groups),
        unlabelled,
        tuple(sorted({name for name, is_dark in names if is_dark})),
        tuple(sorted({name for name, is_dark in names if not is_dark})),
        weight,
        label_weight,
        expected,
    )


def _due(sample: Sample, verdict: Ints) -> Floats:
    """(N,) the probability with which each row was labelled: as said, or else as labels fell on its stratum and its verdict.

    A stratum or a verdict that nobody labelled, though labels were due, is taken at the common rate: it was left out, not unlucky.
    """
    has = sample.has_label
    if sample.p_label is not None and not np.isnan(sample.p_label).any():
        promised = sample.p_label.sum()  # fewer labels than that came: a day's audit that is not done yet
        return sample.p_label * min(1.0, has.sum() / promised) if promised > 0 and has.any() else sample.p_label
    common = max(float(has.mean()), 1.0 / (2.0 * len(has)))
    ratio = np.ones(len(has))
    for codes in (sample.stratum, verdict):
        count, due = np.bincount(codes, has), np.bincount(codes) * common
        ratio *= np.where((count == 0) & (due >= THIN), 1.0, (count + THIN) / (due + THIN))[codes]
    return np.minimum(common * ratio, 1.0)


def _group(name: str, rows: Bools, post: Ints, weight: Floats, label_weight: Floats, label: Floats, due: Floats) -> tuple[Group, Floats]:
    """One verdict's group, and its rate a cell as variances see it."""
    u, w = np.where(rows, label_weight, 0.0), np.where(rows, weight, 0.0)
    n = int(post.max()) + 1
    mass, square = np.bincount(post, u, n), np.bincount(post, u * u, n)
    here = square > 0
    count = np.divide(mass * mass, square, out=np.ones(n), where=here)  # Kish's effective number of labels, by cell
    # As many as the design gives, where chance left the heavy rows of a cell without labels and Kish saw only light ones.
    promised = np.bincount(post, np.where(rows, due, 0.0), n)
    spread = np.bincount(post, np.divide(w * w, due, out=np.zeros(len(w)), where=rows & (due > 0)), n)
    design = np.divide(np.bincount(post, w, n) ** 2, spread * promised, out=np.ones(n), where=spread * promised > 0)
    count = np.minimum(count, np.bincount(post, u > 0, n) * np.minimum(design, 1.0))
    count[~here] = 1.0
    rates = np.divide(np.bincount(post, u * label, n), mass, out=np.zeros(n), where=here)
    share = np.divide(mass, mass.sum())
    rate = float(share @ rates)
    total = float(1.0 / (share[here] ** 2 / count[here]).sum())
    middle = (rate * total + 0.5) / (total + 1.0)
    # Half a failure and half a pass that nobody saw may hide anywhere in the population, so mostly where a label stands for many rows.
    shrunk = (rates * count + SHRINKAGE * middle + 0.5 * share) / (count + SHRINKAGE + share)
    variance = float((share[here] ** 2 * shrunk[here] * (1 - shrunk[here]) / count[here]).sum())
    rows_behind = _kish(w[rows])
    middle = float(share @ shrunk)
    variance += float((share[here] * (shrunk[here] - middle) ** 2).sum()) / rows_behind  # the shares are counted, not known
    return Group(name, float(w.sum()), rows_behind, min(max(rate, 0.0), 1.0), middle * (1 - middle) / variance), shrunk


def _fine(sample: Sample, verdict: Ints) -> Ints:
    """(N,) number of each row's cell: stratum, class of sampling weight, verdict."""
    key: Ints = (sample.stratum * (CLASSES + 1) + _classes(sample.p)) * (CLASSES + 1)
    if sample.p_label is not None and not np.isnan(sample.p_label).any():
        key += np.where(sample.p_label > 0, _classes(sample.p_label), CLASSES)
    return _numbered(key * len(VERDICTS) + verdict)


def _classes(values: Floats) -> Ints:
    """(N,) class of each value: itself where they are few, else classes of equal numbers."""
    if values.min() == values.max():
        return np.zeros(len(values), np.int64)
    known, codes = np.unique(np.round(values, 9), return_inverse=True)
    if len(known) <= CLASSES:
        return codes.reshape(-1).astype(np.int64)
    edges = np.quantile(values, np.arange(1, CLASSES) / CLASSES)
    return np.asarray(np.searchsorted(edges, values, side="right"), np.int64)


def _posts(fine: Ints, verdict: Ints, due: Floats) -> Ints:
    """(N,) cells after thin ones have been put together, within each verdict, the thinnest first."""
    n = int(fine.max()) + 1
    expected = np.bincount(fine, due, n)
    of_verdict = np.zeros(n, np.int64)
    of_verdict[fine] = verdict
    number = np.arange(n)
    for one in range(len(VERDICTS)):
        pool, pooled = -1, THIN
        for cell in sorted(np.flatnonzero((of_verdict == one) & (expected > 0)), key=lambda c: (expected[c], c)):
            if expected[cell] >= THIN and pooled >= THIN:
                break
            if pool < 0:
                pool, pooled = int(cell), 0.0
            number[cell] = pool
            pooled += float(expected[cell])
    return _numbered(number[fine])


def _name(sample: Sample, verdict: Ints, row: int) -> str:
    stratum = sample.strata[int(sample.stratum[row])]
    return VERDICTS[int(verdict[row])] if stratum == UNNAMED else f"{stratum}/{VERDICTS[int(verdict[row])]}"


def _kish(weights: Floats) -> float:
    """Rows of equal weight that would be worth as much (Kish 1965)."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def _numbered(keys: Ints) -> Ints:
    """(N,) the keys as numbers from 0."""
    return np.unique(keys, return_inverse=True)[1].reshape(-1).astype(np.int64)
