"""boto3 for Bedrock through Goldwash by its endpoint URL alone: with a bearer key, and signed with SigV4, which is signed again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.helpers.aws import BEARER
from tests.helpers.certificates import Authority
from tests.helpers.goldwash import Goldwash
from tests.helpers.recordings import BEDROCK, BEDROCK_MODEL, TEXT
from tests.helpers.rows import Mark

ASK: Any = [{"role": "user", "content": [{"text": "Where is gold found?"}]}]
INVOKE = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": [{"role": "user", "content": "Where?"}]})
CLIENT_KEYS = {"aws_access_key_id": "AKIACLIENT", "aws_secret_access_key": "client-secret", "aws_session_token": "client-session"}

Connect = Callable[[str], Any]


@pytest.fixture(params=["bearer", "sigv4"])
def front(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Goldwash:
    """The Goldwash to talk to: boto3 sends a bearer key over HTTPS only. The machine's own AWS settings do not matter."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    if request.param == "bearer":
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", BEARER)
    found: Goldwash = request.getfixturevalue("goldwash_tls" if request.param == "bearer" else "goldwash")
    return found


@pytest.fixture
def connect(front: Goldwash, authority: Authority) -> Iterator[Connect]:
    """Makes a client of an upstream, and closes it."""
    clients = []

    def make(upstream: str) -> Any:
        client = boto3.session.Session().client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=front.url(upstream),
            config=Config(retries={"total_max_attempts": 1}),
            verify=str(authority.ca_file),
            **(CLIENT_KEYS if front.scheme == "http" else {}),
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Connect) -> Any:
    return connect("aws-bedrock")


def test_converse(front: Goldwash, client: Any) -> None:
    """Converse answers, and its row knows the model from the path."""
    mark = Mark(front)
    got = client.converse(modelId=BEDROCK_MODEL, messages=ASK)
    assert got["output"]["message"]["content"][0]["text"] == TEXT
    row = mark.row({**BEDROCK["converse"].row, "is_stream": False})
    assert float(row["cost_usd"]) > 0


def test_converse_stream(front: Goldwash, client: Any) -> None:
    """A converse stream passes as event-stream frames that boto3 accepts."""
    mark = Mark(front)
    events = list(client.converse_stream(modelId=BEDROCK_MODEL, messages=ASK)["stream"])
    assert "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event) == TEXT
    assert events[-1]["metadata"]["usage"]["outputTokens"] == 22
    mark.row({**BEDROCK["converse_stream"].row, "is_stream": True})


def test_invoke(front: Goldwash, client: Any) -> None:
    """A model's own body passes through invoke."""
    mark = Mark(front)
    got = client.invoke_model(modelId=BEDROCK_MODEL, body=INVOKE)
    assert json.loads(got["body"].read())["content"][0]["text"] == TEXT
    mark.row(BEDROCK["invoke"].row)


def test_invoke_stream(front: Goldwash, client: Any) -> None:
    """A model's own events pass inside event-stream frames."""
    mark = Mark(front)
    got = client.invoke_model_with_response_stream(modelId=BEDROCK_MODEL, body=INVOKE)
    events = [json.loads(event["chunk"]["bytes"]) for event in got["body"]]
    assert "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta") == TEXT
    mark.row({**BEDROCK["invoke_stream"].row, "is_stream": True})


@pytest.mark.parametrize("front", ["sigv4"], indirect=True)
def test_sigv4_without_resigning(connect: Connect) -> None:
    """Where re-signing is not configured, a signed request gets an error that names the setting to change."""
    with pytest.raises(ClientError) as caught:
        connect("aws-unsigned").converse(modelId=BEDROCK_MODEL, messages=ASK)
    said = json.dumps(caught.value.response)
    assert "sigv4" in said
    assert "resign" in said
    assert "aws-unsigned" in said


@pytest.mark.parametrize("front", ["bearer"], indirect=True)
def test_bearer_key_where_nothing_is_signed_again(connect: Connect) -> None:
    """A bearer key needs no setting at all."""
    got = connect("aws-unsigned").converse(modelId=BEDROCK_MODEL, messages=ASK)
    assert got["output"]["message"]["content"][0]["text"] == TEXT


def test_nothing_of_the_keys_is_kept(front: Goldwash, client: Any) -> None:
    """Neither the client's nor the operator's keys are anywhere in the data directory or the output."""
    client.converse(modelId=BEDROCK_MODEL, messages=ASK)
    front.flush()
    secrets = [BEARER, "AKIACLIENT", "client-session", "operator-secret-of-the-tests", "operator-session"]
    for file in filter(lambda path: path.is_file(), front.data_dir.rglob("*")):
        kept = file.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in kept], file.name
    assert not [secret for secret in secrets if secret in front.output()]
