"""What may be said of an exchange, and what is refused with the key that is wrong."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from proxy.service.opinions import MOST, Context, Document, Feedback, Invalid, Score, parse, uuid7
from proxy.spool.frames import Record, decode

ID = "01a1fb59-03c6-7493-af9e-27a570dfe720"


def test_feedback_as_a_frame() -> None:
    """What was said, and nothing else, reaches the spool under its table."""
    [opinion] = parse("feedback", {"exchange_id": ID, "score": 0.5, "properties": {"page": 2}})
    frame = decode(opinion.frame(5))
    assert isinstance(frame, Record)
    assert (frame.at_ns, frame.name, frame.record_id) == (5, "feedback", opinion.record_id)
    assert json.loads(frame.json) == {"exchange_id": ID, "name": "feedback", "score": 0.5, "properties": {"page": 2}}


def test_a_given_id_is_kept() -> None:
    """So that a repeated call adds nothing; documents of one context count on from it."""
    given = uuid.uuid4()
    assert [o.id for o in parse("feedback", {"id": str(given), "response_id": "r", "value": "up"})] == [str(given)]
    both = parse("contexts", {"id": str(given), "response_id": "r", "documents": [{"id": "a"}, {"id": "b"}]})
    assert [o.id for o in both] == [str(given), str(uuid.UUID(int=(given.int + 1) % (1 << 128)))]


def test_a_list_is_taken_in_order() -> None:
    """Several at once."""
    scores = parse("scores", [{"response_id": str(n), "name": "x", "value": n} for n in range(3)])
    assert [json.loads(o.json)["value"] for o in scores] == [0, 1, 2]


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("feedback", {}, "exchange_id"),
        ("feedback", {"exchange_id": ID}, "say something"),
        ("feedback", {"exchange_id": "x", "score": 1}, "exchange_id: "),
        ("feedback", {"exchange_id": ID, "score": "high"}, "score: "),
        ("feedback", {"exchange_id": ID, "score": float("nan")}, "score: "),
        ("feedback", {"exchange_id": ID, "score": 1, "commment": "x"}, "commment: there is no such key"),
        ("feedback", [], "1 to"),
        ("feedback", [{"exchange_id": ID, "score": 1}] * (MOST + 1), "in parts"),
        ("feedback", "good", "valid"),
        ("feedback", [{"exchange_id": ID, "score": 1}, {"exchange_id": ID, "score": []}], "1.score: "),
        ("scores", {"exchange_id": ID, "name": "x"}, "unscored"),
        ("scores", {"exchange_id": ID, "value": 1}, "name: "),
        ("scores", {"exchange_id": ID, "name": "x", "value": 1, "inclusion_probability": 0}, "inclusion_probability: "),
        ("contexts", {"exchange_id": ID, "documents": []}, "documents: "),
        ("contexts", {"exchange_id": ID, "documents": [{"text": "x"}]}, "documents.0.id: "),
    ],
)
def test_wrong_keys_are_named(kind: Any, body: Any, said: str) -> None:
    """The sentence says which and why."""
    with pytest.raises(Invalid) as caught:
        parse(kind, body)
    assert said in str(caught.value)


def test_ids_are_of_now_and_in_order() -> None:
    """Version 7, RFC 4122's variant, the time in milliseconds in front."""
    made = uuid.UUID(bytes=uuid7())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert abs((made.int >> 80) - time.time() * 1000) < 2000
    assert len({uuid7() for _ in range(1000)}) == 1000


def test_every_key_is_documented() -> None:
    """docs/api.md names all that a body may hold: an unknown key is refused, so guessing is no way to find them."""
    page = (Path(__file__).parents[3] / "docs/api.md").read_text(encoding="utf-8")
    keys = {key for kind in (Feedback, Score, Context, Document) for key in kind.model_fields}
    assert {key for key in keys if f"`{key}`" not in page} == set()
