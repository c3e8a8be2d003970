"""From a case to what is sent, in every dialect's own place for model, prompt, tools and stream; and back from what came."""

from __future__ import annotations

import json

import pytest

from config.settings import load
from config.targets import Target
from proxy.accounting.pricing import Pricer
from scoring.gate.reply import Reply, of_json
from scoring.gate.results import BadInput
from scoring.gate.targets.endpoint import Endpoint, joined
from scoring.gate.targets.patience import Again, Patience, Refused
from scoring.gate.targets.prompts import PromptText, put, rendered
from scoring.gate.targets.requests import prepare
from scoring.gate.targets.variants import Variant, of_header, variants
from scoring.golden.case import Call, Document, GoldenCase, Input, Observed
from scoring.judge.client import session
from tests.helpers.goldwash import toml
from tests.helpers.upstream import Upstream, answer

GEMINI = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"


def case(path="/v1/chat/completions", dialect="openai.chat", body=None, **more):
    return GoldenCase(input=Input(dialect=dialect, path=path, body=body or {"model": "m-0", "messages": []}, **more))


def prepared(one=None, prompt=None, tools=None, **target):
    return prepare(one or case(), Variant("x", Target(**target), prompt, tools), {})


@pytest.mark.parametrize(
    ("pointer", "body", "wanted"),
    [
        ("/messages/0/content", {"messages": [{"content": "a"}]}, {"messages": [{"content": "NEW"}]}),
        ("/system", {"system": [{"type": "text", "text": "a"}]}, {"system": "NEW"}),
        ("/a~1b/c~0d", {"a/b": {"c~d": ""}}, {"a/b": {"c~d": "NEW"}}),
        ("/0", ["a", "b"], ["NEW", "b"]),
    ],
)
def test_a_pointer_leads_to_the_text(pointer, body, wanted):
    """As RFC 6901 says; what was there before is left as it was."""
    before = json.dumps(body)
    assert put(body, pointer, "NEW", "here") == wanted
    assert json.dumps(body) == before


@pytest.mark.parametrize(
    ("pointer", "says"),
    [
        ("/messages/1/content", "/messages has 1 items"),
        ("/messages/00/content", "/messages has 1 items"),
        ("/messages/-/content", "/messages has 1 items"),
        ("/prompt", "the body has the keys messages, n"),
        ("/messages/0", "leads to an object"),
        ("/n", "leads to 3"),
        ("/messages/0/content/0", "/messages/0/content is a str"),
    ],
)
def test_a_pointer_that_leads_nowhere_says_what_is_there(pointer, says):
    """Never a pass."""
    with pytest.raises(BadInput, match="here: ") as error:
        put({"messages": [{"content": "a"}], "n": 3}, pointer, "NEW", "here")
    assert says in str(error.value)


def test_vars_are_put_into_the_prompt():
    """By name, inner ones with dots; what is no text as JSON; a brace that is none stays."""
    prompt = PromptText("p.md", "/x", "{{ a }} {{b.c}} {{list}} {a} {{ not a name }}")
    assert rendered(prompt, {"a": "A", "b": {"c": 1}, "list": ["é"]}, "c1") == 'A 1 ["é"] {a} {{ not a name }}'
    with pytest.raises(BadInput, match=r"it wants \{\{b\.d\}\}, and case c1 has the vars b"):
        rendered(PromptText("p.md", "/x", "{{b.d}}"), {"b": {"c": 1}}, "c1")


@pytest.mark.parametrize(
    ("path", "target", "wanted"),
    [
        (GEMINI, {"model": "gemini-3-pro"}, "/v1beta/models/gemini-3-pro:streamGenerateContent"),
        (GEMINI, {"stream": False}, "/v1beta/models/gemini-2.5-flash:generateContent"),
        ("/model/anthropic.claude-v2%3A1/converse", {"model": "amazon.nova-lite-v1:0"}, "/model/amazon.nova-lite-v1%3A0/converse"),
        ("/model/m/converse", {"stream": True}, "/model/m/converse-stream"),
        ("/openai/deployments/old/chat/completions", {"model": "new"}, "/openai/deployments/new/chat/completions"),
    ],
)
def test_the_model_in_the_path_is_changed_there(path, target, wanted):
    """The body stays without one."""
    found = prepared(case(path, "gemini.generate", {"contents": []}), **target)
    assert found.path == wanted
    assert "model" not in found.body


def test_what_is_in_the_body_is_changed_there():
    """Nested params are merged, the stream's options go with the stream, Converse has its tools elsewhere."""
    body = {"model": "m", "messages": [], "stream": True, "stream_options": {"include_usage": True}, "top": {"a": 1, "b": 2}, "user": "u"}
    found = prepared(case(body=body), model="n", params={"top": {"b": 3}}, without=("user",), stream=False)
    assert found.body == {"model": "n", "messages": [], "stream": False, "top": {"a": 1, "b": 3}}
    tools = ({"toolSpec": {"name": "t"}},)
    converse = prepared(case("/model/m/converse", "bedrock.converse", {"toolConfig": {"tools": [], "toolChoice": {}}}), tools=tools)
    assert converse.body["toolConfig"] == {"tools": [{"toolSpec": {"name": "t"}}], "toolChoice": {}}


def test_a_case_without_a_model_needs_one_of_the_target():
    """A set that came from another tool has none."""
    bare = case(path=None, body={"messages": []})
    with pytest.raises(BadInput, match="neither the case nor the target names a model"):
        prepared(bare)
    assert prepared(bare, model="m").path == "/v1/chat/completions"


def test_a_case_of_vars_alone_is_asked_with_the_prompt():
    """As sets of prompt tools are written: no request, only what its template wants."""
    bare = GoldenCase(input=Input(vars={"q": "Why?"}))
    found = prepared(bare, PromptText("p.md", "/messages/0/content", "Say: {{q}}"), model="m")
    assert found.body == {"messages": [{"role": "user", "content": "Say: Why?"}], "model": "m"}
    with pytest.raises(BadInput, match="does not resolve"):
        prepared(bare, PromptText("p.md", "/system", "Say: {{q}}"), model="m")
    with pytest.raises(BadInput, match="it has no request body that could be replayed"):
        prepared(bare, model="m")


def test_the_fingerprint_changes_with_all_that_decides_the_answer():
    """Case version, target, model, params, prompt, tools and run; not the name of the target."""
    one = case(vars={"a": "1"})
    text = PromptText("p.md", "/messages/0/content", "hello")
    body = {"model": "m-0", "messages": [{"role": "system", "content": "x"}]}
    with_prompt = case(body=body)
    seen = [
        prepared(one),
        prepared(one.model_copy(update={"version": 2})),
        prepared(one, model="m"),
        prepared(one, params={"seed": 1}),
        prepared(one, base_url="http://a/v1"),
        prepared(one, tools=({"name": "t"},)),
        prepared(with_prompt, text),
        prepared(with_prompt, PromptText("p.md", "/messages/0/content", "hello!")),
    ]
    marks = [found.fingerprint for found in seen]
    assert len(set(marks)) == len(marks)
    assert prepare(one, Variant("another", Target()), {}).fingerprint == marks[0]
    assert seen[0].of_run(1) != seen[0].of_run(2)


@pytest.mark.parametrize(
    ("base", "path", "wanted"),
    [
        ("https://api.x.com/v1", "/v1/chat/completions", "https://api.x.com/v1/chat/completions"),
        ("https://api.x.com", "/v1/chat/completions", "https://api.x.com/v1/chat/completions"),
        ("http://127.0.0.1:8080/groq/openai/v1", "/openai/v1/chat/completions", "http://127.0.0.1:8080/groq/openai/v1/chat/completions"),
        ("http://127.0.0.1:8080/anthropic", "/v1/messages", "http://127.0.0.1:8080/anthropic/v1/messages"),
    ],
)
def test_a_base_url_with_or_without_its_version(base, path, wanted):
    """As SDKs write it, or bare."""
    assert joined(base, path) == wanted


def test_a_baselines_target_comes_back_from_its_header(tmp_path):
    """With the words its prompt had then; a program's code is what it is today, and so is not run for the baseline."""
    (tmp_path / "p.md").write_text("old words", "utf-8")
    target = Target(
        base_url="http://a/v1", model="m", params={"seed": 1}, prompt={"file": "p.md", "at": "/messages/0/content"}, key_env="K"
    )
    (made,) = variants({"x": target}, ["x"], (), tmp_path)
    described = json.loads(json.dumps(made.as_json()))
    (tmp_path / "p.md").write_text("new words", "utf-8")
    back = of_header(described, {}, "base.jsonl")
    assert back is not None
    assert back.prompt == made.prompt
    body = case(body={"model": "m-0", "messages": [{"content": "x"}]})
    assert prepare(body, back, {}).fingerprint == prepare(body, made, {}).fingerprint
    assert of_header({"kind": "command", "command": ["x"]}, {}, "base.jsonl") is None
    assert of_header(None, {}, "base.jsonl") is None


def test_a_reply_is_kept_and_comes_back_equal():
    """Through JSON; what cannot be read is none."""
    reply = Reply(Observed(text="a", tool_calls=(Call(name="t", arguments="{}"),)), (Document(text="d", id="1"),), "m", input_tokens=3)
    assert of_json(json.loads(json.dumps(reply.as_json())), is_cached=False) == reply
    assert of_json({"answer": {"text": 3}}) is None
    assert of_json("x") is None


SSE = [
    {"id": "c", "model": "m-1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "gr"}}]},
    {"id": "c", "model": "m-1", "choices": [{"index": 0, "delta": {"content": "een"}, "finish_reason": "stop"}]},
    {"id": "c", "model": "m-1", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}},
]
EVENTS = "".join(f"data: {json.dumps(one)}\n\n" for one in SSE)
CLAUDE = {
    "id": "msg",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "green"}, {"type": "tool_use", "id": "t", "name": "look_up", "input": {"tea": 1}}],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 9, "output_tokens": 2},
}
GOOGLE = [{"candidates": [{"content": {"parts": [{"text": "green"}], "role": "model"}, "finishReason": "STOP"}], "modelVersion": "g"}]


@pytest.mark.parametrize(
    ("path", "dialect", "kind", "body", "error"),
    [
        ("/v1/chat/completions", "openai.chat", "text/event-stream", f"{EVENTS}data: [DONE]\n\n", None),
        ("/v1/chat/completions", "openai.chat", "text/event-stream", EVENTS.split("data")[1].join(["data", ""]), "broke off"),
        ("/v1/messages", "anthropic.messages", "application/json", json.dumps(CLAUDE), None),
        (GEMINI, "gemini.generate_content", "application/json", json.dumps(GOOGLE), None),
        ("/v1/chat/completions", "openai.chat", "application/json", '{"error": {"message": "overloaded", "type": "x"}}', "overloaded"),
        ("/v1/chat/completions", "openai.chat", "application/json", "[]", "no answer of a model"),
        ("/v1/chat/completions", "openai.chat", "text/html", "<html>Sign in</html>", "no answer of a model"),
    ],
    ids=["stream", "broken stream", "messages", "gemini array", "error inside", "empty", "html"],
)
async def test_answers_of_every_dialect_are_read(tmp_path, path, dialect, kind, body, error):
    """Streams too; what is no whole answer measures nothing."""
    with Upstream() as upstream:
        upstream.on(path, answer(200, [("Content-Type", kind)], body.encode()))
        file = tmp_path / "goldwash.toml"
        file.write_text(toml({"data_dir": str(tmp_path)}, {}), "utf-8")
        variant = Variant("x", Target(base_url=upstream.url, model="gemini-2.5-flash"))
        async with session(1) as opened:
            endpoint = Endpoint(opened, variant, load(file, {}), Pricer(), {}, attempts=1)
            reply = await endpoint.ask(prepare(case(path, dialect, {"messages": []}), variant, {}), 1)
    if error is None:
        assert reply.error is None, reply.error
        assert reply.answer.text == "green"
    else:
        assert error in str(reply.error)


async def test_patience_ends_and_a_dead_target_is_given_up(monkeypatch):
    """Three refusals alike, and nobody asks any more; a success in between begins anew."""
    monkeypatch.setattr("scoring.gate.targets.patience.FIRST_PAUSE", 0.001)
    patience, calls = Patience(2), []

    async def refuse(number):
        calls.append(number)
        raise Refused("status 401", alike=True)

    async def down(number):
        calls.append(number)
        raise Again("silence")

    async def good(number):
        return Reply()

    assert (await patience.reply(down)).error == "silence (2 tries)"
    assert (await patience.reply(good)).error is None
    for _ in range(3):
        assert (await patience.reply(refuse)).error == "status 401"
    assert calls == [1, 2, 1, 1, 1]
    assert "given up: 3 cases in a row failed" in str((await patience.reply(refuse)).error)
    assert len(calls) == 5
