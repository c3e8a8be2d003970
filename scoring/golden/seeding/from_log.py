"""A first set of the traffic itself: representative, boundary and adversarial cases of the exchanges of some days. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from scoring.checks import prompt_injection
from scoring.golden.candidates import Options, make
from scoring.golden.capture import Captured
from scoring.golden.case import GoldenCase
from scoring.golden.evidence import Evidence
from scoring.golden.seeding import adversarial, framing, templates
from scoring.golden.seeding.boundary import Edge, edges
from scoring.golden.seeding.distinct import join
from scoring.golden.seeding.framing import Frame
from scoring.golden.seeding.plan import Draft, Seeded, marked
from scoring.golden.seeding.representative import Chosen, Text, representative
from scoring.golden.seeding.traits import traits
from scoring.judge.rubric import Rubric
from scoring.logged import LoggedExchange
from scoring.tasks import Tasks

MOST_FRAMES: Final = 6
LARGEST_EDGE: Final = 10
"""At most one in so many exchanges lies at an edge: in a small log everything would be odd, and nothing left to stand for it."""
FEWEST: Final = 6
"""Examples that are chosen even where none is missing: attacks are put into their requests."""
SEEN: Final = 3
"""Attacks of the traffic that join at most: their marks are harmless half of the time, and a person has to read them."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How cases are made."""

    tasks: Tasks
    rubrics: Mapping[str, Rubric] = field(default_factory=dict)
    patterns: Mapping[str, str] = field(default_factory=dict)  # own redaction
    owner: str | None = None


def seed(drawn: Sequence[Evidence], extremes: Sequence[Evidence], known: Sequence[GoldenCase], seeded: Seeded, ways: Ways) -> None:
    """Fill a wish from exchanges; the same exchanges and the same set give the same cases."""
    by_id = {one.exchange.exchange_id: one for one in (*extremes, *drawn)}
    everything = [one.exchange for _, one in sorted(by_id.items()) if one.exchange.is_answer]
    seen = list(_attacks(everything, by_id, seeded, ways))
    join(seeded, seen, known, "adversarial")
    attacks = {one.case.source.exchange_id for one in seen}
    ranked = [one for one in edges([traits(one) for one in everything]) if one.exchange_id not in attacks]
    join(seeded, _boundary(ranked[: len(everything) // LARGEST_EDGE], by_id, seeded, ways), known, "boundary")
    apart = attacks | {one.case.source.exchange_id for one in seeded.added}
    pool = [one.exchange for one in drawn if one.exchange.is_answer and one.exchange.exchange_id not in apart]
    texts = [Text(one.exchange_id, one.feature or "", asked(one)) for one in pool]
    choice = representative([one for one in texts if one.text.strip()], max(FEWEST, seeded.wanted.get("representative", 0)))
    mean = sum(one.stands_for for one in choice.chosen) / max(1, len(choice.chosen))
    ordered = (*choice.chosen, *choice.spare)
    join(seeded, _representative(ordered, by_id, mean, seeded, ways), known, "representative")
    seeded.cover = choice.cover
    shipped(_frames([*(one.exchange_id for one in ordered), *(one.exchange_id for one in ranked)], by_id, ways), known, seeded)


def shipped(frames: Sequence[Frame], known: Sequence[GoldenCase], seeded: Seeded) -> None:
    """Fill up with shipped edges and attacks, put into the app's own requests."""
    if not frames:
        return
    told = enumerate(templates.edges())
    join(seeded, (templates.edge(one, frames[number % len(frames)]) for number, one in told), known, "boundary")
    join(seeded, adversarial.attacks(frames), known, "adversarial")


def _boundary(ranked: Sequence[Edge], by_id: Mapping[str, Evidence], seeded: Seeded, ways: Ways) -> Iterator[Draft]:
    for edge in ranked:
        captured = _captured(by_id[edge.exchange_id], seeded, ways)
        if captured is not None:
            yield Draft(marked(captured.case, "boundary", edge.why, kind=edge.kind), captured.blobs)


def _representative(ordered: Sequence[Chosen], by_id: Mapping[str, Evidence], mean: float, seeded: Seeded, ways: Ways) -> Iterator[Draft]:
    for one in ordered:
        captured = _captured(by_id[one.exchange_id], seeded, ways)
        if captured is not None:
            why = f"stands for {one.stands_for} like it: {one.theme}, {one.length}"
            case = marked(captured.case, "representative", why, theme=one.theme, weight=round(one.stands_for / mean, 4))
            yield Draft(case, captured.blobs)


def _attacks(everything: Sequence[LoggedExchange], by_id: Mapping[str, Evidence], seeded: Seeded, ways: Ways) -> Iterator[Draft]:
    """What the traffic itself was attacked with, as far as marks tell."""
    found = 0
    for exchange in everything:
        finding = prompt_injection.check(exchange, prompt_injection.Options())
        if finding is None or finding.passed or found == SEEN:
            continue
        captured = _captured(by_id[exchange.exchange_id], seeded, ways)
        if captured is not None:
            found += 1
            yield Draft(marked(captured.case, "adversarial", f"seen in the traffic: {finding.reason}", kind="seen"), captured.blobs)


def _captured(evidence: Evidence, seeded: Seeded, ways: Ways) -> Captured | None:
    """A candidate of one exchange with what people and the task say of it; None where it cannot be replayed, which is counted."""
    made = make([evidence], (), Options(split="representative", patterns=ways.patterns, rubrics=ways.rubrics, owner=ways.owner))
    for reason, n in made.reasons.items():
        seeded.leave(reason, n)
    if not made.added:
        return None
    captured = made.added[0]
    task = ways.tasks.of(evidence.exchange)
    if captured.case.rubric is None and captured.case.expected is None and task is not None and task.rubric is not None:
        drafted = templates.question_item(ways.rubrics, task.rubric)
        captured = captured._replace(case=captured.case.model_copy(update={"rubric": drafted}))
    return captured


def _frames(ids: Sequence[str], by_id: Mapping[str, Evidence], ways: Ways) -> list[Frame]:
    """A request a feature to put other words into, those with tools first: the best example of each."""
    found: dict[tuple[str, bool], Frame] = {}
    for one in ids:
        exchange = by_id[one].exchange
        tools = tuple(tool.name for tool in exchange.tools[0])
        key = (exchange.feature or "", bool(tools))
        if key in found:
            continue
        captured = _captured(by_id[one], Seeded(), ways)
        frame = framing.of(captured.case, tools, captured.blobs) if captured is not None else None
        if frame is not None:
            found[key] = frame
    return sorted(found.values(), key=lambda one: (not one.tools, not one.system))[:MOST_FRAMES]


def asked(exchange: LoggedExchange) -> str:
    """What is asked in it, without the system's words, as the set compares cases; the newest words first, as they tell most."""
    said = [message.text for message in reversed(exchange.messages) if message.role != "system" and message.text]
    return "\n".join(said)
