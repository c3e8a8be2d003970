"""Exchange ids are UUIDv7 as RFC 9562 has them, in the order of their milliseconds, and none comes twice."""

from __future__ import annotations

import uuid

from proxy.lane.ids import Ids


def test_ids_are_version_7_of_the_given_time() -> None:
    """Both forms say the same; version, variant and time stand where the standard has them (checked by Python's own UUID class)."""
    ids = Ids()
    for now_ns in (0, 1_763_700_000_123_456_789, 1_763_700_000_123_999_999, 1_763_700_000_124_000_000, (1 << 48) * 1_000_000 - 1):
        raw, text = ids.new(now_ns)
        parsed = uuid.UUID(bytes=raw)
        assert str(parsed).encode() == text
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
        assert parsed.int >> 80 == now_ns // 1_000_000


def test_no_id_comes_twice_and_every_bit_of_chance_is_used() -> None:
    """Over many batches of randomness within one millisecond: all differ, and each of the 74 random bits is seen as 0 and as 1."""
    ids = Ids()
    seen = [int.from_bytes(ids.new(1)[0], "big") for _ in range(5000)]
    assert len(set(seen)) == len(seen)
    ones = zeros = 0
    for value in seen:
        ones |= value
        zeros |= ~value
    chance = (0xFFF << 64) | ((1 << 62) - 1)
    assert ones & chance == chance
    assert zeros & chance == chance
