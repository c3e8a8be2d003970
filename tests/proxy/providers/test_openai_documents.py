"""OpenAI's dialects that hold no conversation: embeddings, images, audio, moderations, text completions, assistants, and Mistral's own."""

from __future__ import annotations

import pytest

from proxy.reading import read
from tests.helpers.answers import SSE, answered, captured, sse

IMAGE_USAGE = {
    "input_tokens": 12,
    "output_tokens": 300,
    "total_tokens": 312,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 2},
    "output_tokens_details": {"image_tokens": 290, "text_tokens": 10},
}


def test_embeddings() -> None:
    """Input is counted, output is not reported."""
    reading = answered(
        "/v1/embeddings",
        {
            "object": "list",
            "model": "e",
            "data": [{"object": "embedding", "embedding": [0.1]}],
            "usage": {"prompt_tokens": 4, "total_tokens": 4},
        },
    )
    assert (reading.dialect, reading.operation, reading.response_model, reading.output_text) == (
        "openai.embeddings",
        "embeddings",
        "e",
        None,
    )
    assert (reading.usage.input_tokens, reading.usage.output_tokens) == (4, None)
    assert answered("/any", {"data": [{"object": "embedding"}], "usage": {"total_tokens": 3}}).usage.input_tokens == 3


def test_images_whole() -> None:
    """GPT Image reports tokens by modality, and its images are counted; DALL·E reports nothing."""
    reading = answered(
        "/v1/images/generations", {"data": [{"b64_json": "x"}, {"b64_json": "y"}], "usage": IMAGE_USAGE}, request={"model": "gpt-image-1"}
    )
    usage = reading.usage
    assert (usage.input_tokens, usage.input_image_tokens, usage.output_image_tokens, usage.images) == (12, 2, 290, 2)
    assert answered("/v1/images/generations", {"data": [{"url": "x"}]}, request={"model": "dall-e-3"}).usage is None


def test_images_streamed() -> None:
    """Partial images tell nothing; the completed one carries usage and ends the stream."""
    partial = {"type": "image_generation.partial_image", "b64_json": "x"}
    assert answered("/v1/images/generations", sse(partial), headers=SSE).terminal is False
    reading = answered(
        "/v1/images/edits", sse(partial, {"type": "image_edit.completed", "b64_json": "x", "usage": IMAGE_USAGE}), headers=SSE
    )
    assert (reading.terminal, reading.usage.images, reading.usage.output_tokens) == (True, 1, 300)


def test_transcription_as_json() -> None:
    """Text, and usage in tokens or seconds."""
    reading = answered("/v1/audio/transcriptions", {"text": "Hi", "usage": {"type": "duration", "seconds": 37}})
    assert (reading.output_text, reading.usage.audio_seconds, reading.usage.input_tokens) == ("Hi", 37.0, None)
    tokens = {"type": "tokens", "input_tokens": 6, "input_token_details": {"audio_tokens": 5}, "output_tokens": 2}
    assert answered("/v1/audio/translations", {"text": "Hi", "usage": tokens}).usage.input_audio_tokens == 5


def test_transcription_as_text_and_its_form() -> None:
    """Plain text is the transcript; the model stands in the form that was sent."""
    form = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nRIFF\r\n--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--x--\r\n'
    exchange = captured("/v1/audio/transcriptions", b"1\n00:00 --> 00:01\nHi\n", headers={"content-type": "text/plain"})
    reading = read(type(exchange)(**{name: getattr(exchange, name) for name in exchange.__slots__} | {"request_body": form}))
    assert (reading.output_text, reading.request_model, reading.usage) == ("1\n00:00 --> 00:01\nHi", "whisper-1", None)


def test_transcription_streamed() -> None:
    """Pieces come first, the whole text and the usage last."""
    delta = {"type": "transcript.text.delta", "delta": "Hi"}
    assert answered("/v1/audio/transcriptions", sse(delta, delta), headers=SSE).output_text == "HiHi"
    done = {"type": "transcript.text.done", "text": "Hi there", "usage": {"type": "tokens", "input_tokens": 3, "output_tokens": 2}}
    reading = answered("/v1/audio/transcriptions", sse(delta, done), headers=SSE)
    assert (reading.output_text, reading.terminal, reading.usage.output_tokens) == ("Hi there", True, 2)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"ID3\x04\x00\x00" + bytes(range(256)), "audio/mpeg"),
        (b"\xff\xf3\xc4\xc4\x00G" * 9, ""),
        (b'{"audio_data":"SUQz"}', "application/json"),
    ],
)
def test_speech(body: bytes, kind: str) -> None:
    """Sound is passed over, whatever it is wrapped in; nothing is reported."""
    reading = answered("/v1/audio/speech", body, headers={"content-type": kind}, request={"model": "tts-1", "input": "Hi"})
    assert (reading.usage, reading.output_text, reading.error_type, reading.request_model, reading.terminal) == (
        None,
        None,
        None,
        "tts-1",
        None,
    )


def test_speech_streamed_as_events() -> None:
    """Events of sound end with the usage."""
    usage = {"input_tokens": 3, "output_tokens": 9, "total_tokens": 12}
    reading = answered(
        "/v1/audio/speech", sse({"type": "speech.audio.delta", "audio": "x"}, {"type": "speech.audio.done", "usage": usage}), headers=SSE
    )
    assert (reading.terminal, reading.usage.output_tokens) == (True, 9)


def test_moderations() -> None:
    """Id and model; a flag is no finish reason."""
    reading = answered("/v1/moderations", {"id": "modr-1", "model": "omni", "results": [{"flagged": True}]})
    assert (reading.response_id, reading.response_model, reading.usage, reading.finish_reasons) == ("modr-1", "omni", None, ())


def test_text_completions() -> None:
    """Choices with text and no message, whole and streamed."""
    document = {
        "id": "cmpl-1",
        "object": "text_completion",
        "model": "m",
        "choices": [{"index": 0, "text": "a", "finish_reason": "length"}],
    }
    reading = answered("/v1/completions", document)
    assert (reading.dialect, reading.operation, reading.output_text, reading.finish_reasons) == (
        "openai.completions",
        "text_completion",
        "a",
        ("length",),
    )
    assert answered("/any", document).dialect == "openai.completions"
    assert answered("/v1/completions", sse(document, document, "[DONE]"), headers=SSE).output_text == "aa"


def test_what_runs_no_model() -> None:
    """Files and stored completions give no usage, whatever stands in them."""
    stored = {"id": "chatcmpl-1", "object": "chat.completion", "usage": {"prompt_tokens": 5, "completion_tokens": 5}, "choices": []}
    assert answered("/v1/chat/completions/chatcmpl-1", stored, upstream="openai", method="GET").usage is None
    assert answered("/v1/files", {"object": "list", "data": []}, upstream="openai").error_type is None
    assert (
        answered("/v1/files", {"error": {"type": "invalid_request_error", "message": "m"}}, upstream="openai", status=400).error_message
        == "m"
    )


def test_assistants() -> None:
    """A streamed run has usage; a run that is polled was billed when it ran."""
    run = {"id": "run_1", "object": "thread.run", "model": "gpt-4o", "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
    path = "/v1/threads/thread_1/runs"
    body = (
        b"event: thread.run.completed\n"
        + sse(run)
        + b"event: thread.run.step.completed\n"
        + sse({"usage": {}})
        + b"event: done\n"
        + sse("[DONE]")
    )
    reading = answered(path, body, headers=SSE, upstream="openai")
    assert (reading.usage.input_tokens, reading.response_id, reading.response_model, reading.terminal) == (9, "run_1", "gpt-4o", True)
    assert answered(path + "/run_1", run, method="GET").usage is None


def test_mistral_ocr() -> None:
    """Pages are billed; their text is no answer."""
    document = {"pages": [{"index": 0, "markdown": "# A"}], "model": "mistral-ocr-2505", "usage_info": {"pages_processed": 1}}
    for path in ("/v1/ocr", "/any"):
        reading = answered(path, document)
        assert (reading.usage.pages, reading.usage.input_tokens, reading.output_text, reading.response_model) == (
            1,
            None,
            None,
            "mistral-ocr-2505",
        )


def test_mistral_conversations() -> None:
    """Messages, calls and usage, whole and streamed, with the stream's own end."""
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    call = {"type": "function.call", "tool_call_id": "t1", "name": "f", "arguments": "{}"}
    outputs = [{"type": "message.output", "content": [{"type": "text", "text": "Hi"}], "model": "mistral-medium"}, call]
    whole = answered("/v1/conversations", {"conversation_id": "conv_1", "outputs": outputs, "usage": usage}, upstream="mistral")
    events = [
        {"type": "conversation.response.started", "conversation_id": "conv_1"},
        {"type": "message.output.delta", "content": "H", "model": "mistral-medium"},
        {"type": "message.output.delta", "content": {"type": "text", "text": "i"}},
        {"type": "function.call.delta", "tool_call_id": "t1", "name": "f", "arguments": "{"},
        {"type": "function.call.delta", "tool_call_id": "t1", "name": "f", "arguments": "}"},
        {"type": "conversation.response.done", "usage": usage},
    ]
    streamed = answered("/v1/conversations", sse(*events, named=True), headers=SSE, upstream="mistral")
    for reading in (whole, streamed):
        assert (reading.output_text, reading.response_id, reading.response_model, reading.usage.output_tokens) == (
            "Hi",
            "conv_1",
            "mistral-medium",
            2,
        )
        assert [(each.id, each.name, each.arguments) for each in reading.tool_calls] == [("t1", "f", "{}")]
    assert (whole.terminal, streamed.terminal) == (None, True)
    failed = answered(
        "/v1/conversations",
        sse(events[0], {"type": "conversation.response.error", "message": "m", "code": 500}),
        headers=SSE,
        upstream="mistral",
    )
    assert (failed.error_type, failed.error_message, failed.terminal) == ("conversation.response.error", "m", False)


def test_cloudflare_run() -> None:
    """The answer lies in `result`, or in events without choices; the model stands in the path."""
    path, usage = "/client/v4/accounts/a/ai/run/@cf/meta/llama-3.1-8b-instruct", {"prompt_tokens": 5, "completion_tokens": 2}
    result = {"response": "Hi", "tool_calls": [{"name": "f", "arguments": {"a": 1}}], "usage": usage}
    reading = answered(path, {"result": result, "success": True, "errors": [], "messages": []})
    assert (reading.output_text, reading.usage.output_tokens, reading.response_model) == ("Hi", 2, "@cf/meta/llama-3.1-8b-instruct")
    assert (reading.tool_calls[0].name, reading.tool_calls[0].arguments, reading.error_type) == ("f", '{"a":1}', None)
    reading = answered(path, sse({"response": "H"}, {"response": "i", "usage": usage}, "[DONE]"), headers=SSE)
    assert (reading.output_text, reading.terminal, reading.usage.input_tokens) == ("Hi", True, 5)
    failed = answered(path, {"result": {}, "success": False, "errors": [{"code": 7009, "message": "m"}]}, status=400)
    assert (failed.error_type, failed.error_message) == ("7009", "m")


def test_llama_cpp() -> None:
    """The native completion's last event has counts, timings and the reason."""
    last = {
        "content": "",
        "stop": True,
        "stop_type": "eos",
        "tokens_evaluated": 9,
        "tokens_predicted": 2,
        "timings": {"cache_n": 4},
        "model": "m",
    }
    for path in ("/completion", "/any"):
        reading = answered(path, sse({"content": "Hi", "stop": False}, last), headers=SSE)
        assert (reading.output_text, reading.finish_reasons, reading.terminal, reading.metrics) == ("Hi", ("eos",), True, '{"cache_n":4}')
        assert (reading.usage.input_tokens, reading.usage.output_tokens) == (9, 2)
    assert answered("/completion", sse({"content": "Hi", "stop": False}), headers=SSE).terminal is False
