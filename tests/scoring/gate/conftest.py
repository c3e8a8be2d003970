"""A shop whose bot is held to golden cases, and the command run in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from proxy.cli import main
from tests.helpers.golden import Shop, case
from tests.helpers.upstream import Upstream


class Done(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Ten cases, all passed."""
    with Upstream() as upstream:
        found = Shop(tmp_path, upstream, [case(number) for number in range(10)])
        found.untimed()
        yield found


@pytest.fixture
def gate(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """`goldwash gate …` with the shop's configuration."""

    def run(*arguments: object) -> Done:
        words = [str(argument) for argument in arguments]
        with pytest.raises(SystemExit) as ended:
            main(["gate", *words, "--config", str(shop.config)])
        out, err = capsys.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    return run
