"""config/scoring.toml: what it may hold, and how its mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.scoring import Judge, Scoring, find, load
from config.settings import ConfigError

JUDGE = '[judge]\nupstream = "openai"\nmodel = "gpt-5.4-2026-03-05"\n'


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "scoring.toml"
    file.write_text(text)
    return file


def test_the_shipped_file_is_the_defaults(tmp_path):
    """What it sets is what the code would do without it; it is found beside the main configuration."""
    assert load(None) == Scoring()
    assert find(tmp_path / "goldwash.toml") is None
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "scoring.toml").write_text("concurrency = 3\n")
    assert load(find(tmp_path / "goldwash.toml")).concurrency == 3


@pytest.mark.parametrize("model", ["gpt-5-latest", "claude-sonnet-4-5:latest", "latest", "openrouter/auto", "mistral-large-LATEST"])
def test_floating_aliases_are_refused(tmp_path, model):
    """A name that means another model tomorrow is no judge."""
    with pytest.raises(ConfigError, match=r"scoring\.toml: \[judge\] model: '.*': it floats: name one dated version"):
        load(written(tmp_path, JUDGE.replace("gpt-5.4-2026-03-05", model)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("concurency = 3", "concurency: no such key; did you mean concurrency?"),
        ("[sampling]\nfloors = 3", "[sampling] floors: no such key; did you mean floor?"),
        ("[sampling]\nrate = 5", "[sampling] rate: 5: should be less than or equal to 1"),
        ('[judge]\nupstream = "openai"', "[judge] model: it is missing; add it (Its name, pinned"),
        (JUDGE + '[second_judge]\nupstream = "a"\nmodel = "o3-2025-04-16"', "[second_judge] is of the family openai, as [judge] is"),
        (JUDGE + '[second_judge]\nupstream = "a"\nmodel = "house-1"', "[second_judge] family is not known from its model's name"),
        ('[second_judge]\nupstream = "a"\nmodel = "house-1"', "[second_judge] without [judge]"),
        (JUDGE + 'params = {model = "x"}', "[judge]: params holds 'model', which goldwash sets itself: leave it out"),
        ("budget_usd = -1", "budget_usd: -1: should be greater than 0"),
        ("rate = [", "this is not valid TOML"),
    ],
)
def test_mistakes_name_file_key_and_fix(tmp_path, text, told):
    """One sentence, nothing else."""
    with pytest.raises(ConfigError) as error:
        load(written(tmp_path, text))
    assert str(error.value).startswith(f"{tmp_path / 'scoring.toml'}: {told}")


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-4o-2024-08-06", "openai"),
        ("openai/o3-2025-04-16", "openai"),
        ("claude-sonnet-4-5-20250929", "anthropic"),
        ("gemini-2.5-pro", "google"),
        ("meta-llama/Llama-3.3-70B-Instruct", "meta"),
        ("house-1", None),
    ],
)
def test_families_are_found_by_name(model, family):
    """Whoever trained it; an operator's own word counts more."""
    assert Judge(upstream="u", model=model).of_family == family
    assert Judge(upstream="u", model=model, family="mine").of_family == "mine"
