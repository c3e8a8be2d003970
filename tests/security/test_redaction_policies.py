"""What an operator chooses to have taken out is taken out of the stored copy alone: every text of a row, never of the traffic."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from config.settings import ConfigError, load
from proxy.keys import key_secret, provider_key_hash
from proxy.log.redaction import Redactor
from tests.helpers.client import fetch
from tests.helpers.goldwash import Goldwash
from tests.helpers.upstream import Upstream, answer
from tests.helpers.waiting import eventually

PERSON = {
    "email": "maria.gonzalez@example.org",
    "phone": "+49 30 901820",
    "card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "us ssn": "536-22-1234",
    "uk nino": "AB 12 34 56 C",
    "german tax id": "86 095 742 719",
    "french nir": "2 55 08 14 168 025 38",
    "own pattern": "TCK-004711",
}


@pytest.fixture(scope="module")
def discreet(tmp_path_factory: pytest.TempPathFactory, stage: Upstream) -> Iterator[Goldwash]:
    """A Goldwash that takes all out that it can."""
    chosen = dict.fromkeys(("email", "phone", "card", "iban", "national_ids"), True)
    sections = {"redaction": chosen, "redaction.patterns": {"ticket": "TCK-[0-9]{6}"}}
    with Goldwash(tmp_path_factory.mktemp("discreet"), {"openai": {"url": stage.url}}, sections=sections) as running:
        yield running


@pytest.mark.parametrize("kind", PERSON)
def test_chosen_kinds_are_taken_out(discreet: Goldwash, stage: Upstream, kind: str) -> None:
    """The upstream gets and gives it as it is; no column of the row, its bodies or its feedback holds it; the same value has the same name."""
    value = PERSON[kind]
    path = f"/v1/chat/completions/{list(PERSON).index(kind)}"
    call = {"id": "c1", "type": "function", "function": {"name": "mail", "arguments": json.dumps({"to": value, "n": 12})}}
    message = {"role": "assistant", "content": f"I wrote to {value}.", "tool_calls": [call]}
    said = {"object": "chat.completion", "model": "m", "id": "i", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    asked = {"model": "m", "messages": [{"role": "user", "content": f"Write to {value} and again {value}"}]}
    stage.on(path, answer(200, [("Content-Type", "application/json")], json.dumps(said).encode()))
    headers = [("goldwash-user", value), ("goldwash-property-who", value), ("User-Agent", f"tool ({value})")]
    got = fetch(discreet.port, "POST", f"/openai{path}", headers, json.dumps(asked).encode())
    assert bytes(got.body) == json.dumps(said).encode()
    assert json.loads(bytes(stage.to(path)[-1].body)) == asked
    (row,) = eventually(lambda: discreet.rows(f"path = '{path}'"))
    bodies = discreet.sql(f"SELECT * FROM bodies WHERE exchange_id = '{row['exchange_id']}'")
    stored = json.dumps([row, bodies], ensure_ascii=False)
    assert value not in stored
    assert json.loads(bodies[0]["request_body"])["messages"][0]["content"].count("[") == 2
    surrogate = row["user_id"]
    assert surrogate.startswith("[")
    assert stored.count(surrogate) >= 5


def test_nothing_is_taken_out_unasked(goldwash: Goldwash, stage: Upstream) -> None:
    """By default personal data is kept as it is: secrets alone go."""
    stage.on("/unasked", answer(200, [], b"ok"))
    fetch(goldwash.port, "POST", "/stage/unasked", [("goldwash-user", PERSON["email"])], json.dumps(PERSON).encode())
    (row,) = eventually(lambda: goldwash.rows("path = '/unasked'"))
    assert row["user_id"] == PERSON["email"]
    (body,) = goldwash.sql(f"SELECT request_body FROM bodies WHERE exchange_id = '{row['exchange_id']}'")
    assert json.loads(body["request_body"]) == PERSON


NUMBERS = {
    "86095742719": True, "86095742718": False, "12345678912": False, "47036892816": True, "00000000000": False,  # German tax ids
    "255081416802538": True, "255081416802537": False, "2 55 08 2A 168 025 97": True, "2 55 08 2B 168 025 27": True,  # French NIR
    "536-22-1234": True, "000-22-1234": False, "666-22-1234": False, "536-00-1234": False,  # US SSN
    "AB123456C": True, "QQ123456C": False, "AB123456E": False,  # UK NINO
}  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_national_ids_by_their_check_digits(number: str) -> None:
    """A number whose check digits are wrong is none, and stays."""
    text = f"id {number}, please"
    assert (Redactor(("national_id",)).text(text) != text) is NUMBERS[number]


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('[redaction.patterns]\nbad = "("', "the pattern bad is no RE2 expression"),
        ('[redaction.patterns]\nback = "(a)\\\\1"', "the pattern back is no RE2 expression"),
        ('[redaction.patterns]\nall = "x*"', "matches the empty text"),
        ('[redaction.patterns]\n"Bad Name" = "x"', "is no name for a pattern"),
        ("[redaction]\nemails = true", r"did you mean \[redaction\] email\?"),
        ('[redaction]\nemail = "perhaps"', "email"),
        ("[redaction]\npatterns = true", "patterns"),
    ],
)
def test_a_wrong_choice_is_told_at_the_start(tmp_path, toml, message) -> None:
    """Patterns are checked when the configuration is read, and the error names the place."""
    file = tmp_path / "goldwash.toml"
    file.write_text(toml)
    with pytest.raises(ConfigError, match=message):
        load(file, {})


def test_patterns_from_the_environment(tmp_path) -> None:
    """One variable a pattern."""
    file = tmp_path / "goldwash.toml"
    file.write_text("")
    settings = load(file, {"GOLDWASH_REDACTION__PATTERNS__TICKET": "TCK-[0-9]+", "GOLDWASH_REDACTION__EMAIL": "true"})
    assert (dict(settings.redaction.patterns), settings.redaction.email) == ({"ticket": "TCK-[0-9]+"}, True)


def test_a_key_is_known_by_its_hash(tmp_path) -> None:
    """A key of no known form is found by its hash wherever it stands as a word, also at the end of a sentence or behind a sign; nothing else is."""
    secret = key_secret(tmp_path)
    key = "0123456789abcdef0123456789abcdef"
    redactor = Redactor(key=secret).knowing(provider_key_hash(key.encode(), secret))
    for text in (f"the key {key}.", f'{{"k":"{key}"}}', f"api-key={key}", f"({key})", f"{key}"):
        assert key not in redactor.text(text), text
    text = f"another {key[::-1]} and {key}x"
    assert redactor.text(text) is text
    assert Redactor(key=b"x" * 32).knowing(provider_key_hash(key.encode(), secret)).text(f"the key {key}") == f"the key {key}"
