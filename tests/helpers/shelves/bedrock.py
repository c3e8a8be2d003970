"""What Bedrock answers: converse and invoke, whole and as event-stream frames."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.helpers.eventstream import event
from tests.helpers.shelves.anthropic import message_of, text_deltas
from tests.helpers.shelves.base import TEXT, WORDS, Recording, document

BEDROCK_MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
_BEDROCK_ROOT = f"/model/{BEDROCK_MODEL.replace(':', '%3A')}"
_BEDROCK_USAGE = {"inputTokens": 33, "outputTokens": 22, "totalTokens": 55}
_BEDROCK_ROW = {
    "provider": "aws-bedrock",
    "request_model": BEDROCK_MODEL,
    "input_tokens": 33,
    "output_tokens": 22,
    "usage_source": "provider",
    "output_text": TEXT,
    "finish_reasons": ["end_turn"],
    "ending": "complete",
    "status": 200,
}
_INVOKED = message_of(
    "msg_bdrk_river", [{"type": "text", "text": TEXT}], "end_turn", {"input_tokens": 33, "output_tokens": 22}, "claude-3-haiku-20240307"
)
_COUNTS = {"inputTokenCount": 33, "outputTokenCount": 22, "invocationLatency": 500, "firstByteLatency": 200}
_INVOKE_EVENTS: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {**_INVOKED, "content": [], "stop_reason": None, "usage": {"input_tokens": 33, "output_tokens": 1}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    *text_deltas(),
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 22}},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": _COUNTS},
]

BEDROCK = {
    "converse": Recording(
        f"{_BEDROCK_ROOT}/converse",
        None,
        document(
            {
                "output": {"message": {"role": "assistant", "content": [{"text": TEXT}]}},
                "stopReason": "end_turn",
                "usage": _BEDROCK_USAGE,
                "metrics": {"latencyMs": 500},
            }
        ),
        _BEDROCK_ROW,
    ),
    "converse_stream": Recording(
        f"{_BEDROCK_ROOT}/converse-stream",
        None,
        [
            event("messageStart", {"role": "assistant"}),
            *(event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}}) for word in WORDS),
            event("contentBlockStop", {"contentBlockIndex": 0}),
            event("messageStop", {"stopReason": "end_turn"}),
            event("metadata", {"usage": _BEDROCK_USAGE, "metrics": {"latencyMs": 500}}),
        ],
        _BEDROCK_ROW,
        stream=True,
        content_type="application/vnd.amazon.eventstream",
    ),
    "invoke": Recording(
        f"{_BEDROCK_ROOT}/invoke",
        None,
        document(_INVOKED),
        {**_BEDROCK_ROW, "response_id": "msg_bdrk_river"},
        headers=[("X-Amzn-Bedrock-Input-Token-Count", "33"), ("X-Amzn-Bedrock-Output-Token-Count", "22")],
    ),
    "invoke_stream": Recording(
        f"{_BEDROCK_ROOT}/invoke-with-response-stream",
        None,
        [event("chunk", {"bytes": base64.b64encode(json.dumps(value).encode()).decode(), "p": "abcdef"}) for value in _INVOKE_EVENTS],
        {**_BEDROCK_ROW, "response_id": "msg_bdrk_river"},
        stream=True,
        content_type="application/vnd.amazon.eventstream",
    ),
}
