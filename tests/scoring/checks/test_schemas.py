"""Schemas from traffic: nothing fetched, nothing that explodes."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.checks import schemas
from scoring.checks.schemas import Unusable, compiled

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "$ref", "items", "anyOf", "properties", "a"]), inner)
    ),
    max_leaves=12,
)


@pytest.fixture
def listener():
    """A server that would serve a schema, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef", "$recursiveRef", "$schema", "$id"])
def test_nothing_is_fetched_over_http(listener, keyword):
    """A URL in a schema is never asked, in whichever keyword it stands."""
    url, asked = listener
    for schema in (
        {keyword: f"{url}/top"},
        {"properties": {"a": {keyword: f"{url}/deep"}}},
        {"$id": f"{url}/base", "$ref": "other"},
        {"$defs": {"x": {keyword: f"{url}/unused"}}, "type": "object"},
    ):
        with contextlib.suppress(Unusable):
            compiled(schema).faults({"a": 1})
    assert asked == []


def test_no_file_is_read(tmp_path):
    """A file that would make the document valid is not looked at."""
    planted = tmp_path / "planted.json"
    planted.write_text('{"type": "string"}')
    with pytest.raises(Unusable, match="nothing is fetched"):
        compiled({"$ref": planted.as_uri()})
    with pytest.raises(Unusable):
        compiled({"$id": planted.as_uri(), "$ref": "planted.json"})


def test_large_and_deep_schemas_are_refused():
    """Size and depth have caps."""
    with pytest.raises(Unusable, match="bytes"):
        compiled({"enum": ["x" * schemas.MOST_BYTES]})
    deep: dict[str, object] = {}
    for _ in range(schemas.MOST_DEPTH + 10):
        deep = {"not": deep}
    with pytest.raises(Unusable, match="deeper"):
        compiled(deep)


def test_references_that_multiply_are_refused():
    """Thirty definitions that each refer to the next one twice would be checked a thousand million times."""
    definitions = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]} for n in range(30)}
    bomb = {"$ref": "#/$defs/d0", "$defs": {**definitions, "d30": {"type": "integer"}}}
    start = time.monotonic()
    with pytest.raises(Unusable, match="multiply"):
        compiled(bomb).faults(5)
    assert time.monotonic() - start < 2


def test_recursion_that_doubles_at_each_level_is_refused_for_deep_documents_alone():
    """A schema that checks each child twice is fine for shallow documents."""
    node = {"anyOf": [{"properties": {"c": {"$ref": "#"}}, "required": ["x"]}, {"properties": {"c": {"$ref": "#"}}}]}
    shallow = {"c": {"c": {}}}
    deep: dict[str, object] = {}
    for _ in range(40):
        deep = {"c": deep}
    assert compiled(node).faults(shallow) == []
    with pytest.raises(Unusable, match="multiply"):
        compiled(node).faults(deep)


def test_a_recursive_schema_as_people_write_it_works():
    """A tree refers to itself in its children."""
    tree = {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}, "n": {"type": "integer"}}}
    assert compiled(tree).faults({"n": 1, "children": [{"n": 2, "children": []}]}) == []
    assert compiled(tree).faults({"children": [{"n": "2"}]}) != []


def test_a_pattern_cannot_take_for_ever():
    """Backtracking has a limit."""
    start = time.monotonic()
    with contextlib.suppress(Unusable):
        compiled({"type": "string", "pattern": r"^(a|aa)+(?=b)\1$"}).faults("a" * 60 + "!")
    assert time.monotonic() - start < 2


def test_the_cache_is_bounded():
    """Many schemas do not fill the memory."""
    for number in range(schemas.KEPT + 50):
        compiled({"const": number})
    assert schemas._compiled.cache_info().currsize <= schemas.KEPT


def test_formats_count():
    """`format` is checked, not only noted."""
    assert compiled({"format": "date"}).faults("not a date") != []
    assert compiled({"format": "date"}).faults("2026-11-20") == []


@given(JSON, JSON)
def test_any_schema_compiles_or_is_refused(schema, document):
    """Nothing but Unusable is raised."""
    for openapi in (False, True):
        try:
            compiled(schema, openapi=openapi).faults(document)
        except Unusable as why:
            assert str(why)


def test_a_schema_as_json_text_is_read():
    """Converse sends its schema as text."""
    assert compiled(json.dumps({"type": "integer"})).faults("x") != []
