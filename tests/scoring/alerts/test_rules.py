"""The rules file: what is shipped, what may be changed, and how each mistake is named."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import ConfigError
from scoring.alerts.kinds import KINDS, Errors, Latency, Quality, duration, spelled
from scoring.alerts.rules import SHIPPED, load, parse, reload
from scoring.alerts.toml_lines import line_of


def test_the_shipped_rules_are_what_is_promised():
    """Each default of the shipped file, by its figure."""
    file = load()
    quality, errors, latency, cost, burn = (file.named(name) for name in ("quality", "errors", "latency", "cost", "burn"))
    assert isinstance(quality, Quality)
    assert (quality.drop, quality.window_days, quality.cusum, quality.false_alarms) == (0.05, 7, True, 0.05)
    assert isinstance(errors, Errors)
    assert (errors.limit, errors.long, errors.short) == (0.02, timedelta(hours=1), timedelta(minutes=5))
    assert isinstance(latency, Latency)
    assert (latency.ratio, latency.window, latency.min_baseline) == (3.0, timedelta(minutes=15), timedelta(days=1))
    assert cost is not None
    assert (cost.rise, cost.volume) == (0.30, 0.10)
    assert burn is not None
    assert [pair.rate for pair in burn.pairs] == [14.4, 6, 1]
    slis = {rule.sli for rule in file.rules if isinstance(rule, Quality)}
    assert slis == {"judged_pass", "grounding", "refusal", "fallback", "tool_errors", "thumbs_down", "retries"}
    watched = {rule.watch for rule in file.rules if rule.kind == "watchdog"}
    assert watched == {"traffic", "scoring", "judge", "prices", "review", "log_lag", "lost", "channel"}
    for rule in file.rules:
        if isinstance(rule, Quality):
            assert set(rule.slices) == {"all", "feature", "response_model", "prompt_version", "route"}


def test_the_shipped_values_are_the_defaults_of_their_kinds():
    """A rule that says no more than its kind is the shipped one: file and code agree."""
    file = load()
    for kind in ("errors", "latency", "cost", "burn"):
        shipped = file.named(kind)
        assert shipped is not None
        bare = KINDS[kind].model_validate({"name": kind})
        leave = {"summary", "severity", "resolve_after"}
        assert shipped.model_dump(exclude=leave) == bare.model_dump(exclude=leave)


def test_ones_own_file_need_only_name_what_differs():
    """Keys are laid over the shipped rule of that name; a new rule names its kind; SLOs and channels are kept."""
    text = """
        [rule.errors]
        limit = 0.05
        channels = ["hook"]
        [rule.cost]
        enabled = false
        [rule.slow_search]
        kind = "latency"
        ratio = 2
        [slo.search]
        sli = "errors"
        target = 0.99
        slice = { feature = "search" }
        [channel.hook]
        kind = "webhook"
        url = "https://example.com/hook"
        """
    file = parse(text, "mine.toml")
    errors = file.named("errors")
    assert isinstance(errors, Errors)
    assert (errors.limit, errors.min_count, errors.channels) == (0.05, 200, ("hook",))
    assert "cost" not in [rule.name for rule in file.enabled]
    assert file.named("slow_search") is not None
    assert file.slos[0].budget == pytest.approx(0.01)
    assert file.channels["hook"]["url"] == "https://example.com/hook"
    assert file.fingerprint() != load().fingerprint()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[rule.errors]\n\nlimti = 3", r"mine, line 3: \[rule.errors\] limti: no such key; did you mean limit\?"),
        ("[rule.errors]\nlimit = 3", r"line 2: \[rule.errors\] limit: 3: should be less than 1"),
        ("[rule.errors]\nlong = '1 hour'", "line 2: .* it must be a length of time with its unit"),
        ("[rule.errors]\nlong = '0s'", "line 2: .* longer than nothing"),
        ("[rule.errors]\nslices = ['feture']", "line 2: .* 'feture' is no dimension: known are all, feature"),
        ("[rule.errors]\nkind = 'eror'", "line 2: .* 'eror' is no kind of rule: did you mean 'errors'"),
        ("[rule.errors]\nname = 'x'", "line 2: .* its name stands in its table"),
        ("[rule.errors]\nsli = 'quality'", "line 2: .* 'quality' is no indicator: known are judged_pass"),
        ("[rule.mine]\nlimit = 0.1", r"line 1: \[rule.mine\]: it has no kind: add kind"),
        ("[rule.eror]\nlimit = 0.1", r"line 1: .* did you mean \[rule.errors\]\?"),
        ("[rule.errors]\nchannels = ['ops']", "line 2: .* there is no channel 'ops': no \\[channel.NAME\\] is declared"),
        ("[rule.errors]\ngroup_by = ['user']", "line 1: .* 'user' is no grouping key: known are rule, feature"),
        ("[rule.burn]\npairs = [{ rate = 0.2, long = '1h', short = '5m' }]", r"line 2: \[rule.burn\] pairs.0.rate: 0.2"),
        ("[rule.w]\nkind = 'watchdog'\nwatch = 'moon'", "line 3: .* watch: 'moon'"),
        ("[slo.a]\ntarget = 0.9", r"line 1: \[slo.a\] sli: it is missing; add it"),
        ("[slo.a]\nsli = 'errors'\ntarget = 99.5", "line 3: .* target: 99.5: should be less than 1"),
        ("[rules.errors]\nlimit = 0.1", r"line 1: \[rules.errors\]|line 1: \[rules\]: no such table: did you mean \[rule.NAME\]\?"),
        ("rule = 3", "line 1: .* it is no value but a table"),
        ("[rule]\nlimit = 0.1", r"line 2: \[rule.limit\]: it stands outside any \[rule.NAME\]"),
        ("[rule.errors\nlimit = 1", r"no valid TOML|not valid TOML: .*line 1"),
        ("[[rule.errors]]\nlimit = 0.1", "it stands outside any"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_the_fix(text, said):
    """Whatever is wrong, the error says where and what to write."""
    with pytest.raises(ConfigError, match=said):
        parse(text, "mine")


def test_a_broken_file_leaves_the_old_rules_in_force(tmp_path):
    """`reload` gives the rules that were, and the sentence; mended, it takes the new ones."""
    path = tmp_path / "alerts.toml"
    path.write_text("[rule.errors]\nlimit = 0.03\n", encoding="utf-8")
    first, none = reload(path, load())
    assert none is None
    path.write_text("[rule.errors]\nlimit = 'much'\n", encoding="utf-8")
    second, why = reload(path, first)
    assert second is first
    assert why is not None
    assert "line 2" in why
    assert "stay in force" in why
    path.unlink()
    assert reload(path, first)[0] is first
    path.write_bytes(b"\xff\xfe")
    assert "UTF-8" in (reload(path, first)[1] or "")
    path.write_text("[rule.errors]\nlimit = 0.04\n", encoding="utf-8")
    third, none = reload(path, first)
    assert none is None
    assert third.fingerprint() != first.fingerprint()


def test_durations_read_back_as_they_are_spelled():
    """Text to length and back; anything else is refused."""
    for text in ("90s", "15m", "1h", "36h", "7d"):
        assert spelled(duration(text)) == text
    for wrong in ("15", "m", "-1h", 15, "1w", "", None, "99999999d"):
        with pytest.raises(ValueError, match="length of time"):
            duration(wrong)


@given(st.text(max_size=200))
def test_any_text_is_rules_or_a_mistake_that_is_named(text):
    """Accepted, or refused with the one documented error."""
    try:
        parse(text, "mine")
    except ConfigError as error:
        assert str(error).startswith("mine")


def test_lines_are_found_in_the_shipped_file():
    """Keys with comments, tables and inline tables are found where they stand."""
    text = SHIPPED.read_text(encoding="utf-8")
    lines = text.splitlines()
    for path in (("rule", "latency", "ratio"), ("rule", "burn", "pairs"), ("rule", "lost", "limit")):
        line = line_of(text, path)
        assert line is not None
        assert lines[line - 1].startswith(path[-1])
    assert line_of(text, ("nothing",)) is None
