"""Redaction: secrets out by default, other policies by choice, nothing else touched."""

from __future__ import annotations

import json
import random
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.log.redaction import POLICIES, Redactor

SECRETS = [
    "sk-proj-abcdefghijklmnop1234",
    "sk-ant-api03-abcdefghijklmnop-_1234",
    "sk-or-v1-abcdefghijklmnop1234",
    "AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
    "AKIA" + "ABCDEFGHIJKLMNOP",
    "ghp_" + "a1" * 18,
    "github_pat_" + "a1" * 25,
    "glpat-" + "a1" * 10,
    "xoxb-" + "123456789012-abcdef",
    "gsk_" + "a1" * 20,
    "xai-" + "a1" * 30,
    "hf_" + "aB" * 17,
    "pplx-" + "a1" * 20,
    "r8_" + "a1" * 18,
    "nvapi-" + "a1" * 20,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "ABSK" + "QmVkcm9ja0FQSUtleS1" * 3 + "==",
    "sk_live_" + "a1" * 12,
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("around", ['{{"error":"Incorrect API key provided: {}."}}', "{}", "a\n{}\nb", "key={} und mehr ä", "('{}')"])
def test_a_key_is_taken_out(secret, around):
    """A provider's key goes wherever it stands, and what stands around it stays."""
    assert Redactor().text(around.format(secret)) == around.format("[secret]")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Authorization: Bearer abcdefghijklmnop1234", "Authorization: Bearer [secret]"),
        ("authorization: basic dXNlcjpwYXNzd29yZA==", "authorization: basic [secret]"),
        ("https://api.example/x?key=abcdefgh12&a=1", "https://api.example/x?key=[secret]&a=1"),
        ("postgres://me:hunter2@db/x", "postgres://me:[secret]@db/x"),
        ("aws_secret_access_key = " + "a1" * 20, "aws_secret_access_key = [secret]"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----", "[secret]"),
        ('{"k":"-----BEGIN RSA PRIVATE KEY-----\\nMIIE\\n-----END RSA PRIVATE KEY-----\\n","b":1}', '{"k":"[secret]\\n","b":1}'),
        ('{"k":"-----BEGIN EC PRIVATE KEY-----\\nMIIEabc=="}', '{"k":"[secret]"}'),
    ],
)
def test_a_secret_in_its_setting_is_taken_out(before, after):
    """The words that announce a secret stay."""
    assert Redactor().text(before) == after


@pytest.mark.parametrize(
    "text",
    ["", "sk-learn", "risk-assessment-of-the-task-at-hand", "the bearer of news", "a@b.org", "4111 1111 1111 1111", "https://x/?a=1"],
)
def test_plain_text_is_the_same_object(text):
    """Where nothing is found, nothing is copied."""
    assert Redactor().text(text) is text


@pytest.mark.parametrize(
    ("policy", "hit", "miss"),
    [
        ("email", "jane.doe+x@mail.example.org", "jane at example.org"),
        ("card", "4111 1111 1111 1111", "4111 1111 1111 1112"),
        ("card", "5500005555555559", "0000000000000000"),
        ("iban", "DE89 3704 0044 0532 0130 00", "DE88 3704 0044 0532 0130 00"),
        ("iban", "GB82WEST12345698765432", "GB82WEST12345698765433"),
        ("phone", "+49 170 1234567", "+49 17"),
        ("phone", "(555) 123-4567", "2024-10-04 12:00"),
        ("national_id", "123-45-6789", "666-45-6789"),
    ],
)
def test_a_policy_takes_out_what_it_names(policy, hit, miss):
    """Numbers are checked before they are taken for what they look like."""
    redactor = Redactor((policy,))
    assert redactor.text(f"see {hit}, please") in (f"see [{policy}], please", f"see ([{policy}], please")
    assert redactor.text(f"see {miss}, please") == f"see {miss}, please"


def test_the_same_value_has_the_same_surrogate():
    """With a key, surrogates tell people apart without telling who they are."""
    one, other = Redactor(("email",), key=b"k"), Redactor(("email",), key=b"other")
    text = one.text("a@x.org b@x.org a@x.org").split()
    assert text[0] == text[2] != text[1]
    assert text[0] != other.text("a@x.org")
    assert Redactor(("secrets",), key=b"k").text(SECRETS[0]) == "[secret]"


def test_own_patterns():
    """An operator's expression takes out the whole match, or its group."""
    redactor = Redactor((), {"ticket": r"TCK-\d+", "patient": r"patient (\w+)"})
    assert redactor.text("TCK-77 of patient Doe") == "[ticket] of patient [patient]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((("secret",),), "redaction policy 'secret' is not known: choose from secrets"),
        (((), {"bad": "("}), "redaction pattern 'bad' is no RE2 expression"),
        (((), {"a b": "x"}), "redaction pattern 'a b': a name is lower-case"),
        (((), {"all": "x*"}), "redaction pattern 'all' matches the empty text"),
    ],
)
def test_a_wrong_option_is_named(arguments, message):
    """Errors name the policy or the pattern."""
    with pytest.raises(ValueError, match=message):
        Redactor(*arguments)


EVERYTHING = Redactor(tuple(POLICIES))


@given(st.text())
def test_any_text_is_taken(text):
    """No text makes it fail, and what it gives has nothing left to take out."""
    once = EVERYTHING.text(text)
    assert EVERYTHING.text(once) == once


@given(st.sampled_from(SECRETS), st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20))
def test_json_stays_json(secret, text):
    """A secret inside a JSON document goes without breaking it."""
    document = json.dumps({"a": f"{text} {secret} {text}", "b": [secret]})
    clean = Redactor().text(document)
    assert secret not in clean
    assert json.loads(clean)["b"] == ["[secret]"]


@pytest.mark.parametrize("alphabet", ["0123456789abcdef", string.ascii_lowercase + "0123456789+.-", string.ascii_letters + "0123456789+/"])
def test_no_text_makes_it_slow(alphabet):
    """Noise of any alphabet (hex, base64, what a scheme may hold) is read at tens of MB a second: a body must not hold up the loading."""
    noise = "".join(random.Random(1).choices(alphabet, k=1_000_000))
    redactor = Redactor()
    redactor.text(noise[:1000])
    began = time.process_time()
    redactor.text(noise)
    assert time.process_time() - began < 0.5
