"""Whether the answer goes in circles: a loop at its end, sentences again and again, an earlier answer or tool call once more.

A loop is a stretch that comes at least `times` times in a row up to the end, as degenerate sampling leaves it. Short answers are not
told. Tables, code and lists of like lines are left out of the count of sentences.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from scoring.checks.answers import prose
from scoring.checks.contract import Finding, excerpt
from scoring.checks.options import option
from scoring.logged import LoggedExchange

_TAIL: Final = 24  # characters whose last appearance gives the loop's length
_SENTENCE: Final = 40  # characters from which a sentence is no idiom
_LONG_ANSWER: Final = 80  # characters from which saying the same again is no greeting


@dataclass(frozen=True, slots=True)
class Options:
    """How much is too much."""

    times: int = option(default=4, sentence="How often in a row makes a loop.")
    loop_length: int = option(default=120, sentence="Characters that the whole loop must cover.")
    share: float = option(default=0.3, sentence="Share of the answer that repeated sentences may take.")
    same_call: int = option(default=3, sentence="How often the same tool call with the same arguments may be made in a conversation.")


def check(exchange: LoggedExchange, options: Options) -> Finding | None:
    """See the file's first lines."""
    if not exchange.is_answer:
        return None
    if exchange.tool_calls:
        again = _call_again(exchange, options.same_call)
        if again is not None:
            return again
    text = exchange.text
    if len(text) < options.loop_length:
        return None
    period = loop(text, options.times, options.loop_length)
    if period:
        return Finding(False, f"ends in a loop of {period} characters", excerpt(text, len(text)), score=0.0)
    if len(text) >= _LONG_ANSWER:
        for message in exchange.messages:
            if (
                message.role == "assistant"
                and len(message.text) == len(exchange.output_text or "")
                and message.text == exchange.output_text
            ):
                return Finding(False, "word for word an earlier answer of the conversation", excerpt(text), score=0.0)
    share, sentence = repeated(exchange.once(prose))
    if share > options.share:
        return Finding(False, f"{share:.0%} of the answer are sentences said three times or more", excerpt(sentence), score=1 - share)
    return Finding(True, "does not go in circles", score=1 - share)


def loop(text: str, times: int, least: int) -> int:
    """The period, in characters, of a loop that runs to the text's end (the last round may be cut off); 0 = there is none."""
    tail = text[-_TAIL:]
    end = len(text)
    before = text.rfind(tail, 0, end - 1)
    if before < 0:
        return 0
    period = end - _TAIL - before
    reach = max(period * times, least)
    if reach > end or text[end - reach + period :] != text[end - reach : end - period]:
        return 0
    if period < 3 and set(text[-least:]) <= set("-=_*.#~ \n|0"):
        return 0  # a line drawn in characters
    return period


def repeated(text: str) -> tuple[float, str]:
    """The share of a text in sentences that stand in it at least three times, and the most frequent of them."""
    lines = [line for line in text.split("\n") if len(line) >= _SENTENCE and line[0] not in "| \t"]
    sentences = [part for line in lines for part in line.split(". ") if len(part) >= _SENTENCE]
    if len(set(sentences)) == len(sentences):
        return 0.0, ""
    counts = Counter(sentences)
    most, often = counts.most_common(1)[0]
    if often < 3:
        return 0.0, ""
    taken = sum(len(part) * number for part, number in counts.items() if number >= 3)
    return taken / max(1, len(text)), most


def _call_again(exchange: LoggedExchange, most: int) -> Finding | None:
    """The answer makes a tool call that the conversation has seen too often: an agent that turns in circles."""
    before = Counter((call.name, call.arguments) for message in exchange.messages for call in message.calls)
    if not before:
        return None
    for call in exchange.calls:
        made = before[call.name, call.arguments] + 1
        if made > most:
            return Finding(
                False, f"the same call of {call.name} for the {made}th time", excerpt(f"{call.name}({call.arguments})"), score=0.0
            )
    return None
