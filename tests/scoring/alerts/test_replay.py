"""`goldwash alerts replay FILE`: the firings as JSON, whatever the order of the rows; a bad file is named with its line and the fix."""

from __future__ import annotations

import json
import random

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from config.settings import ConfigError
from scoring.alerts.kinds import Errors, Quality
from scoring.alerts.replay import parse, quality
from scoring.commands.alerts import alerts
from tests.scoring.alerts.test_quality import stream

RULE = Quality(name="quality")
HEAD = "day,feature,n,failures"


def rows(feature="search", numbered=False, **levels) -> list[str]:
    days = stream(*(levels.get("levels") or ((42, 0.08), (10, 0.25), (21, 0.08))))
    return [
        f"{index if numbered else f'2026-{3 + index // 28:02d}-{1 + index % 28:02d}'},{feature},{n:.0f},{bad:.0f}"
        for index, (n, bad) in enumerate(zip(days.n, days.failed, strict=True))
    ]


def replayed(lines: list[str]) -> list[dict]:
    return quality(RULE, parse("\n".join([HEAD, *lines]), "days.csv"))


def test_a_drop_and_its_end_are_told():
    """Firing on the day it is seen, with the day it began, and resolved after the recovery; in the promised form."""
    told = replayed(rows(numbered=True))
    assert [(one["rule"], one["feature"], one["state"]) for one in told] == [
        ("quality", "search", "firing"),
        ("quality", "search", "resolved"),
    ]
    firing, resolved = told
    assert 42 <= firing["day"] <= 43
    assert firing["since"] == 42
    assert 52 <= resolved["day"] <= 54
    assert {"value", "baseline", "n", "by", "message"} <= firing.keys()


def test_the_order_of_rows_does_not_matter():
    """Two features, rows shuffled, columns in another order, more columns, blank lines: the same firings."""
    lines = rows() + rows("chat", levels=((42, 0.2), (31, 0.2)))
    once = replayed(lines)
    assert once
    random.Random(1).shuffle(lines)
    assert replayed(lines) == once
    turned = ["failures;x".replace(";", ",") + ",n,feature,day"]
    turned += ["{3},?,{2},{1},{0}".format(*line.split(",")) for line in lines] + ["", " "]
    assert quality(RULE, parse("\ufeff" + "\r\n".join(turned), "days.csv")) == once


def test_a_feature_does_not_change_another():
    """A stream alone and beside others is told the same."""
    assert replayed(rows()) == [one for one in replayed(rows() + rows("chat", levels=((73, 0.4),))) if one["feature"] == "search"]


def test_rows_of_one_day_add_up():
    """Halves of a day, such as two prompt versions, are one day."""
    halves = []
    for line in rows():
        day, feature, n, bad = line.split(",")
        halves += [f"{day},{feature},{int(n) // 2},{int(bad) // 2}", f"{day},{feature},{int(n) - int(n) // 2},{int(bad) - int(bad) // 2}"]
    assert replayed(halves) == replayed(rows())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"days.csv, line 1: there is no column 'day': the first line must name day, feature, n, failures"),
        ("day,feature,n\n", "line 1: there is no column 'failures'"),
        (f"{HEAD}\n2026-03-01,a,5", "line 2: 3 cells, 4 are named in line 1"),
        (f"{HEAD}\n2026-03-01,a,5,1\n2026-13-01,a,5,1", "line 3: day = '2026-13-01': write a date such as 2026-03-01"),
        (f"{HEAD}\nyesterday,a,5,1", "line 2: day = 'yesterday'"),
        (f"{HEAD}\n2026-03-01,a,5,1\n7,a,5,1", "line 3: day = '7': write all days alike"),
        (f"{HEAD}\n2026-03-01,a,5,6", "line 2: failures = 6 of n = 5: there cannot be more failures than events"),
        (f"{HEAD}\n2026-03-01,a,-5,0", "line 2: n = '-5': write a whole number from 0 on"),
        (f"{HEAD}\n2026-03-01,a,5.5,0", "line 2: n = '5.5'"),
        (f"{HEAD}\n2026-03-01,a,nan,0", "line 2: n = 'nan'"),
        (f"{HEAD}\n2026-03-01,a,1e300,0", "line 2: n = '1e300'"),
        (f"{HEAD}\n2026-03-01,a,5,", "line 2: failures = ''"),
        (f"{HEAD}\n0001-01-01,a,5,0\n9999-12-31,a,5,0", "its days go from 0001-01-01 to 9999-12-31: correct the one"),
        (f'{HEAD}\n2026-03-01,"a,5,0', "line 2: "),
    ],
)
def test_a_bad_file_is_named_with_its_line_and_the_fix(text, said):
    """Each mistake, where it stands."""
    with pytest.raises(ConfigError, match=said):
        parse(text, "days.csv")


def test_nothing_is_told_of_nothing():
    """A file with a head alone, and one with a single row, print an empty list."""
    assert replayed([]) == []
    assert replayed(["2026-03-01,a,5,5"]) == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.sampled_from(["a", "b", ""]), st.integers(0, 10**12), st.integers(0, 10**12)),
        max_size=25,
    )
)
def test_any_file_is_replayed_or_refused(given_rows):
    """Counts of any size on any days: rows of the promised form, or the documented error; fewer than 14 days never fire."""
    lines = [f"{day},{feature},{n},{bad}" for day, feature, n, bad in given_rows]
    try:
        told = replayed(lines)
    except ConfigError:
        assert any(bad > n for _, _, n, bad in given_rows)
        return
    assert all(one["state"] in {"pending", "firing", "resolved"} for one in told)
    for feature in ("a", "b", ""):
        if len({day for day, name, _, _ in given_rows if name == feature}) < 14:
            assert not [one for one in told if one["feature"] == feature]


def run(*words: str, text: str | None = None):
    return CliRunner().invoke(alerts, list(words), input=text)


def test_the_command_prints_json(tmp_path):
    """From a file and from standard input, with rules of one's own."""
    text = "\n".join([HEAD, *rows()])
    path = tmp_path / "days.csv"
    path.write_text(text, encoding="utf-8")
    done = run("replay", str(path))
    assert done.exit_code == 0, done.output
    assert [one["state"] for one in json.loads(done.stdout)] == ["firing", "resolved"]
    assert run("replay", "-", text=text).stdout == done.stdout
    rules = tmp_path / "alerts.toml"
    rules.write_text("[rule.quality]\ndrop = 0.5\n", encoding="utf-8")
    assert json.loads(run("replay", "--rules", str(rules), str(path)).stdout) == []


def test_the_command_says_what_is_wrong(tmp_path):
    """No file, a rule that does not exist or does not suit, a file that is no text."""
    path = tmp_path / "days.csv"
    path.write_bytes(b"\xff\xfe")
    assert "UTF-8" in run("replay", str(path)).output
    assert "name a FILE" in run("replay").output
    assert "did you mean 'quality'" in run("replay", "--rule", "qualty", str(path)).output
    path.write_text(HEAD, encoding="utf-8")
    done = run("replay", "--rule", "errors", str(path))
    assert "kind errors" in str(done.exception)
    with pytest.raises(ConfigError, match="suit a rule of kind quality"):
        quality(Errors(name="errors"), parse(HEAD, "x"))


def test_the_rules_are_listed():
    """A line a rule; all keys as JSON."""
    done = run("list")
    assert done.exit_code == 0
    assert "quality" in done.output
    assert "Requests fail" in done.output
    listed = json.loads(run("list", "--json").stdout)
    assert {"name", "kind", "severity", "pending"} <= listed[0].keys()
