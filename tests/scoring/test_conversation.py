"""What requests said, in each dialect's shape."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import marked
from scoring.conversation import Document, documents, messages
from scoring.wanted import answer_format, tools

CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"q": 1}'}}


def _said(request):
    return [(message.role, message.text) for message in messages(request)]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"messages": [{"role": "developer", "content": "s"}, {"role": "user", "content": "u"}]}, [("system", "s"), ("user", "u")]),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]}, [("user", "a\nb")]),
        ({"system": [{"type": "text", "text": "s"}], "messages": [{"role": "user", "content": "u"}]}, [("system", "s"), ("user", "u")]),
        ({"system": [{"text": "s"}], "messages": [{"role": "user", "content": [{"text": "u"}]}]}, [("system", "s"), ("user", "u")]),
        ({"instructions": "s", "input": "u"}, [("system", "s"), ("user", "u")]),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": "u"}]}]}, [("user", "u")]),
        (
            {"systemInstruction": {"parts": [{"text": "s"}]}, "contents": [{"role": "model", "parts": [{"text": "a"}]}]},
            [("system", "s"), ("assistant", "a")],
        ),
        ({"contents": "u"}, [("user", "u")]),
        (
            {"preamble": "s", "chat_history": [{"role": "CHATBOT", "message": "a"}], "message": "u"},
            [("system", "s"), ("assistant", "a"), ("user", "u")],
        ),
        ({"prompt": ["a", "b"]}, [("user", "a\nb")]),
        ({"inputText": "u"}, [("user", "u")]),
        ({"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "t"}, {"text": "a"}]}]}, [("assistant", "a")]),
        (None, []),
        ([1], []),
        ({"messages": [None, 5, {"role": 5}]}, [("user", ""), ("user", ""), ("user", "")]),
    ],
)
def test_messages(request_, said):
    """Roles and texts, the system's words first."""
    assert _said(request_) == said


@pytest.mark.parametrize(
    "request_",
    [
        {"messages": [{"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "c1", "content": "gone"}]},
        {
            "messages": [
                {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "find", "input": {"q": 1}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "gone"}]}]},
            ]
        },
        {
            "messages": [
                {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "find", "input": {"q": 1}}}]},
                {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "gone"}]}}]},
            ]
        },
        {
            "input": [
                {"type": "function_call", "call_id": "c1", "name": "find", "arguments": '{"q": 1}'},
                {"type": "function_call_output", "call_id": "c1", "output": "gone"},
            ]
        },
    ],
)
def test_tool_calls_and_results(request_):
    """The same call and its result in four dialects."""
    call, result = messages(request_)
    assert call.role == "assistant"
    assert (call.calls[0].call_id, call.calls[0].name, call.calls[0].arguments.replace(" ", "")) == ("c1", "find", '{"q":1}')
    assert result.role == "tool"
    assert (result.results[0].call_id, result.results[0].text, result.results[0].is_error) == ("c1", "gone", False)


def test_gemini_results_and_their_errors():
    """A response with an error in it is one."""
    parts = [
        {"functionResponse": {"name": "find", "response": {"error": "x"}}},
        {"function_response": {"name": "find", "response": {"ok": 1}}},
    ]
    (message,) = messages({"contents": [{"role": "user", "parts": parts}]})
    assert [(result.name, result.is_error) for result in message.results] == [("find", True), ("find", False)]


def test_attachments_are_counted():
    """Images and files are no text."""
    parts = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {}}, {"inlineData": {}}, {"type": "thinking"}]
    assert messages({"messages": [{"role": "user", "content": parts}]})[0].attachments == 2


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        ({"documents": ["a", {"id": "d", "data": {"title": "t", "snippet": "b"}}]}, [Document(None, "a"), Document("d", "b", "t")]),
        ({"documents": [{"id": "1", "title": "t", "text": "b"}], "message": "x"}, [Document("1", "b", "t")]),
        (
            {"messages": [{"role": "user", "content": [{"type": "document", "title": "t", "source": {"type": "text", "data": "b"}}]}]},
            [Document(None, "b", "t")],
        ),
        (
            {"messages": [{"role": "user", "content": [{"document": {"name": "n", "source": {"text": "b"}}}]}]},
            [Document("n", "b", "n")],
        ),
        (
            {"messages": [{"role": "tool", "tool_call_id": "c", "content": [{"type": "document", "document": {"id": "d", "data": "b"}}]}]},
            [Document("d", "b")],
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "tool_result",
                                "tool_use_id": "c",
                                "content": [
                                    {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "b"}]}
                                ],
                            }
                        ],
                    }
                ]
            },
            [Document("s", "b", "t")],
        ),
    ],
)
def test_documents_in_fields_of_their_own(request_, found):
    """Cohere's two forms, Anthropic's, Converse's, search results."""
    assert list(documents(request_, messages(request_))) == found


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    """messages role content parts text type tools function name parameters toolSpec contents system input output documents document
                data id source tool_calls toolUse toolResult functionCall functionResponse response_format json_schema schema
                generationConfig format message chat_history tool_results call outputs guardContent""".split()
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_read_without_an_exception(value):
    """A shape nobody knows gives nothing."""
    said = messages(value)
    documents(value, said)
    marked.documents(said)
    tools(value)
    answer_format(value)
