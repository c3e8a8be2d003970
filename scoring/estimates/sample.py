"""The judged rows that an estimate is made from: verdicts, the labels there are, and how each row came to be drawn and labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

UNNAMED: Final = ""
"""The stratum of rows that name none."""


class BadSample(ValueError):
    """Rows that cannot be a sample; names the row (from 1), the column, the value and the fix."""

    exit_code = 2


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Rows of one population, drawn and judged; all arrays have one entry a row. 1 = failure, 0 = pass, nan = not known."""

    verdict: Floats  # the judge's; nan = unscored
    label: Floats  # a person's; nan = none
    p: Floats  # probability that the row was drawn from the population, in (0, 1]; only ratios matter
    p_label: Floats | None  # probability that a drawn row was labelled, nan = not known for a row without label; None = the same for all
    stratum: Ints  # index into strata
    strata: tuple[str, ...]
    cluster: Ints | None  # rows of one trace share a number; None = every row stands alone

    @classmethod
    def of(
        cls,
        verdict: Sequence[Any] | npt.ArrayLike,
        label: Sequence[Any] | npt.ArrayLike,
        *,
        p: npt.ArrayLike | None = None,
        p_label: npt.ArrayLike | None = None,
        stratum: Sequence[str | None] | None = None,
        cluster: Sequence[Any] | npt.ArrayLike | None = None,
    ) -> Self:
        """A sample from columns of equal length; None or nan = not known. Raises BadSample."""
        verdicts, labels = _numbers(verdict), _numbers(label)
        n = len(verdicts)
        for name, column in (("label", labels), ("p", p), ("p_label", p_label), ("stratum", stratum), ("cluster", cluster)):
            if column is not None and len(np.asarray(column, dtype=object)) != n:
                raise BadSample(f"column {name} has {len(np.asarray(column, dtype=object))} rows and verdict has {n}: give one a row")
        _binary("verdict", verdicts)
        _binary("label", labels)
        names, strata = _codes([UNNAMED if s is None else str(s) for s in stratum] if stratum is not None else [UNNAMED] * n)
        return cls(
            verdicts,
            labels,
            _drawn(p, n),
            _labelled(p_label, labels),
            strata,
            names,
            None if cluster is None else _clusters(cluster),
        )

    def __len__(self) -> int:
        return len(self.verdict)

    def of_rows(self, rows: Bools | Ints) -> Sample:
        """The sample that only those rows make."""
        return Sample(
            self.verdict[rows],
            self.label[rows],
            self.p[rows],
            None if self.p_label is None else self.p_label[rows],
            self.stratum[rows],
            self.strata,
            None if self.cluster is None else self.cluster[rows],
        )

    @property
    def has_label(self) -> Bools:
        """Which rows carry a label."""
        return ~np.isnan(self.label)

    @property
    def label_weight(self) -> Floats:
        """One over the probability of being drawn and labelled, by row, up to a factor; nan where it is not known."""
        return 1.0 / self.p if self.p_label is None else 1.0 / (self.p * np.where(self.p_label > 0, self.p_label, np.nan))


def _numbers(column: Sequence[Any] | npt.ArrayLike) -> Floats:
    if isinstance(column, np.ndarray) and column.dtype != object:
        return column.astype(np.float64)
    return np.array([np.nan if value is None else float(value) for value in np.asarray(column, dtype=object)], np.float64)


def _binary(name: str, values: Floats) -> None:
    wrong = np.flatnonzero(~((values == 0) | (values == 1) | np.isnan(values)))
    if len(wrong):
        raise BadSample(f"row {wrong[0] + 1}, {name} = {values[wrong[0]]:g}: say 1 (failure), 0 (pass) or nothing")


def _drawn(p: npt.ArrayLike | None, n: int) -> Floats:
    values = np.ones(n) if p is None else _numbers(p)
    if np.isnan(values).all():
        return np.ones(n)
    wrong = np.flatnonzero(~((values > 0) & (values <= 1)))
    if len(wrong):
        said = "nothing" if np.isnan(values[wrong[0]]) else f"{values[wrong[0]]:g}"
        raise BadSample(f"row {wrong[0] + 1}, p = {said}: give every row the probability, above 0 and up to 1, that it was drawn")
    return values


def _labelled(p_label: npt.ArrayLike | None, labels: Floats) -> Floats | None:
    if p_label is None:
        return None
    values = _numbers(p_label)
    if np.isnan(values).all():
        return None
    has = ~np.isnan(labels)
    wrong = np.flatnonzero((values < 0) | (values > 1) | (has & ~(values > 0)))
    if len(wrong):
        said = "nothing" if np.isnan(values[wrong[0]]) else f"{values[wrong[0]]:g}"
        raise BadSample(
            f"row {wrong[0] + 1}, p_label = {said}: give the probability of the label, up to 1, and above 0 where the row has one"
        )
    return values


def _codes(names: Sequence[str]) -> tuple[tuple[str, ...], Ints]:
    known, codes = np.unique(np.array(names, dtype=np.str_), return_inverse=True)
    return tuple(str(name) for name in known), codes.astype(np.int64).reshape(-1)


def _clusters(column: Sequence[Any] | npt.ArrayLike) -> Ints:
    """Numbers a cluster; a row that names none is a cluster of its own."""
    values = np.asarray(column, dtype=object)
    missing = np.array([value is None or value == "" or value != value for value in values], np.bool_)
    _, codes = _codes([str(value) for value in values])
    codes[missing] = codes.max(initial=0) + 1 + np.arange(int(missing.sum()))
    return codes
