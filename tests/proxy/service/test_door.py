"""Who comes in at the admin port, and who does not."""

from __future__ import annotations

import base64
import io

import aiohttp
import pytest

from proxy.service.door import host_name
from tests.proxy.service.conftest import Running, Start

TOKEN = "a-long-token"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "169.254.169.254", "localhost:80:80", "[::1", ""])
async def test_on_loopback_other_names_are_refused(service: Running, host: str) -> None:
    """A page that had its name point here (DNS rebinding) shows its name in the Host header."""
    async with service.http.get(service.url + "/metrics", headers={"Host": host}) as response:
        assert response.status in {400, 421}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8081", "127.0.0.1:1", "127.8.8.8", "[::1]:8081"])
async def test_on_loopback_its_own_names_come_in(service: Running, host: str) -> None:
    """Whatever the port."""
    async with service.http.get(service.url + "/healthz", headers={"Host": host}) as response:
        assert response.status == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""])
async def test_posts_are_json(service: Running, kind: str) -> None:
    """What a page of another site can send without asking is not taken."""
    async with service.http.post(service.url + "/api/sql", data=b'{"sql":"SELECT 1"}', headers={"Content-Type": kind}) as response:
        assert response.status == 415


async def test_pages_of_other_sites_are_refused(service: Running) -> None:
    """A browser says where a request comes from; a preflight is never granted."""
    async with service.http.get(service.url + "/", headers={"Sec-Fetch-Site": "cross-site"}) as response:
        assert response.status == 403
    async with service.http.options(service.url + "/api/sql", headers={"Origin": "https://evil.example"}) as response:
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_elsewhere_the_token_is_asked_for(start: Start) -> None:
    """Everything but the probes needs it, as bearer or as the password a browser asks for."""
    async with start(token=TOKEN) as service:
        for path, status in (("/healthz", 200), ("/readyz", 503), ("/metrics", 401), ("/", 401), ("/nowhere", 401)):
            async with service.http.get(service.url + path, headers={"Host": "log.example.com"}) as response:
                assert response.status == status
        for header, status in (
            (f"Bearer {TOKEN}", 200),
            (f"bearer {TOKEN}", 200),
            ("Bearer wrong", 401),
            ("Bearer", 401),
            (TOKEN, 401),
            ("Basic !!", 401),
            ("Basic " + base64.b64encode(f"me:{TOKEN}".encode()).decode(), 200),
            ("Basic " + base64.b64encode(b"me:wrong").decode(), 401),
        ):
            async with service.http.get(service.url + "/metrics", headers={"Authorization": header}) as response:
                assert (header, response.status) == (header, status)
        status, rows = await service.post("/api/sql", {"sql": "SELECT 1 AS a"}, headers={"Authorization": f"Bearer {TOKEN}"})
        assert (status, rows) == (200, [{"a": 1}])


async def test_a_refusal_says_what_to_do(start: Start) -> None:
    """401 names the file, and lets a browser ask."""
    async with start(token=TOKEN) as service, service.http.get(service.url + "/") as response:
        assert "admin.token" in (await response.json())["hint"]
        assert response.headers["WWW-Authenticate"].startswith("Basic ")


async def test_large_bodies_are_refused(service: Running) -> None:
    """Sixteen megabytes are enough for anybody's opinion."""
    try:
        large = io.BytesIO(b'{"comment":"' + b"x" * (17 << 20) + b'"}')
        async with service.http.post(service.url + "/api/feedback", data=large, headers={"Content-Type": "application/json"}) as response:
            assert response.status == 413
    except aiohttp.ClientConnectionError:
        pass  # it may hang up on the rest


def test_host_names() -> None:
    """A Host header without its port; nothing where it is malformed."""
    assert [host_name(h) for h in ("LocalHost:1", "a.b", "[::1]:1", "a:b", "[::1", "[::1]x", "")] == [
        "localhost",
        "a.b",
        "::1",
        "",
        "",
        "",
        "",
    ]


async def test_a_missing_content_type_is_called_missing(service: Running) -> None:
    """What the client never sent is not held against it."""
    async with service.http.post(service.url + "/api/flush", skip_auto_headers=("Content-Type",)) as response:
        assert (response.status, (await response.json())["error"]) == (415, "the content type is missing")
