"""The table of upstreams: the first path segment decides, and nothing a client writes leads elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.options import VERTEX_URL, Upstream
from proxy.lane.routing import MAX_REGIONS, NotRouted, Router

UPSTREAMS = {
    "openai": Upstream(url="https://api.openai.com"),
    "local": Upstream(url="http://[::1]:8000/base/"),
    "google-vertex": Upstream(url=VERTEX_URL),
    "azure": Upstream(),
}


@pytest.mark.parametrize(
    ("target", "rest", "metadata"),
    [
        (b"/openai/v1/chat", b"/v1/chat", b""),
        (b"/openai", b"/", b""),
        (b"/openai?x=/a", b"/?x=/a", b""),
        (b"/openai/v1//x%2Fy?a=../b", b"/v1//x%2Fy?a=../b", b""),
        (b"/openai/~feature=a;user=b/v1?q", b"/v1?q", b"feature=a;user=b"),
        (b"/openai/~a=1/~b=2", b"/", b"a=1;b=2"),
        (b"/local/models", b"/base/models", b""),
        (b"/openai/v1/..x/.y", b"/v1/..x/.y", b""),
    ],
)
def test_rest_passes_as_it_came(target: bytes, rest: bytes, metadata: bytes) -> None:
    """Path and query go on as they came, behind the base path; metadata is taken out."""
    found = Router(UPSTREAMS).route(target)
    assert (found.rest, found.metadata) == (rest, metadata)


def test_regions() -> None:
    """Vertex goes to the region in the path, one route each; made-up regions do not make memory grow."""
    router = Router(UPSTREAMS)
    one = router.route(b"/google-vertex/v1/projects/p/locations/europe-west4/publishers/google/models/m:x").route
    assert one.host_line == b"Host: europe-west4-aiplatform.googleapis.com\r\n"
    assert router.route(b"/google-vertex/v1/projects/q/locations/europe-west4/endpoints").route is one
    for n in range(MAX_REGIONS * 2):
        router.route(b"/google-vertex/v1/locations/r%d/x" % n)
    assert len(router._regional) <= MAX_REGIONS
    with pytest.raises(NotRouted, match="needs a region"):
        router.route(b"/google-vertex/v1/models")


def test_errors_name_the_fix() -> None:
    """An unknown upstream lists the known ones; one without an address says what to configure."""
    router = Router(UPSTREAMS)
    with pytest.raises(NotRouted, match="known: azure, google-vertex, local, openai") as caught:
        router.route(b"/opnai/v1")
    assert caught.value.status == 404
    with pytest.raises(NotRouted, match=r"set url in \[upstreams.azure\]"):
        router.route(b"/azure/openai/deployments/x")


@given(st.binary(max_size=60))
def test_no_target_leads_elsewhere(raw: bytes) -> None:
    """Whatever the target is: it is refused, or goes to a configured origin."""
    router = Router(UPSTREAMS)
    try:
        found = router.route(b"/" + raw)
    except NotRouted:
        return
    assert found.route.origin.host in {"api.openai.com", "::1"} or found.route.origin.host.endswith("-aiplatform.googleapis.com")
