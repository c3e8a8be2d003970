"""Bedrock's agents and knowledge bases."""

from __future__ import annotations

from base64 import b64encode

from tests.helpers.answers import EVENTSTREAM, answered
from tests.helpers.eventstream import event, exception

PATH = "/agents/A1/agentAliases/B1/sessions/s1/text"
TRACE = event(
    "trace", {"trace": {"orchestrationTrace": {"modelInvocationOutput": {"metadata": {"usage": {"inputTokens": 9, "outputTokens": 9}}}}}}
)


def chunk(text: str) -> bytes:
    """A piece of the answer."""
    return event("chunk", {"bytes": b64encode(text.encode()).decode()})


def test_chunks_are_the_answer_and_traces_no_usage() -> None:
    """The inner calls of other models are not this exchange's tokens."""
    reading = answered(PATH, TRACE + chunk("Hel") + chunk("lo"), headers=EVENTSTREAM)
    assert (reading.dialect, reading.output_text, reading.usage, reading.error_type, reading.terminal) == (
        "bedrock.agent",
        "Hello",
        None,
        None,
        None,
    )


def test_an_action_handed_back_is_a_tool_call() -> None:
    """returnControl asks the client to act."""
    asked = {"functionInvocationInput": {"actionGroup": "g", "function": "look", "parameters": [{"name": "a", "value": "1"}]}}
    reading = answered(PATH, event("returnControl", {"invocationId": "i1", "invocationInputs": [asked]}), headers=EVENTSTREAM)
    assert [(call.id, call.name, call.arguments) for call in reading.tool_calls] == [("i1", "look", '[{"name":"a","value":"1"}]')]


def test_an_exception_is_an_error() -> None:
    """The stream broke after it began."""
    reading = answered(PATH, chunk("A") + exception("dependencyFailedException", {"message": "no"}), headers=EVENTSTREAM)
    assert (reading.error_type, reading.terminal, reading.output_text) == ("dependencyFailedException", False, "A")


def test_retrieve_and_generate_answers_in_one_document() -> None:
    """The text stands under output, what a guardrail did beside it."""
    reading = answered("/retrieveAndGenerate", {"output": {"text": "Hi"}, "sessionId": "s", "guardrailAction": "INTERVENED"})
    assert (reading.output_text, reading.error_type) == ("Hi", None)


def test_retrieval_alone_is_no_answer() -> None:
    """Passages are no output text."""
    reading = answered("/knowledgebases/K/retrieve", {"retrievalResults": [{"content": {"text": "x"}}]}, upstream="aws-bedrock-agent")
    assert (reading.dialect, reading.output_text) == ("bedrock.other", None)
