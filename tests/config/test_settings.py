"""What an operator writes becomes settings, or one sentence that names the place, the value and the fix."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import ConfigError, Settings, load
from config.upstreams import BUILTIN


def _load(tmp_path: Path, toml: str, **environ: str) -> Settings:
    file = tmp_path / "goldwash.toml"
    file.write_text(toml, encoding="utf-8")
    return load(file, environ)


def test_nothing_needs_configuring(tmp_path, monkeypatch):
    """Without file and environment the documented defaults hold, and every built-in upstream is there."""
    monkeypatch.chdir(tmp_path)
    settings = load(None, {})
    assert (settings.proxy.host, settings.proxy.port, settings.proxy.workers) == ("127.0.0.1", 8080, 1)
    assert (settings.admin.port, settings.log.address) == (8081, "goldwash.duckdb")
    assert settings.data_dir == tmp_path / "data"
    assert set(settings.upstreams) == set(BUILTIN)
    assert settings.upstreams["openai"].url == "https://api.openai.com"


def test_the_environment_comes_over_the_file_and_the_command_line_over_both(tmp_path):
    """Each layer changes only what it names; None on the command line is not given."""
    toml = "data_dir = 'there'\n[proxy]\nport = 1001\nworkers = 2\nhost = '127.0.0.2'"
    environ = {"GOLDWASH_PROXY__PORT": "1002", "GOLDWASH_PROXY__WORKERS": "3", "GOLDWASH_DATA_DIR": "here"}
    file = tmp_path / "c.toml"
    file.write_text(toml)
    settings = load(file, environ, proxy={"workers": 4, "port": None})
    assert (settings.proxy.host, settings.proxy.port, settings.proxy.workers) == ("127.0.0.2", 1002, 4)
    assert settings.data_dir == Path("here").absolute()


def test_names_that_are_no_options_are_left_alone(tmp_path):
    """Some variables begin like options and are none."""
    assert _load(tmp_path, "", GOLDWASH_CONFIG="x", GOLDWASH_LOG_LEVEL="debug", GOLDWASH_COMPILED="0").proxy.port == 8080


def test_the_file_is_found_by_option_variable_or_place(tmp_path, monkeypatch):
    """--config comes before GOLDWASH_CONFIG, which comes before goldwash.toml in the working directory."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("option.toml", "variable.toml", "goldwash.toml"), start=1):
        (tmp_path / name).write_text(f"[proxy]\nport = {number}")
    environ = {"GOLDWASH_CONFIG": "variable.toml"}
    assert load(Path("option.toml"), environ).proxy.port == 1
    assert load(None, environ).proxy.port == 2
    assert load(None, {}).proxy.port == 3


def test_a_user_table_merges_over_the_builtin_of_its_name(tmp_path):
    """A key that is left out keeps the built-in value; a new name is a new upstream."""
    settings = _load(tmp_path, '[upstreams.openai]\nconnect_timeout = 3\n[upstreams.mine]\nurl = "http://127.0.0.1:1/v1/"')
    assert (settings.upstreams["openai"].url, settings.upstreams["openai"].connect_timeout) == ("https://api.openai.com", 3)
    assert settings.upstreams["mine"].url == "http://127.0.0.1:1/v1"


def test_upstreams_with_a_dash_can_be_named_in_the_environment(tmp_path):
    """GOLDWASH_UPSTREAMS__X_AI__URL means x-ai, and an upstream of the file is found the same way."""
    environ = {"GOLDWASH_UPSTREAMS__X_AI__URL": "http://127.0.0.1:1", "GOLDWASH_UPSTREAMS__MY_OWN__DIALECT": "openai"}
    settings = _load(tmp_path, '[upstreams.my-own]\nurl = "http://127.0.0.1:2"', **environ)
    assert settings.upstreams["x-ai"].url == "http://127.0.0.1:1"
    assert settings.upstreams["my-own"].dialect == "openai"


def test_lists_are_written_with_commas_in_the_environment(tmp_path):
    """GOLDWASH_PROXY__LOG_HEADERS takes several names."""
    assert _load(tmp_path, "", GOLDWASH_PROXY__LOG_HEADERS="X-Team, x-plan").proxy.log_headers == ("x-team", "x-plan")


def test_settings_reach_a_child_process_unchanged(tmp_path):
    """dump and from_dump are inverse."""
    settings = _load(tmp_path, "[upstreams.azure]\nurl='https://me.openai.azure.com'", HTTPS_PROXY="http://127.0.0.1:3128")
    assert Settings.from_dump(settings.dump()) == settings
    assert Settings.from_dump(settings.dump().encode()) == settings


@pytest.mark.parametrize(
    ("toml", "environ", "parts"),
    [
        ("[proxy]\nprot = 1", {}, ["[proxy] prot = 1", "did you mean [proxy] port?"]),
        ("[prxy]\nport = 1", {}, ["[prxy] port", "did you mean [proxy] port?"]),
        ("data_dir = 5", {}, ["data_dir = 5: should be a path in quotation marks (Directory of spool"]),
        ("[proxy]\nlog_headers = 5", {}, ["log_headers = 5: should be a list"]),
        ("[redaction]\npatterns = 5", {}, ["patterns = 5: should be a table"]),
        ('[proxy]\nworkers = "x"', {}, ['workers = "x": should be a whole number (']),
        ("[upstreams.x]\nurl = 5", {}, ["url = 5: should be text in quotation marks"]),
        ('[upstreams.x]\ndialect = "openia"', {}, ["[upstreams.x] dialect = \"openia\": did you mean 'openai'?", "'gemini'", "'watsonx'"]),
        ("", {"GOLDWASH_UPSTREAMS__X__DIALECT": "azure"}, ["GOLDWASH_UPSTREAMS__X__DIALECT", '"azure"', "should be 'aleph-alpha', 'anth"]),
        ("[proxy]\nmax_gb = 1", {}, ["did you mean [spool] max_gb?"]),
        ("[upstreams.openai]\nurll = 'http://a'", {}, ["[upstreams.openai] urll", "did you mean [upstreams.NAME] url?"]),
        ("[zebra]\nx = 1", {}, ["[zebra] x = 1", "the sections are", "upstreams"]),
        ("datadir = 'x'", {}, ["datadir", "did you mean data_dir?"]),
        ("proxy = 3", {}, ["proxy = 3", "write [proxy] above its keys"]),
        ("", {"GOLDWASH_PROXY__PROT": "1"}, ["environment: GOLDWASH_PROXY__PROT", "did you mean"]),
        ("[proxy]\nport = 'abc'", {}, ["[proxy] port", '"abc"', "should be a whole number (Port to listen on"]),
        ("[proxy]\nport = 70000", {}, ["70000", "65535"]),
        ("[proxy]\non_client_gone = 'stop'", {}, ["'abort' or 'finish'"]),
        ("[sql]\nmemory = 'lots'", {}, ["1GB"]),
        ("[proxy]\nlog_headers = ['Authorization']", {}, ["authorization", "never logged"]),
        ("[upstreams.a]\nurl = 'ftp://x'", {}, ["https://api.example.com"]),
        ("[upstreams.a]\nurl = 'https://x/{zone}'", {}, ["{region}"]),
        ("[upstreams.a]\nconnect_to = 'x'", {}, ["127.0.0.1:9000"]),
        ("[upstreams.Open_AI]\nurl = 'https://x'", {}, ["Open_AI", "lower case"]),
        ("[upstreams.goldwash]\nurl = 'https://x'", {}, ["goldwash"]),
        ("[proxy]\ntls_cert = 'pyproject.toml'", {}, ["tls_key", "both or neither"]),
        ("[proxy]\nport = 8081", {}, ["8081", "give one of them another"]),
        ("[log]\naddress = 'ducklake:postgres:dbname=x'", {}, ["data_path"]),
        ("[prices]\nfile = 'nowhere.toml'", {}, ["nowhere.toml", "no such file"]),
        ("[upstreams.a]\nurl='https://x'\nca_file = 'nowhere.pem'", {}, ["[upstreams.a] ca_file", "no such file"]),
        ("[proxy", {}, ["not valid TOML"]),
    ],
)
def test_a_mistake_is_said_in_one_sentence_with_its_fix(tmp_path, toml, environ, parts):
    """The place, the value and the fix stand in one line."""
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, toml, **environ)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    for part in parts:
        assert part in str(caught.value)


def test_a_named_file_must_be_there():
    """A --config that does not exist is an error, not the defaults."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml: there is no such file; correct --config"):
        load(Path("nowhere.toml"), {})
    with pytest.raises(ConfigError, match="correct GOLDWASH_CONFIG"):
        load(None, {"GOLDWASH_CONFIG": "nowhere.toml"})


@pytest.mark.parametrize(
    ("toml", "variable"),
    [
        ("[upstreams.a]\nurl='https://x'\negress_proxy = 'http://me:hush@proxy:1'", "GOLDWASH_UPSTREAMS__A__EGRESS_PROXY"),
        ("[log]\naddress = 'ducklake:postgres:host=a password=hush'\ndata_path='p'", "GOLDWASH_LOG__ADDRESS"),
    ],
)
def test_a_password_in_the_file_is_refused_without_being_repeated(tmp_path, toml, variable):
    """The message names the variable that may hold it, and not the password."""
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, toml)
    assert variable in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_misplaced_secret_is_not_shown():
    """An unknown variable that sounds like a secret keeps its value to itself."""
    with pytest.raises(ConfigError) as caught:
        load(None, {"GOLDWASH_OPENAI_API_KEY": "sk-hush"})
    assert "sk-hush" not in str(caught.value)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8), lambda s: st.lists(s, max_size=2)))
def test_any_value_is_taken_or_refused_in_a_sentence(value):
    """A value of any type gives settings or a ConfigError, nothing else."""
    for key in ("port", "host", "log_headers", "tls_key", "goldwash_id_header", "drain_timeout", "on_log_failure"):
        try:
            load(None, {}, proxy={key: value})
        except ConfigError as error:
            assert "\n" not in str(error)


def test_a_broken_pattern_is_told_in_words(tmp_path):
    """RE2's own words, as text."""
    file = tmp_path / "goldwash.toml"
    file.write_text("[redaction.patterns]\nticket = '('\n")
    with pytest.raises(ConfigError, match=r"the pattern ticket is no RE2 expression: missing \): \("):
        load(file, {})
