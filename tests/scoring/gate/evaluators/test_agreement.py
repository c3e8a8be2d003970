"""promptfoo agrees with the evaluators of the gate on the same exported cases, case by case, but where the docs say why not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.helpers.goldwash import ROOT
from tests.scoring.gate.evaluators.agreement import DIVERGENCES, cases, ours, theirs
from tests.scoring.golden.test_promptfoo import entrypoint


async def test_promptfoo_agrees_case_by_case(tmp_path: Path) -> None:
    """572 cases: every part of a case that both can grade, with answers that are right, wrong and odd."""
    program, node = entrypoint(), shutil.which("node")
    if program is None or node is None:
        pytest.skip("promptfoo is not installed: scripts/promptfoo installs it (Node 20)")
    pairs = cases()
    mine, other = await ours(pairs), theirs(pairs, [node, str(program)], tmp_path)
    assert {pair for pair in pairs if mine[pair] is not other[pair]} == set(DIVERGENCES)


async def test_every_pair_is_decided_and_both_ways() -> None:
    """Each part passes some answers and fails others, and leaves none open: otherwise agreement would say little."""
    pairs = cases()
    mine = await ours(pairs)
    for part in {pair.part for pair in pairs}:
        assert {verdict for pair, verdict in mine.items() if pair.part == part} == {True, False}, part


def test_the_divergences_stand_in_the_docs() -> None:
    """Each reason, in the page's words."""
    page = " ".join((ROOT / "docs/gate-evaluators.md").read_text(encoding="utf-8").split())
    for reason in set(DIVERGENCES.values()):
        assert reason in page
    assert f"{len(cases()) - len(DIVERGENCES)} of {len(cases())}" in page
