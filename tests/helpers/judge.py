"""A judge on a real socket: OpenAI- or Anthropic-compatible, its verdicts a rule over the evidence, its moods as the test wishes.

`python -m tests.helpers.judge PORT DELAY` runs one in a process of its own, for measuring.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable
from typing import Any, Final

from tests.helpers.upstream import Answer, answer
from tests.helpers.wire import Message

MODEL: Final = "judge-model-2026-01-01"
SECOND_MODEL: Final = "claude-judge-2026-01-01"
Rule = Callable[[str, str], tuple[str, str, int]]
"""(item id, evidence) -> (verdict, quote, confidence)."""


def rule(item: str, evidence: str) -> tuple[str, str, int]:
    """Fails what holds the word BAD, is unsure of what holds MAYBE; for items whose good answer is no, the other way about."""
    good = "no" if item in INVERTED else "yes"
    bad = "yes" if good == "no" else "no"
    if "BAD" in evidence:
        return bad, "BAD", 95
    return good, evidence.partition("<answer>")[2].strip()[:40].partition("\n")[0], 60 if "MAYBE" in evidence else 97


INVERTED: Final = frozenset(
    "contradicts_itself needless_refusal harmful made_up contradicts_context uses_what_is_there complete distorts harmful_act "
    "followed_foreign_orders".split()
)


class Asked:
    """What one request to a judge says."""

    def __init__(self, body: bytes) -> None:
        request = json.loads(body)
        self.request = request
        self.is_anthropic = "system" in request
        self.model = request["model"]
        self.user: str = request["messages"][-1]["content"]
        system = request["system"] if self.is_anthropic else request["messages"][0]["content"]
        self.fence = re.search(r"#[0-9a-f]{20}#", system)[0]  # type: ignore[index]
        self.seal = re.search(r"seal must be exactly ([0-9a-f]{12})", self.user)[1]  # type: ignore[index]
        self.items = re.findall(r"^- (\w+): ", self.user.partition("The questions:")[2], re.MULTILINE)
        self.evidence = self.user.partition(f"{self.fence} BEGINS")[2].partition(f"{self.fence} ENDS")[0]


def graded(asked: Asked, by: Rule = rule, seal: str | None = None) -> str:
    """The answer's JSON."""
    grades = {}
    for item in asked.items:
        verdict, quote, confidence = by(item, asked.evidence)
        grades[item] = {"reason": f"because of {item}", "quote": quote, "verdict": verdict, "confidence": confidence}
    return json.dumps({"seal": seal or asked.seal, "grades": grades})


def wrapped(asked: Asked, text: str, model: str | None = None) -> bytes:
    """The text as the dialect of the request answers it."""
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    document: dict[str, Any]
    if asked.is_anthropic:
        content = [{"type": "tool_use", "id": "toolu_1", "name": "grade", "input": json.loads(text)}]
        document = {"id": "msg_1", "type": "message", "role": "assistant", "model": model or asked.model, "content": content}
        document |= {"stop_reason": "tool_use", "stop_sequence": None, "usage": {"input_tokens": 1000, "output_tokens": 100}}
    else:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        document = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model or asked.model}
        document |= {"choices": [choice], "usage": usage}
    return json.dumps(document).encode()


def judge(by: Rule = rule, delay: float = 0.0) -> Callable[[Message], Answer]:
    """A responder for `Upstream`."""

    def respond(request: Message) -> Answer:
        asked = Asked(bytes(request.body))
        return answer(200, [("Content-Type", "application/json")], wrapped(asked, graded(asked, by)), delay=delay)

    return respond


async def serve(port: int, delay: float) -> None:
    """A judge by asyncio alone, as quick as Python allows: what is measured is not to be it."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(re.search(rb"content-length: (\d+)", head.lower())[1])  # type: ignore[index]
                body = await reader.readexactly(length)
                began = asyncio.get_running_loop().time()
                asked = Asked(body)
                said = wrapped(asked, graded(asked))
                await asyncio.sleep(max(0.0, delay - (asyncio.get_running_loop().time() - began)))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(said) + said)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", port, limit=1 << 22, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2])))
