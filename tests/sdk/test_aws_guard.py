"""The guard that stands in for AWS refuses what AWS would refuse; else the SigV4 tests would prove nothing."""

from __future__ import annotations

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.helpers.aws import BEARER, refusal
from tests.helpers.client import request
from tests.helpers.wire import Message

OPERATOR = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}
HOST = "bedrock-runtime.us-east-1.amazonaws.com"
PATH = "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse"


def signed(host: str = HOST, body: bytes = b"{}", *, sent: bytes | None = None, secret: str = "secret", key: str = "AKIA1") -> Message:
    """A request signed for `host` and `body`, that arrives with the body `sent`."""
    made = AWSRequest("POST", f"https://{host}{PATH}", headers={"Content-Type": "application/json"}, data=body)
    SigV4Auth(Credentials(key, secret, "token"), "bedrock", "us-east-1").add_auth(made)
    message = Message()
    message.feed(request("POST", PATH, list(made.headers.items()), body if sent is None else sent, host=HOST))
    return message


def test_right_signature() -> None:
    """The operator's signature for the public host passes."""
    assert refusal(signed(), OPERATOR, HOST) is None


@pytest.mark.parametrize(
    "wrong",
    [
        signed(host="127.0.0.1:8080"),
        signed(sent=b"{ }"),
        signed(secret="other"),
        signed(key="AKIACLIENT"),
    ],
    ids=["other host", "other body", "other secret", "other key"],
)
def test_wrong_signature(wrong: Message) -> None:
    """A signature for another host, body, secret or key is refused."""
    assert refusal(wrong, OPERATOR, HOST)


@pytest.mark.parametrize(("value", "passes"), [(f"Bearer {BEARER}", True), ("Bearer other", False)])
def test_bearer(value: str, passes: bool) -> None:
    """The one bearer key passes, another does not."""
    message = Message()
    message.feed(request("POST", PATH, [("Authorization", value)], b"{}"))
    assert (refusal(message, OPERATOR, HOST) is None) == passes
