"""What the fault tests share: a provider with a crowd, an installation of one's own, small disks, and the table at the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from proxy.log.attach import Log
from tests.faults.account import Line, table
from tests.faults.traffic import Stage
from tests.helpers.goldwash import Goldwash

ROUNDS: Final = "FAULT_ROUNDS"
"""An environment variable: rounds of the long form (scripts/faults); without it the faults are caused a few times each."""
LINES: Final = pytest.StashKey[list[Line]]()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print what each fault did."""
    lines = config.stash.get(LINES, [])
    if lines:
        terminalreporter.section("faults")
        for line in table(lines):
            terminalreporter.line(line)


def make_log(goldwash: Goldwash) -> Path:
    """The log of an installation that has not run yet, empty; its file."""
    mask = os.umask(0o077)
    try:
        Log.open("goldwash.duckdb", goldwash.data_dir).close()
    finally:
        os.umask(mask)
    return goldwash.data_dir / "goldwash.duckdb"


@pytest.fixture
def empty_log() -> Callable[[Goldwash], Path]:
    """Makes the log of an installation before its first start."""
    return make_log


@pytest.fixture
def rounds() -> int | None:
    """Rounds of the long form; None = the short form."""
    given = os.environ.get(ROUNDS)
    return int(given) if given else None


@pytest.fixture
def long_form(rounds: int | None) -> None:
    """Skips in the short form."""
    if rounds is None:
        pytest.skip("takes long: scripts/faults")


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[Line], None]:
    """Adds a line to the table."""
    return request.config.stash.setdefault(LINES, []).append


@pytest.fixture
def stage_of_faults() -> Iterator[Stage]:
    """A provider that answers as its clients ask it to, and room for a crowd."""
    with Stage() as stage:
        yield stage


@pytest.fixture
def install(tmp_path: Path, stage_of_faults: Stage) -> Iterator[Callable[..., Goldwash]]:
    """Makes a Goldwash in front of the provider, not yet started; it is killed at the end, whatever is left of it."""
    made: list[Goldwash] = []

    def make(**sections: Mapping[str, object]) -> Goldwash:
        given = {"spool": {"segment_mb": 1}, **sections}
        environ = {name: value for name, value in os.environ.items() if name.startswith("FAULT_")}
        goldwash = Goldwash(tmp_path, {"openai": {"url": stage_of_faults.url}}, sections=given, environ=environ)
        made.append(goldwash)
        return goldwash

    yield make
    for goldwash in made:
        goldwash.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[Path, int], None]]:
    """Mounts a small file system in memory at a directory; skips where that is not permitted."""
    mounted: list[Path] = []

    def mount(at: Path, megabytes: int) -> None:
        at.mkdir(parents=True, exist_ok=True, mode=0o700)
        if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
            pytest.skip("only root can mount a small disk, on Linux")
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(at)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
        mounted.append(at)

    yield mount
    for at in reversed(mounted):
        with contextlib.suppress(OSError):
            subprocess.run(["umount", "-l", str(at)], check=False, capture_output=True)
