"""A judge that is slow, limited, down, lying, or answers in HTML: over real sockets, without a proxy between."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from config.scoring import Judge
from config.settings import load
from proxy.accounting.pricing import Pricer
from scoring.judge import client
from scoring.judge.client import Client, Down, Reply, Unanswered
from scoring.judge.material import Material, Passage
from scoring.judge.parsing import grades, overall
from scoring.judge.prompt import Question, question
from scoring.judge.rubric import Item, Rubric
from scoring.judge.wire import said
from tests.helpers import judge as judges
from tests.helpers.goldwash import free_port, toml
from tests.helpers.judge import Asked, graded, wrapped
from tests.helpers.upstream import Answer, Do, Upstream, answer
from tests.helpers.wire import Message

RUBRIC = Rubric(name="r", version="1", owner="tests", item=(Item(id="supported", question="Is every claim supported?"),))
JSON = [("Content-Type", "application/json")]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of a hundredth."""
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.005)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """In the place of proxy and judge together."""
    with Upstream() as running:
        yield running


def posed(text: str = "Gold lies in bends.", item: str = "i") -> Question:
    return question(RUBRIC, RUBRIC.item, Material((Passage("answer", text),), frozenset(), 0), item, "s")


async def ask(
    upstream: Upstream, tmp_path: Path, judge: Judge | None = None, times: int = 1, **options: int
) -> tuple[list[Reply | Exception], Client]:
    """The replies of a client, or why there are none."""
    file = tmp_path / "goldwash.toml"
    port = urlsplit(upstream.url).port
    file.write_text(toml({}, {"proxy": {"port": port}, "upstreams.judge": {"url": upstream.url}}))
    found: list[Reply | Exception] = []
    async with client.session(4) as session:
        asking = Client(
            session,
            judge or Judge(upstream="judge", model=judges.MODEL),
            load(file, {}),
            Pricer(),
            {"OPENAI_API_KEY": "sk-judge"},
            **options,
        )
        for number in range(times):
            try:
                found.append(await asking.ask(posed(item=str(number)), "0199"))
            except (Unanswered, Down) as error:
                found.append(error)
    return found, asking


def after(*moods: Answer | Callable[[Message], Answer]) -> Callable[[Message], Answer]:
    """One mood a request, the last one for ever."""
    coming = itertools.chain(moods, itertools.repeat(moods[-1]))

    def respond(request: Message) -> Answer:
        mood = next(coming)
        return mood if isinstance(mood, Answer) else mood(request)

    return respond


OPENAI = "/judge/v1/chat/completions"
ANTHROPIC = "/judge/v1/messages"


async def test_an_answer_is_read_with_its_model_and_id(upstream, tmp_path):
    """The call is marked as a judge's, carries the key, and its id in the log is kept."""

    def with_id(request: Message) -> Answer:
        asked = Asked(bytes(request.body))
        return answer(200, [*JSON, ("goldwash-id", "0199-id")], wrapped(asked, graded(asked)))

    upstream.on(OPENAI, with_id)
    (reply,), asking = await ask(upstream, tmp_path)
    assert isinstance(reply, Reply), reply
    assert overall(grades(reply.text, posed(item="0"))) == (True, None)
    assert (reply.exchange_id, reply.fault, reply.tries, reply.cost_usd) == ("0199-id", None, 1, None)
    assert asking.health.unpriced == 1
    request = upstream.to(OPENAI)[0]
    assert request.get("goldwash-purpose") == "judge"
    assert request.get("authorization") == "Bearer sk-judge"
    body = json.loads(bytes(request.body))
    assert body["response_format"]["json_schema"]["strict"] is True


async def test_an_anthropic_judge_is_asked_with_a_tool(upstream, tmp_path):
    """Its verdict stands in the arguments of the one tool that it must use."""
    upstream.on(ANTHROPIC, judges.judge())
    (reply,), _ = await ask(upstream, tmp_path, Judge(upstream="judge", model=judges.SECOND_MODEL, dialect="anthropic"))
    assert isinstance(reply, Reply), reply
    assert overall(grades(reply.text, posed(item="0"))) == (True, None)
    assert said(reply.reading) == reply.text


@pytest.mark.parametrize(
    "mood",
    [
        answer(429, [*JSON, ("Retry-After", "0.01")], b'{"error": {"message": "slow down"}}'),
        answer(503, [], b"upstream connect error"),
        answer(200, [("Content-Type", "text/html")], b"<html><body>Sign in to the wireless network</body></html>"),
        answer(200, JSON, b'{"error": {"message": "overloaded", "type": "overloaded_error"}}'),
        Answer([Do.RESET]),
        Answer([Do.STALL]),
    ],
    ids=["rate limit", "server error", "HTML", "error inside", "reset", "silence"],
)
async def test_what_may_go_better_later_is_tried_again(upstream, tmp_path, mood):
    """Two bad moods, then an answer: one reply in three tries, and no verdict was lost."""
    upstream.on(OPENAI, after(mood, mood, judges.judge()))
    (reply,), asking = await ask(upstream, tmp_path, Judge(upstream="judge", model=judges.MODEL, timeout=0.3))
    assert isinstance(reply, Reply), reply
    assert reply.tries == 3
    assert (asking.health.calls, asking.health.tries, asking.health.failed) == (1, 3, 0)


async def test_html_for_ever_ends_as_failed_with_the_reason(upstream, tmp_path):
    """The item is failed, and says what came."""
    upstream.on(OPENAI, answer(200, [("Content-Type", "text/html")], b"<html>Sign in</html>"))
    (error,), _ = await ask(upstream, tmp_path, attempts=3)
    assert isinstance(error, Unanswered)
    assert str(error) == "status 200, but the body is no JSON (text/html): <html>Sign in</html> (3 tries)"


async def test_a_wrong_key_gives_the_judge_up_at_once(upstream, tmp_path):
    """What every call will get is not tried a thousand times."""
    upstream.on(OPENAI, answer(401, JSON, b'{"error": {"message": "Incorrect API key provided"}}'))
    found, asking = await ask(upstream, tmp_path, times=10)
    assert [type(one) for one in found] == [Unanswered] * 3 + [Down] * 7
    assert "Incorrect API key" in str(found[-1])
    assert asking.health.tries == 3


async def test_a_request_that_is_too_long_fails_alone(upstream, tmp_path):
    """A 400 says nothing of the other items."""
    upstream.on(OPENAI, after(*[answer(400, JSON, b'{"error": {"message": "context length"}}')] * 5, judges.judge()))
    found, _ = await ask(upstream, tmp_path, times=6)
    assert [type(one) for one in found] == [Unanswered] * 5 + [Reply]


async def test_a_judge_that_is_down_is_given_up(upstream, tmp_path):
    """Call after call fails alike, then nobody asks any more."""
    upstream.on(OPENAI, answer(503, [], b"no"))
    found, _ = await ask(upstream, tmp_path, times=6, attempts=2, give_up=4)
    assert [type(one) for one in found] == [Unanswered] * 4 + [Down] * 2


async def test_a_proxy_that_does_not_run_says_so(upstream, tmp_path):
    """The fix is in the sentence."""
    file = tmp_path / "goldwash.toml"
    file.write_text(toml({}, {"proxy": {"port": free_port()}, "upstreams.judge": {"url": upstream.url}}))
    async with client.session(1) as session:
        asking = Client(session, Judge(upstream="judge", model="m-1"), load(file, {}), Pricer(), {}, attempts=1)
        with pytest.raises(Unanswered, match="run `goldwash up`"):
            await asking.ask(posed(), "0199")


async def test_a_judge_that_answers_as_another_model_is_not_believed(upstream, tmp_path):
    """The verdict is there, and marked."""

    def lying(request: Message) -> Answer:
        asked = Asked(bytes(request.body))
        return answer(200, JSON, wrapped(asked, graded(asked), model="cheap-model-7b"))

    upstream.on(OPENAI, lying)
    (reply,), asking = await ask(upstream, tmp_path)
    assert isinstance(reply, Reply)
    assert reply.fault == f"asked was {judges.MODEL}, and cheap-model-7b answered"
    assert asking.health.answered_as == {"cheap-model-7b": 1}


async def test_an_answer_that_was_cut_off_is_not_believed(upstream, tmp_path):
    """The fix is in the sentence."""

    def cut(request: Message) -> Answer:
        asked = Asked(bytes(request.body))
        return answer(200, JSON, wrapped(asked, graded(asked)).replace(b'"stop"', b'"length"'))

    upstream.on(OPENAI, cut)
    (reply,), _ = await ask(upstream, tmp_path)
    assert isinstance(reply, Reply)
    assert reply.fault == "the answer was cut off at max_tokens = 4000"


async def test_an_unknown_upstream_is_told(upstream, tmp_path):
    """Before anything is asked."""
    with pytest.raises(Down, match=r"there is no upstream 'nowhere': add \[upstreams.nowhere\]"):
        await ask(upstream, tmp_path, Judge(upstream="nowhere", model="m-1"))


async def test_a_redirect_is_not_followed(upstream, tmp_path):
    """Key and judged text go to the proxy and nowhere else, whatever an answer names."""
    with Upstream(judges.judge()) as elsewhere:
        upstream.on(OPENAI, answer(307, [("Location", f"{elsewhere.url}{OPENAI}")], b""))
        (failed,), _ = await ask(upstream, tmp_path, attempts=2)
        assert isinstance(failed, Unanswered)
        assert "status 307" in str(failed)
        assert not elsewhere.requests


async def test_an_answer_without_end_is_cut_off(upstream, tmp_path, monkeypatch):
    """It fails with the reason, and does not fill the memory."""
    monkeypatch.setattr(client, "MOST_BYTES", 1000)
    upstream.on(OPENAI, answer(200, JSON, json.dumps({"x": "y" * 5000}).encode()))
    (failed,), _ = await ask(upstream, tmp_path, attempts=1)
    assert isinstance(failed, Unanswered)
    assert "no JSON" in str(failed)


async def test_a_slow_judge_is_left_after_its_time(upstream, tmp_path):
    """A call that takes longer than `timeout` is tried again, then failed with the seconds."""
    upstream.on(OPENAI, judges.judge(delay=1.0))
    slow = Judge(upstream="judge", model=judges.MODEL, timeout=0.1)
    (failed,), asking = await ask(upstream, tmp_path, slow, attempts=2)
    assert isinstance(failed, Unanswered)
    assert "no answer within 0.1 s" in str(failed)
    assert asking.health.tries == 2
