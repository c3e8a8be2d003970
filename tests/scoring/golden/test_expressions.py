"""Regular expressions of golden cases match the same in RE2 and in JavaScript, or are refused."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.golden.expressions import NotShared, compiled, exactly, for_javascript

TEXTS = [
    "",
    "a",
    "ab",
    "a b",
    "a\u00a0b",
    "a\nb",
    "x-14",
    "[]",
    "a{2}",
    "aa",
    "\u2028",
    "é",
    "A.B",
    "\t",
    "a]b",
    "{",
    "(a)",
    "a\\b",
    "-",
    "^",
]
SHARED = [
    *(
        "a",
        "^a$",
        "a.b",
        r"a\sb",
        r"^\S+$",
        r"\d+",
        r"\w\W",
        "a{2}",
        "a{1,}b?",
        "(?:a|b)+",
        "(a)b",
        r"[\s,]",
        "[^a]",
        r"[\]\[]",
        r"a\.b",
        "a|",
    ),
    *(
        r"\bx",
        "[a-z]{2}",
        r"\{",
        "a{",
        r"[.]",
        r"\t",
        "(a|)",
        "x*?",
        "a+?",
        "[(]",
        "^",
        "$",
        "é",
        "[é-ü]",
        r"a\\b",
        "[-a]",
        r"[\-a]",
        r"[\^]",
    ),
]
REFUSED = [
    *(
        "(?i)a",
        "(?P<n>a)",
        "(?=a)",
        r"\Aa",
        r"a\z",
        r"\pL",
        "[[:alpha:]]",
        "[]a]",
        "[^]a]",
        r"\x41",
        "a**",
        "a{2}{3}",
        r"[\S]",
        r"[\b]",
        r"\1",
    ),
    *("[😀]", "(", "a\\", "[a", "a{2,1}", "*a", r"\_", r"\Qa\E", r"\B"),
]


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_differs_is_refused(pattern: str) -> None:
    """An expression that only one of the two knows, or that means something else there, is refused in words."""
    with pytest.raises(NotShared, match="'"):
        compiled(pattern)


def test_both_match_the_same() -> None:
    """Over many texts, JavaScript finds a match exactly where RE2 does."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    program = "const [p,t]=JSON.parse(require('fs').readFileSync(0));console.log(JSON.stringify(p.map(x=>t.map(y=>new RegExp(x).test(y)))))"
    asked = json.dumps([[for_javascript(pattern) for pattern in SHARED], TEXTS])
    said = subprocess.run([node, "-e", program], input=asked, capture_output=True, text=True, check=True, timeout=60)
    ours = [[compiled(pattern).search(text) is not None for text in TEXTS] for pattern in SHARED]
    wrong = [
        (pattern, text)
        for pattern, theirs, mine in zip(SHARED, json.loads(said.stdout), ours, strict=True)
        for text, one, other in zip(TEXTS, theirs, mine, strict=True)
        if one is not other
    ]
    assert wrong == []


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec="utf-8")))
def test_any_text_can_be_matched_exactly(text: str) -> None:
    """`exactly` makes an expression for a text that matches that text; any pattern is compiled or refused."""
    assert compiled(f"^{exactly(text)}$").fullmatch(text) if text else True
    try:
        for_javascript(text)
    except NotShared:
        return
    try:
        compiled(text)
    except NotShared as error:
        assert "RE2" in str(error)
