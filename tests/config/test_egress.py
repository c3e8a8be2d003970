"""Which upstreams go out through the corporate proxy of the environment."""

from __future__ import annotations

import pytest

from config.egress import bypasses
from config.settings import load


def _egress(toml_upstreams: dict, **environ: str) -> dict[str, str | None]:
    settings = load(None, environ, upstreams=toml_upstreams)
    return {name: upstream.egress_proxy for name, upstream in settings.upstreams.items()}


def test_https_upstreams_follow_https_proxy():
    """https goes through the proxy, plain http (Ollama at home) does not."""
    egress = _egress({}, HTTPS_PROXY="proxy.corp:3128")
    assert egress["openai"] == "http://proxy.corp:3128"
    assert egress["ollama"] is None


def test_no_proxy_and_the_configuration_come_first():
    """NO_PROXY lets a host out directly; a configured proxy, and an empty one, stand over the environment."""
    upstreams = {"mistral": {"egress_proxy": "http://other:1"}, "groq": {"egress_proxy": ""}}
    egress = _egress(upstreams, https_proxy="http://proxy.corp:3128", NO_PROXY=".openai.com")
    assert (egress["openai"], egress["anthropic"]) == (None, "http://proxy.corp:3128")
    assert (egress["mistral"], egress["groq"]) == ("http://other:1", None)


@pytest.mark.parametrize(
    ("host", "no_proxy", "direct"),
    [
        ("api.openai.com", "openai.com", True),
        ("api.openai.com", "*.openai.com", True),
        ("notopenai.com", "openai.com", False),
        ("api.openai.com", "*", True),
        ("api.openai.com", "", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8, example.com", False),
        ("127.0.0.1", "", True),
        ("localhost", "", True),
    ],
)
def test_no_proxy_is_read_as_everybody_reads_it(host, no_proxy, direct):
    """Names with their subdomains, a star, addresses and ranges; loopback always."""
    assert bypasses(host, no_proxy) is direct
