"""From traffic to golden file in one run: the real proxy, checks, a scripted judge over HTTP, a person, export, import; twice the same."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from scoring.commands.golden import golden
from scoring.commands.review import review
from tests.helpers import judge as judges
from tests.helpers.client import fetch
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


CORPUS = Path(__file__).parents[4] / "shared" / "corpus"
KINDS = {"/v1/chat/completions", "/v1/messages", "/v1/responses"}
HOPS = {"host", "connection", "content-length", "transfer-encoding", "keep-alive", "te", "accept-encoding"}


def recorded(number: int) -> list[dict[str, Any]]:
    """So many recorded exchanges of OpenAI and Anthropic whose request is the real one and whose answer is whole."""
    found: list[dict[str, Any]] = []
    with gzip.open(CORPUS / "exchanges.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            one = json.loads(line)
            known = one["provider"] in ("openai", "anthropic") and urlsplit(one["url"]).path in KINDS
            if known and one["response"]["status"] == 200 and one["request"]["fidelity"] != "synthetic" and one["oracle"].get("text"):
                found.append(one)
    return sorted(found, key=lambda one: sha256(one["id"].encode()).digest())[:number]


@contextmanager
def replayed() -> Iterator[str]:
    """The corpus' own replaying upstream, in a process; its address."""
    command = [sys.executable, str(CORPUS / "replay_upstream.py"), str(CORPUS / "exchanges.jsonl.gz"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r":(\d+)$", process.stdout.readline().strip())
        assert found
        try:
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            process.kill()


def stern(item: str, evidence: str) -> tuple[str, str, int]:
    """A judge that fails every third answer, by its words alone: the same one at every run."""
    verdict, quote, confidence = judges.rule(item, evidence)
    if sha256(evidence.partition("<answer>")[2].encode()).digest()[0] % 3:
        return verdict, quote, confidence
    return {"yes": "no", "no": "yes"}[verdict], quote, 95


@pytest.mark.slow
@pytest.mark.skipif(not CORPUS.exists(), reason="the recorded traffic is not here")
def test_recorded_traffic_becomes_a_golden_file(tmp_path: Path) -> None:
    """Real providers' answers through the real proxy, checked and judged over HTTP; what failed is confirmed, exported and taken in again."""
    with replayed() as upstream, Upstream(judges.judge(by=stern)) as judge:
        upstreams = {name: {"url": upstream} for name in ("openai", "anthropic")} | {"judge": {"url": judge.url}}
        with Goldwash(tmp_path / "house", upstreams) as goldwash:
            (goldwash.directory / "config").mkdir()
            (goldwash.directory / "config" / "scoring.toml").write_text(
                f'[sampling]\nrate = 1.0\nenvironments = ["test", "production"]\n[judge]\nupstream = "judge"\nmodel = "{MODEL}"\nfamily = "house"\n'
            )
            records = recorded(40)
            for one in records:
                url = urlsplit(one["url"])
                headers = [(name, value) for name, value in one["request"]["headers"] if name.lower() not in HOPS]
                headers.append(("x-corpus-id", one["id"]))
                body = base64.b64decode(one["request"]["body_b64"])
                assert fetch(goldwash.port, one["method"], f"/{one['provider']}{url.path}", headers, body).status == 200
            goldwash.flush()

            def run(*arguments: str, code: int = 0) -> str:
                done = goldwash.cli(*arguments, timeout=120)
                assert done.returncode == code, (arguments, done.stdout, done.stderr)
                return done.stdout

            day = datetime.now(UTC).date().isoformat()
            summary = json.loads(run("score", "--date", day, "--json"))
            assert summary["checked"] == len(records)
            assert summary["calls"] == len(judge.requests) > 20
            failed = [
                str(row["id"])
                for row in goldwash.sql(
                    "SELECT exchange_id::VARCHAR AS id FROM score_ledger WHERE passed = false AND decided_by = 'judge' ORDER BY 1"
                )
            ]
            assert 3 <= len(failed) < summary["drawn"]
            for exchange_id in failed:
                run("review", "label", exchange_id, "fail", "--who", "ann", "--note", "not what the customer asked for")
            run("golden", "add", "--flagged", "6")
            cases = [json.loads(line) for line in run("golden", "list", "--json").splitlines()]
            assert 3 <= len(cases) <= 6
            assert {case["source"]["exchange_id"] for case in cases} <= set(failed)
            for case in cases:
                assert case["observed"]
                assert case["rubric"]["verdict"] == "fail"
                run("golden", "confirm", case["id"], "--who", "ann")
            exported = run("golden", "export")
            assert [json.loads(line)["status"] for line in exported.splitlines()] == ["confirmed"] * len(cases)

            calls = len(judge.requests)
            run("score", "--date", day)
            run("golden", "add", *[case["source"]["exchange_id"] for case in cases])
            assert len(judge.requests) == calls
            assert run("golden", "export") == exported
            for name in ("goldwash", "promptfoo", "csv"):
                there = tmp_path / name
                written = there / "exported"
                run("golden", "export", "--format", name, "--output", str(written))
                run("golden", "import", str(written), "--format", name, "--dir", str(there / "set"))
                assert run("golden", "export", "--dir", str(there / "set")) == exported
