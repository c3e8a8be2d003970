"""What every test may ask for: real upstreams that replay recordings, and one real Goldwash in front of them for the whole run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.helpers.aws import guarded
from tests.helpers.certificates import Authority
from tests.helpers.goldwash import Goldwash, free_port
from tests.helpers.recordings import SHELVES, replay
from tests.helpers.upstream import Upstream


def pytest_configure(config: pytest.Config) -> None:
    """`-m "not slow"` leaves out what starts and kills whole instances."""
    config.addinivalue_line("markers", "slow: starts and stops instances of its own; seconds each")


OPERATOR = {
    "AWS_ACCESS_KEY_ID": "AKIAOPERATOR",
    "AWS_SECRET_ACCESS_KEY": "operator-secret-of-the-tests",
    "AWS_SESSION_TOKEN": "operator-session",
}
"""What Goldwash re-signs with; clients never see it."""
AWS_HOST = "bedrock-runtime.us-east-1.amazonaws.com"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A private CA that Goldwash is told to trust."""
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def providers() -> Iterator[dict[str, Upstream]]:
    """One upstream a provider, each replaying its recordings: name -> upstream."""
    started = {name: Upstream(replay(name)) for name in SHELVES if name != "aws-bedrock"}
    for upstream in started.values():
        upstream.__enter__()
    yield started
    for upstream in started.values():
        upstream.__exit__()


@pytest.fixture(scope="session")
def aws(authority: Authority) -> Iterator[Upstream]:
    """Bedrock behind TLS in its public name, which answers 403 to a signature that is not right for that name."""
    tls = authority.server(AWS_HOST)
    with Upstream(guarded(replay("aws-bedrock"), OPERATOR, AWS_HOST), tls=tls) as upstream:
        yield upstream


@pytest.fixture(scope="session")
def stage() -> Iterator[Upstream]:
    """An upstream that each test scripts by path."""
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def private_stage(authority: Authority) -> Iterator[Upstream]:
    """A scripted upstream behind TLS by the private CA."""
    with Upstream(tls=authority.server("localhost", "127.0.0.1", "api.company.example")) as upstream:
        yield upstream


@pytest.fixture(scope="session")
def dial_aws(aws: Upstream, authority: Authority) -> dict[str, object]:
    """Configuration of an upstream that is Bedrock by name and the test's own server by address."""
    return {"url": f"https://{AWS_HOST}", "connect_to": f"127.0.0.1:{aws.port}", "ca_file": str(authority.ca_file)}


@pytest.fixture(scope="session")
def goldwash(
    tmp_path_factory: pytest.TempPathFactory,
    providers: dict[str, Upstream],
    dial_aws: dict[str, object],
    stage: Upstream,
    private_stage: Upstream,
    authority: Authority,
) -> Iterator[Goldwash]:
    """A running Goldwash with every provider, and with upstreams that fail in each way that one can."""
    private = f"https://localhost:{private_stage.port}"
    trusted = {"ca_file": str(authority.ca_file)}
    upstreams: dict[str, Mapping[str, object]] = {name: {"url": upstream.url} for name, upstream in providers.items()}
    upstreams |= {
        "aws-bedrock": {**dial_aws, "sigv4": "resign"},
        "aws-unsigned": dial_aws,
        "stage": {"url": stage.url},
        "based": {"url": f"{stage.url}/some/base"},
        "impatient": {"url": stage.url, "first_byte_timeout": 1.0, "silence_timeout": 1.0},
        "narrow": {"url": f"http://localhost:{stage.port}", "max_connections": 1},
        "private": {"url": private, **trusted},
        "untrusted": {"url": private},
        "misnamed": {"url": "https://other.example", "connect_to": f"127.0.0.1:{private_stage.port}", **trusted},
        "refusing": {"url": f"http://127.0.0.1:{free_port()}"},
        "nowhere": {"url": "http://nowhere.invalid"},
        "not-https": {"url": f"https://localhost:{stage.port}", **trusted},
    }
    with Goldwash(tmp_path_factory.mktemp("goldwash"), upstreams, environ=OPERATOR) as running:
        yield running


@pytest.fixture(scope="session")
def goldwash_tls(
    tmp_path_factory: pytest.TempPathFactory, dial_aws: dict[str, object], stage: Upstream, authority: Authority
) -> Iterator[Goldwash]:
    """A second Goldwash that serves HTTPS, with other choices than the defaults."""
    directory = tmp_path_factory.mktemp("goldwash-tls")
    certificate, key = authority.files(directory, "localhost", "127.0.0.1")
    upstreams: dict[str, Mapping[str, object]] = {
        "aws-bedrock": {**dial_aws, "sigv4": "resign"},
        "aws-unsigned": dial_aws,
        "stage": {"url": stage.url},
    }
    proxy = {
        "tls_cert": str(certificate),
        "tls_key": str(key),
        "client_head_timeout": 1.0,
        "on_client_gone": "finish",
        "goldwash_id_header": False,
    }
    with Goldwash(directory, upstreams, sections={"proxy": proxy}, environ=OPERATOR, scheme="https") as running:
        yield running
