"""Answers without anything in them."""

from __future__ import annotations

import pytest

from scoring.checks import empty
from tests.scoring.checks.made import answered, called, finding, passed

BODY = '{"choices": [{"message": {"content": ""}}]}'


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_no_text_and_no_call_fails(text):
    """White space is nothing."""
    assert passed(empty, answered(text, response_body=BODY)) is False


def test_reasoning_alone_is_named():
    """The reason says that the model thought and said nothing."""
    found = finding(empty, answered("", response_body=BODY, reasoning_tokens=20))
    assert found is not None
    assert "after reasoning" in found.reason


def test_text_calls_and_refusals_are_answers():
    """Any of them passes."""
    assert passed(empty, answered("ok")) is True
    assert passed(empty, answered(None, calls=called("f", {}))) is True
    assert passed(empty, answered(None, refusal="no")) is True


@pytest.mark.parametrize(
    "columns",
    [
        {"output_audio_tokens": 5},
        {"output_image_tokens": 5},
        {"dialect": "openai.images"},
        {"operation": "embeddings"},
        {"finish_reasons": []},
        {"finish_reasons": ["SAFETY"]},
        {"finish_reasons": ["in_progress"]},
        {"ending": "client_gone"},
        {"response_body": '{"output": [{"type": "image_generation_call"}]}'},
        {"response_body": None},
        {"response_body": "AAAA", "response_body_coding": "base64"},
    ],
)
def test_it_does_not_apply(columns):
    """Other kinds of answers, filtered ones and those without an end are not told."""
    assert passed(empty, answered("", **{"response_body": BODY, **columns})) is None
