"""TLS on both sides, private CAs, and the way out through a corporate proxy."""

from __future__ import annotations

import json
from pathlib import Path

from tests.helpers.certificates import Authority
from tests.helpers.client import Client, fetch, request
from tests.helpers.egress import EgressProxy
from tests.helpers.goldwash import Goldwash, free_port
from tests.helpers.rows import Mark
from tests.helpers.upstream import Upstream, answer

COMPANY = "api.company.example"


def test_private_ca(goldwash: Goldwash, private_stage: Upstream) -> None:
    """An upstream behind a private CA is reached with ca_file, connections are kept, and bytes pass."""
    private_stage.on("/private", answer(200, [], b"river" * 1000, framing="chunked", piece=77))
    mark = Mark(goldwash)
    for _ in range(3):
        assert bytes(fetch(goldwash.port, "POST", "/private/private", [], b"x" * 50_000).body) == b"river" * 1000
    assert {bytes(got.body) for got in private_stage.to("/private")} == {b"x" * 50_000}
    assert [row["ending"] for row in mark.rows()] == ["complete"] * 3


def test_a_new_connection_resumes_the_session(tmp_path: Path, authority: Authority) -> None:
    """An upstream that closes after each answer costs one whole handshake; another server under the same name is checked all the same."""
    stranger = Authority.make(tmp_path, "stranger").server("localhost")
    with Upstream(tls=authority.server("localhost")) as known, Upstream(tls=stranger) as unknown:
        for upstream in (known, unknown):
            upstream.on("/closing", answer(200, [("Connection", "close")], b"ok"))
        ways = {
            name: {"url": f"https://localhost:{one.port}", "ca_file": str(authority.ca_file)}
            for name, one in (("a", known), ("b", unknown))
        }
        with Goldwash(tmp_path, ways) as goldwash:
            for _ in range(4):
                assert bytes(fetch(goldwash.port, "POST", "/a/closing", [], b"{}").body) == b"ok"
            assert fetch(goldwash.port, "POST", "/b/closing", [], b"{}").status == 502
        assert [connection.resumed for connection in known.connections] == [False, True, True, True]
        assert unknown.begun == []


def test_https_for_clients(goldwash_tls: Goldwash, stage: Upstream, authority: Authority) -> None:
    """With a certificate Goldwash serves HTTPS: pipelined, kept alive, streamed, all as without."""
    stage.on("/over-tls", lambda got: answer(200, [], [got.query.encode()] * 3, framing="chunked", delay=0.01))
    mark = Mark(goldwash_tls)
    with Client(goldwash_tls.port, tls=authority.client()) as client:
        client.send(b"".join(request("GET", f"/stage/over-tls?{number}") for number in range(3)))
        assert [bytes(client.answer().body) for _ in range(3)] == [b"000", b"111", b"222"]
    assert [row["ending"] for row in mark.rows()] == ["complete"] * 3


def test_large_bodies_over_https(goldwash_tls: Goldwash, stage: Upstream, authority: Authority) -> None:
    """Large bodies pass both ways over TLS."""
    body = bytes(range(256)) * 12_000
    stage.on("/large-tls", lambda got: answer(200, [], bytes(got.body), piece=100_000))
    with Client(goldwash_tls.port, tls=authority.client(), timeout=30) as client:
        client.send(request("POST", "/stage/large-tls", [], body))
        assert bytes(client.answer("POST").body) == body


def test_plain_http_to_the_https_port(goldwash_tls: Goldwash, stage: Upstream, authority: Authority) -> None:
    """Somebody who speaks plain HTTP to the HTTPS port is hung up on, and the others are served."""
    with Client(goldwash_tls.port, timeout=5) as client:
        client.send(request("GET", "/stage/plain"))
        alert = not client.ended()
        assert not alert or client.ended()
    stage.on("/after-plain", answer(200, [], b"ok"))
    with Client(goldwash_tls.port, tls=authority.client()) as client:
        client.send(request("GET", "/stage/after-plain"))
        assert client.answer().status == 200


def company(authority: Authority) -> dict[str, dict[str, object]]:
    return {"company": {"url": f"https://{COMPANY}/base", "ca_file": str(authority.ca_file)}}


def test_egress_proxy_of_the_environment(tmp_path: Path, private_stage: Upstream, authority: Authority) -> None:
    """HTTPS_PROXY is honoured with its password: TLS goes end to end through the tunnel, and the password lies nowhere."""
    private_stage.on("/base/v1", answer(200, [], b"through"))
    with EgressProxy({COMPANY: private_stage.port}, login=("river", "p@ss-planted")) as proxy:
        environ = {"HTTPS_PROXY": f"http://river:p%40ss-planted@127.0.0.1:{proxy.port}"}
        with Goldwash(tmp_path, company(authority), environ=environ) as goldwash:
            for _ in range(2):
                assert bytes(fetch(goldwash.port, "POST", "/company/v1", [], b"{}").body) == b"through"
            row = goldwash.rows("provider = 'company'")[0]
            assert row["ending"] == "complete"
            assert private_stage.to("/base/v1")[-1].all("host") == [COMPANY]
            assert proxy.asked == [f"CONNECT {COMPANY}:443 HTTP/1.1"]
            assert not [file for file in goldwash.data_dir.rglob("*") if file.is_file() and b"ss-planted" in file.read_bytes()]
            assert "ss-planted" not in goldwash.output()


def test_egress_proxies_that_fail(tmp_path: Path, authority: Authority) -> None:
    """A corporate proxy that refuses, asks for a password or is down gives 502 that names it and says why."""
    down = free_port()
    with EgressProxy({}) as ignorant, EgressProxy({COMPANY: 1}, ("river", "secret")) as guarded:
        cases = {"ignorant": (ignorant.port, "502"), "guarded": (guarded.port, "407"), "down": (down, "refused")}
        ways = {name: {"egress_proxy": f"http://127.0.0.1:{port}"} for name, (port, _) in cases.items()}
        with Goldwash(tmp_path, {name: {**company(authority)["company"], **way} for name, way in ways.items()}) as goldwash:
            for name, (port, why) in cases.items():
                got = fetch(goldwash.port, "POST", f"/{name}/v1", [], b"{}")
                assert got.status == 502
                message = json.loads(bytes(got.body))["error"]["message"]
                assert f"egress proxy 127.0.0.1:{port}" in message
                assert why in message.lower()
                assert goldwash.row(f"provider = '{name}'")["ending"] == "upstream_error"
