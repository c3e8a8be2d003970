"""Makes what models, users and providers wrote harmless where a report shows it: terminals, Markdown, HTML, XML, CI logs. Pure.

Each rule answers an attack: control characters move a cursor or colour a log, bidirectional marks turn text round, `@name` and `#1` in a
comment notify people and link issues, a fence or a tag ends the block that holds it, and a line that begins with `::` is an order to the
runner of a CI job, as is `##[` anywhere in it.
"""

from __future__ import annotations

import html as entities
import re
import unicodedata
from typing import Final

_KEPT: Final = frozenset("\n\t")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS: Final = frozenset("\u200d\u200c\ufeff\u00ad")  # in emoji and in Persian; harmless by themselves
_ORDER: Final = re.compile(r"##(?=\[)")
_MARKDOWN: Final = re.compile(r"[\\`*_\[\]<>|~]|\$(?!\d)")
_REFERS: Final = re.compile(r"@(?=\w)|#(?=\d)|(?i:gh-)(?=\d)|:(?=//)|(?i:www)(?=\.)")
_BREAK: Final = "&#8203;"
"""A space of no width: what GitHub would make a mention, an issue or a link of is none with it."""


AHEAD: Final = 4
"""Characters that are looked at for each that may be shown, since white space is folded."""


def visible(text: str) -> str:
    r"""The text with everything that a reader would not see written out as \x1b, \u202e …; line ends and tabs stay."""
    plain = text.replace("\r\n", "\n")
    if plain.isascii() and plain.replace("\n", "").replace("\t", "").isprintable():
        return plain
    return "".join(
        one if one in _KEPT or one in _JOINERS or unicodedata.category(one) not in _HIDDEN else _written_out(one) for one in plain
    )


def _written_out(one: str) -> str:
    code = ord(one)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def cut(text: str, most: int) -> str:
    """At most so many characters, with how many were left out."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text) - most:,} more characters)"


def one_line(text: str, most: int = 200) -> str:
    """On one line, visible, and cut; of a long text only the beginning is looked at."""
    looked_at = text[: most * AHEAD]
    flat = " ".join(visible(looked_at).split())
    return flat if len(flat) <= most and len(looked_at) == len(text) else f"{flat[: most - 1]}…"


def for_log(text: str, most: int = 200) -> str:
    """On one line of a terminal or a CI log, and no order to the runner; never put it at the beginning of a line."""
    return _ORDER.sub("# #", one_line(text, most))


def markdown(text: str, most: int = 200) -> str:
    """As words in a Markdown line: nothing in it is markup, a mention, a link or a tag."""
    flat = _MARKDOWN.sub(r"\\\g<0>", one_line(text, most).replace("&", "&amp;"))
    return _REFERS.sub(lambda found: found[0] + _BREAK, flat)


def code(text: str, most: int = 200) -> str:
    """As a code span, in a table too."""
    flat = one_line(text, most).replace("|", "\u2502") or " "
    ticks = "`" * (1 + max((len(run) for run in re.findall(r"`+", flat)), default=0))
    space = " " if flat[0] in "` " or flat[-1] in "` " else ""
    return f"{ticks}{space}{flat}{space}{ticks}"


def fenced(text: str, most: int, language: str = "") -> str:
    """As a code block that nothing in the text can end."""
    shown = visible(cut(text, most))
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", shown)), default=0))
    return f"{ticks}{language}\n{shown.rstrip()}\n{ticks}"


def html(text: str, most: int = 200) -> str:
    """As words inside an HTML element of a Markdown document."""
    return _REFERS.sub(lambda found: found[0] + _BREAK, entities.escape(one_line(text, most), quote=False))


def xml(text: str, most: int = 20_000) -> str:
    """As the text or an attribute of an XML 1.0 element, for a writer that escapes markup itself: only characters that XML has."""
    shown = visible(cut(text, most))
    return "".join(
        one if one in "\t\n" or " " <= one <= "\ud7ff" or "\ue000" <= one <= "\ufffd" or one >= "\U00010000" else "?" for one in shown
    )


def command(text: str, most: int = 2000) -> str:
    """As the message of a GitHub workflow command."""
    return _ORDER.sub("# #", visible(cut(text, most))).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(text: str, most: int = 200) -> str:
    """As a property of a GitHub workflow command."""
    return command(one_line(text, most)).replace(":", "%3A").replace(",", "%2C")
