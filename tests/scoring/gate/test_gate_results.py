"""Result files: read, written and read again; what is wrong in one is named with its line and the fix."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.gate.results import BadInput, Header, Result, Results, lines, parse, read, write

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


def _parse(*texts: str) -> Results:
    return parse([text.encode() for text in texts], "new.jsonl")


def test_a_line_with_the_three_keys_that_it_needs():
    """Everything else is unknown, not zero."""
    assert _parse('{"case": "a", "run": 1, "passed": 1}').rows == (Result("a", 1, True),)


def test_a_target_may_be_described_whole():
    """The header keeps the target's name and its description: written as one object, and the same again when it is read."""
    head = Header(target="cand@bad", extra={"target": {"name": "cand@bad", "kind": "endpoint", "model": "m"}, "cost_usd": 0.1})
    written = list(lines(Results((Result("a", 1, True),), head)))
    again = parse(written, "f")
    assert (again.header.target, again.header.extra) == (head.target, head.extra)
    assert list(lines(again)) == written


def test_keys_that_are_not_known_are_kept():
    """What a runner adds for reports comes back."""
    results = _parse('{"case": "a", "run": 1, "passed": 0, "output": "no"}')
    assert results.rows[0].extra == {"output": "no"}
    assert orjson.loads(next(lines(results)))["output"] == "no"


def test_the_header_holds_what_all_rows_share():
    """Versions and the judge's state stand in the first line."""
    results = _parse('{"gate_results": 1, "judge": "j1", "judge_state": "stale", "note": 7}', '{"case": "a", "run": 1, "passed": 1}')
    assert results.header == Header(judge="j1", judge_state="stale", extra={"note": 7})


@settings(deadline=None)
@given(
    st.builds(
        Result,
        case=TEXT,
        run=st.just(1),
        passed=st.booleans(),
        critical=st.booleans(),
        safety=st.booleans(),
        cost_usd=st.none() | st.floats(0, 1e6),
        latency_ms=st.none() | st.floats(0, 1e9),
        cluster=st.none() | TEXT,
        slice=st.none() | TEXT,
        status=st.none() | st.sampled_from(["confirmed", "known_failing", "guarding"]),
        version=st.none() | TEXT,
        error=st.none() | TEXT,
        deterministic=st.none() | st.booleans(),
        families=st.none() | st.lists(TEXT, max_size=2).map(tuple),
    )
)
def test_what_is_written_is_read_again(row):
    """Any result survives the round."""
    results = Results((row,), Header(judge="j"), "x")
    assert parse(lines(results), "x") == results


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60) | st.sampled_from([b'{"case": "a", "run": 1, "passed": 1}', b"[]", b'{"case": 1}']), max_size=4))
def test_any_bytes_are_read_or_refused_with_a_sentence(texts):
    """Nothing else than BadInput comes out."""
    try:
        assert parse(texts, "x").rows
    except BadInput as error:
        assert str(error).startswith("x")


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["nonsense"], r"new\.jsonl:1: .*one JSON object"),
        (["[1]"], "a list is no result"),
        (['{"case": "a", "run": 1}'], "'passed' is missing"),
        (['{"case": "a", "passed": 1}'], "'run' is missing"),
        (['{"case": "a", "run": 1, "passed": 0.5}'], "'passed' is 0.5: it must be 0 or 1"),
        (['{"case": "a", "run": 1, "passed": "1"}'], "must be 0 or 1"),
        (['{"case": "a", "run": 1, "passed": null}'], "no 'error' says why"),
        (['{"case": "a", "run": 1.5, "passed": 1}'], "'run' is 1.5"),
        (['{"case": null, "run": 1, "passed": 1}'], "'case' is null"),
        (['{"case": ["a"], "run": 1, "passed": 1}'], "'case' is \\['a'\\]: it must be text"),
        (['{"case": "a", "run": 1, "passed": 1, "cost_usd": -1}'], "'cost_usd' is -1: it must be a number from 0"),
        (['{"case": "a", "run": 1, "passed": 1, "status": "guardng"}'], "'status' is 'guardng': it must be one of"),
        (['{"case": "a", "run": 1, "passed": 1, "families": "gpt"}'], "'families' is 'gpt': it must be a list"),
        (['{"case": "a", "run": 1, "passed": 1}', "", '{"case": "a", "run": 1, "passed": 0}'], r"new\.jsonl:3: case 'a' run 1 .* line 1"),
        (['{"case": "a", "run": 1, "passed": 1}', '{"gate_results": 1}'], "move it to the first line"),
        (['{"gate_results": 2}'], "reads format 1"),
        (['{"gate_results": 1, "judge_state": "ok"}'], "'judge_state' is 'ok'"),
        ([], r"new\.jsonl: there are no results"),
        (["", " "], "there are no results"),
        (
            ['{"case": "a", "run": 1, "passed": 1}', '{"case": "a", "run": 2, "passed": 1}', '{"case": "b", "run": 1, "passed": 1}'],
            "'a' has 2 runs and 'b' has 1: run every case equally often",
        ),
        (
            ['{"case": "a", "run": 1, "passed": 1, "cluster": "x"}', '{"case": "a", "run": 2, "passed": 1, "cluster": "y"}'],
            "cluster 'x' in run 1 and 'y' in run 2",
        ),
    ],
)
def test_bad_input_is_named_with_its_place_and_the_fix(texts, said):
    """File, line, key, value, and what to write instead."""
    with pytest.raises(BadInput, match=said):
        _parse(*texts)


def test_confirming_runs_may_be_more():
    """Runs that were added to confirm are marked, and are not held to equal numbers."""
    results = _parse(
        '{"case": "a", "run": 7, "passed": 0, "confirming": 1}',
        '{"case": "a", "run": 1, "passed": 1}',
        '{"case": "b", "run": 1, "passed": 1}',
    )
    assert results.runs() == 1
    assert [row.run for row in results.by_case["a"]] == [1, 7]


def test_a_file_is_written_whole(tmp_path):
    """The file is there with all of its rows, and nothing beside it."""
    results = Results(
        (Result("a", 1, True, cost_usd=0.5), Result("b", 1, None, error="no route")), Header(target="t"), str(tmp_path / "r.jsonl")
    )
    write(results, tmp_path / "r.jsonl")
    assert read(tmp_path / "r.jsonl") == results
    assert [file.name for file in tmp_path.iterdir()] == ["r.jsonl"]


def test_a_file_that_is_not_there(tmp_path):
    """The sentence names it."""
    with pytest.raises(BadInput, match=r"nowhere\.jsonl: No such file"):
        read(tmp_path / "nowhere.jsonl")
