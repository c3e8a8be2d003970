"""Samples refuse what cannot be one, and say the row."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.estimates.sample import BadSample, Sample


def test_columns_become_arrays():
    """None and nan are unknown; a row without a cluster is one of its own."""
    sample = Sample.of([1, 0, None], [None, 1, float("nan")], stratum=["a", None, "a"], cluster=["t", None, "t"])
    assert np.isnan(sample.verdict[2])
    assert sample.has_label.tolist() == [False, True, False]
    assert [sample.strata[code] for code in sample.stratum] == ["a", "", "a"]
    assert sample.cluster is not None
    assert len(set(sample.cluster.tolist())) == 2
    assert sample.cluster[0] == sample.cluster[2]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"verdict": [1, 2], "label": [1, 0]}, "row 2, verdict = 2"),
        ({"verdict": [1, 0], "label": [0.5, 0]}, "row 1, label = 0.5"),
        ({"verdict": [1, 0], "label": [1]}, "column label has 1 rows"),
        ({"verdict": [1, 0], "label": [1, 0], "p": [0.5, 0]}, "row 2, p = 0"),
        ({"verdict": [1, 0], "label": [1, 0], "p": [0.5, None]}, "row 2, p = nothing"),
        ({"verdict": [1, 0], "label": [1, 0], "p_label": [0.5, 0.0]}, "row 2, p_label = 0"),
        ({"verdict": [1, 0], "label": [1, 0], "p_label": [0.5, 1.5]}, "row 2, p_label = 1.5"),
        ({"verdict": [1, 0], "label": [1, 0], "p_label": [0.5, None]}, "row 2, p_label = nothing"),
    ],
)
def test_impossible_rows_are_refused(columns, said):
    """The error names the row, the column and the value."""
    with pytest.raises(BadSample, match=said):
        Sample.of(**columns)


def test_a_probability_of_no_label_is_fine_where_there_is_none():
    """p_label may be 0 or unknown where a row has no label."""
    sample = Sample.of([1, 0, 1], [1, None, None], p_label=[0.5, 0.0, None])
    assert sample.p_label is not None


def test_some_rows_make_a_sample():
    """Strata keep their names, everything else goes with its row."""
    sample = Sample.of([1, 0, 1], [1, None, 0], p=[0.1, 0.2, 0.3], p_label=[1, 1, 1], stratum=["a", "b", "a"], cluster=[1, 1, 2])
    part = sample.of_rows(np.array([False, True, True]))
    assert part.p.tolist() == [0.2, 0.3]
    assert [part.strata[code] for code in part.stratum] == ["b", "a"]
    assert len(part) == 2
