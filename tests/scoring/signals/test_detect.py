"""Each definition of docs/signals.md, with what must not be taken for it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from scoring.signals.detect import Signal, detect, is_reworded
from tests.helpers.goldwash import ROOT
from tests.scoring.signals.talks import START, Talk

ANSWER = "The shop opens at nine in the morning and closes at six in the evening, except on Sundays when it stays closed all day."
OTHER = "It costs twelve euros a month, and the first month is free for everybody who signs up before the end of the year."


def found(*talks: Talk, since: datetime = START, until: datetime = START + timedelta(days=2)) -> list[tuple[str, str, str]]:
    """(exchange, signal, label), without distances of unrelated messages."""
    signals = detect([one for talk in talks for one in talk.turns()], since, until)
    return [(one.exchange_id, one.name, one.label) for one in signals if one.label != "other words"]


def of(talk: Talk, name: str) -> list[Signal]:
    return [one for one in detect(talk.turns(), START, START + timedelta(days=2)) if one.name == name]


def test_the_same_prompt_within_seconds_is_a_regeneration() -> None:
    """After a whole answer, within a minute, by the same person; another model may have been chosen."""
    talk = Talk()
    first = talk.ask(0, "When do you open?", ANSWER)
    talk.history = []
    again = talk.ask(20, "When do you open?", OTHER, request_model="other")
    assert found(talk) == [(first, "regenerated", "same prompt")]
    assert of(talk, "regenerated")[0].follower == again


@pytest.mark.parametrize("second", [1.0, 100.0])
def test_side_by_side_or_much_later_is_no_regeneration(second: float) -> None:
    """A second call before the first has ended is sampling; the same question minutes later is a question."""
    talk = Talk()
    talk.ask(0, "When do you open?", ANSWER)
    talk.history = []
    talk.ask(second, "When do you open?", ANSWER)
    assert found(talk) == []


def test_other_people_with_the_same_question_are_no_regeneration() -> None:
    """Neither two sessions, nor requests that name nobody and share nothing but a first question."""
    one, two = Talk("s1"), Talk("s2")
    unnamed = Talk(None)
    for talk, second in ((one, 0), (two, 10), (unnamed, 0)):
        talk.ask(second, "When do you open?", ANSWER)
    unnamed.history = []
    unnamed.ask(10, "When do you open?", ANSWER)
    assert found(one, two, unnamed) == []


def test_an_unnamed_person_is_known_by_the_conversation() -> None:
    """No session and no user, but a history that nobody else has: the second answer was asked for again."""
    talk = Talk(None)
    talk.ask(0, "When do you open?", ANSWER)
    history = list(talk.history)
    second = talk.ask(30, "And what does it cost?", OTHER)
    talk.history = history
    talk.ask(60, "And what does it cost?", OTHER)
    assert found(talk) == [(second, "regenerated", "same prompt")]


def test_retries_are_kept_apart() -> None:
    """What the app says is a retry, and the same prompt after a failure, are `retried` and never regenerations."""
    talk = Talk()
    failed = talk.ask(0, "When do you open?", status=503, error_type="overloaded")
    talk.ask(3, "When do you open?", ANSWER)
    assert found(talk) == [(failed, "retried", "after a failure")]
    said = Talk()
    first = said.ask(0, "When do you open?", ANSWER)
    said.history = []
    said.ask(5, "When do you open?", ANSWER, retry_of=first)
    assert found(said) == [(first, "retried", "by the app")]
    library = Talk()
    library.ask(0, "When do you open?", ANSWER)
    library.history = []
    library.ask(5, "When do you open?", ANSWER, properties=[("retry_count", "1")])
    assert found(library) == []


def test_a_machine_that_sends_the_same_again_and_again_is_no_user() -> None:
    """Six times the same prompt is a health check."""
    talk = Talk(None, user="probe")
    for number in range(6):
        talk.history = []
        talk.ask(number * 20, "ping pong ping", ANSWER)
    assert found(talk) == []


def test_steps_of_an_agent_are_no_reactions() -> None:
    """Tool calls, tool results and the answer after them are one turn; the user's next words follow the last answer."""
    talk = Talk()
    question = {"role": "user", "content": "What is the weather in Bern and in Rome today?"}
    call = {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "function": {"name": "weather", "arguments": "{}"}}]}
    result = {"role": "tool", "tool_call_id": "1", "content": "sunny"}
    talk.ask(0, None, messages=[question], tool_calls='[{"id": "1", "name": "weather", "arguments": "{}"}]')
    talk.ask(3, None, messages=[question, call, result], tool_calls='[{"id": "2", "name": "weather", "arguments": "{}"}]')
    last = talk.ask(
        6,
        None,
        "It is sunny in both, with twenty degrees in Bern and twenty-four in Rome.",
        messages=[question, call, result, call, result],
    )
    answer = {"role": "assistant", "content": "It is sunny in both, with twenty degrees in Bern and twenty-four in Rome."}
    talk.ask(
        30,
        None,
        ANSWER,
        messages=[question, call, result, call, result, answer, {"role": "user", "content": "Thanks, and when does the shop open?"}],
    )
    signals = detect(talk.turns(), START, START + timedelta(days=1))
    assert [(one.exchange_id, one.name) for one in signals if one.name != "abandoned"] == [(last, "next_edit_distance")]


@pytest.mark.parametrize("keeps_history", [True, False])
def test_a_question_said_anew_is_rephrased(keeps_history: bool) -> None:
    """With the history in the request, and where the app keeps it elsewhere."""
    talk = Talk(keeps_history=keeps_history)
    first = talk.ask(0, "When does the shop in Bern open on Sunday?", ANSWER)
    talk.ask(40, "When on Sunday does the shop open in Bern, I asked", OTHER)
    assert found(talk)[:1] == [(first, "rephrased", "reworded")]


@pytest.mark.parametrize(
    ("one", "other", "reworded"),
    [
        ("When does the shop in Bern open on Sunday?", "when does the shop in bern open on sundays", True),
        ("How do I cancel my plan?", "How do I cancel my yearly plan?", True),
        ("Write a poem about the sea", "I said a poem about the sea, please write it", True),
        ("Wie kündige ich mein Abo?", "Wie kündige ich denn mein Abo richtig?", True),
        ("What is the price of apples?", "What is the price of bananas?", False),
        ("Translate into French: good morning to all of you", "Translate into French: the train leaves at nine", False),
        (
            f"Summarise the text below in one sentence for a busy reader. {ANSWER}",
            f"Summarise the text below in one sentence for a busy reader. {OTHER}",
            False,
        ),
        ("yes", "yes!", False),
        ("", "", False),
    ],
)
def test_what_is_reworded(one: str, other: str, reworded: bool) -> None:
    """Other order, other endings and additions are; the same template with other words in it is not."""
    assert is_reworded(one, other) is reworded


def test_real_instructions_are_seldom_taken_for_rephrasings() -> None:
    """Real instructions at random, and one instruction over two real inputs, as apps with templates send them: under 1% of the pairs."""
    file = ROOT.parent / "shared" / "evaldata" / "pandalm.parquet"
    if not file.exists():
        pytest.skip("the shared evaluation data is not here")
    import duckdb

    rows = duckdb.sql(f"SELECT DISTINCT instruction, coalesce(input, '') FROM '{file}' ORDER BY ALL").fetchall()
    chance = random.Random(1)
    questions, inputs = [f"{one}\n{other}" for one, other in rows], [other for _, other in rows if other]
    unrelated = sum(is_reworded(*chance.sample(questions, 2)) for _ in range(5000))
    templates = 0
    for instruction, _ in rows:
        for _ in range(10):
            one, other = chance.sample(inputs, 2)
            templates += is_reworded(f"{instruction}\n{one}", f"{instruction}\n{other}")
    assert unrelated / 5000 < 0.001
    assert templates / (10 * len(rows)) < 0.01


def test_an_edited_question_is_rephrased() -> None:
    """The user goes back, changes a word and sends it again: the history stops before the answer."""
    talk = Talk()
    talk.ask(0, "Hello there, who are you?", ANSWER)
    history = list(talk.history)
    second = talk.ask(20, "How do I cancel my subscription plan?", OTHER)
    talk.history = history
    talk.ask(50, "How do I cancel my yearly subscription plan?", OTHER)
    assert (second, "rephrased", "reworded") in found(talk)


def test_going_on_is_not_rephrasing() -> None:
    """Another question is none, nor is one by another feature of the same session."""
    talk = Talk()
    talk.ask(0, "When does the shop in Bern open?", ANSWER)
    talk.ask(40, "Thank you. Can I pay with a card there, and do you deliver?", OTHER)
    assert of(talk, "rephrased") == []
    router, chat = Talk(feature="router", keeps_history=False), Talk(keeps_history=False)
    router.ask(0, "When does the shop in Bern open?", "opening hours")
    chat.ask(3, "When does the shop in Bern open?", ANSWER)
    assert [one.name for one in detect([*router.turns(), *chat.turns()], START, START + timedelta(days=1)) if one.name != "abandoned"] == []


def test_an_answer_sent_back_with_changes_is_measured() -> None:
    """The share of words that changed: small where the user corrected it, near one where they say something else."""
    talk = Talk()
    talk.ask(0, "Write me a line about opening hours.", ANSWER)
    talk.ask(60, ANSWER.replace("six", "seven").replace("Sundays", "Mondays"), OTHER)
    talk.ask(120, "That is all I needed for today, thanks a lot.", "You are welcome.")
    edited, other = of(talk, "next_edit_distance")
    assert (edited.label, round(edited.value, 3)) == ("edited", round(2 / 24, 3))
    assert (other.label, other.value > 0.8) == ("other words", True)


def test_leaving_after_an_answer() -> None:
    """The last answer of a session that had been going on; a single question is no session, and a late reply is no leaving."""
    talk = Talk()
    talk.ask(0, "When does the shop in Bern open?", ANSWER)
    last = talk.ask(60, "Can I pay with a card?", OTHER)
    assert found(talk) == [(last, "abandoned", "after the answer")]
    single = Talk("s2")
    single.ask(0, "When does the shop in Bern open?", ANSWER)
    assert found(single) == []
    nobody = Talk(None, user="u1")
    nobody.ask(0, "When does the shop in Bern open?", ANSWER)
    nobody.ask(60, "Can I pay with a card?", OTHER)
    assert found(nobody) == [], "without a session nobody knows that it ended"
    talk.ask(60 + 1795, "One more thing, do you sell bread there?", ANSWER)
    assert (last, "abandoned", "after the answer") not in found(talk)


def test_hanging_up_in_the_middle_is_leaving() -> None:
    """The client went before the answer was whole; if it asks the same again at once, it has not left."""
    talk = Talk()
    gone = talk.ask(0, "Tell me a very long story.", "Once upon", ending="client_gone")
    assert found(talk) == [(gone, "abandoned", "mid-answer")]
    talk.history = []
    talk.ask(10, "Tell me a very long story.", ANSWER)
    assert found(talk) == []


def test_a_session_goes_on_across_midnight() -> None:
    """Days mean nothing here: the question before and the reaction after it belong together."""
    talk = Talk()
    night = 15 * 3600 - 30  # 23:59:30
    first = talk.ask(night, "When does the shop in Bern open on Sunday?", ANSWER)
    talk.ask(night + 40, "When on Sunday does the shop open in Bern?", OTHER)
    before = detect(talk.turns(), START, START + timedelta(hours=15))
    assert [(one.exchange_id, one.name) for one in before if one.name == "rephrased"] == [(first, "rephrased")]
    after = detect(talk.turns(), START + timedelta(hours=15), START + timedelta(hours=39))
    assert first not in {one.exchange_id for one in after}, "each exchange is looked at once"


def test_dates_in_system_prompts_and_trimmed_answers_do_not_part_what_belongs_together() -> None:
    """The time of day changes the system's words; the app strips an answer before it sends it back."""
    talk = Talk()
    first = talk.ask(0, "When does the shop in Bern open?", f"  {ANSWER}\n", system="It is 09:00:01. Help.")
    talk.history[-1]["content"] = ANSWER.upper().replace(" ", "\n")
    talk.ask(30, "When does that shop in Bern open then?", OTHER, system="It is 09:00:31. Help.")
    assert (first, "rephrased", "reworded") in found(talk)


def test_a_history_that_the_provider_keeps() -> None:
    """The Responses API: a request goes on from a response by its id, and the same question after another response is another."""
    talk = Talk()

    def ask(second: float, question: str, answer: str, response_id: str, before: str | None) -> str:
        body = json.dumps({"model": "m", "input": question, **({"previous_response_id": before} if before else {})})
        return talk.ask(second, None, answer, messages=[], request_body=body, response_id=response_id)

    first = ask(0, "When does the shop in Bern open on Sunday?", ANSWER, "r1", None)
    second = ask(40, "When on Sunday does the shop open in Bern?", OTHER, "r2", "r1")
    ask(60, "When on Sunday does the shop open in Bern?", OTHER, "r3", "r1")
    ask(90, "When on Sunday does the shop open in Bern?", ANSWER, "r4", "r3")
    names = [(one, name) for one, name, _ in found(talk)]
    assert (first, "rephrased") in names
    assert (second, "regenerated") in names
    assert [name for one, name in names if one == talk.rows[2]["exchange_id"]] == ["rephrased"]


def _anthropic(said: list[tuple[str, str]]) -> dict[str, Any]:
    return {"system": "Help.", "messages": [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in said]}


def _gemini(said: list[tuple[str, str]]) -> dict[str, Any]:
    return {"contents": [{"role": "model" if role == "assistant" else role, "parts": [{"text": text}]} for role, text in said]}


def _responses(said: list[tuple[str, str]]) -> dict[str, Any]:
    kinds = {"user": "input_text", "assistant": "output_text"}
    return {"instructions": "Help.", "input": [{"role": role, "content": [{"type": kinds[role], "text": text}]} for role, text in said]}


def _converse(said: list[tuple[str, str]]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": [{"text": text}]} for role, text in said]}


@pytest.mark.parametrize("written", [_anthropic, _gemini, _responses, _converse])
def test_every_dialect_s_conversations_are_followed(written: Callable[[list[tuple[str, str]]], dict[str, Any]]) -> None:
    """Messages, generateContent, Responses and Converse: without a session, by the conversation alone."""
    talk = Talk(None, feature=None)
    first = ("user", "When does the shop in Bern open on Sunday?")
    second = ("user", "When on Sunday does the shop open in Bern?")

    def ask(second_: float, answer: str, said: list[tuple[str, str]]) -> str:
        return talk.ask(second_, None, answer, messages=[], request_body=json.dumps(written(said)))

    one = ask(0, ANSWER, [first])
    two = ask(40, OTHER, [first, ("assistant", ANSWER), second])
    ask(70, OTHER, [first, ("assistant", ANSWER), second])
    assert [(id_, name) for id_, name, _ in found(talk)] == [(one, "rephrased"), (two, "regenerated")]


def test_odd_requests_are_passed_over() -> None:
    """No body, no messages, no words: nothing is said of them."""
    talk = Talk()
    talk.ask(0, "x", ANSWER, request_body=None)
    talk.ask(1, "x", ANSWER, request_body="{")
    talk.ask(2, "x", ANSWER, request_body='{"messages": [{"role": "user", "content": ""}]}')
    talk.ask(3, "x", ANSWER, request_body='{"messages": "no"}')
    assert talk.turns() == []
    assert found(talk) == []
