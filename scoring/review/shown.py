"""What a person sees of an exchange: what was asked, what it rested on, what was answered, what users said; not the verdict. Pure.

Texts come from traffic and are hostile to terminals: whatever is no printable character, line end or tab is shown as its code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from scoring.logged import LoggedExchange
from scoring.review.standing import Standing, Verdict

MOST: Final = 4_000
"""Characters of one text that are shown at first."""


def as_json(exchange: LoggedExchange, alike: Sequence[str], users: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The item for programs and other screens; texts whole and as they are."""
    return {
        "exchange_id": exchange.exchange_id,
        "accepted_at": exchange.accepted_at.isoformat() if exchange.accepted_at else None,
        "feature": exchange.feature,
        "task": exchange.task,
        "model": exchange.response_model or exchange.request_model,
        "question": exchange.question,
        "messages": [
            {
                "role": message.role,
                "text": message.text,
                "calls": [{"name": call.name, "arguments": call.arguments} for call in message.calls],
                "results": [result.text for result in message.results],
            }
            for message in exchange.messages
        ],
        "context": [{"id": one.document_id, "title": one.title, "text": one.text} for one in exchange.documents],
        "answer": exchange.output_text,
        "refusal": exchange.refusal,
        "tool_calls": [{"name": call.name, "arguments": call.arguments} for call in exchange.calls],
        "users_said": [said for one in users if (said := _words(one))],
        "alike": list(alike),
    }


def screen(item: dict[str, Any], *, whole: bool = False) -> RenderableType:
    """The item for a terminal."""
    most = None if whole else MOST
    parts: list[RenderableType] = []
    facts = " · ".join(str(item[key]) for key in ("feature", "task", "model", "accepted_at") if item[key])
    parts.append(Rule(Text(f"{item['exchange_id']}  {clean(facts)}")))
    for message in item["messages"]:
        parts.append(_titled(message["role"], message["text"], most, "cyan"))
        parts += [_titled(f"{message['role']} calls {call['name']}", call["arguments"], most, "magenta") for call in message["calls"]]
        parts += [_titled("tool says", text, most, "magenta") for text in message["results"] if text != message["text"]]
    for number, one in enumerate(item["context"], 1):
        parts.append(_titled(f"document {one['id'] or number}{': ' + one['title'] if one['title'] else ''}", one["text"], most, "blue"))
    parts.append(Rule(style="dim"))
    parts.append(_titled("answer", item["answer"] or item["refusal"] or "(no text)", most, "green"))
    parts += [_titled(f"answer calls {call['name']}", call["arguments"], most, "green") for call in item["tool_calls"]]
    parts += [_titled("a user said", words, most, "yellow") for words in item["users_said"]]
    if item["alike"]:
        parts.append(Text(f"{len(item['alike'])} more are nearly the same: your label speaks for them", style="dim"))
    return Group(*parts)


def revealed(verdicts: Sequence[Verdict], reasons: Sequence[str], passed: bool | None) -> RenderableType:
    """What the judge and the checks said, once a person has said it."""
    parts: list[RenderableType] = []
    for one in verdicts:
        word = "unscored" if one.passed is None else "pass" if one.passed else "fail"
        mark = "" if one.passed is None or passed is None else "  = you" if one.passed is passed else "  ≠ you"
        parts.append(
            Text(clean(f"{one.kind.replace('_', ' ')} {one.name}: {word}{mark}{': ' + one.reason if one.reason else ''}"), style="dim")
        )
    parts += [Text(clean(f"flagged: {reason}"), style="dim") for reason in reasons]
    return Group(*parts) if parts else Text("no judge looked at it", style="dim")


def table(found: Standing, waiting: dict[str, int], missing: int) -> RenderableType:
    """Where review stands."""
    grid = Table(box=None, show_header=False)
    grid.add_column(style="dim")
    grid.add_column()
    for name, n in waiting.items():
        grid.add_row(name, f"{n:,} waiting")
    share = found.share_twice
    twice = "" if share is None else f", {found.twice:,} of them by two people ({share:.0%})"
    needs = f"; {missing:,} still need a second person" if missing else ""
    grid.add_row("labelled", f"{found.labelled:,}{twice}{needs}")
    for name, of in (("people with each other", found.people), ("judge with people", found.judge)):
        if of.kappa is None:
            grid.add_row(name, f"kappa not known ({of.n} pairs)")
        else:
            grid.add_row(
                name, f"kappa {of.kappa:.2f} ({of.kappa_low:.2f} to {of.kappa_high:.2f}), {of.n:,} pairs, {of.accuracy or 0:.0%} agree"
            )
    return grid


def clean(text: str) -> str:
    """The text without what could move a cursor or hide itself."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in "\n\t" else f"\\u{ord(one):04x}" for one in text.replace("\r\n", "\n"))


def _titled(title: str, text: str, most: int | None, style: str) -> Text:
    shown = clean(text if most is None else text[:most])
    left = len(text) - len(text[:most])
    return Text.assemble(
        (f"{clean(title)}: ", f"bold {style}"), shown, (f" … {left:,} more characters; v shows all" if left else "", "dim")
    )


def _words(said: dict[str, Any]) -> str:
    parts = [f"{said['name']}: {said['value']}" if said["name"] in ("correction", "corrected", "edit") else None, said["comment"]]
    return " / ".join(part for part in parts if part)
