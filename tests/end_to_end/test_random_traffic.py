"""Traffic of random shape, seeded: whatever the sizes, framings and cuts on both sides, what arrives is what was sent, and each is one row."""

from __future__ import annotations

import hashlib
import random

import pytest

from tests.helpers.client import Client, request
from tests.helpers.goldwash import Goldwash
from tests.helpers.rows import Mark
from tests.helpers.upstream import Answer, Upstream, Wait, answer
from tests.helpers.wire import Headers, Message, chunked

ROUNDS = 25
PIPELINED = 4


def pieces_of(data: bytes, dice: random.Random) -> list[bytes]:
    """The same bytes in a few pieces of random size."""
    marks = sorted(dice.randrange(len(data) + 1) for _ in range(dice.randrange(6)))
    return [data[start:end] for start, end in zip([0, *marks], [*marks, len(data)], strict=True) if start < end]


def respond_with(seed: int) -> tuple[bytes, Answer]:
    """A random answer and the body it carries; the same for the same seed."""
    dice = random.Random(seed)
    body = dice.randbytes(dice.choice([0, 1, 10, 1_000, 20_000, 200_000]))
    framing = dice.choice(["length", "chunked", "chunked", "close"])
    plain = answer(dice.choice([200, 201, 400, 500]), [("X-Seed", str(seed))], pieces_of(body, dice) or [b""], framing=framing)
    recut: list[bytes | Wait] = []
    for step in plain.steps:
        if isinstance(step, bytes):
            for piece in pieces_of(step, dice):
                recut += [piece, Wait(0.0005)] if dice.random() < 0.3 else [piece]
    return body, Answer([*recut, *(step for step in plain.steps if not isinstance(step, bytes))])


def ask(seed: int) -> tuple[bytes, bytes]:
    """A random request as bytes, and the body it carries."""
    dice = random.Random(-seed - 1)
    body = dice.randbytes(dice.choice([0, 1, 10, 1_000, 20_000, 200_000]))
    headers: Headers = [("goldwash-property-seed", str(seed)), ("X-Pad", "p" * dice.randrange(2000))]
    if dice.random() < 0.5:
        return request("POST", f"/stage/random?{seed}", [*headers, ("Transfer-Encoding", "chunked")], chunked(pieces_of(body, dice))), body
    return request("POST", f"/stage/random?{seed}", [*headers, ("Content-Length", str(len(body)))], body), body


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_random_traffic(goldwash: Goldwash, stage: Upstream, round_: int) -> None:
    """A connection with pipelined random requests, cut at random, gets the right answers in order; hashes stand in the rows."""

    def respond(got: Message) -> Answer:
        return respond_with(int(got.query))[1]

    stage.on("/random", respond)
    seeds = [round_ * PIPELINED + at for at in range(PIPELINED)]
    asked, answered = [ask(seed) for seed in seeds], [respond_with(seed)[0] for seed in seeds]
    mark = Mark(goldwash)
    with Client(goldwash.port, timeout=30) as client:
        sent = b"".join(raw for raw, _ in asked)
        for piece in pieces_of(sent, random.Random(round_)):
            client.send(piece)
        for seed, body in zip(seeds, answered, strict=True):
            got = client.answer("POST")
            assert (got.get("x-seed"), got.complete, bytes(got.body)) == (str(seed), True, body)
    arrived = {int(got.query): bytes(got.body) for got in stage.to("/random")}
    assert [arrived[seed] for seed in seeds] == [body for _, body in asked]
    rows = mark.rows("stage")
    assert [(row["ending"], row["request_sha256"], row["response_sha256"]) for row in rows] == [
        ("complete", hashlib.sha256(body).hexdigest(), hashlib.sha256(back).hexdigest())
        for (_, body), back in zip(asked, answered, strict=True)
    ]
