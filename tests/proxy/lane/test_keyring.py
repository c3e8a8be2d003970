"""Who is let in by key, what is told to who is not, and that nothing that fails opens the door."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import load
from proxy import keys, spending
from proxy.lane.keyring import KeyRing
from proxy.lane.request import Refused
from proxy.lane.routing import without_key

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def ring(tmp_path, toml=""):
    file = tmp_path / "goldwash.toml"
    file.write_text(f'data_dir = "{tmp_path / "data"}"\n[proxy]\n{toml}')
    settings = load(file, {})
    settings.data_dir.mkdir(exist_ok=True)
    return KeyRing(settings, keys.key_secret(settings.data_dir))


@pytest.mark.parametrize(
    ("toml", "with_keys", "asks"),
    [
        ("", False, False),
        ("", True, True),
        ('host = "0.0.0.0"', False, True),
        ('host = "0.0.0.0"', True, True),
        ('host = "0.0.0.0"\nopen_to_network = true', False, False),
        ('host = "0.0.0.0"\nopen_to_network = true', True, False),
        ('host = "::1"', False, False),
    ],
)
def test_when_a_key_is_asked_for(tmp_path, toml, with_keys, asks):
    """On loopback as soon as there is a key; elsewhere always, unless the operator opened the door."""
    if with_keys:
        keys.add(tmp_path / "data", "one")
    assert ring(tmp_path, toml).asks is asks


def test_an_open_door_still_knows_its_keys(tmp_path):
    """Where none is asked for, a key names the row, and a wrong one is refused all the same."""
    key = keys.add(tmp_path / "data", "one").encode()
    found = ring(tmp_path, "open_to_network = true")
    assert (found.admit(b"", "openai", b"", b""), found.admit(key, "openai", b"", b"")) == ("", "one")
    with pytest.raises(Refused, match="not known here"):
        found.admit(b"gwk_wrong", "openai", b"", b"")


def test_keys_that_cannot_be_read_let_nobody_new_in(tmp_path):
    """A broken file keeps the keys that were known; without any, nobody comes in. Mended, it works again."""
    data_dir = tmp_path / "data"
    key = keys.add(data_dir, "one").encode()
    good = (data_dir / keys.FILE).read_bytes()
    found = ring(tmp_path)
    (data_dir / keys.FILE).write_text("[")
    assert found.look()
    assert found.admit(key, "openai", b"", b"") == "one"
    fresh = ring(tmp_path)
    for shown in (b"", key):
        with pytest.raises(Refused):
            fresh.admit(shown, "openai", b"", b"")
    (data_dir / keys.FILE).write_bytes(good + b"\n")
    assert fresh.look()
    assert fresh.admit(key, "openai", b"", b"") == "one"
    assert not fresh.look()


@pytest.mark.parametrize(("per", "other"), [("day", "month"), ("month", "day")])
def test_a_budget_is_of_its_period(tmp_path, per, other):
    """What was spent before today counts for the month alone, and what was spent last month for nothing."""
    data_dir = tmp_path / "data"
    now = datetime.now(UTC)
    keys.add(data_dir, "one", Decimal(1), per)
    found = ring(tmp_path)
    assert found.spent == {}
    spent = spending.Spending()
    spent.add("one", now, Decimal("0.5"))
    earlier = now.replace(day=1 if now.day > 1 else 2)
    spent.add("one", earlier, Decimal("0.5"))
    spent.add("two", now, Decimal(100))
    spending.write(data_dir, spent)
    found.look()
    assert bool(found.spent) is (per == "month")
    spent.add("one", now, Decimal("0.5"))
    spending.write(data_dir, spent)
    found.look()
    assert "$1" in found.spent["one"]
    assert f"this {per}" in found.spent["one"]
    spent.month = "2020-01"
    spending.write(data_dir, spent)
    found.look()
    assert found.spent == {}


def test_spending_forgets_the_month_before():
    """A new month starts at nothing; a late row of the old one is not counted in it; what has no price is counted as such."""
    spent = spending.Spending()
    spent.add("a", NOW, Decimal(1))
    spent.add("a", NOW, None)
    assert (spent.of("a", "month", NOW), spent.unpriced) == (Decimal(1), {"a": 1})
    later = datetime(2026, 12, 1, tzinfo=UTC)
    spent.add("a", later, Decimal(2))
    spent.add("a", NOW, Decimal(5))
    assert (spent.of("a", "month", later), spent.of("a", "month", NOW), spent.unpriced) == (Decimal(2), Decimal(0), {})
    assert spending.next_period("month", datetime(2026, 12, 31, 23, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)
    assert spending.next_period("day", NOW) == datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"month":1}', '{"month":"2026-11","usd":{"a":{"x":"y"}},"unpriced":{}}', '{"usd":[],"month":"","unpriced":{}}']
)
def test_spending_that_cannot_be_read_stops_nobody(tmp_path, text):
    """A broken file is no spending."""
    (tmp_path / spending.FILE).write_text(text)
    assert spending.read(tmp_path) == spending.Spending()


@given(st.binary(min_size=1, max_size=40).filter(lambda raw: not set(raw) & set(b";&/")))
def test_no_key_stays_in_metadata(raw):
    """Whatever stands behind `key=` in the base URL is taken out of what is kept, however its name is written."""
    for name in (b"key", b"Key", b"k%65y", b"%6B%65%79", b" key"):
        kept, key = without_key(b"a=1;" + name + b"=" + raw + b";b=2")
        assert kept == b"a=1;b=2"
        assert key or not raw.strip()


def test_secrets_of_other_names_are_masked_in_metadata():
    """A name that says secret loses its value; others stay as they are."""
    assert without_key(b"feature=a b;api_key=x;t%6fken=y;user=7") == (b"feature=a b;api_key=***;t%6fken=***;user=7", b"")
