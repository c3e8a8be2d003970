"""Targets in the configuration: what is taken, and what is refused with the fix."""

from __future__ import annotations

import pytest

from config.settings import ConfigError, load


def settings(tmp_path, text, environ=None):
    file = tmp_path / "goldwash.toml"
    file.write_text(text, "utf-8")
    return load(file, environ or {})


def test_a_target_is_read_with_everything_in_it(tmp_path):
    """Params, headers and tools keep whatever keys they hold."""
    found = settings(
        tmp_path,
        """
        [target.production]
        [target.candidate]
        base_url = "http://127.0.0.1:9/v1"
        model = "m-1"
        prompt = { file = "prompts/answer.md", at = "/messages/0/content" }
        tools = [{ type = "function", function = { name = "look_up" } }]
        params = { temperature = 0.2, generationConfig = { topK = 3 } }
        [gate]
        production = "production"
        """,
    )
    assert set(found.target) == {"production", "candidate"}
    assert found.target["production"].kind == "endpoint"
    candidate = found.target["candidate"]
    assert dict(candidate.params) == {"temperature": 0.2, "generationConfig": {"topK": 3}}
    assert candidate.tools == ({"type": "function", "function": {"name": "look_up"}},)
    assert candidate.prompt is not None
    assert candidate.prompt.at == "/messages/0/content"


def test_the_environment_changes_a_target(tmp_path):
    """As it does any option."""
    found = settings(tmp_path, '[target.a]\nmodel = "m-1"', {"GOLDWASH_TARGET__A__MODEL": "m-2", "GOLDWASH_GATE__TARGETS": "a,b"})
    assert found.target["a"].model == "m-2"
    assert found.gate.targets == ("a", "b")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[target.a]\nmodle = "m"', "did you mean model?"),
        ('[target.a]\nprompt = { fiel = "x", at = "/a" }', "did you mean file?"),
        ('[target.a]\nprompt = { file = "x", at = "messages" }', "it must be a JSON pointer"),
        ('[target.a]\nkind = "command"', "command is missing"),
        ('[target.a]\nkind = "app"', "base_url is missing"),
        ('[target.a]\nkind = "recorded"', "answers is missing"),
        ('[target.a]\ncommand = ["x"]', 'command belongs to kind = "command"'),
        ('[target.a]\nheaders = { Authorization = "Bearer x" }', "carries a secret"),
        ('[target.a]\nkey_env = "A"\nkey_file = "b"', "two places for one key"),
        ('[target."a b"]\nmodel = "m"', "cannot be a target's name"),
        ("target = 3", "write [target] above its keys"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path, text, says):
    """With the key and the fix."""
    with pytest.raises(ConfigError) as error:
        settings(tmp_path, text)
    assert says in str(error.value)


def test_targets_reach_the_processes_of_up_unchanged(tmp_path):
    """Through the settings' own text, with lists of prompts and tools in files."""
    found = settings(
        tmp_path,
        """
        [target.a]
        prompt = { file = ["one.md", "two.md"], at = "/system" }
        tools = "tools.json"
        params = { stop = ["x"], nested = { deep = 1 } }
        [target.b]
        kind = "command"
        command = ["python", "bot.py"]
        tools = [{ name = "t" }]
        """,
    )
    assert found.target["a"].prompt is not None
    assert [str(file) for file in found.target["a"].prompt.files] == ["one.md", "two.md"]
    assert type(found).from_dump(found.dump()) == found
