"""The regular expressions that checks look for, as data, and how many of them are searched at once.

All patterns of a group are searched in one pass of a linear-time automaton; only those that occur are looked at again. What a check
that uses them was worth on recorded traffic stands with the check (`MEASURED`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import re2

from proxy.log.redaction import POLICIES, SECRETS

_MEMORY: Final = 64 << 20  # bytes an automaton may use


class Pattern(NamedTuple):
    """One expression in RE2's syntax."""

    name: str
    expression: str
    test: Callable[[str], bool] | None = None  # of what it found: a checksum, a count of digits


_NOT_ABLE: Final = r"(?:can(?:no|['’])t|can not|am unable to|['’]m unable to|am not able to|['’]m not able to|won['’]t|will not)"

# No bounded repetition ({0,80}) in these two groups: each count is a state of the automaton, and they make it ten times slower. How near
# the beginning a match must be is said by OPENING.
REFUSAL: Final = (
    Pattern(
        "declines",
        r"(?i)\bI " + _NOT_ABLE + r" (?:really )?"
        r"(?:(?:help|assist|comply|engage|continue|proceed|participate|answer that|respond to)\b"
        r"|(?:provide|fulfil|fulfill|create|generate|write|produce|give|share|support|discuss|do) (?:you )?(?:with )?"
        r"(?:that|this|such|any|your|instructions|information (?:on|about) how)\b)",
    ),
    Pattern("I'm not able", r"(?i)\bI(?:['’]m| am) (?:unable|not able) to (?:help|assist|comply|engage|continue|respond to|answer)\b"),
    Pattern("must decline", r"(?i)\bI (?:must|have to|need to|will have to|respectfully) (?:respectfully )?(?:decline|refuse)\b"),
    Pattern("the model cannot", r"(?i)\bthe (?:model|assistant) (?:cannot|can['’]t|is unable to) (?:answer|help|assist|respond)"),
    Pattern(
        "against guidelines",
        r"(?i)\b(?:against|violates?|not allowed (?:by|under)) (?:my|our|openai['’]s|usage|the usage|the content) (?:\w+ )?"
        r"(?:guidelines|polic(?:y|ies)|terms|principles|programming)\b",
    ),
    Pattern(
        "de",
        r"(?i)\bich kann (?:dir|ihnen|das|dabei|diese\w*)[^\n.]*? nicht (?:helfen|beantworten|erfüllen)|dabei kann ich nicht helfen",
    ),
    Pattern("fr", r"(?i)\bje ne (?:peux|suis) pas (?:vous aider|t['’]aider|en mesure de (?:répondre|vous aider))"),
    Pattern("es", r"(?i)\bno puedo (?:ayudarte|ayudarle|ayudar con|cumplir|proporcionar)"),
    Pattern("zh, ja", r"我(?:无法|不能)(?:协助|帮助|提供|满足)|お手伝い(?:すること)?(?:は)?できません|お答えできません"),
)
"""The answer declines to do what was asked."""

FALLBACK: Final = (
    Pattern(
        "no access",
        r"(?i)\bI(?: currently| also| just| simply)? (?:do not|don['’]t) (?:currently |actually |directly )?have "
        r"(?:[\w’'-]+ )?(?:[\w’'-]+ )?(?:[\w’'-]+ )?(?:[\w’'-]+ )?"
        r"(?:access|ability|abilities|capabilit\w+|tools?|information|data|knowledge|details)\b",
    ),
    Pattern(
        "cannot provide it",
        r"(?i)\bI(?:['’]m| am)?(?: currently)? (?:can(?:no|['’])t|can not|unable to|not able to|could(?:n['’]t| not)) "
        r"(?:currently |directly )?(?:provide|access|retrieve|give you|tell you|look up|fetch|find|view|see|determine|check|create"
        r"|answer)\b",
    ),
    Pattern(
        "does not know",
        r"(?i)^(?:(?:sorry|unfortunately|well|hmm|honestly)[,.!]* )*I(?:['’]m afraid I)? (?:do not|don['’]t) "
        r"(?:know(?:[.,!]|$| (?:the|that|what|who|how|why|when|where|if|whether|enough|about|anything|which)\b)|have an answer\b)",
    ),
    Pattern(
        "nothing found",
        r"(?i)\b(?:no|could(?:n['’]t| not) find(?: any)?|did(?:n['’]t| not) find(?: any)?) (?:relevant |matching |such |specific )?"
        r"(?:information|results?|documents?|records?|answers?|data)\b[^\n.]*?"
        r"(?:found|available|in the (?:provided|given|supplied|context))",
    ),
    Pattern(
        "went wrong",
        r"(?i)\bsomething went wrong|\ban (?:unexpected )?error (?:has )?occurred|\bplease try again later"
        r"|\bI(?:['’]m| am) having trouble (?:processing|answering|connecting)",
    ),
    Pattern(
        "other languages",
        r"(?i)\bich habe (?:leider )?keinen zugriff|\bje n['’]ai pas accès|\bno tengo acceso|\bnão tenho acesso|我无法(?:访问|获取)",
    ),
)
"""The answer stands in for one: no access, no information, something went wrong."""

INJECTION: Final = (
    Pattern(
        "ignore instructions",
        r"(?i)\b(?:ignore|disregard|forget|override|bypass) (?:all |any |the |your |my |these |everything )*(?:of )?(?:the |your |my )?"
        r"(?:previous|prior|above|earlier|preceding|foregoing|system|initial|original)[\w ]{0,20}?(?:instructions?|prompts?"
        r"|rules|directions|context|messages)",
    ),
    Pattern("you are now", r"(?i)\byou are now (?:in )?(?:DAN|STAN|developer mode|jailbroken|unrestricted|free from|no longer bound)\b"),
    Pattern("mode", r"(?i)\b(?:DAN|developer|god|debug|jailbreak|unrestricted|sudo) mode (?:enabled|activated|on|unlocked)\b"),
    Pattern(
        "reveal the prompt",
        r"(?i)\b(?:reveal|print|show|repeat|output|display|leak|tell me) (?:me )?(?:all |the |your |this )*(?:hidden |secret"
        r" |initial |full |exact |original )*"
        r"(?:system (?:prompt|message|instructions)|(?:initial|hidden|secret) (?:prompt|instructions))",
    ),
    Pattern("chat marks", r"<\|(?:im_start|im_end|system|endofprompt|start_header_id|eot_id)\|>|\[/?INST\]|<</?SYS>>"),
    Pattern(
        "role mark",
        r"(?im)^(?:#{2,4} ?)?(?:system|assistant)(?: prompt| message| override)? ?:[ \t]*(?:you (?:are|must|will)|new|ignore|from now)",
    ),
    Pattern(
        "new instructions",
        r"(?i)\b(?:new|updated|real|actual|important) (?:system )?instructions? ?(?::|from (?:the )?(?:admin|developer|system|user))"
        r"|\b(?:begin|start) (?:new )?(?:system )?instructions\b",
    ),
    Pattern("do not tell", r"(?i)\b(?:do not|don['’]t|never) (?:tell|inform|alert|notify|mention (?:this|it) to) the user\b"),
    Pattern("hidden tag characters", "[\U000e0020-\U000e007e]{4,}"),
    Pattern(
        "send it away",
        r"(?i)\b(?:send|post|upload|forward|exfiltrate|append|encode)\b[^\n.]{0,60}\b(?:conversation|chat history|system"
        r" prompt|api[ _-]?keys?|credentials|"
        r"passwords?|secrets?|user(?:['’]s)? data)\b[^\n.]{0,60}\b(?:to|into|in) (?:https?://|the (?:url|image|link))",
    ),
    Pattern(
        "no restrictions",
        r"(?i)\b(?:without|no|ignore) (?:any )?(?:ethical|moral|content|safety) (?:restrictions?|guidelines|filters?"
        r"|limitations?|polic\w+)\b",
    ),
    Pattern(
        "pretend",
        r"(?i)\b(?:pretend|act as if|imagine) (?:that )?you (?:have no|are not bound|don['’]t have any|are an?"
        r" (?:unrestricted|uncensored|evil))",
    ),
)
"""Marks of an attempt to take over the model, in what came in."""

TOOL_ERROR: Final = (
    Pattern(
        "error first", r"(?i)^\s*(?:\{\s*\")?(?:(?:tool |execution |runtime |validation |internal |fatal )?error|exception|traceback)\b"
    ),
    Pattern("traceback", r"Traceback \(most recent call last\)"),
    Pattern(
        "failed",
        r"(?i)^[^\n]{0,60}?\b(?:failed (?:to|with)|could not be (?:found|executed|reached)|timed out|permission denied"
        r"|access denied|not approved|unauthorized)\b",
    ),
    Pattern(
        "status",
        r"(?i)\"(?:status|state|type)\"\s*:\s*\"(?:error|failed|failure)\"|\"(?:success|ok)\"\s*:\s*false|\"(?:is_?error)\"\s*:\s*true",
    ),
    Pattern("http", r"(?i)^[^\n]{0,40}?\b(?:HTTP|status(?: code)?)[ /:]*(?:1\.\d )?(?:4\d\d|5\d\d)\b"),
)
"""A tool result that tells of a failure, where the dialect has no mark for it."""


SECRET: Final = (
    *(Pattern(f"secret {number}", pattern.expression, pattern.test) for number, pattern in enumerate(SECRETS, 1)),
    Pattern("redacted secret", r"\[secret\]"),
)
"""Credentials in an answer, as they are or as redaction left them."""

PERSONAL_KINDS: Final = ("email", "card", "iban", "phone", "national_id")
PERSONAL: Final = tuple(
    Pattern(f"{kind} {number}" if number else kind, pattern.expression, test=pattern.test)
    for kind in PERSONAL_KINDS
    for number, pattern in enumerate(POLICIES[kind])
)
"""Data about persons, each with its check digit or shape."""


class Hit(NamedTuple):
    """Where a pattern was found."""

    pattern: Pattern
    start: int  # in bytes
    found: str


class Scanner:
    """Searches many patterns at once."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        options = re2.Options()
        options.log_errors = False
        options.max_mem = _MEMORY
        self._patterns = tuple(patterns)
        self._compiled = {pattern: re2.compile(pattern.expression.encode(), options) for pattern in patterns}
        self._set: Any = re2.Set.SearchSet(options)
        for pattern in patterns:
            self._set.Add(pattern.expression.encode())
        self._set.Compile()

    def occurring(self, data: bytes) -> list[Pattern]:
        """The patterns that occur in a text in UTF-8, in their order."""
        places = self._set.Match(data)
        return [self._patterns[place] for place in sorted(places)] if places else []

    def hits(self, data: bytes, patterns: Sequence[Pattern], most: int = 20) -> list[Hit]:
        """What these patterns found, as far as their tests agree; at most `most` a pattern."""
        found: list[Hit] = []
        for pattern in patterns:
            taken = 0
            for match in self._compiled[pattern].finditer(data):
                group = 1 if match.re.groups else 0
                text = match.group(group).decode("utf-8", "replace")
                if pattern.test is None or pattern.test(text):
                    found.append(Hit(pattern, match.start(group), text))
                    taken += 1
                    if taken == most:
                        break
        return found


OPENING: Final = 240
"""Bytes of an answer in which it says that it refuses or stands in for one: a refusal comes first, or after a short apology."""


@cache
def scanner(group: str) -> Scanner:
    """The automaton over a group of patterns, built when it is first asked for."""
    return Scanner(GROUPS[group])


GROUPS: Final = {
    "opening": (*REFUSAL, *FALLBACK),
    "whole": (*SECRET, *PERSONAL),
    "incoming": INJECTION,
    "tool error": TOOL_ERROR,
}
"""Patterns that are searched together: an answer's opening, the whole of it, what came in, a tool's result."""
