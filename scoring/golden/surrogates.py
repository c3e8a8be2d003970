"""Takes personal data and secrets out of a case before it leaves the log: the same value gets the same surrogate everywhere in it.

Surrogates are numbered by their first appearance in the case, so that they tell nothing of the value, need no key, and two users who ask
the same with different addresses make the same case. They keep the form where a program may read it: an address stays an address
(`user1@example.com`, RFC 2606), a phone number a phone number (`+1 202-555-0101`, reserved for fiction in North America). Pure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

import re2

from proxy.log.redaction import POLICIES, Pattern

ORDER: Final = ("secrets", "iban", "card", "email", "national_id", "phone")
"""All of them, whatever the log keeps: a golden file goes into git. An IBAN is looked for before a card, whose digits it may hold."""
FROM_LOG: Final = re.compile(r"\[([a-z][a-z0-9_]{0,30}):[0-9a-f]{12}\]")
"""What redaction on the way into the log has left."""
FICTIONAL: Final = re.compile(
    r"@(?:[a-z0-9-]+\.)*(?:example\.(?:com|org|net)|example|invalid|test|localhost)$|(?:^|[^0-9])555-01[0-9]{2}$", re.IGNORECASE
)
"""Addresses and numbers that are nobody's: RFC 2606, and what telephone numbering sets aside for fiction. They stay."""
SHORTEST_NAME: Final = 5
"""Characters of a user's or session's id from which it is looked for in texts; shorter ones are words."""
ENCODED_FROM: Final = 1000
"""Characters from which a text of base64 alone is an image or a file, which no pattern of words can read."""
_ENCODED: Final = re.compile(r"(?:data:[^,]{0,200},)?[A-Za-z0-9+/_=\s-]+")
_PHONES: Final = 100


class Surrogates:
    """The surrogates of one case; `value` walks what it is given in order, so hand it the input first."""

    def __init__(self, patterns: Mapping[str, str] | None = None, names: Iterable[str | None] = ()) -> None:
        """patterns: kind → RE2 expression of an operator's own. names: ids of the user and the session, wherever they occur."""
        self.policies: Final = (*ORDER, *sorted(patterns or {}))
        self._patterns = [*_standard(), *((Pattern(kind, said), _compiled(said)) for kind, said in sorted((patterns or {}).items()))]
        known = sorted({name for name in names if name and len(name) >= SHORTEST_NAME}, key=lambda name: (-len(name), name))
        self._names = re.compile("|".join(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in known)) if known else None
        self._of: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()

    @property
    def replaced(self) -> dict[str, int]:
        """Distinct values that have a surrogate, by kind."""
        return dict(sorted(Counter(kind for kind, _ in self._of).items()))

    def value(self, value: Any) -> Any:
        """A JSON value with every text in it redacted: keys too, and whole numbers that are card numbers."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        if isinstance(value, int) and not isinstance(value, bool) and value >= 10**12:
            said = self.text(str(value))
            return value if said == str(value) else said
        return value

    def text(self, text: str) -> str:
        """One text redacted."""
        if not text or (len(text) > ENCODED_FROM and _ENCODED.fullmatch(text)):
            return text
        text = text if text.isascii() else text.encode("utf-8", "replace").decode()
        self._taken.update(re.findall(r"user\d+@example\.com|\+1 202-555-01\d\d|\[[a-z][a-z0-9_]*:\d+\]", text))
        if self._names is not None:
            text = self._names.sub(lambda match: self._surrogate("user", match[0]), text)
        for pattern, compiled in self._patterns:
            text = compiled.sub(lambda match, pattern=pattern: self._replaced(pattern, match), text)
        return FROM_LOG.sub(lambda match: self._surrogate(match[1], match[0]), text)

    def _replaced(self, pattern: Pattern, match: Any) -> str:
        whole: str = match.group(0)
        taken: str = match.group(1) if match.re.groups else whole
        if (pattern.test is not None and not pattern.test(taken)) or FICTIONAL.search(taken):
            return whole
        surrogate = self._surrogate(pattern.kind, taken)
        if not match.re.groups:
            return surrogate
        start = match.start(1) - match.start(0)
        return whole[:start] + surrogate + whole[start + len(taken) :]

    def _surrogate(self, kind: str, value: str) -> str:
        value = value.casefold() if kind == "email" else re.sub(r"[ ().-]", "", value) if kind in _SPACED else value
        if (kind, value) not in self._of:
            number = 1
            while _form(kind, number) in self._taken:
                number += 1
            self._of[kind, value] = _form(kind, number)
            self._taken.add(_form(kind, number))
        return self._of[kind, value]


_SPACED: Final = frozenset({"phone", "card", "iban", "national_id"})


def _form(kind: str, number: int) -> str:
    if kind == "email":
        return f"user{number}@example.com"
    if kind == "phone" and number < _PHONES:
        return f"+1 202-555-01{number:02}"
    return f"[{kind}:{number}]"


@cache
def _standard() -> tuple[tuple[Pattern, Any], ...]:
    return tuple((pattern, _compiled(pattern.expression)) for name in ORDER for pattern in POLICIES[name])


@cache
def _compiled(expression: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(expression, options)
