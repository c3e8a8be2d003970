"""Anybody's file becomes a sample, or an error that names the place and the fix."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.estimates.reading import parse, read
from scoring.estimates.sample import BadSample

ROWS = "item,verdict,label,p,stratum,cluster\na,1,1,0.5,x,t1\nb,0,,0.5,y,t1\nc,,0,0.25,x,\n"


def parquet(**columns: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        ROWS.encode(),
        b"\xef\xbb\xbf" + ROWS.encode(),
        ROWS.replace(",", ";").encode(),
        ROWS.replace(",", "\t").replace("\n", "\r\n").encode(),
        ROWS.replace("item,verdict", " Item ,VERDICT").encode(),
        (
            b'{"item":"a","verdict":1,"label":1,"p":0.5,"stratum":"x","cluster":"t1"}\n\n'
            b'{"item":"b","verdict":0,"label":null,"p":0.5,"stratum":"y","cluster":"t1"}\n'
            b'{"item":"c","verdict":null,"label":"0","p":"0.25","stratum":"x"}'
        ),
        parquet(
            item=["a", "b", "c"],
            verdict=[1, 0, None],
            label=[True, None, False],
            p=[0.5, 0.5, 0.25],
            stratum=["x", "y", "x"],
            cluster=["t1", "t1", None],
        ),
    ],
)
def test_all_kinds_say_the_same(content):
    """CSV of any delimiter, JSON Lines and Parquet give the same sample."""
    sample = parse(content, "f")
    assert sample.verdict.tolist()[:2] == [1, 0]
    assert np.isnan(sample.verdict[2])
    assert sample.label[0] == 1
    assert np.isnan(sample.label[1])
    assert sample.label[2] == 0
    assert sample.p.tolist() == [0.5, 0.5, 0.25]
    assert [sample.strata[code] for code in sample.stratum] == ["x", "y", "x"]
    assert sample.cluster is not None
    assert sample.cluster[0] == sample.cluster[1] != sample.cluster[2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no column verdict and no column label; it has none"),
        (b"item,verdict\na,1\n", "no column label; it has item, verdict"),
        (b"item,verdict,label\n", "there are no rows"),
        (b"verdict,label\n1,\nmaybe,1\n", "column verdict, row 3: 'maybe' is neither"),
        (b"verdict,label,p\n1,,often\n", "column p, row 2: 'often' is no number"),
        (b"verdict,label,p\n1,,2\n", "row 1, p = 2"),
        (b"verdict,label\n1,0,1\n", "row 2 has 3 fields and the header names 2"),
        (b'{"verdict":1,"label":0}\n{"verdict":', "line 2 is no JSON object"),
        (b'{"verdict":1,"label":0}\n[1]', "line 2 is no JSON object"),
        (b"verdict,label\n\xff\xfe,1\n", "byte 14 is not UTF-8"),
        (b"PAR1nonsense", "no whole Parquet file"),
        (b'verdict,label\n"1,0\n', "is no CSV"),
    ],
)
def test_what_cannot_be_read_is_named(content, said):
    """File, place, value and fix."""
    with pytest.raises(BadSample, match=said) as refused:
        parse(content, "rows.csv")
    assert str(refused.value).startswith("rows.csv")


def test_a_file_is_read(tmp_path):
    """From disk as from bytes."""
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    assert len(read(path)) == 3


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content):
    """Nothing but BadSample comes of nonsense."""
    with contextlib.suppress(BadSample):
        parse(b"verdict,label,p,p_label,stratum,cluster\n" + content, "f")


@given(st.text(max_size=200))
def test_any_json_lines_are_read_or_refused(text):
    """Nothing but BadSample comes of nonsense."""
    with contextlib.suppress(BadSample):
        parse(b'{"verdict": 1, "label": 0}\n' + text.encode("utf-8", "ignore"), "f")
