"""Metadata headers of every family end in the same fields, ours first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.log.metadata import FIELDS, MAX_PROPERTIES, metadata


def fields(*headers: tuple[str, str], url: str = "") -> dict[str, object]:
    found = metadata(headers, url)
    values = {name: getattr(found, name) for name in (*FIELDS, "trace_id", "span_id", "user_agent")}
    said: dict[str, object] = {name: value for name, value in values.items() if value is not None}
    return said | ({"properties": found.properties} if found.properties else {})


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("goldwash-feature", "a"), ("goldwash-property-Team", "x")], {"feature": "a", "properties": {"Team": "x"}}),
        ([("goldwash-user", "u"), ("goldwash-session", "s"), ("goldwash-task", "t")], {"user_id": "u", "session_id": "s", "task": "t"}),
        ([("goldwash-prompt-version", "v2"), ("goldwash-environment", "prod")], {"prompt_version": "v2", "environment": "prod"}),
        ([("goldwash-purpose", "judge"), ("goldwash-retry-of", "id")], {"purpose": "judge", "retry_of": "id"}),
        ([("helicone-user-id", "u"), ("helicone-session-id", "s")], {"user_id": "u", "session_id": "s"}),
        ([("helicone-prompt-id", "p"), ("helicone-property-app", "x")], {"prompt_version": "p", "properties": {"app": "x"}}),
        ([("helicone-session-name", "n")], {"properties": {"session_name": "n"}}),
        ([("x-portkey-trace-id", "t"), ("x-portkey-metadata", '{"_user":"u","team":"x","n":1}')], {"trace_id": "t", "user_id": "u", "properties": {"team": "x", "n": "1"}}),
        ([("x-portkey-metadata", "no json")], {}),
        ([("x-portkey-metadata", "[1]")], {}),
        ([("x-litellm-tags", "a,b"), ("x-litellm-customer-id", "u")], {"user_id": "u", "properties": {"tags": "a,b"}}),
        ([("x-litellm-end-user-id", "u"), ("x-litellm-session-id", "s"), ("x-litellm-trace-id", "t")], {"user_id": "u", "session_id": "s", "trace_id": "t"}),
        ([("x-litellm-spend-logs-metadata", '{"a":{"b":1}}')], {"properties": {"a": '{"b":1}'}}),
        ([("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")], {"trace_id": "a" * 32, "span_id": "b" * 16}),
        ([("traceparent", "00-short-01")], {}),
        ([("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01-more")], {}),
        ([("traceparent", "01-" + "a" * 32 + "-" + "b" * 16 + "-01-more")], {"trace_id": "a" * 32, "span_id": "b" * 16}),
        ([("traceparent", "ff-" + "a" * 32 + "-" + "b" * 16 + "-01")], {}),
        ([("traceparent", "00-" + "0" * 32 + "-" + "b" * 16 + "-01")], {}),
        ([("traceparent", "00-" + "a" * 32 + "-" + "0" * 16 + "-01")], {}),
        ([("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"), ("traceparent", "00-" + "c" * 32 + "-" + "d" * 16 + "-01")], {}),
        ([("baggage", "a%00b=x%0Ay%00")], {"properties": {"ab": "xy"}}),
        ([("baggage", "session.id=s%201,team=x;prop=1, user.id=u")], {"session_id": "s 1", "user_id": "u", "properties": {"team": "x"}}),
        ([("x-stainless-retry-count", "0")], {}),
        ([("x-stainless-retry-count", "2")], {"properties": {"retry_count": "2"}}),
        ([("user-agent", "curl/8")], {"user_agent": "curl/8"}),
        ([("x-request-id", "r"), ("content-type", "json")], {}),
    ],
)  # fmt: skip
def test_each_family_is_read(headers, expected):
    """One header, one field."""
    assert fields(*headers) == expected


def test_ours_win_over_the_url_and_both_over_aliases():
    """The order of the headers does not matter."""
    alias, own = ("helicone-user-id", "alias"), ("goldwash-user", "own")
    assert fields(alias, own, url="user=url")["user_id"] == "own"
    assert fields(alias, url="user=url")["user_id"] == "url"
    assert fields(alias)["user_id"] == "alias"


def test_a_w3c_trace_wins_over_a_vendors():
    """Spans join on traceparent."""
    w3c = ("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    assert fields(("x-portkey-trace-id", "t"), w3c)["trace_id"] == "a" * 32
    assert fields(w3c, ("x-portkey-trace-id", "t"))["trace_id"] == "a" * 32


def test_metadata_in_the_base_url_is_decoded():
    """Percent-encoded, separated by semicolons; an unknown name is a property."""
    assert fields(url="feature=se%20arch;user=42;prompt-version=3;team=%C3%BC") == {
        "feature": "se arch", "user_id": "42", "prompt_version": "3", "properties": {"team": "ü"}
    }  # fmt: skip


def test_a_name_that_comes_twice_is_merged():
    """Two values of a property are one, joined; the same value stays alone."""
    assert fields(("goldwash-property-a", "1"), ("goldwash-property-a", "2"), ("goldwash-property-a", "1"))["properties"] == {"a": "1, 2"}


def test_properties_are_bounded():
    """A client that makes up names cannot make a row grow without end."""
    found = metadata(tuple((f"goldwash-property-{number}", "x" * 10_000) for number in range(500)))
    assert len(found.properties) == MAX_PROPERTIES
    assert max(map(len, found.properties.values())) <= 4096


NAMES = st.sampled_from(
    [
        "baggage",
        "traceparent",
        "x-portkey-metadata",
        "x-litellm-tags",
        "goldwash-",
        "goldwash-property-",
        "helicone-property-a",
        "goldwash-user",
    ]
)


@given(st.lists(st.tuples(NAMES, st.text()), max_size=5), st.text())
def test_nothing_a_client_sends_raises(headers, url):
    """Any text in any of them is read or ignored."""
    found = metadata(tuple(headers), url)
    assert all(key and value for key, value in found.properties.items())


def test_hostile_baggage_is_bounded():
    """64 members and 8,192 bytes are read, as W3C asks; a member that was cut is left out; our own headers come first."""
    many = metadata((("baggage", ",".join(f"k{n}=v" for n in range(5000))),)).properties
    assert len(many) == 64
    assert "k63" in many
    long = metadata((("baggage", "a=1," + "b=" + "x" * 9000),)).properties
    assert long == {"a": "1"}
    crowd = ("baggage", ",".join(f"k{n}=v" for n in range(5000)))
    assert metadata((crowd, ("goldwash-property-mine", "here"))).properties["mine"] == "here"
    assert metadata((("baggage", "," * 60_000),)).properties == {}
