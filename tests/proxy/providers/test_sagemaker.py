"""SageMaker endpoints."""

from __future__ import annotations

from tests.helpers.answers import EVENTSTREAM, answered
from tests.helpers.eventstream import exception, frame

PATH = "/endpoints/my-llama/invocations"
PART = {":event-type": "PayloadPart", ":content-type": "application/octet-stream", ":message-type": "event"}


def test_containers_of_generated_text() -> None:
    """One array or two around the text."""
    for body in ([{"generated_text": "Hi"}], [[{"generated_text": "Hi"}]], {"generated_text": "Hi"}):
        assert answered(PATH, body).output_text == "Hi"


def test_containers_that_speak_openais_chat() -> None:
    """Their usage is read as there."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    reading = answered(PATH, {"id": "c", "choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 1}})
    assert reading.usage is not None
    assert (reading.dialect, reading.output_text, reading.usage.input_tokens) == ("sagemaker.invoke", "Hi", 3)


def test_frames_cut_the_containers_lines_anywhere() -> None:
    """Parts are put together line by line."""
    parts = [b'data: {"token": {"te', b'xt": "A", "special": false}}\n\n', b'data: {"token": {"text": "B"}, "generated_text": "AB"}\n\n']
    reading = answered(PATH + "-response-stream", b"".join(frame(PART, part) for part in parts), headers=EVENTSTREAM)
    assert (reading.output_text, reading.terminal) == ("AB", True)


def test_an_exception_is_an_error() -> None:
    """ModelStreamError inside a good stream."""
    reading = answered(PATH + "-response-stream", exception("ModelStreamError", {"Message": "gone"}), headers=EVENTSTREAM)
    assert (reading.error_type, reading.error_message) == ("ModelStreamError", "gone")
