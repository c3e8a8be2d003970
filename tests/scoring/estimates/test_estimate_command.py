"""`goldwash estimate FILE`: a file in, JSON out, and an error that names the fix."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from proxy.cli import goldwash
from scoring.commands.estimate import estimate
from tests.scoring.estimates.populations import failing, judged, shown

KEYS = (
    "judge_rate rate low high level method n n_labels kappa kappa_low kappa_high mcc tpr tnr majority_baseline n_effective warnings confusion"
).split()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Five hundred rows in two strata."""
    random = np.random.default_rng(1)
    truth = failing(random, np.full(500, 0.2))
    verdict, label = judged(random, truth, 0.8, 0.9), shown(random, truth, 200)
    lines = [f"i{n},{verdict[n]:.0f},{'' if np.isnan(label[n]) else f'{label[n]:.0f}'},{'ab'[n % 2]}" for n in range(500)]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["item,verdict,label,stratum", *lines]))
    return path


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(estimate, list(arguments))
    assert result.exit_code == code or (code and result.exception is not None), result.output
    return result.stdout


def test_it_prints_what_the_interface_says(rows):
    """All keys, the strata, and a rate within its interval."""
    said = json.loads(run(str(rows)))
    assert set(KEYS) <= set(said)
    assert said["low"] < said["rate"] < said["high"]
    assert (said["n"], said["n_labels"], said["level"], said["method"]) == (500, 200, 0.95, "jeffreys")
    assert set(said["strata"]) == {"a", "b"}
    assert said["strata"]["a"]["n"] == 250


def test_the_frame_knows_it(rows):
    """`goldwash estimate` and `goldwash calibrate` are found by their entry points; --config is taken."""
    listed = CliRunner().invoke(goldwash, ["--help"]).output
    assert "estimate" in listed
    assert "calibrate" in listed
    assert CliRunner().invoke(goldwash, ["estimate", "--config", "none.toml", str(rows)]).exit_code == 0


def test_level_method_and_seed_are_options(rows):
    """A lower level is narrower; another seed moves the limits a little; PPI++ on request."""
    plain = json.loads(run(str(rows)))
    narrow = json.loads(run(str(rows), "--level", "0.8"))
    assert plain["low"] < narrow["low"]
    assert json.loads(run(str(rows), "--seed", "3"))["low"] != plain["low"]
    assert json.loads(run(str(rows), "--method", "ppi++"))["method"] == "ppi++"
    assert json.loads(run(str(rows), "--method", "rogan-gladen"))["warnings"]


def test_standard_input_will_do(rows):
    """A dash reads from a pipe."""
    result = CliRunner().invoke(estimate, ["-"], input=rows.read_bytes())
    assert json.loads(result.stdout)["n"] == 500


def test_a_bad_file_is_refused(tmp_path):
    """The error names the file and what is wanted, and the frame leaves with 2."""
    from proxy.cli import main

    path = tmp_path / "bad.csv"
    path.write_text("item,label\na,1\n")
    with pytest.raises(SystemExit) as left:
        main(["estimate", str(path)])
    assert left.value.code == 2
