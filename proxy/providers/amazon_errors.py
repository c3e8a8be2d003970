"""Errors as Amazon's services tell them: a header beside {"message": …}, or a frame in the middle of an eventstream.

Source: smithy.io, "AWS REST JSON: operation error serialization"; docs.aws.amazon.com/bedrock, "ResponseStream".
"""

from __future__ import annotations

from typing import Any

from proxy.exchange import Captured
from proxy.providers.errors import ReadError, read_error
from proxy.providers.fields import mapping, text


def document_error(captured: Captured, document: Any) -> ReadError | None:
    """The error that a whole answer is, its type from x-amzn-errortype (`ValidationException:http://…`) where that is sent."""
    found = read_error(captured, document)
    if found is None:
        return None
    told = next((value for key, value in captured.response_headers if key == "x-amzn-errortype"), "")
    return ReadError(told.split(":", 1)[0] or found.type, found.message)


def frame_error(name: str | None, data: Any) -> ReadError | None:
    """The error that a frame reports: exceptions are named so; an error frame has a code for a name and only a message inside."""
    if name is None:
        return None
    inside = mapping(data)
    message = text(inside.get("message")) or text(inside.get("Message")) or (data if isinstance(data, str) and data else None)
    return ReadError(name, message) if name.endswith(("Exception", "Error", "Failure")) else None
