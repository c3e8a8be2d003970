"""Errors of Amazon's services."""

from __future__ import annotations

import pytest

from proxy.providers.amazon_errors import document_error, frame_error
from tests.helpers.answers import captured


@pytest.mark.parametrize("told", ["ValidationException", "ValidationException:http://internal.amazon.com/coral/"])
def test_the_header_tells_the_type(told: str) -> None:
    """With or without an address behind it; the body tells the message."""
    exchange = captured("/model/x/converse", b"", status=400, headers={"x-amzn-errortype": told})
    assert document_error(exchange, {"message": "no"}) == ("ValidationException", "no")


def test_a_message_in_a_good_answer_is_no_error() -> None:
    """Only a failing status makes one of it."""
    assert document_error(captured("/model/x/converse", b""), {"message": "Hello"}) is None


@pytest.mark.parametrize(
    ("name", "data", "want"),
    [
        ("throttlingException", {"message": "slow"}, ("throttlingException", "slow")),
        ("InternalFailure", {"Message": "gone"}, ("InternalFailure", "gone")),
        ("ModelStreamError", "plain", ("ModelStreamError", "plain")),
        ("validationException", {}, ("validationException", None)),
        ("chunk", {"message": "x"}, None),
        (None, {"message": "x"}, None),
    ],
)
def test_frames_are_errors_by_their_name(name: str | None, data: object, want: tuple[str, str | None] | None) -> None:
    """Events keep their names, exceptions say so in theirs."""
    assert frame_error(name, data) == want
