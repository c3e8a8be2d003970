"""No planted secret can be found where it must not be, whatever goes wrong; and the search finds each of them once its scrub is taken out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.helpers.upstream import Upstream
from tests.security import planted
from tests.security.planted import MASKED, NEVER, PARAMETERS, REQUEST_HEADERS, RESPONSE_HEADERS, Evidence


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory, stage: Upstream, private_stage: Upstream) -> Evidence:
    """What a run with every secret and every failure left behind."""
    return planted.run(tmp_path_factory.mktemp("planted"), stage, private_stage)


@pytest.mark.parametrize("family", NEVER)
def test_never_on_disk(evidence: Evidence, family: str) -> None:
    """A secret of this place is in no file (spool and log included), row, output, metric, error body, page or command line."""
    assert evidence.found.get(family, set()) == set()


@pytest.mark.parametrize("family", MASKED)
def test_never_in_the_log(evidence: Evidence, family: str) -> None:
    """A secret in a body or in free text passes the spool as it came, and is masked everywhere else."""
    assert evidence.found.get(family, set()) <= {"spool"}


def test_the_search_can_find(evidence: Evidence) -> None:
    """What may lie in the spool was found there: the search reads what was written."""
    seen = [family for family in MASKED if "spool" in evidence.found.get(family, set())]
    assert {"prompt", "answer", "error that repeats a key", "tool arguments", "key of no form, repeated"} <= set(seen)


def test_every_failure_was_caused(evidence: Evidence) -> None:
    """The failures have left their endings, and their words in the output at debug level."""
    assert set(evidence.endings) == {"complete", "partial", "upstream_error", "client_gone", "lost"}
    assert {got.status for got in evidence.refusals} >= {400, 401, 403, 404, 431, 502}
    kinds = {json.loads(line).get("error") for line in evidence.output.splitlines() if line.startswith("{")}
    assert kinds >= {
        *("connection_refused", "name_not_resolved", "tls_error", "egress_proxy_error", "upstream_protocol_error"),
        *("first_byte_timeout", "silence_timeout", "upstream_closed", "client_gone", "bad_request", "shutdown"),
    }
    assert evidence.output.count('"exception": "RuntimeError at') >= 2


def test_files_are_private(evidence: Evidence) -> None:
    """Every file under the data directory is 0600 or less, every directory 0700."""
    assert {name: oct(mode) for name, mode in evidence.modes.items() if mode & 0o077} == {}


REMOVED = {
    "keep request headers": ("spool", {f"request header {name}" for name in REQUEST_HEADERS}),
    "keep response headers": ("spool", {f"response header {name}" for name in RESPONSE_HEADERS}),
    "keep query": ("spool", {f"parameter {name}" for name in PARAMETERS} | {"parameter in the path"}),
    "keep names as sent": ("spool", {"parameter escaped name", "parameter escaped inside", "parameter nested URL"}),
    "keep metadata": ("spool", {"metadata api_key", "metadata token"}),
    "keep credential": ("rows of exchanges", {"request header Authorization"}),
    "store unscrubbed": ("rows", {family for family in MASKED if "no form" not in family}),
    "store echoed keys": ("rows", {family for family in MASKED if "no form" in family}),
    "tell exceptions": ("output", {"request header Cookie", "request header X-Unknown-Header"}),
    "tell arguments": ("output", {"request header Cookie", "request header X-Unknown-Header"}),
    "tell exceptions,tell libraries": ("output", {"masked header User-Agent"}),
    "tell egress password": ("spool", {"egress password"}),
    "open files": ("modes", {"spool"}),
}
"""Scrub -> where the secrets of which families must be found once it is taken out."""
TOGETHER = (
    ("keep request headers", "keep metadata", "open files"),
    ("keep response headers", "keep query", "tell exceptions", "tell egress password"),
    ("keep credential", "keep names as sent", "store unscrubbed", "store echoed keys", "tell arguments"),
    ("tell exceptions,tell libraries",),
)
"""Scrubs whose secrets differ in family or place, so that one run shows each; with TESTED_SEPARATELY=1 every one gets a run of its own."""


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory, stage: Upstream, private_stage: Upstream) -> Iterator[dict[str, Future[Evidence]]]:
    """Runs with scrubs taken out, a few at a time."""
    groups = [(name,) for name in REMOVED] if os.environ.get("TESTED_SEPARATELY") else TOGETHER
    found: dict[str, Future[Evidence]] = {}
    with ThreadPoolExecutor(3) as pool:
        for group in groups:
            directory = tmp_path_factory.mktemp("without")
            run = pool.submit(planted.run, directory, stage, private_stage, group, everything=False)
            found |= dict.fromkeys(group, run)
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("name", REMOVED)
def test_a_missing_scrub_is_noticed(without: dict[str, Future[Evidence]], name: str) -> None:
    """With one scrub taken out, the search finds the secrets that it had kept out, in the place where they must not be."""
    where, families = REMOVED[name]
    run = without[name].result(timeout=120)
    if where == "modes":
        assert any(file.startswith("data/spool/") and mode & 0o077 for file, mode in run.modes.items())
    else:
        assert families <= {family for family, places in run.found.items() if any(place.startswith(where) for place in places)}
