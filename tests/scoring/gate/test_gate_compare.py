"""The command `goldwash gate compare`: every exit code and their order on real files."""

from __future__ import annotations

import json

import pytest

from proxy.cli import main


def _write(file, marks, **every):
    rows = [{"case": f"c{i}", "run": 1, "passed": None if mark == "?" else int(mark), **every} for i, mark in enumerate(marks)]
    file.write_text("".join(json.dumps(row | ({"error": "refused"} if row["passed"] is None else {})) + "\n" for row in rows), "utf-8")
    return str(file)


@pytest.fixture
def compare(tmp_path, capsys):
    """Runs the command on two files given as marks or as text, and returns exit code, stdout and stderr."""

    def run(base, candidate, *options, header=None):
        files = []
        for name, marks in (("base", base), ("new", candidate)):
            file = tmp_path / f"{name}.jsonl"
            if set(marks) <= set("01?"):
                _write(file, marks)
            else:
                file.write_text(marks, "utf-8")
            if header and name == "new":
                file.write_text(json.dumps({"gate_results": 1, **header}) + "\n" + file.read_text("utf-8"), "utf-8")
            files.append(str(file))
        with pytest.raises(SystemExit) as ended:
            main(["gate", "compare", *files, *options])
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


GOOD, WORSE, UNREACHED, UNCLEAR = "1" * 100, "0" * 20 + "1" * 80, "?" + "0" * 20 + "1" * 79, "0" * 3 + "1" * 97
STALE = {"judge": "j1", "judge_state": "stale"}


@pytest.mark.parametrize(
    ("candidate", "header", "code"),
    [
        (GOOD, None, 0),
        (WORSE, None, 1),
        ("not json", None, 2),
        (GOOD, STALE, 3),
        (UNREACHED, None, 4),
        (WORSE, STALE, 1),
        (UNREACHED, STALE, 4),
        ("", STALE, 2),
    ],
    ids=["passed", "failed", "bad input", "judge unfit", "could not tell", "1 before 3", "4 before 1 and 3", "2 before all"],
)
def test_exit_codes_and_their_order(compare, candidate, header, code):
    """2, then 4, then 1, then 3."""
    assert compare(GOOD, candidate, header=header)[0] == code


def test_strict_makes_an_unclear_comparison_4(compare):
    """It warns and passes otherwise."""
    base = "1" * 20 + "0" * 14 + "1" * 66
    candidate = "0" * 20 + "1" * 14 + "1" * 66
    code, out, _ = compare(base, candidate)
    assert code == 0
    assert "with a warning" in out
    assert compare(base, candidate, "--strict")[0] == 4
    assert compare(GOOD, GOOD, "--strict")[0] == 0
    assert compare(GOOD, WORSE, "--strict")[0] == 1


def test_the_verdict_as_json(compare):
    """One object, also for bad input."""
    code, out, _ = compare(GOOD, WORSE, "--json")
    value = json.loads(out)
    assert code == value["exit_code"] == 1
    assert value["changes"][0]["change"] == "broke"
    code, out, err = compare(GOOD, "nonsense", "--json")
    assert json.loads(out)["outcome"] == "bad_input"
    assert "new.jsonl:1" in err


def test_the_rules_are_printed_with_the_verdict(compare):
    """In words, so that nobody has to look them up."""
    _, out, _ = compare(GOOD, GOOD)
    assert "regression: fails when the pass rate is more than 2.0 points below the baseline's AND" in out


def test_rules_of_ones_own(compare, tmp_path):
    """By --rules, or as config/gate.toml where one works (beside --config)."""
    rules = tmp_path / "strict.toml"
    rules.write_text("[regression]\nmargin = 0.5\n[floor]\nrate = 0.5", "utf-8")
    assert compare(GOOD, WORSE, "--rules", str(rules))[0] == 0
    (tmp_path / "config").mkdir()
    rules.rename(tmp_path / "config" / "gate.toml")
    assert compare(GOOD, WORSE, "--config", str(tmp_path / "goldwash.toml"))[0] == 0
    (tmp_path / "config" / "gate.toml").write_text("[regresion]", "utf-8")
    code, _, err = compare(GOOD, WORSE, "--config", str(tmp_path / "goldwash.toml"))
    assert code == 2
    assert "'regresion' is no rule: did you mean" in err


def test_an_anchor_by_option_or_by_the_rules(compare, tmp_path):
    """The path in the rules is relative to their file."""
    _write(tmp_path / "anchor.jsonl", "1" * 200)
    base, candidate = "0" * 30 + "1" * 170, "0" * 34 + "1" * 166
    assert compare(base, candidate)[0] == 0
    assert compare(base, candidate, "--anchor", str(tmp_path / "anchor.jsonl"))[0] == 1
    (tmp_path / "mine.toml").write_text('[anchor]\nfile = "anchor.jsonl"', "utf-8")
    assert compare(base, candidate, "--rules", str(tmp_path / "mine.toml"))[0] == 1


def test_a_file_that_is_not_there_is_bad_input(compare, tmp_path, capsys):
    """Not a failure of the release."""
    with pytest.raises(SystemExit) as ended:
        main(["gate", "compare", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")])
    assert ended.value.code == 2
    assert "a.jsonl: No such file or directory" in capsys.readouterr().err
