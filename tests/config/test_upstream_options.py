"""The built-in upstreams, and where a request to one of them goes."""

from __future__ import annotations

import pytest

from config.options import Upstream
from config.settings import load
from config.upstreams import BUILTIN


def test_every_builtin_is_valid_and_documented():
    """Each has an https address (or a loopback one, or none and says so) and a page of its provider."""
    settings = load(None, {})
    for name, builtin in BUILTIN.items():
        assert builtin.docs.startswith("https://")
        assert builtin.url is None or builtin.url.startswith(("https://", "http://127.0.0.1"))
        assert settings.upstreams[name].url == builtin.url


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-central1", "us-central1-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_vertex_finds_its_region_in_the_path(region, host):
    """locations/REGION of the path comes before the configured region."""
    vertex = load(None, {}, upstreams={"google-vertex": {"region": "asia-east1"}}).upstreams["google-vertex"]
    assert vertex.base_url(f"/v1/projects/p/locations/{region}/publishers/google/models/m:generateContent") == f"https://{host}"
    assert vertex.base_url("/v1/models") == "https://asia-east1-aiplatform.googleapis.com"


def test_what_is_missing_is_said_with_the_fix():
    """azure has no address of its own, Vertex no region: both say which key to set."""
    upstreams = load(None, {}).upstreams
    assert "[upstreams.azure]" in (upstreams["azure"].missing("azure") or "")
    assert "region" in (upstreams["google-vertex"].missing("google-vertex", "/v1/models") or "")
    assert upstreams["google-vertex"].missing("google-vertex", "/v1/projects/p/locations/us-east1/x") is None
    assert upstreams["openai"].missing("openai") is None


def test_bedrock_has_a_region_from_the_start():
    """The default region can be changed by one key."""
    assert load(None, {}).upstreams["aws-bedrock"].base_url() == "https://bedrock-runtime.us-east-1.amazonaws.com"
    assert Upstream(url="https://a.{region}.b", region="eu-west-1").base_url() == "https://a.eu-west-1.b"
