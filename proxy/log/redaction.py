"""Takes secrets, and what else an operator names, out of the copy that is stored; traffic is never touched.

One pass of a linear-time automaton over all patterns tells which of them occur; only those are looked at again. What is taken out
leaves a surrogate of stable form: `[secret]`, or `[email:1f3a9c]`, the same for the same value where a key is given.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import re2

from proxy.keys import provider_key_hash


class Pattern(NamedTuple):
    """What to take out: the kind named in the surrogate, the RE2 expression, and a further test on what it found.

    Where the expression has a group, the group alone is taken out.
    """

    kind: str
    expression: str
    test: Callable[[str], bool] | None = None


def _is_random(text: str) -> bool:
    return any(character.isdigit() for character in text) and any(character.isalpha() for character in text)


# Sources: the providers' documentation of their key formats; bodies hold them where a provider echoes a key in a 401, and
# where people paste them into prompts.
_KEY_FORMATS: Final = (
    r"\b(?:sk|rk|pk)-[A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic (sk-ant-), OpenRouter (sk-or-), DeepSeek, Moonshot …
    r"\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe
    r"\bAIza[0-9A-Za-z_-]{30,}",  # Google
    r"\bAQ\.[0-9A-Za-z_-]{30,}",  # Google, newer
    r"\bya29\.[0-9A-Za-z_-]{20,}",  # Google OAuth
    r"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b",  # AWS access key
    r"\bABSK[0-9A-Za-z+/]{40,}=*",  # AWS Bedrock
    r"\bbedrock-api-key-[0-9A-Za-z+/=_-]{20,}",
    r"(?i)aws_?secret_?(?:access_?)?key[\"'\\]*\s*[:=]\s*[\"'\\]*([0-9A-Za-z/+]{40})",
    r"\bgh[pousr]_[0-9A-Za-z]{30,}",  # GitHub
    r"\bgithub_pat_[0-9A-Za-z_]{40,}",
    r"\bglpat-[0-9A-Za-z_-]{20,}",  # GitLab
    r"\bxox[abeoprs]-[0-9A-Za-z-]{10,}",  # Slack
    r"\bxapp-[0-9]-[0-9A-Za-z-]{20,}",
    r"\bgsk_[0-9A-Za-z]{30,}",  # Groq
    r"\bxai-[0-9A-Za-z_-]{40,}",
    r"\bhf_[0-9A-Za-z]{30,}",
    r"\bpplx-[0-9A-Za-z]{30,}",
    r"\br8_[0-9A-Za-z]{30,}",  # Replicate
    r"\bfw_[0-9A-Za-z]{20,}",  # Fireworks
    r"\bcsk-[0-9a-z]{30,}",  # Cerebras
    r"\btgp_v1_[0-9A-Za-z_-]{30,}",  # Together
    r"\bnvapi-[0-9A-Za-z_-]{30,}",
    r"\bpa-[0-9A-Za-z_-]{40,}",  # Voyage
    r"\bdapi[0-9a-f]{32}",  # Databricks
    r"\bek_[0-9A-Za-z]{24,}",  # OpenAI, for a realtime session
    r"\bauth_tokens/[0-9a-f]{32,}",  # Google, for a live session
    r"\bgwk_[0-9A-Za-z_-]{40,}",  # a proxy key of ours
    r"\bvck_[0-9A-Za-z]{20,}",  # Vercel
    r"\bnpm_[0-9A-Za-z]{36}",
    r"\bSG\.[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}",  # SendGrid
    r"\beyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}",  # JWT
    r"(?i)\bbearer\s+([0-9A-Za-z._~+/-]{16,}=*)",
    r"(?i)\bbasic\s+([0-9A-Za-z+/]{16,}={0,2})",
    r"(?i)\b(?:client_secret|access_token|refresh_token|id_token|password|passwd|secret_key|private_key)\\*\"\s*:\s*\\*\"([^\"\\]{8,})\\*\"",
    r"(?i)[?&](?:api[_-]?key|key|access_token|token|sig|signature|x-amz-signature|x-amz-security-token)=([^&\s\"'\\]{8,})",
    # A password in a URL; not its scheme: a counted repeat that any letter can begin made hex text a thousand times slower to read.
    r"://[^/\s:@\"'\\]{1,64}:([^/\s@\"'\\]{3,128})@",
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:[\s\S]*?-----END [A-Z0-9 ]*KEY(?: BLOCK)?-----|(?:[0-9A-Za-z+/=]|\\[nr]|\s)+)",
)
SECRETS: Final = (
    *(Pattern("secret", expression) for expression in _KEY_FORMATS),
    # By its name alone, where its form says nothing (Azure's are 32 or 84 characters of anything); code that names a variable is no key.
    Pattern("secret", r"(?i)\bapi[-_]?key[\\\"']*\s*[:=]\s*[\\\"']*([0-9A-Za-z_~+/=-]{16,})", _is_random),
)


def _luhn(text: str) -> bool:
    digits = [int(character) for character in text if character.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [digit if place % 2 == 0 else (digit * 2 - 9 if digit > 4 else digit * 2) for place, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _iban(text: str) -> bool:
    """ISO 13616: letters as numbers, the first four characters moved to the end, modulo 97 is 1."""
    plain = text.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1


def _phone(text: str) -> bool:
    return 8 <= sum(character.isdigit() for character in text) <= 15


def _steuer_id(text: str) -> bool:
    """§ 139b AO: eleven digits, one of the first ten comes twice or three times, ISO 7064 MOD 11,10 over all."""
    digits = [int(character) for character in text if character.isdigit()]
    if len(digits) != 11 or not digits[0] or len(set(digits[:10])) not in (8, 9):
        return False
    product = 10
    for digit in digits[:10]:
        total = (digit + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == digits[10]


def _nir(text: str) -> bool:
    """Décret 82-103: thirteen characters and a key of 97 less the rest; Corsica's 2A and 2B count as 19 and 18."""
    plain = "".join(character for character in text.upper() if character.isalnum())
    number = plain[:13].replace("2A", "19").replace("2B", "18")
    return len(plain) == 15 and number.isdigit() and plain[13:].isdigit() and 97 - int(number) % 97 == int(plain[13:])


def _ssn(text: str) -> bool:
    """Area 000, 666 and 9xx, group 00 and serial 0000 are never given out."""
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


POLICIES: Final[dict[str, tuple[Pattern, ...]]] = {
    "secrets": SECRETS,
    "email": (Pattern("email", r"\b[0-9A-Za-z._%+-]{1,64}@[0-9A-Za-z-]{1,63}(?:\.[0-9A-Za-z-]{1,63})*\.[A-Za-z]{2,24}\b"),),
    "card": (Pattern("card", r"\b[0-9](?:[ -]?[0-9]){12,18}\b", _luhn),),
    "iban": (Pattern("iban", r"\b[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,3})?\b", _iban),),
    "phone": (
        Pattern("phone", r"\+[0-9]{1,3}(?:[ ().-]{0,2}[0-9]){7,14}\b", _phone),  # E.164
        Pattern("phone", r"\(?\b[0-9]{3}\)?[ .-][0-9]{3}[ .-][0-9]{4}\b", _phone),  # North America
        Pattern("phone", r"\b0[0-9]{1,4}[ /.-][0-9](?:[ .-]?[0-9]){5,9}\b", _phone),  # with a trunk prefix
    ),
    "national_id": (
        Pattern("national_id", r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b", _ssn),  # United States
        Pattern("national_id", r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\b"),  # United Kingdom
        Pattern("national_id", r"\b[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}\b", _steuer_id),  # Germany
        Pattern("national_id", r"\b[12] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[ABab]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}\b", _nir),  # France
    ),
}
"""Policies by name; an IBAN is looked for before a card, whose digits it may hold."""

_ORDER: Final = ("secrets", "iban", "card", "email", "national_id", "phone")


class Redactor:
    """A fixed set of policies; `text` is pure and safe for several threads."""

    def __init__(
        self,
        policies: tuple[str, ...] = ("secrets",),
        patterns: Mapping[str, str] | None = None,
        key: bytes | None = None,
    ) -> None:
        """policies: names of POLICIES. patterns: kind → RE2 expression of an operator's own. key: makes surrogates tell values apart.

        Raises ValueError that names the policy or pattern.
        """
        unknown = set(policies) - set(POLICIES)
        if unknown:
            raise ValueError(f"redaction policy {min(unknown)!r} is not known: choose from {', '.join(POLICIES)}")
        chosen = [pattern for name in _ORDER if name in policies for pattern in POLICIES[name]]
        for kind, expression in (patterns or {}).items():
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", kind):
                raise ValueError(f"redaction pattern {kind!r}: a name is lower-case letters, digits and _")
            chosen.append(Pattern(kind, expression))
        options = re2.Options()
        options.log_errors = False
        options.max_mem = 64 << 20  # of the automaton's cache
        self._key = key
        self._patterns: list[tuple[Pattern, Any]] = []
        self._set: Any = re2.Set.SearchSet(options)
        for pattern in chosen:
            try:
                compiled = re2.compile(pattern.expression, options)
                self._set.Add(pattern.expression)
            except re2.error as error:
                raise ValueError(f"redaction pattern {pattern.kind!r} is no RE2 expression: {error}") from error
            if compiled.search(""):
                raise ValueError(f"redaction pattern {pattern.kind!r} matches the empty text: it would match everywhere")
            self._patterns.append((pattern, compiled))
        if chosen:
            self._set.Compile()

    def text(self, text: str) -> str:
        """The text without what the policies name; the very same object where nothing was found."""
        if not self._patterns:
            return text
        try:
            found = self._set.Match(text)
        except UnicodeEncodeError:  # a lone surrogate: RE2 reads UTF-8
            text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
            found = self._set.Match(text)
        for index in sorted(found or ()):
            pattern, compiled = self._patterns[index]
            text = compiled.sub(self._surrogate(pattern), text)
        return text

    def texts(self, texts: tuple[str | None, ...]) -> tuple[str | None, ...]:
        """Each text so; the very same tuple where nothing was found in any: one pass over all of them tells."""
        joined = "\n".join(filter(None, texts))
        if self.text(joined) is joined:
            return texts
        return tuple([self.text(text) if text else text for text in texts])

    def knowing(self, key_hash: str) -> Redactor | Knowing:
        """One that also takes out the provider key of this hash; where the redactor's own key is what provider keys are hashed under."""
        return self if self._key is None else Knowing(self, self._key, key_hash)

    def _surrogate(self, pattern: Pattern) -> Callable[[Any], str]:
        def replace(match: Any) -> str:
            whole: str = match.group(0)
            taken: str = match.group(1) if match.re.groups else whole
            if pattern.test is not None and not pattern.test(taken):
                return whole
            surrogate = f"[{pattern.kind}]" if self._key is None or pattern.kind == "secret" else self._keyed(pattern.kind, taken)
            if not match.re.groups:
                return surrogate
            start = match.start(1) - match.start(0)
            return whole[:start] + surrogate + whole[start + len(taken) :]

        return replace

    def _keyed(self, kind: str, value: str) -> str:
        assert self._key is not None
        return f"[{kind}:{hmac.digest(self._key, f'{kind}:{value}'.encode(), 'sha256').hex()[:12]}]"


_WORD: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._~+/=-]{7,511}")
MOST_WORDS: Final = 400
"""Of one exchange that are hashed, a microsecond or two each, those of the shortest texts first: an error is short."""


class Knowing:
    """A redactor that knows one provider key by its hash: a word that has this hash is that key, whatever keys of its provider look like.

    Made for answers that refuse a request and repeat its key. What the provider itself has masked (`sk-…1234`) is no key any more.
    """

    def __init__(self, redactor: Redactor, secret: bytes, key_hash: str) -> None:
        self._redactor, self._secret, self._key_hash = redactor, secret, key_hash

    def text(self, text: str) -> str:
        """The text without that key, and without what the policies name; the very same object where nothing was found."""
        (clean,) = self.texts((text,))
        return text if clean is None else clean

    def texts(self, texts: tuple[str | None, ...]) -> tuple[str | None, ...]:
        """Each text so; the very same tuple where nothing was found in any."""
        key = self._key_in(texts)
        if key is not None:
            texts = tuple([text.replace(key, "[secret]") if text else text for text in texts])
        return self._redactor.texts(texts)

    def knowing(self, key_hash: str) -> Knowing:
        """One that knows another key."""
        return Knowing(self._redactor, self._secret, key_hash)

    def _key_in(self, texts: tuple[str | None, ...]) -> str | None:
        seen: set[str] = set()
        for text in sorted(filter(None, texts), key=len):
            for match in _WORD.finditer(text):
                word = match[0]
                if word in seen:
                    continue
                if len(seen) >= MOST_WORDS:
                    return None
                seen.add(word)
                for candidate in {word, word.rstrip(".=/"), word.rpartition("=")[2]}:
                    if len(candidate) >= 8 and provider_key_hash(candidate.encode(), self._secret) == self._key_hash:
                        return candidate
        return None
