"""Answers that were cut off."""

from __future__ import annotations

import pytest

from scoring.checks import truncated
from tests.scoring.checks.made import answered, passed


@pytest.mark.parametrize("reason", ["length", "max_tokens", "MAX_TOKENS", "incomplete:max_output_tokens", "model_context_window_exceeded"])
def test_a_limit_fails(reason):
    """In each provider's words."""
    assert passed(truncated, answered("half a sent", finish_reasons=[reason])) is False


@pytest.mark.parametrize("ending", ["partial", "upstream_error"])
def test_a_broken_stream_fails(ending):
    """Whatever its finish reason."""
    assert passed(truncated, answered("half", ending=ending, finish_reasons=[])) is False


def test_an_end_of_its_own_passes():
    """stop, end_turn, tool_calls."""
    for reason in ("stop", "end_turn", "STOP", "tool_calls"):
        assert passed(truncated, answered("whole", finish_reasons=[reason])) is True


def test_it_does_not_apply():
    """A client that hung up, and answers without a finish reason, are not told."""
    assert passed(truncated, answered("half", ending="client_gone")) is None
    assert passed(truncated, answered("text", finish_reasons=[])) is None
    assert passed(truncated, answered("text", operation="embeddings")) is None
