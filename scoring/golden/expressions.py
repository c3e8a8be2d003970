"""Keeps regular expressions to what RE2 and JavaScript both understand, and writes them so that both match the same. Pure.

RE2 runs them here, in linear time; promptfoo and most other tools run JavaScript's. Sources: RE2's syntax page; ECMA-262, RegExp.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

import re2

_BLANK: Final = r"\t\n\f\r "
"""What `\\s` is in RE2; JavaScript's has Unicode's spaces too."""
_SHARED_ESCAPES: Final = frozenset("dDwWbsSnrtf") | frozenset(r"\^$.*+?()[]{}|/-")
"""Not \\B: RE2 finds one inside a character of several bytes."""
_REPEATS: Final = re.compile(r"[*+?]|\{\d+(?:,\d*)?\}")


class NotShared(ValueError):
    """The expression means something else, or nothing, in one of the two."""


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """The expression for RE2. Raises NotShared."""
    for_javascript(pattern)
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise NotShared(f"{pattern!r} is no RE2 expression: {said}") from error


def for_javascript(pattern: str) -> str:
    """The expression as JavaScript needs it to match what RE2 matches. Raises NotShared that says what to write instead."""
    out: list[str] = []
    at = 0
    in_class = False
    after_repeat = False
    while at < len(pattern):
        here = pattern[at]
        if not in_class and (repeat := _REPEATS.match(pattern, at)):
            if after_repeat and repeat[0] != "?":
                raise NotShared(f"{pattern!r}: two repeats in a row at {at}: JavaScript refuses them, put the inner one in (?:…)")
            out.append(repeat[0])
            at, after_repeat = repeat.end(), not after_repeat
            continue
        after_repeat = False
        if here == "\\":
            out.append(_escape(pattern, at, in_class))
            at += 2
            continue
        if ord(here) > 0xFFFF and in_class:
            raise NotShared(f"{pattern!r}: {here} in a class is two characters in JavaScript: write (?:{here}|…) instead")
        if in_class:
            if pattern.startswith("[:", at):
                raise NotShared(f"{pattern!r}: [:…:] is not known in JavaScript: write the characters")
            in_class = here != "]"
            out.append("\\[" if here == "[" else here)
        elif here == "[":
            head = "[^" if pattern.startswith("[^", at) else "["
            if pattern.startswith("]", at + len(head)):
                raise NotShared(f"{pattern!r}: a class that begins with ] is empty in JavaScript: write \\]")
            in_class = True
            out.append(head)
            at += len(head)
            continue
        elif pattern.startswith("(?", at) and not pattern.startswith("(?:", at):
            raise NotShared(f"{pattern!r}: {pattern[at : at + 4]}… is not the same in RE2 and JavaScript: only (…) and (?:…) are")
        else:
            out.append(r"[^\n]" if here == "." else f"\\{here}" if here in "{}" else here)
        at += 1
    return "".join(out)


def exactly(text: str, *, any_case: bool = False) -> str:
    """An expression that matches this text and nothing else, in both."""
    return "".join(_literal(character, any_case=any_case) for character in text)


def _literal(character: str, *, any_case: bool) -> str:
    if any_case and character.isascii() and character.isalpha():
        return f"[{character.upper()}{character.lower()}]"
    return f"\\{character}" if character in r"\^$.*+?()[]{}|/" else character


def _escape(pattern: str, at: int, in_class: bool) -> str:
    said = pattern[at + 1 : at + 2]
    if said not in _SHARED_ESCAPES:
        raise NotShared(f"{pattern!r}: \\{said} is not the same in RE2 and JavaScript: write the character, or a class")
    if said == "b" and in_class:
        raise NotShared(f"{pattern!r}: \\b in a class is a backspace in JavaScript and nothing in RE2")
    if said == "s":
        return _BLANK if in_class else f"[{_BLANK}]"
    if said == "S":
        if in_class:
            raise NotShared(f"{pattern!r}: \\S in a class differs in its Unicode spaces: write (?:\\S|…) instead")
        return f"[^{_BLANK}]"
    return f"\\{said}"
