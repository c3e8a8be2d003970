"""Slack by an incoming webhook: `{text, blocks}` within the limits of Block Kit.

Everything that is not ours is escaped (&, <, >) and stands in text marked verbatim, so that a feature called `<!channel>` wakes nobody.
Sources: docs.slack.dev "Sending messages using incoming webhooks", "Formatting message text", and the references of the blocks: 50 of
them a message, 3,000 characters a section, 10 fields of 2,000, 10 elements of a context. Webhooks answer 429 with Retry-After. Slack takes
no key by which it could tell a message that is sent twice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import orjson
from pydantic import Field

from scoring.alerts.channels.contract import Environ, Kind, Options, Request, Secret, plain
from scoring.alerts.incidents import Notification

SECTION: Final = 3000
FIELD: Final = 2000
FALLBACK: Final = 2000
"""Characters of `text`, what is read aloud and shown in a push message; Slack itself would take 40,000."""
MARKS: Final = {"critical": "🔴", "warning": "🟠", "info": "🔵"}


class Slack(Options):
    """`kind = "slack"`: an incoming webhook of a Slack app."""

    url: Secret = Field(description="The webhook's address, which is a secret: whoever knows it can post.")


def compose(notification: Notification, options: Slack, environ: Environ, _at: datetime) -> Request:
    """A POST of the message. Raises NoSecret."""
    body = orjson.dumps(message(notification, options.link))
    return Request(options.url.read(environ), body, {"Content-Type": "application/json"}, options.timeout)


def message(notification: Notification, link: str | None = None) -> dict[str, Any]:
    """The message as JSON."""
    mark = "✅" if notification.kind == "resolved" else MARKS.get(notification.severity, "🔵")
    title = f"{mark} {escaped(notification.title, 1000, lines=False)}"
    blocks: list[dict[str, Any]] = [_section(f"*{title}*")]
    if notification.text:
        blocks.append(_section(escaped(notification.text, SECTION)))
    facts = [
        ("Severity", notification.severity),
        ("Value", "–" if notification.value is None else f"{notification.value:.4g}"),
        ("Threshold", "–" if notification.threshold is None else f"{notification.threshold:.4g}"),
        ("Since", f"{notification.since:%Y-%m-%d %H:%M} UTC"),
    ]
    if notification.kind != "silence_ended":
        blocks.append({"type": "section", "fields": [_text(f"*{name}*\n{escaped(value, FIELD // 2)}") for name, value in facts]})
    if notification.sql:
        code = escaped(notification.sql.replace("```", "'''"), SECTION - 6)
        blocks.append(_section(f"```{code}```"))
    if notification.samples:
        blocks.append(_section("Samples: " + escaped(", ".join(notification.samples[:5]), SECTION - 9)))
    ends = [f"incident {escaped(notification.incident_id, 100, lines=False)}", escaped(notification.rule, 300, lines=False)]
    if link:
        ends.append(f"<{link}|Goldwash>")
    blocks.append({"type": "context", "elements": [_text(" · ".join(ends))]})
    return {"text": title[:FALLBACK], "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def escaped(text: str, most: int, *, lines: bool = True) -> str:
    """Text with Slack's three control characters as entities, no longer than `most` with them."""
    text = plain(text, most, lines=lines)
    while True:
        done = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        if len(done) <= most:
            return done
        text = text[: max(0, len(text) - max(1, (len(done) - most) // 5) - 1)] + "…"


def _text(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _text(text)}


KIND: Final = Kind(Slack, compose, deduplicates=False)
