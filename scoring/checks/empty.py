"""Whether there is an answer at all: some text, a tool call or a refusal.

Not told where the answer is of another kind (audio, images, a server-side tool's call), was filtered (refusal says that), or where the
provider did not say how it ended.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from scoring.checks.contract import Finding
from scoring.checks.refusal import REFUSED
from scoring.logged import LoggedExchange

_OTHER: Final = re.compile(
    r'_call"|mcp_approval_request|mcp_list_tools|inline_?[dD]ata|server_tool_use|executable_?[cC]ode|b64_json|"audio"|"image_url"|additional_tools'
)
"""Marks of an answer that is not text: the Responses API's other items, Gemini's parts, Anthropic's server tools, images, sound."""
_WAITING: Final = frozenset({"in_progress", "queued", "requires_action", "pause_turn"})
_TEXTLESS: Final = frozenset({"openai.images", "openai.assistants", "gemini.predict", "replicate"})

_PASSED: Final = Finding(True, "there is an answer")


@dataclass(frozen=True, slots=True)
class Options:
    """None."""


def check(exchange: LoggedExchange, _options: Options) -> Finding | None:
    """See the file's first lines."""
    if not exchange.is_answer or not exchange.is_whole or not exchange.finish_reasons or _WAITING.issuperset(exchange.finish_reasons):
        return None
    if exchange.text or exchange.tool_calls or exchange.refusal:
        return _PASSED
    if exchange.output_audio_tokens or exchange.output_image_tokens or exchange.dialect in _TEXTLESS:
        return None
    if any(reason.lower() in REFUSED for reason in exchange.finish_reasons):
        return None
    body = exchange.response_body
    if body is None or exchange.response_body_coding is not None or _OTHER.search(body):
        return None
    thought = " after reasoning" if exchange.reasoning_text or exchange.reasoning_tokens else ""
    return Finding(False, f"no text and no tool call{thought}, finished with {', '.join(exchange.finish_reasons)}")
