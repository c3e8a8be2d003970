"""A golden set, a configuration and a model on a real socket in one call, for tests that run the gate as a user would."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scoring.golden.case import Confirmation, Expected, GoldenCase, Input, RubricItem, text_of
from tests.helpers import judge as judges
from tests.helpers.goldwash import toml
from tests.helpers.upstream import Answer, Upstream, answer
from tests.helpers.wire import Message

JSON = [("Content-Type", "application/json")]
CONFIRMED = (Confirmation(by="human", who="ada", verdict="fail", at="2026-11-20T00:00:00Z"),)
RIGHT = "green"
MODEL = "gpt-4.1-mini"
JUDGE_PATH = "/judge/v1/chat/completions"


def asked(body: bytes) -> tuple[str, str]:
    """The system's words and the user's, of a request in chat completions' form."""
    messages = json.loads(body)["messages"]
    return messages[0]["content"], messages[-1]["content"]


def completion(text: str, model: str = MODEL, **message: Any) -> bytes:
    """A chat completion."""
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": f"{model}-2025-04-14",
        "system_fingerprint": "fp_1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25},
    }
    return json.dumps(document).encode()


def model(says: Callable[[str, str], str | Answer]) -> Callable[[Message], Answer]:
    """A model that says what a function of system and question says."""

    def respond(request: Message) -> Answer:
        body = bytes(request.body)
        said = says(*asked(body))
        return said if isinstance(said, Answer) else answer(200, JSON, completion(said, json.loads(body)["model"]))

    return respond


def case(number: int, **more: Any) -> GoldenCase:
    """A question about tea whose right answer is one word."""
    body = {
        "model": MODEL,
        "messages": [{"role": "system", "content": "You sell tea."}, {"role": "user", "content": f"Which colour has tea {number}?"}],
    }
    given: dict[str, Any] = {
        "status": "confirmed",
        "input": Input(
            dialect="openai.chat", operation="chat", method="POST", path="/v1/chat/completions", body=body, vars={"shop": f"Leaf {number}"}
        ),
        "confirmation": CONFIRMED,
    }
    if "rubric" not in more:
        given |= {"expected": Expected(label=RIGHT), "expected_source": "human"}
    return GoldenCase(**{**given, **more})


def judged(number: int, **more: Any) -> GoldenCase:
    """The same, graded by a rubric item and nothing else."""
    return case(number, rubric=RubricItem(name="free_chat", item="answers_the_question"), **more)


class Shop:
    """A directory with golden files, a configuration and the model that it is tried on."""

    def __init__(self, directory: Path, upstream: Upstream, cases: Sequence[GoldenCase], **target: Any) -> None:
        self.directory, self.upstream = directory, upstream
        self.golden = directory / "golden"
        self.config = directory / "goldwash.toml"
        self.golden.mkdir()
        self.says: Callable[[str, str], str | Answer] = lambda system, question: RIGHT
        upstream.on("/v1/chat/completions", model(self._said))
        upstream.on(JUDGE_PATH, judges.judge())
        self.put(cases)
        self.targets: dict[str, dict[str, Any]] = {"app": {"base_url": f"{upstream.url}/v1", **target}}
        self.write()

    def _said(self, system: str, question: str) -> str | Answer:
        return self.says(system, question)

    @property
    def file(self) -> Path:
        """The golden file."""
        return self.golden / "cases.jsonl"

    def put(self, cases: Sequence[GoldenCase]) -> None:
        """Write the golden file."""
        self.file.write_text(text_of(list(cases)), "utf-8")

    def write(self, **gate: Any) -> None:
        """Write the configuration; the proxy's port is the upstream's own, so that judges are asked there."""
        tables: dict[str, dict[str, Any]] = {"proxy": {"port": self.upstream.port}, "gate": {"attempts": 2, **gate}}
        tables["upstreams.judge"] = {"url": self.upstream.url}
        for name, target in self.targets.items():
            plain = {key: value for key, value in target.items() if not isinstance(value, dict)}
            tables[f"target.{name}"] = plain
            for key, value in target.items():
                if isinstance(value, dict):
                    tables[f"target.{name}.{key}"] = value
        self.config.write_text(toml({"data_dir": str(self.directory / "data")}, tables), "utf-8")

    def untimed(self) -> None:
        """Rules under which a busy machine decides nothing."""
        (self.directory / "config").mkdir(exist_ok=True)
        (self.directory / "config" / "gate.toml").write_text("[budget]\nlatency_ratio = 1000\n", "utf-8")

    def judge(self, *, stale: tuple[str, ...] = (), calibrated: bool = True) -> None:
        """Configure a judge, and say how it stands with people."""
        (self.directory / "config").mkdir(exist_ok=True)
        text = toml({}, {"judge": {"upstream": "judge", "model": judges.MODEL}})
        (self.directory / "config" / "scoring.toml").write_text(text, "utf-8")
        said = {
            "fingerprint": "0",
            "models": [judges.MODEL],
            "n_labels": 80,
            "last_label": "2099-01-01T00:00:00+00:00",
            "stale": list(stale),
        }
        (self.golden / "calibration.json").write_text(json.dumps({"judges": [said] if calibrated else []}), "utf-8")

    def results(self) -> list[Path]:
        """Result files, oldest first."""
        return sorted((self.directory / "data" / "gate" / "results").glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
