"""Reads what a client says about its request, in any of the header families people already send, into one set of fields.

Ours (`goldwash-*`) win over metadata in the base URL, and both over the aliases: Helicone-*, x-portkey-*, x-litellm-*, traceparent
and baggage. Pure: headers in, values out; nothing a client sends can raise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

import orjson

FIELDS: Final = ("feature", "user_id", "session_id", "task", "prompt_version", "environment", "purpose", "retry_of")
MAX_PROPERTIES: Final = 64  # a client that makes up names must not make rows grow without bound
MAX_VALUE: Final = 4096

_OWN: Final = {
    "feature": "feature",
    "user": "user_id",
    "session": "session_id",
    "task": "task",
    "prompt-version": "prompt_version",
    "environment": "environment",
    "purpose": "purpose",
    "retry-of": "retry_of",
}
_ALIASES: Final = {
    "helicone-user-id": "user_id",
    "helicone-session-id": "session_id",
    "helicone-prompt-id": "prompt_version",
    "x-litellm-customer-id": "user_id",
    "x-litellm-end-user-id": "user_id",
    "x-litellm-session-id": "session_id",
}
_TRACES: Final = ("x-portkey-trace-id", "x-litellm-trace-id")
_PROPERTIES: Final = {
    "helicone-session-path": "session_path",
    "helicone-session-name": "session_name",
    "x-litellm-tags": "tags",
}
_JSON: Final = ("x-portkey-metadata", "x-litellm-spend-logs-metadata")
# The names that JSON metadata uses for what has a column here (Portkey writes _user, _environment, _prompt).
_JSON_FIELDS: Final = {
    "_user": "user_id",
    "user": "user_id",
    "user_id": "user_id",
    "session_id": "session_id",
    "_environment": "environment",
    "environment": "environment",
    "_prompt": "prompt_version",
    "feature": "feature",
    "task": "task",
}
_BAGGAGE_FIELDS: Final = {
    "session.id": "session_id",
    "user.id": "user_id",
    "enduser.id": "user_id",
    "langfuse.session.id": "session_id",
    "langfuse.user.id": "user_id",
    "langfuse_session_id": "session_id",
    "langfuse_user_id": "user_id",
    "deployment.environment.name": "environment",
}
_TRACEPARENT = re.compile(
    r"(?:00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}"
    r"|(?!00|ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?)"
)
"""W3C Trace Context: version 00 has four fields and no more, later ones may have, ff and ids of zeros are no version and no ids."""
MAX_BAGGAGE: Final = 8192
MAX_MEMBERS: Final = 64
"""Bytes and members of a baggage that W3C asks everybody to carry; what lies beyond is not read."""


@dataclass(slots=True)
class Metadata:
    """What a client said about one exchange; None = nothing said."""

    feature: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    task: str | None = None
    prompt_version: str | None = None
    environment: str | None = None
    purpose: str | None = None
    retry_of: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    user_agent: str | None = None
    properties: dict[str, str] = field(default_factory=dict)

    def offer(self, name: str, value: str) -> None:
        """Set a field that nobody of higher rank has set."""
        if value and getattr(self, name) is None:
            setattr(self, name, value[:MAX_VALUE])

    def add(self, name: str, value: str) -> None:
        """Add a property; a second value of the same name joins the first."""
        name = name.strip()
        if not name or not value:
            return
        value = value[:MAX_VALUE]
        known = self.properties.get(name)
        if known is not None:
            if value not in known.split(", ") and len(known) + len(value) < MAX_VALUE:
                self.properties[name] = f"{known}, {value}"
        elif len(self.properties) < MAX_PROPERTIES:
            self.properties[name[:256]] = value


def metadata(headers: tuple[tuple[str, str], ...], url_text: str = "") -> Metadata:
    """The fields of one request. headers: lower-case names; url_text: what stood after `~` in the path, `feature=search;user=42`."""
    found = Metadata()
    aliases: list[tuple[str, str]] = []
    for name, value in headers:
        if name.startswith("goldwash-"):
            own(found, name[9:], value)
        elif name == "user-agent":
            found.user_agent = value
        elif name == "traceparent" or name == "baggage" or name.startswith(("x-", "helicone-")):
            aliases.append((name, value))
    if url_text:
        for part in re.split("[;&]", url_text):
            name, _, value = part.partition("=")
            own(found, unquote(name).strip().lower(), unquote(value))
    if sum(name == "traceparent" for name, _ in aliases) > 1:  # W3C: then none of them counts
        aliases = [(name, value) for name, value in aliases if name != "traceparent"]
    for name, value in aliases:
        _alias(found, name, value)
    return found


def own(found: Metadata, name: str, value: str) -> None:
    """One of our own names, from a header without its prefix or from the base URL; any other name is a property."""
    target = _OWN.get(name)
    if target:
        found.offer(target, value)
    elif name not in ("id", "omit", "key"):  # words of the proxy itself, no metadata
        found.add(name.removeprefix("property-"), value)


def _alias(found: Metadata, name: str, value: str) -> None:
    if name in _ALIASES:
        found.offer(_ALIASES[name], value)
    elif name == "traceparent":
        match = _TRACEPARENT.fullmatch(value.strip().lower())
        if match:
            found.trace_id, found.span_id = match[1] or match[3], match[2] or match[4]  # a W3C trace wins over a vendor's: spans join on it
    elif name == "baggage":
        _baggage(found, value)
    elif name in _TRACES:
        found.offer("trace_id", value)
    elif name in _JSON:
        _json(found, value)
    elif name in _PROPERTIES:
        found.add(_PROPERTIES[name], value)
    elif name == "x-stainless-retry-count":
        found.add("retry_count", value if value != "0" else "")  # the SDK says that it retried, not what
    elif name.startswith("helicone-property-"):
        found.add(name[18:], value)


def _json(found: Metadata, text: str) -> None:
    try:
        value: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            said = item if isinstance(item, str) else orjson.dumps(item).decode()
            if key in _JSON_FIELDS and isinstance(item, str):
                found.offer(_JSON_FIELDS[key], said)
            else:
                found.add(key, said)


def _baggage(found: Metadata, text: str) -> None:
    whole = text if len(text) <= MAX_BAGGAGE else text[:MAX_BAGGAGE].rpartition(",")[0]
    for member in whole.split(",", MAX_MEMBERS)[:MAX_MEMBERS]:
        name, _, value = member.split(";")[0].partition("=")
        name, value = _printable(unquote(name.strip())), _printable(unquote(value.strip()))
        if name in _BAGGAGE_FIELDS:
            found.offer(_BAGGAGE_FIELDS[name], value)
        else:
            found.add(name, value)


def _printable(text: str) -> str:
    """Without control characters, which percent-encoding can bring in and no header could."""
    return text if text.isprintable() else "".join(character for character in text if character.isprintable())
