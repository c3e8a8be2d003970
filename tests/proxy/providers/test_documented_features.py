"""What providers document and no recording shows: built-in tools, background answers, refusals, citations, thoughts and what they bill."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from proxy.accounting.pricing import Pricer
from proxy.exchange import Reading, ToolCall
from proxy.reading import read
from tests.helpers.answers import SSE, answered, captured, sse

AT = datetime(2026, 6, 1, tzinfo=UTC)
RESPONSES, CHAT, MESSAGES = "/v1/responses", "/v1/chat/completions", "/v1/messages"
GEMINI = "/v1beta/models/gemini-2.5-flash:generateContent"


def cost(reading: Reading, provider: str) -> Decimal | None:
    """What the exchange cost at the packaged prices."""
    return Pricer().price(reading, provider, f"https://{provider}.example", AT).cost_usd


def response(**fields: Any) -> dict[str, Any]:
    """An OpenAI response."""
    usage = {
        "input_tokens": 1000,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 1050,
    }
    return {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-5", "output": [], "usage": usage, **fields}


def said(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text, "annotations": []}]}


def chat(message: dict[str, Any], finish: str = "stop", **fields: Any) -> dict[str, Any]:
    """A chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage, **fields}


# OpenAI


def test_searches_on_the_web_are_billed_by_the_call() -> None:
    """Each search counts, opening a found page does not, and the cost is that of the tokens and ten dollars a thousand searches."""
    calls = [
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "gold"}},
        {"type": "web_search_call", "id": "ws_2", "status": "completed", "action": {"type": "open_page", "url": "https://example.com"}},
        {"type": "web_search_call", "id": "ws_3", "status": "completed"},  # before actions were told
    ]
    searched = answered(RESPONSES, response(output=[*calls, said("found")]), upstream="openai")
    plain = answered(RESPONSES, response(output=[said("found")]), upstream="openai")
    assert searched.usage is not None
    assert (searched.usage.web_searches, searched.output_text, searched.tool_calls) == (2, "found", ())
    both = cost(searched, "openai"), cost(plain, "openai")
    assert both[0] is not None
    assert both[1] is not None
    assert both[0] - both[1] == Decimal("0.02")


def test_tools_that_run_at_the_provider_are_no_tool_calls() -> None:
    """MCP, code interpreter, file search and image generation run there; a computer, a shell and functions are the client's."""
    output = [
        {"type": "mcp_list_tools", "id": "a", "server_label": "s", "tools": []},
        {"type": "mcp_call", "id": "b", "name": "f", "arguments": "{}", "output": "x", "server_label": "s"},
        {"type": "mcp_approval_request", "id": "c", "name": "g", "arguments": "{}", "server_label": "s"},
        {"type": "code_interpreter_call", "id": "d", "code": "1", "container_id": "c", "outputs": None},
        {"type": "file_search_call", "id": "e", "queries": ["q"], "results": None},
        {"type": "image_generation_call", "id": "f", "result": "AAAA", "status": "completed"},
        {"type": "computer_call", "id": "g", "call_id": "call_1", "action": {"type": "click", "x": 1}, "pending_safety_checks": []},
        {"type": "custom_tool_call", "id": "h", "call_id": "call_2", "name": "grammar", "input": "SELECT 1"},
        {"type": "function_call", "id": "i", "call_id": "call_3", "name": "f", "arguments": '{"a": 1}'},
    ]
    assert answered(RESPONSES, response(output=output)).tool_calls == (
        ToolCall("call_1", "computer", '{"type":"click","x":1}'),
        ToolCall("call_2", "grammar", "SELECT 1"),
        ToolCall("call_3", "f", '{"a": 1}'),
    )


@pytest.mark.parametrize(
    ("status", "more", "finish"),
    [
        ("queued", {"usage": None}, "queued"),
        ("in_progress", {"usage": None}, "in_progress"),
        ("cancelled", {"usage": None}, "cancelled"),
        ("incomplete", {"usage": None, "incomplete_details": {"reason": "content_filter"}}, "incomplete:content_filter"),
    ],
)
def test_background_responses_without_an_answer_yet(status: str, more: dict[str, Any], finish: str) -> None:
    """A response that runs in the background, or ended early, is no error, and what it used is unknown."""
    reading = answered(RESPONSES, response(status=status, background=True, **more))
    assert (reading.finish_reasons, reading.usage, reading.error_type, reading.terminal) == ((finish,), None, None, None)


@pytest.mark.parametrize(
    ("last", "error", "finish"),
    [
        ({"type": "response.failed", "response": response(status="failed", usage=None, error={"code": "server_error", "message": "x"})}, "server_error", "failed"),
        ({"type": "response.incomplete", "response": response(status="incomplete", incomplete_details={"reason": "max_output_tokens"})}, None, "incomplete:max_output_tokens"),
        ({"type": "response.cancelled", "response": response(status="cancelled", usage=None)}, None, "cancelled"),
    ],
)  # fmt: skip
def test_every_last_event_ends_a_stream(last: dict[str, Any], error: str | None, finish: str) -> None:
    """A stream that failed, was cut short or cancelled by its own last event is whole; a failure is an error besides."""
    first = {"type": "response.created", "response": response(status="in_progress", usage=None)}
    reading = answered(RESPONSES, sse(first, last, named=True), headers=SSE)
    assert (reading.terminal, reading.error_type, reading.finish_reasons) == (True, error, (finish,))


def test_pictures_that_come_in_a_stream() -> None:
    """Partial images say nothing, and the response that ends them has its usage."""
    partial = {"type": "response.image_generation_call.partial_image", "output_index": 0, "partial_image_b64": "AAAA"}
    last = {"type": "response.completed", "response": response(output=[{"type": "image_generation_call", "id": "i", "result": "AAAA"}])}
    reading = answered(RESPONSES, sse(partial, last, named=True), headers=SSE)
    assert reading.usage is not None
    assert (reading.usage.output_tokens, reading.output_text, reading.terminal) == (50, None, True)


def test_refusals_and_filters_are_no_errors() -> None:
    """A refusal is text of its own, and a filter is a finish reason."""
    reading = answered(CHAT, chat({"content": None, "refusal": "I cannot help with that."}, "content_filter"))
    assert (reading.refusal, reading.finish_reasons, reading.output_text) == ("I cannot help with that.", ("content_filter",), None)
    assert reading.error_type is None


# Anthropic


def message(content: list[dict[str, Any]], stop: str = "end_turn", **usage: Any) -> dict[str, Any]:
    """An Anthropic message."""
    used = {"input_tokens": 1000, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 50, **usage}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5"}
    return {**head, "content": content, "stop_reason": stop, "stop_sequence": None, "usage": used}


def test_anthropic_server_tools() -> None:
    """Server tools, MCP tools and their results are neither text nor the client's calls; searches are counted, and a pause is a reason."""
    content = [
        {"type": "text", "text": "Let me see. "},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "gold"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result", "title": "t"}]},
        {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "echo", "server_name": "s", "input": {}},
        {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": False, "content": [{"type": "text", "text": "hello"}]},
        {"type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_2", "content": {"type": "x", "stdout": "1"}},
        {"type": "container_upload", "file_id": "file_1"},
        {"type": "text", "text": "Found.", "citations": [{"type": "web_search_result_location", "cited_text": "c"}]},
    ]
    reading = answered(MESSAGES, message(content, "pause_turn", server_tool_use={"web_search_requests": 1, "web_fetch_requests": 2}))
    assert (reading.output_text, reading.tool_calls, reading.finish_reasons) == ("Let me see. Found.", (), ("pause_turn",))
    assert reading.usage is not None
    assert reading.usage.web_searches == 1


def test_anthropic_advisor_and_compaction_are_billed_on_top() -> None:
    """What an advisor and a compaction used stands in no other count: tokens stay the answer's own, the cost is that of all."""
    own = [{"type": "message", "input_tokens": 1000, "output_tokens": 50}]
    extra = [
        {"type": "advisor_message", "model": "claude-opus-4-5", "input_tokens": 2000, "output_tokens": 100},
        {"type": "compaction", "input_tokens": 3000, "output_tokens": 10},
    ]
    content = [{"type": "compaction", "content": "what was said"}, {"type": "text", "text": "x"}]
    reading = answered(MESSAGES, message(content, iterations=[*own, *extra]), upstream="anthropic")
    plain = answered(MESSAGES, message(content, iterations=own), upstream="anthropic")
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.output_tokens, reading.output_text) == (1000, 50, "x")
    assert cost(plain, "anthropic") == Decimal("0.00375")
    opus = Decimal(2000) * 5 / 1_000_000 + Decimal(100) * 25 / 1_000_000
    sonnet = Decimal(3000) * 3 / 1_000_000 + Decimal(10) * 15 / 1_000_000
    assert cost(reading, "anthropic") == Decimal("0.00375") + opus + sonnet
    unknown = answered(MESSAGES, message(content, iterations=[{**extra[0], "model": "claude-of-tomorrow"}]), upstream="anthropic")
    assert cost(unknown, "anthropic") is None


@pytest.mark.parametrize("stop", ["refusal", "model_context_window_exceeded", "max_tokens", "stop_sequence"])
def test_anthropic_stop_reasons(stop: str) -> None:
    """Every stop reason is the provider's own word, and none is an error."""
    reading = answered(MESSAGES, message([], stop))
    assert (reading.finish_reasons, reading.error_type) == ((stop,), None)


# Google


def gemini(parts: list[dict[str, Any]], usage: dict[str, Any], **candidate: Any) -> dict[str, Any]:
    """A Gemini answer."""
    one = {"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0, **candidate}
    return {"candidates": [one], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash", "responseId": "r"}


def test_gemini_built_in_tools_and_signatures() -> None:
    """Code that ran there, grounding and signatures are no text; tool-use prompts and thoughts are counted, pages of documents as pictures."""
    parts = [
        {"thought": True, "text": "hm", "thoughtSignature": "QUJD"},
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        {"text": "one", "thoughtSignature": "QUJD"},
        {"functionCall": {"name": "f", "args": {"a": 1}, "id": "c1"}, "thoughtSignature": "QUJD"},
    ]
    usage = {
        "promptTokenCount": 10,
        "toolUsePromptTokenCount": 7,
        "thoughtsTokenCount": 3,
        "candidatesTokenCount": 5,
        "totalTokenCount": 25,
        "promptTokensDetails": [{"modality": "DOCUMENT", "tokenCount": 4}, {"modality": "TEXT", "tokenCount": 6}],
    }
    grounding = {"groundingMetadata": {"webSearchQueries": ["a"]}, "urlContextMetadata": {"urlMetadata": [{"retrievedUrl": "u"}]}}
    reading = answered(GEMINI, gemini(parts, usage, **grounding))
    assert (reading.output_text, reading.reasoning_text) == ("one", "hm")
    assert reading.tool_calls == (ToolCall("c1", "f", '{"a":1}'),)
    found = reading.usage
    assert found is not None
    assert (found.input_tokens, found.output_tokens, found.reasoning_tokens, found.input_image_tokens) == (17, 8, 3, 4)


def test_gemini_blocks() -> None:
    """A prompt or an answer that is blocked has its reason, its prompt's tokens, and no error."""
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5}}
    reading = answered(GEMINI, blocked)
    assert (reading.finish_reasons, reading.error_type) == (("PROHIBITED_CONTENT",), None)
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.output_tokens) == (5, None)
    stream = sse(gemini([{"text": "a"}], {"promptTokenCount": 5}, finishReason=None), {"error": {"code": 503, "status": "UNAVAILABLE"}})
    failed = answered(GEMINI.replace("generate", "streamGenerate"), stream, headers=SSE)
    assert (failed.error_type, failed.terminal, failed.output_text) == ("UNAVAILABLE", False, "a")


# Bedrock, Cohere, Ollama


def test_bedrock_citations_reasoning_and_guardrails() -> None:
    """Cited text is text, redacted reasoning has none, and a guardrail is a stop reason."""
    content = [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": "QUJD"}},
        {"citationsContent": {"content": [{"text": "cited"}], "citations": [{"title": "t"}]}},
        {"text": " and said"},
    ]
    body = {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "guardrail_intervened",
        "usage": {"inputTokens": 10, "outputTokens": 3, "totalTokens": 13},
        "trace": {"guardrail": {"inputAssessment": {}}},
    }
    reading = answered("/model/amazon.nova-pro-v1%3A0/converse", body)
    assert (reading.output_text, reading.reasoning_text) == ("cited and said", "hm")
    assert (reading.finish_reasons, reading.error_type) == (("guardrail_intervened",), None)


def test_cohere_thinks_and_cites() -> None:
    """Thoughts are apart from the text; cached tokens, which are counted with the hidden preamble, do not hide the cost."""
    body = {
        "id": "1",
        "message": {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "yes"}],
            "citations": [{"start": 0, "end": 3, "text": "yes"}],
        },
        "finish_reason": "COMPLETE",
        "usage": {"billed_units": {"input_tokens": 1000, "output_tokens": 100}, "tokens": {"input_tokens": 1500}, "cached_tokens": 1480},
    }
    reading = answered("/v2/chat", body, upstream="cohere", request={"model": "command-r7b-12-2024"})
    assert (reading.output_text, reading.reasoning_text) == ("yes", "hm")
    assert cost(reading, "cohere") == Decimal("0.0000525")


def test_ollama_thinks_and_calls() -> None:
    """Thinking is apart from the content, and a call's arguments are JSON."""
    message = {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}
    body = {
        "model": "q",
        "created_at": "t",
        "message": message,
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 5,
        "eval_count": 7,
    }
    reading = answered("/api/chat", body)
    assert (reading.reasoning_text, reading.output_text, reading.tool_calls) == ("hm", None, (ToolCall(None, "f", '{"a":1}'),))


# Hosts that speak OpenAI's chat


def test_mistral_thinks_in_parts() -> None:
    """Magistral's thoughts come as parts of the content, whole and streamed."""
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": True}
    whole = answered(CHAT, chat({"content": [thought, {"type": "text", "text": "yes"}, {"type": "reference", "reference_ids": [1]}]}))
    assert (whole.reasoning_text, whole.output_text) == ("hm", "yes")
    chunks = [
        {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, "delta": {"content": [thought]}}]},
        {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "yes"}, "finish_reason": "stop"}]},
    ]
    stream = answered(CHAT, sse(*chunks, "[DONE]"), headers=SSE)
    assert (stream.reasoning_text, stream.output_text, stream.terminal) == ("hm", "yes", True)


def test_mistral_connectors_bring_tokens_into_the_prompt() -> None:
    """What an agent's built-in tools brought into the prompt is input; searches are counted."""
    body = {
        "conversation_id": "conv_1",
        "outputs": [
            {"type": "tool.execution", "name": "web_search"},
            {"type": "message.output", "content": [{"type": "text", "text": "x"}]},
        ],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 1150,
            "connector_tokens": 1000,
            "connectors": {"web_search": 2},
        },
    }
    usage = answered("/v1/conversations", body, upstream="mistral").usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.web_searches) == (1100, 50, 2)


def test_perplexity_deep_research_reasons_apart() -> None:
    """Its reasoning is not part of its completion tokens: output is both, and the provider's own cost is kept."""
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 100,
        "total_tokens": 109,
        "citation_tokens": 50,
        "num_search_queries": 4,
        "reasoning_tokens": 900,
        "cost": {"total_cost": 0.1},
    }
    reading = answered(CHAT, chat({"content": "x"}, usage=usage), upstream="perplexity")
    assert reading.usage is not None
    assert (reading.usage.output_tokens, reading.usage.reasoning_tokens, reading.usage.web_searches) == (1000, 900, 4)
    assert reading.reported_cost_usd == Decimal("0.1")


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_beside_the_content(key: str) -> None:
    """DeepSeek, xAI, vLLM, Groq and others put reasoning beside the content, under one of two names."""
    reading = answered(CHAT, chat({"content": "x", key: "hm", "executed_tools": [{"type": "search"}], "citations": ["u"]}))
    assert (reading.reasoning_text, reading.output_text) == ("hm", "x")


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/models/gpt-4o", "gpt-4o"),
        ("/api/models/meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("/api/v1/models/meta-llama/llama-3/endpoints", "meta-llama/llama-3"),
        ("/v1/models/owner/name/versions/abc", "owner/name"),
        ("/v1/models/owner/versions", "owner"),
        ("/v1beta/models/veo-3.1/operations/umz7", "veo-3.1"),
        ("/openai/deployments/my-gpt/chat/completions", "my-gpt"),
        ("/models/chat/completions", None),
        ("/v1/models", None),
    ],
)
def test_models_in_paths(path: str, model: str | None) -> None:
    """A model's whole name is taken from a path, with its owner and without what stands below it."""
    assert read(captured(path, {"ok": True}, method="GET")).request_model == model
