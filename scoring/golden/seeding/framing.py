"""Puts other words into an app's own request: its system prompt, tools and parameters stay, the conversation is one new question. Pure.

Shapes are told apart by their keys, as scoring/conversation does.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.providers.fields import items, mapping
from scoring.conversation import messages
from scoring.golden.blobs import names, put_back, taken_out
from scoring.golden.case import GoldenCase, Input, RubricItem

_SYSTEM: Final = frozenset({"system", "developer"})
_FREE: Final = ("auto", "none")
PLAIN: Final = Input(dialect="openai.chat", operation="chat", method="POST", path="/v1/chat/completions")
"""Where there is no app to take a request from: chat completions, which most targets speak."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A request that other words can be put into."""

    input: Input
    feature: str | None = None
    system: str = ""  # what the system prompt says
    tools: tuple[str, ...] = ()  # names of what is offered
    blobs: dict[str, bytes] = field(default_factory=dict)
    rubric: RubricItem | None = None  # what an answer there may be judged by, as a draft

    def asking(self, question: str) -> tuple[Input, dict[str, bytes]]:
        """The request with this question alone, and the blobs that it refers to."""
        blobs = dict(self.blobs)
        body = taken_out(reworded(self.input.body, question), blobs)
        used = names(body)
        asked = self.input.model_copy(update={"body": body, "attachments": tuple(used)})
        return asked, {name: blobs[name] for name in used if name in blobs}


def plain(system: str = "", feature: str | None = None) -> Frame:
    """A frame of chat completions."""
    said: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    return Frame(PLAIN.model_copy(update={"body": {"messages": [*said, {"role": "user", "content": "?"}]}}), feature, system)


def of(case: GoldenCase, tools: tuple[str, ...], blobs: dict[str, bytes]) -> Frame | None:
    """The frame of a case; None where its shape is not known."""
    try:
        reworded(case.input.body, "?")
    except ValueError:
        return None
    said = messages(put_back(case.input.body, blobs))
    system = "\n".join(message.text for message in said if message.role == "system")
    return Frame(case.input, case.slice, system, tools, blobs, case.rubric)


def reworded(body: Any, question: str) -> Any:
    """A request's body with one question in the place of its conversation. Raises ValueError for a shape nobody knows."""
    new = copy.deepcopy(mapping(body))
    if isinstance(new.get("messages"), list):
        kept = [one for one in new["messages"] if mapping(one).get("role") in _SYSTEM]
        converse = any(
            "text" in mapping(part) and "type" not in mapping(part) for one in new["messages"] for part in items(one.get("content"))
        )
        new["messages"] = [*kept, {"role": "user", "content": [{"text": question}] if converse else question}]
    elif "contents" in new:
        new["contents"] = [{"role": "user", "parts": [{"text": question}]}]
    elif isinstance(new.get("message"), str):
        new["message"] = question
        new.pop("chat_history", None)
        new.pop("tool_results", None)
    elif isinstance(new.get("input"), list):
        kept = [one for one in new["input"] if mapping(one).get("role") in _SYSTEM]
        new["input"] = [*kept, {"role": "user", "content": question}]
    else:
        key = next((key for key in ("input", "prompt", "inputText", "inputs") if isinstance(new.get(key), str)), None)
        if key is None:
            raise ValueError("this request has no conversation that could be replaced")
        new[key] = question
    for key in (
        "tool_choice",
        "toolConfig",
        "tool_config",
        "function_call",
    ):  # a call that is forced says nothing of what the model would do
        choice = mapping(new.get(key))
        if key in ("tool_choice", "function_call") and (new.get(key) not in (None, *_FREE) and choice.get("type") not in _FREE):
            new.pop(key, None)
        elif key == "toolConfig" and "toolChoice" in choice:  # Converse keeps the tools beside it
            new[key] = {name: value for name, value in choice.items() if name != "toolChoice"}
        elif "functionCallingConfig" in choice or "function_calling_config" in choice:
            new.pop(key)
    return new
