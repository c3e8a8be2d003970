"""Each channel's payload against schemas written from the provider's documentation, for ordinary and for hostile notifications."""

from __future__ import annotations

import base64
import json
from email import message_from_bytes, policy
from typing import Any

import jsonschema_rs
import pytest

from scoring.alerts.channels import alertmanager, email, pagerduty, slack, webhook
from scoring.alerts.channels.contract import NoSecret, Secret
from scoring.alerts.incidents import Kind, Notification
from tests.scoring.alerts.said import AT, HOSTILE, hostile, said

KINDS: tuple[Kind, ...] = ("opened", "updated", "reminded", "silenced", "resolved", "silence_ended")
EACH = [(make(kind=kind), f"{name} {kind}") for kind in KINDS for name, make in (("ordinary", said), ("hostile", hostile))]
EACH.append((said(value=None, threshold=None, sql=None, samples=(), slice={}, slices=({},)), "bare"))
all_of_them = pytest.mark.parametrize("what", [one for one, _ in EACH], ids=[name for _, name in EACH])

TEXT = {
    "type": "object",
    "required": ["type", "text"],
    "properties": {
        "type": {"enum": ["plain_text", "mrkdwn"]},
        "text": {"type": "string", "minLength": 1, "maxLength": 3000},
        "verbatim": {"type": "boolean"},
    },
    "additionalProperties": False,
}
SLACK = {
    # docs.slack.dev: incoming webhooks; Block Kit reference of section and context blocks and of text objects
    "type": "object",
    "required": ["text"],
    "properties": {
        "text": {"type": "string", "minLength": 1, "maxLength": 40_000},
        "unfurl_links": {"type": "boolean"},
        "unfurl_media": {"type": "boolean"},
        "blocks": {
            "type": "array",
            "maxItems": 50,
            "items": {
                "oneOf": [
                    {
                        "type": "object",
                        "required": ["type", "text"],
                        "properties": {"type": {"const": "section"}, "text": TEXT},
                        "additionalProperties": False,
                    },
                    {
                        "type": "object",
                        "required": ["type", "fields"],
                        "properties": {
                            "type": {"const": "section"},
                            "fields": {
                                "type": "array",
                                "minItems": 1,
                                "maxItems": 10,
                                "items": {"allOf": [TEXT, {"properties": {"text": {"maxLength": 2000}}}]},
                            },
                        },
                        "additionalProperties": False,
                    },
                    {
                        "type": "object",
                        "required": ["type", "elements"],
                        "properties": {
                            "type": {"const": "context"},
                            "elements": {"type": "array", "minItems": 1, "maxItems": 10, "items": TEXT},
                        },
                        "additionalProperties": False,
                    },
                ]
            },
        },
    },
    "additionalProperties": False,
}
LINK = {"type": "object", "required": ["href"], "properties": {"href": {"type": "string", "format": "uri"}, "text": {"type": "string"}}}
PAGERDUTY = {
    # developer.pagerduty.com: Events API v2, "Send an alert event"
    "type": "object",
    "required": ["routing_key", "event_action"],
    "properties": {
        "routing_key": {"type": "string", "minLength": 32, "maxLength": 32},
        "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
        "dedup_key": {"type": "string", "minLength": 1, "maxLength": 255},
        "client": {"type": "string"},
        "client_url": {"type": "string", "format": "uri"},
        "links": {"type": "array", "items": LINK},
        "images": {"type": "array"},
        "payload": {
            "type": "object",
            "required": ["summary", "source", "severity"],
            "properties": {
                "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
                "source": {"type": "string", "minLength": 1},
                "severity": {"enum": ["critical", "error", "warning", "info"]},
                "timestamp": {"type": "string", "format": "date-time"},
                "component": {"type": "string"},
                "group": {"type": "string"},
                "class": {"type": "string"},
                "custom_details": {"type": "object"},
            },
            "additionalProperties": False,
        },
    },
    "allOf": [
        {
            "if": {"properties": {"event_action": {"const": "trigger"}}},
            "then": {"required": ["payload"]},
            "else": {"required": ["dedup_key"]},
        }
    ],
    "additionalProperties": False,
}
LABELS = {"type": "object", "propertyNames": {"pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$"}, "additionalProperties": {"type": "string"}}
TIME = {"type": "string", "format": "date-time"}
POSTABLE_ALERTS = {
    # prometheus/alertmanager: api/v2/openapi.yaml, postableAlerts; a label set must name the alert
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["labels"],
        "properties": {
            "labels": {"allOf": [LABELS, {"required": ["alertname"]}]},
            "annotations": LABELS,
            "startsAt": TIME,
            "endsAt": TIME,
            "generatorURL": {"type": "string", "format": "uri"},
        },
        "additionalProperties": False,
    },
}
WEBHOOK_V4 = {
    # prometheus.io: alerting configuration, webhook_config
    "type": "object",
    "required": "version groupKey truncatedAlerts status receiver groupLabels commonLabels commonAnnotations externalURL alerts".split(),
    "properties": {
        "version": {"const": "4"},
        "groupKey": {"type": "string"},
        "truncatedAlerts": {"type": "integer", "minimum": 0},
        "status": {"enum": ["firing", "resolved"]},
        "receiver": {"type": "string"},
        "groupLabels": LABELS,
        "commonLabels": LABELS,
        "commonAnnotations": LABELS,
        "externalURL": {"type": "string"},
        "alerts": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"],
                "properties": {
                    "status": {"enum": ["firing", "resolved"]},
                    "labels": LABELS,
                    "annotations": LABELS,
                    "startsAt": TIME,
                    "endsAt": TIME,
                    "generatorURL": {"type": "string"},
                    "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}


def valid(schema: dict[str, Any], document: Any) -> None:
    jsonschema_rs.validator_for(schema, validate_formats=True).validate(document)


@all_of_them
def test_slack(what: Notification) -> None:
    """Within Block Kit's limits; nothing from traffic can mention, link or leave a code block."""
    made = slack.message(what, "https://goldwash.example/")
    valid(SLACK, made)
    texts = [
        text["text"]
        for block in made["blocks"]
        for text in ([block["text"]] if "text" in block else block.get("fields") or block["elements"])
    ]
    for text in (made["text"], *texts):
        rest = text.replace("<https://goldwash.example/|Goldwash>", "")
        assert "<" not in rest
        assert ">" not in rest
        assert "\x1b" not in text
        assert "\u202e" not in text
    for text in texts:
        assert text.count("```") in ({0, 2} if text.startswith("```") else {0, text.count("```")})
    assert all(block["text"]["verbatim"] for block in made["blocks"] if "text" in block)


def test_slack_shows_what_was_written() -> None:
    """Ampersands and angle brackets come back as they were when Slack reads the entities."""
    assert slack.escaped("a < b && c > d", 100) == "a &lt; b &amp;&amp; c &gt; d"
    assert len(slack.escaped("<" * 5000, 3000)) <= 3000


@all_of_them
def test_pagerduty(what: Notification) -> None:
    """A documented event under one key for the whole incident, or none for what is no alert."""
    options = pagerduty.PagerDuty.model_validate({"routing_key": {"env": "KEY"}, "link": "https://goldwash.example/"})
    made = pagerduty.compose(what, options, {"KEY": "0123456789abcdef0123456789abcdef"}, AT)
    if what.kind == "silence_ended":
        assert made is None
        return
    assert made is not None
    assert len(made.body) < 512 * 1024
    event = json.loads(made.body)
    valid(PAGERDUTY, event)
    action = {"resolved": "resolve", "silenced": "acknowledge"}.get(what.kind, "trigger")
    assert (event["event_action"], event["dedup_key"]) == (action, "goldwash/a1b2c3d4e5f6")
    if action == "trigger":
        assert "\n" not in event["payload"]["summary"]


@all_of_them
def test_alertmanager(what: Notification) -> None:
    """postableAlerts of API v2 with an end ahead while it fires, or behind when it is over; and the webhook form, version 4."""
    options = alertmanager.Alertmanager.model_validate({"url": "http://127.0.0.1:9093/"})
    made = alertmanager.compose(what, options, {}, AT)
    if what.kind in {"silence_ended", "silenced"}:
        assert made is None
        return
    assert made is not None
    assert made.url == "http://127.0.0.1:9093/api/v2/alerts"
    alerts = json.loads(made.body)
    valid(POSTABLE_ALERTS, alerts)
    assert all((one["endsAt"] > "2026-03-02T09:30:00.000Z") == (what.kind != "resolved") for one in alerts)
    assert alerts[0]["labels"]["severity"] == "critical", "a slice of that name does not take its place"
    hook = alertmanager.webhook(what)
    valid(WEBHOOK_V4, hook)
    assert hook["status"] == ("resolved" if what.kind == "resolved" else "firing")
    if what.firing > 50:
        assert hook["truncatedAlerts"] == 9950


def test_alertmanager_authenticates_as_configured() -> None:
    """A bearer token or basic authentication, read where the file says."""
    given = {"url": "https://am.example/alerts", "form": "webhook", "token": {"env": "T"}}
    made = alertmanager.compose(said(), alertmanager.Alertmanager.model_validate(given), {"T": "tok"}, AT)
    assert made is not None
    assert made.headers["Authorization"] == "Bearer tok"
    assert made.url == "https://am.example/alerts"
    given = {"url": "https://am.example", "user": "u", "password": {"env": "P"}}
    made = alertmanager.compose(said(), alertmanager.Alertmanager.model_validate(given), {"P": "pw"}, AT)
    assert made is not None
    assert made.headers["Authorization"] == "Basic " + base64.b64encode(b"u:pw").decode()


@all_of_them
def test_webhook(what: Notification) -> None:
    """Signed as documented: taken once, refused when it is changed, old, replayed or signed by another."""
    options = webhook.Webhook.model_validate({"url": "https://example.com/hook", "secret": {"env": "S"}})
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    made = webhook.compose(what, options, {"S": secret}, AT)
    now, headers, seen = int(AT.timestamp()), {key.lower(): value for key, value in made.headers.items()}, set[str]()
    assert "." not in headers["webhook-id"]
    assert webhook.verify(secret, headers, made.body, now + 200, seen)
    assert not webhook.verify(secret, headers, made.body, now + 200, seen), "played again"
    assert not webhook.verify(secret, headers, made.body + b" ", now)
    assert not webhook.verify(secret, headers, made.body, now + 301)
    assert not webhook.verify(secret, {**headers, "webhook-timestamp": str(now + 10)}, made.body, now)
    assert not webhook.verify(secret, {**headers, "webhook-id": "other"}, made.body, now)
    assert not webhook.verify("another secret of enough bytes", headers, made.body, now)
    assert not webhook.verify(secret, {}, made.body, now)
    document = json.loads(made.body)
    assert document["type"] == f"goldwash.incident.{what.kind}"
    assert document["data"]["incident_id"] == "a1b2c3d4e5f6"


def test_webhook_signature_is_the_specification_s() -> None:
    """The example of the Standard Webhooks libraries gives their signature."""
    body = b'{"test": 2432232314}'
    made = webhook.signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_webhook_refuses_weak_secrets() -> None:
    """Less than 24 bytes, or base64 that is none, signs nothing."""
    for weak in ("short", "whsec_!!!", "whsec_" + base64.b64encode(b"k" * 10).decode()):
        with pytest.raises(NoSecret):
            webhook.signature(weak, "id", 1, b"")


@all_of_them
def test_email(what: Notification) -> None:
    """A mail that another parser reads: no header from traffic, one thread an incident, an id that stays."""
    mail = email.message(what, "goldwash@example.com", ("ops@example.com",), AT)
    raw = mail.as_bytes(policy=policy.SMTP)
    read = message_from_bytes(raw, policy=policy.default)
    assert read["Bcc"] is None
    assert read["To"] == "ops@example.com"
    assert read["Message-ID"] == f"<{what.id}@example.com>"
    assert read["References"] == "<a1b2c3d4e5f6@example.com>"
    assert len(read["Subject"]) <= 210
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    body = read.get_body()
    assert body is not None
    assert "\x1b" not in body.get_content()


def test_secrets_are_read_where_they_lie(tmp_path: Any) -> None:
    """From the environment or a file; what is missing names the place and never a value."""
    (tmp_path / "key").write_text(" s3cret \n")
    assert Secret(file=tmp_path / "key").read({}) == "s3cret"
    assert Secret(env="KEY").read({"KEY": "s3cret"}) == "s3cret"
    with pytest.raises(NoSecret, match="KEY is empty or not set"):
        Secret(env="KEY").read({})
    with pytest.raises(NoSecret, match="cannot be read"):
        Secret(file=tmp_path / "none").read({})
    with pytest.raises(NoSecret, match="control characters"):
        Secret(env="KEY").read({"KEY": "s3cret\r\nX-Other: 1"})


def test_what_a_message_carries_is_not_shown() -> None:
    """The representation of a request holds neither its address nor its headers."""
    options = slack.Slack.model_validate({"url": {"env": "URL"}})
    made = slack.compose(said(), options, {"URL": "https://hooks.slack.example/T0/B0/secret"}, AT)
    assert "secret" not in repr(made)
    assert HOSTILE not in repr(made)
