"""Golden cases, replies and judges in one call each, for tests of evaluators and reports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from config.scoring import Judge, Scoring
from config.settings import load
from proxy.accounting.pricing import Pricer
from scoring.gate.evaluators.judges import Judges, opened
from scoring.gate.reply import Reply
from scoring.golden.case import Call, Document, GoldenCase, Observed, of
from tests.helpers import judge as judges
from tests.helpers.goldwash import toml
from tests.helpers.upstream import Upstream

AT = "2026-11-01T00:00:00Z"


def case(question: str = "How long do refunds take?", **parts: Any) -> GoldenCase:
    """A representative case; parts as they stand in a golden file."""
    body = {"messages": [{"role": "user", "content": question}]}
    return of({"split": "representative", "input": {"dialect": "openai.chat", "operation": "chat", "body": body}, **parts}, "made")


def by_judge(family: str) -> dict[str, Any]:
    """A confirmation by a judge."""
    return {"by": "judge", "who": f"{family}-model", "family": family, "verdict": "fail", "at": AT}


def by_human() -> dict[str, Any]:
    """A confirmation by a person."""
    return {"by": "human", "who": "ada", "verdict": "fail", "at": AT}


def reply(text: str | None = None, *, calls: tuple[Call, ...] = (), found: tuple[str, ...] = (), **more: Any) -> Reply:
    """A reply that says this, calls this, retrieved this."""
    documents = tuple(Document(id=one, text=f"Text of {one}.") for one in found)
    return Reply(answer=Observed(text=text, tool_calls=calls), context=documents, **more)


@asynccontextmanager
async def bench(tmp_path: Path, upstream: Upstream, *, second: bool = False, **options: Any) -> AsyncIterator[Judges]:
    """Judges at a scripted upstream, which stands in the place of proxy and provider."""
    file = tmp_path / "goldwash.toml"
    file.write_text(toml({}, {"proxy": {"port": urlsplit(upstream.url).port}, "upstreams.judge": {"url": upstream.url}}))
    first = Judge(upstream="judge", model=judges.MODEL, family="first")
    other = Judge(upstream="judge", model=judges.SECOND_MODEL, dialect="anthropic", family="second") if second else None
    scoring = Scoring(judge=first, second_judge=other, attempts=1)
    keys = {"OPENAI_API_KEY": "sk-judge", "ANTHROPIC_API_KEY": "sk-judge"}
    async with opened(load(file, {}), scoring, Pricer(), environ=keys, **{"rubrics": {}, **options}) as found:
        assert found is not None
        yield found
