"""From traffic to golden file in one run: the real proxy, checks, a scripted judge over HTTP, a person, export, import; twice the same."""

from __future__ import annotations

import http.client
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from scoring.commands.golden import golden
from scoring.commands.review import review
from tests.helpers import judge as judges
from tests.helpers.goldwash import Goldwash
from tests.helpers.judge import MODEL
from tests.helpers.upstream import Answer, Upstream, answer
from tests.helpers.wire import Message

JSON = [("Content-Type", "application/json")]
ASKED = {
    "How long do refunds take? I am jane@corp.example.org.": "Refunds take 90 days, jane.roe@corp.org. BAD",
    "How long do refunds take?? I am jane@corp.example.org!": "Refunds take 90 days, jane.roe@corp.org. BAD",
    "Which river has the most gold?": "It is the Klondike in the Yukon, by every account that is known to us today.",
    "Where is the bank? Call +1 415 555 2671.": "The bank is on Main Street, two doors down from the old assay office.",
}


def app(request: Message) -> Answer:
    """Answers each known question; a tool's result is answered with JSON that breaks."""
    words = json.loads(bytes(request.body))["messages"][-1]["content"]
    message = {"role": "assistant", "content": ASKED.get(words, "{broken")}
    document = {"id": f"chatcmpl-{abs(hash(words))}", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18"}
    document |= {
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 9},
    }
    return answer(200, JSON, json.dumps(document).encode())


def ask(goldwash: Goldwash, words: str, **body: Any) -> str:
    """One exchange of the app; its id."""
    asked = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "system", "content": "Be brief {{ now }}."}, {"role": "user", "content": words}],
        **body,
    }
    connection = http.client.HTTPConnection("127.0.0.1", goldwash.port)
    connection.request(
        "POST", "/app/v1/chat/completions", json.dumps(asked), {"content-type": "application/json", "goldwash-feature": "support"}
    )
    response = connection.getresponse()
    response.read()
    connection.close()
    return str(response.headers["goldwash-id"])


@pytest.mark.slow
def test_from_traffic_to_golden_file_and_back(tmp_path: Path) -> None:
    """Failures that the night found become candidates, are confirmed, exported and imported elsewhere, twice to the same bytes."""
    with Upstream(app) as upstream, Upstream(judges.judge()) as judge:
        upstreams = {"app": {"url": upstream.url}, "judge": {"url": judge.url}}
        with Goldwash(tmp_path / "house", upstreams) as goldwash:
            (goldwash.directory / "config").mkdir()
            (goldwash.directory / "config" / "scoring.toml").write_text(
                f'audit_per_day = 1\n[sampling]\nrate = 1.0\n[judge]\nupstream = "judge"\nmodel = "{MODEL}"\nfamily = "house"\n'
            )
            ids = {words: ask(goldwash, words) for words in ASKED}
            wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
            broken = ask(goldwash, "Give me JSON", response_format=wanted)
            goldwash.flush()

            def run(command: str, *arguments: str, code: int = 0) -> str:
                done = CliRunner().invoke({"golden": golden, "review": review}[command], [*arguments, "--config", str(goldwash.config)])
                assert done.exit_code == code, (arguments, done.output, done.exception)
                return done.stdout

            scored = goldwash.cli("score", "--date", datetime.now(UTC).date().isoformat(), timeout=120)
            assert scored.returncode == 0, scored.stderr
            failing = [ids[words] for words in list(ASKED)[:2]]
            seen = set()
            for _ in range(5):
                done = CliRunner().invoke(review, ["next", "--json", "--who", "ann", "--config", str(goldwash.config)])
                if done.exit_code:
                    break
                item = json.loads(done.stdout)
                seen.add(item["exchange_id"])
                bad = "BAD" in item["answer"] or item["exchange_id"] == broken
                correction = ["--correct", "Refunds take 14 days, jane.roe@corp.org."] if "BAD" in item["answer"] else []
                run("review", "label", item["exchange_id"], "fail" if bad else "pass", "--who", "ann", *correction)
            assert broken in seen
            assert seen & set(failing)

            run("golden", "add", "--flagged", "10")
            cases = {json.loads(one)["source"]["exchange_id"]: json.loads(one) for one in run("golden", "list", "--json").splitlines()}
            assert broken in cases
            (refund,) = [one for id_, one in cases.items() if id_ != broken]  # its near-duplicate was left out
            assert refund["expected"] == {"text": "Refunds take 14 days, user1@example.com."}
            assert refund["observed"]["text"] == "Refunds take 90 days, user1@example.com. BAD"
            assert refund["rubric"]["verdict"] == "fail"
            assert refund["status"] == "candidate"
            assert "valid_json" in [check["name"] for check in cases[broken]["checks"]]

            for one in cases.values():
                run("golden", "confirm", one["id"], "--who", "ann", "--critical")
            run("golden", "confirm", cases[broken]["id"], "--who", "ann", "--note", "no JSON")
            exported = run("golden", "export")
            assert run("golden", "export") == exported
            assert exported.count("\n") == 2
            assert "corp.org" not in exported
            files = {}
            for name in ("promptfoo", "csv", "langsmith", "braintrust", "deepeval", "mlflow", "langfuse", "phoenix"):
                files[name] = run("golden", "export", "--format", name)
                path = tmp_path / f"{name}.txt"
                path.write_bytes(files[name].encode())
                there = str(tmp_path / name)
                run("golden", "import", str(path), "--format", name, "--dir", there)
                assert run("golden", "export", "--dir", there) == exported
            (tmp_path / "own.jsonl").write_bytes(exported.encode())
            run("golden", "import", str(tmp_path / "own.jsonl"), "--dir", str(tmp_path / "own"))
            assert (tmp_path / "own" / "cases.jsonl").read_text() == exported
            events = goldwash.sql("SELECT event, count(*) AS n FROM golden_cases GROUP BY event ORDER BY event")
            assert {one["event"] for one in events} >= {"added", "confirmed", "imported"}
