"""Errors as providers word them, in an answer's body or in the middle of a stream: one finder for all their shapes."""

from __future__ import annotations

from typing import Any, NamedTuple

from proxy.exchange import Captured
from proxy.providers.fields import word
from proxy.streams.json_value import json_text

_LONGEST = 4000  # characters of a message that are kept: an HTML error page says nothing more in its rest
_KINDS = ("type", "code", "status", "error_type", "error_code", "__type", "name", "title")  # a word is preferred to a number
_MESSAGES = ("message", "Message", "detail", "msg", "error", "reason", "description")


class ReadError(NamedTuple):
    """An error's type in the provider's words (an HTTP status where it has none) and its message."""

    type: str | None
    message: str | None


def find_error(document: Any) -> ReadError | None:
    """Give the error that `document` reports under `error` or `errors`; None where it reports none.

    Shapes: {"error": {"type", "code", "status", "message"}}, {"error": "text", "error_type": …}, {"type": "error", "error": {…}},
    [{"error": …}], {"errors": [{"message"}]}, vLLM's {"object": "error", "message", "type"}, and MiniMax's
    {"base_resp": {"status_code", "status_msg"}}, which comes with HTTP 200.
    """
    if isinstance(document, list) and document:
        document = document[0]
    if not isinstance(document, dict):
        return None
    error = document.get("error")
    if not error:
        errors = document.get("errors")
        if isinstance(errors, list) and errors:
            error = errors[0]
        elif document.get("object") == "error":
            error = document
        elif isinstance(base := document.get("base_resp"), dict) and base.get("status_code"):
            error = {"code": base["status_code"], "message": base.get("status_msg")}
        else:
            return None
    kind, message = describe_error(error)
    return ReadError(word(document.get("error_type")) or kind if kind == "error" else kind, message)


def describe_error(error: Any) -> ReadError:
    """Give the type and message of an error object, of a text, or of whatever stands where one is expected."""
    if isinstance(error, str):
        return ReadError("error", error.strip()[:_LONGEST])
    if not isinstance(error, dict):
        return ReadError("error", json_text(error)[:_LONGEST])
    kinds = [error[key] for key in _KINDS if error.get(key) is not None]
    words = [kind for kind in kinds if isinstance(kind, str) and kind] or [found for kind in kinds if (found := word(kind))]
    kind = next((found for found in words if found != "error"), "error")
    inner = next((error[key] for key in _MESSAGES if error.get(key)), error)
    message = inner if isinstance(inner, str) else json_text(inner)
    return ReadError(kind[:200], message[:_LONGEST])


def describe_failure(document: Any, status: int) -> ReadError:
    """Give the error of an answer with an HTTP error status, whatever its body is; the status itself is the last resort."""
    found = find_error(document)
    if found is None and isinstance(document, list) and document:
        document = document[0]
    if found is None and document:
        found = describe_error(document)
    kind, message = found or (None, None)
    return ReadError(str(status) if kind in (None, "error") else kind, message or None)


def read_error(captured: Captured, data: Any) -> ReadError | None:
    """Give the error that `data` is: any shape where the HTTP status says failure, else only what calls itself an error."""
    if captured.status is not None and captured.status >= 400:
        return describe_failure(data, captured.status)
    return find_error(data)
