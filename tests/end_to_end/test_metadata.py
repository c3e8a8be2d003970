"""What a request says about itself, in headers of four families or in its base URL, becomes columns and stays here."""

from __future__ import annotations

import pytest

from tests.helpers.client import fetch
from tests.helpers.goldwash import Goldwash
from tests.helpers.rows import Mark
from tests.helpers.upstream import Upstream, answer
from tests.helpers.wire import Headers

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
FAMILIES: dict[str, tuple[Headers, dict[str, object], bool]] = {
    "goldwash": (
        [
            ("Goldwash-Feature", "search"),
            ("goldwash-user", "u1"),
            ("goldwash-session", "s1"),
            ("goldwash-task", "t1"),
            ("goldwash-prompt-version", "p3"),
            ("goldwash-environment", "prod"),
        ],
        {"feature": "search", "user_id": "u1", "session_id": "s1", "task": "t1", "prompt_version": "p3", "environment": "prod"},
        False,
    ),
    "helicone": ([("Helicone-User-Id", "u2"), ("Helicone-Session-Id", "s2")], {"user_id": "u2", "session_id": "s2"}, True),
    "trace": ([("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")], {"trace_id": TRACE, "span_id": "00f067aa0ba902b7"}, True),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_headers(goldwash: Goldwash, stage: Upstream, family: str) -> None:
    """Metadata headers fill their columns; our own stay behind, those of others go on."""
    headers, columns, forwarded = FAMILIES[family]
    stage.on(f"/meta-{family}", answer(200, [], b"ok"))
    mark = Mark(goldwash)
    fetch(goldwash.port, "POST", f"/stage/meta-{family}", headers, b"{}")
    mark.row(columns)
    arrived = [name for name, _ in stage.to(f"/meta-{family}")[0].headers]
    assert all((name in arrived) == forwarded for name, _ in headers)


def test_properties(goldwash: Goldwash, stage: Upstream) -> None:
    """Properties of every family meet in one map."""
    stage.on("/properties", answer(200, [], b"ok"))
    headers: Headers = [
        ("goldwash-property-team", "river"),
        ("Helicone-Property-Plan", "gold"),
        ("x-portkey-metadata", '{"region": "eu"}'),
        ("x-litellm-spend-logs-metadata", '{"batch": "7"}'),
    ]
    mark = Mark(goldwash)
    fetch(goldwash.port, "POST", "/stage/properties", headers, b"{}")
    properties = {key.lower(): value for key, value in mark.row()["properties"].items()}
    assert {"team": "river", "plan": "gold", "region": "eu", "batch": "7"}.items() <= properties.items()


def test_metadata_in_the_base_url(goldwash: Goldwash, stage: Upstream) -> None:
    """Metadata can stand in the base URL for tools that set no headers; the upstream never sees it."""
    stage.on("/v1/models", answer(200, [], b"ok"))
    mark = Mark(goldwash)
    got = fetch(goldwash.port, "GET", "/stage/~feature=search;user=42;team=river%20bed/v1/models?x=1")
    assert got.status == 200
    assert stage.to("/v1/models")[-1].target == "/v1/models?x=1"
    row = mark.row({"feature": "search", "user_id": "42", "path": "/v1/models"})
    assert row["properties"]["team"] == "river bed"


def test_feedback_at_the_proxy_port(goldwash: Goldwash, stage: Upstream) -> None:
    """An app can tell what it thinks of an answer at the address it already has."""
    stage.on("/rated", answer(200, [], b"ok"))
    got = fetch(goldwash.port, "POST", "/stage/rated", [], b"{}")
    own = got.get("goldwash-id")
    said = fetch(
        goldwash.port,
        "POST",
        "/goldwash/feedback",
        [("Content-Type", "application/json")],
        f'{{"exchange_id": "{own}", "name": "thumb", "value": 1, "comment": "found it"}}'.encode(),
    )
    assert said.status < 300, bytes(said.body)
    goldwash.flush()
    (row,) = goldwash.sql(f"SELECT * FROM feedback WHERE exchange_id = '{own}'")
    assert "found it" in row.values()
