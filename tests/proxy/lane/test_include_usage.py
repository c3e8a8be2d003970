"""Asking for a stream's usage: one option goes in, one event comes out, and no other byte changes."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.lane.include_usage import MAX_EVENT, OPTION, UsageRemover, is_usage, with_usage

USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}'
CHUNK = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"gold"}}],"usage":null}'
LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
OTHERS = st.sampled_from(
    [
        CHUNK,
        b"data: [DONE]",
        b": comment",
        b'data: {"choices":[],"prompt_filter_results":[]}',
        b'data: {"choices":[],"usage":null}',
        b'event: x\ndata: {"usage":{}}',
        b"data: \xff\xfe",
        b"retry: 10",
        "data: größe".encode(),
    ]
)
PLAIN = st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists, max_leaves=5)


@given(st.dictionaries(st.text(), PLAIN), st.sampled_from([None, 2]), st.sampled_from(["", " ", "\n\t"]))
def test_the_option_goes_in_and_nothing_else_changes(fields, indent, blank):
    """A streaming request reads as before but for the option, and its bytes are the old ones around it."""
    fields = {key: value for key, value in fields.items() if key not in ("stream", "stream_options")} | {"stream": True}
    body = (blank + json.dumps(fields, indent=indent) + blank).encode()
    changed = with_usage(body)
    assert changed is not None
    assert changed.replace(OPTION + b",", b"", 1) == body
    assert orjson.loads(changed) == {**orjson.loads(body), "stream_options": {"include_usage": True}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"stream":false}',
        b'{"stream":"true"}',
        b'{"stream":true,"stream_options":null}',
        b'{"stream":true,"stream_options":{"include_usage":false}}',
        b'{"messages":[{"stream":true}]}',
        b'[{"stream":true}]',
        b'{"stream":true',
        b'\x1f\x8b{"stream":true}',
    ],
)
def test_other_requests_stay_as_they_are(body):
    """No stream, options of the client's own, or no JSON object: nothing is put in."""
    assert with_usage(body) is None


@given(st.binary() | st.text().map(str.encode))
def test_any_request_may_come(body):
    """Whatever stands in a body, it is left alone or is a JSON object with the option."""
    changed = with_usage(body)
    assert changed is None or orjson.loads(changed)["stream_options"] == {"include_usage": True}


def passed(stream: bytes, cuts: list[int]) -> tuple[bytes, UsageRemover]:
    """What goes on of a stream that comes in these pieces."""
    remover = UsageRemover()
    bounds = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    out = b"".join(remover.feed(stream[start:stop]) for start, stop in pairwise(bounds))
    return out + remover.finish(), remover


@given(
    st.lists(st.tuples(OTHERS, LINE_ENDS)), st.lists(st.tuples(OTHERS, LINE_ENDS)), LINE_ENDS, st.lists(st.integers(0, 5000)), st.booleans()
)
@example([(CHUNK, b"\r\n")], [], b"\r", [1, 2, 3], True)
@example([], [(b"data: [DONE]", b"\n")], b"\r\n", list(range(300)), False)
def test_exactly_the_usage_event_comes_out(before, after, line_end, cuts, whole):
    """In any pieces and with any line ends, what goes on is the stream without that event, byte for byte, and hashed so."""
    first = b"".join(event + end + end for event, end in before)
    last = b"".join(event + end + end for event, end in after)
    usage = USAGE + (line_end + line_end if whole or after else b"")
    out, remover = passed(first + usage + last, cuts)
    assert out == first + last
    assert remover.found
    assert (remover.passed, remover.digest()) == (len(out), hashlib.sha256(out).digest())
    assert remover.finish() == b""


@given(
    st.lists(st.one_of(st.binary(max_size=40), OTHERS, st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n"]))), st.lists(st.integers(0, 5000))
)
def test_any_stream_may_come(parts, cuts):
    """A stream without the event passes whole, whatever it is; one with it in several copies loses one of them at most."""
    stream = b"".join(parts)
    out, remover = passed(stream, cuts)
    assert out == stream
    assert not remover.found


@given(st.lists(st.integers(0, 400_000), max_size=20))
def test_a_long_event_is_not_held(cuts):
    """An event over the bound goes on while it comes, and the usage behind it is found all the same."""
    long = b'data: {"choices":[{"delta":{"content":"' + b"x" * (3 * MAX_EVENT) + b'"}}],"usage":1}\n\n'
    out, remover = passed(long + USAGE + b"\n\n", cuts)
    assert out == long
    assert remover.found
    early = UsageRemover()
    assert len(early.feed(long[: 2 * MAX_EVENT])) >= MAX_EVENT


def test_only_one_event_comes_out():
    """A host that sends two usages keeps the second: one was asked for by us."""
    out, _ = passed((USAGE + b"\n\n") * 2, [])
    assert out == USAGE + b"\n\n"


def test_data_on_several_lines_is_one():
    """Lines of data belong together, as the standard says."""
    assert is_usage(b'data: {"choices": [],\ndata: "usage": {"total_tokens": 1}}\n\n')
    assert not is_usage(CHUNK)


def test_which_answers_it_applies_to():
    """Streams of events that came through without a coding."""
    lines = [b"Content-Type", b": ", b"text/event-stream; charset=utf-8", b"\r\n"]
    assert UsageRemover.applies(200, lines)
    assert not UsageRemover.applies(400, lines)
    assert not UsageRemover.applies(200, [*lines, b"content-encoding", b": ", b"gzip", b"\r\n"])
    assert not UsageRemover.applies(200, [b"Content-Type", b": ", b"application/json", b"\r\n"])
