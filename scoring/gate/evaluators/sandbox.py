"""Starts generated code and its tests in a process of their own, and takes them down in time (confined.py is what runs there).

What it contains: endless loops, too much memory, files or output, and code that fails in whatever way. Where the kernel has user
namespaces and Landlock also: no network, no file but Python's and the system's, no other process. What it does not: it is no virtual
machine; a flaw in the kernel opens it, and root is not held to a number of processes. `Outcome.held` says what was in force.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

CONFINED: Final = Path(__file__).with_name("confined.py")
TESTS: Final = "test_answer"
MOST_REPORT: Final = 1 << 16
STARTING: Final = 0.5
"""Seconds that Python itself may take, beside the tests."""
SHOWN: Final = 2000
"""Characters of what the code printed that are kept, from its end."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the tests came to."""

    passed: bool | None  # None: the sandbox itself could not be started
    reason: str
    ran: int = 0
    failed: int = 0
    printed: str = ""  # the end of what the code wrote
    held: Mapping[str, bool] = field(default_factory=dict)  # namespaces, files: whether they were in force


async def tested(code: str, tests: str, *, module: str, seconds: float, memory_mb: int) -> Outcome:
    """Runs tests (source text) on code (source text), which they import as `module`. Never raises for what the code does."""
    with tempfile.TemporaryDirectory(prefix="goldwash-tests-") as place:
        directory = Path(place)
        (directory / f"{module}.py").write_text(code, encoding="utf-8", errors="replace")
        (directory / f"{TESTS}.py").write_text(tests, encoding="utf-8")
        nonce = secrets.token_hex(16)
        order = {"nonce": nonce, "directory": str(directory), "tests": TESTS, "seconds": seconds, "memory_mb": memory_mb}
        try:
            async with _turn():
                return await _run(directory, order, seconds)
        except OSError as error:
            return Outcome(None, f"the tests could not be started: {error}")


def _turn() -> asyncio.Semaphore:
    """As many at once as there are processors: with more of them, time would run out for code that is right."""
    return _TURNS.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(os.cpu_count() or 1))


_TURNS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]] = WeakKeyDictionary()


async def _run(directory: Path, order: dict[str, Any], seconds: float) -> Outcome:
    reading, writing = os.pipe()
    printed = directory / ".printed"
    try:
        with printed.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-B",
                str(CONFINED),
                str(writing),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=directory,
                env={"PATH": "/usr/bin:/bin", "HOME": str(directory), "TMPDIR": str(directory), "LANG": "C.UTF-8"},
                pass_fds=(writing,),
                start_new_session=True,
            )
    except BaseException:
        os.close(reading)
        os.close(writing)
        raise
    os.close(writing)
    try:
        late = await _finished(process, json.dumps(order).encode(), seconds + STARTING)
        os.set_blocking(reading, False)
        report = _report(reading, order["nonce"])
    finally:
        os.close(reading)
    said = _tail(printed)
    if late:
        return Outcome(False, f"the tests took longer than {seconds:g} s", printed=said)
    if report is None:
        return Outcome(False, _died(process.returncode or 0, seconds, said), printed=said)
    ran, failed = report["ran"], report["failed"]
    held = {name: bool(value) for name, value in report["held"].items()}
    if failed:
        return Outcome(
            False,
            f"{failed} of {max(ran, failed)} tests failed, first {report.get('first')}: {report.get('words')}",
            ran,
            failed,
            said,
            held,
        )
    if not ran:
        return Outcome(None, "the test file holds no test: write functions test_…() or a unittest.TestCase", printed=said, held=held)
    return Outcome(True, f"{ran} tests pass", ran, 0, said, held)


async def _finished(process: asyncio.subprocess.Process, order: bytes, seconds: float) -> bool:
    """Waits for the end, and makes one in time; whether it had to."""
    try:
        await asyncio.wait_for(process.communicate(order), seconds)
    except TimeoutError:
        late = True
    else:
        late = False
    finally:  # also where the run itself is cancelled
        await asyncio.shield(_ended_all(process))
    return late


async def _ended_all(process: asyncio.subprocess.Process) -> None:
    """Ends the process and what it started: its child by its own hand, wherever that child has gone, and then the whole group."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), 1)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _report(reading: int, nonce: str) -> dict[str, Any] | None:
    """The result that the confined process wrote at its end; None where it never came so far."""
    try:
        value = json.loads(os.read(reading, MOST_REPORT) or b"null")
    except (BlockingIOError, ValueError):
        return None
    if not isinstance(value, dict) or value.get("nonce") != nonce:
        return None
    is_whole = isinstance(value.get("ran"), int) and isinstance(value.get("failed"), int) and isinstance(value.get("held"), dict)
    return value if is_whole else None


def _died(code: int, seconds: float, said: str) -> str:
    if code in (-signal.SIGXCPU, signal.SIGXCPU, 256 - signal.SIGXCPU):
        return f"the tests took longer than {seconds:g} s of the processor"
    last = f": {said.strip().splitlines()[-1][:200]}" if said.strip() else ""
    return f"the process ended (code {code}) before its tests did{last}"


def _tail(printed: Path) -> str:
    try:
        with printed.open("rb") as file:
            file.seek(max(0, printed.stat().st_size - 4 * SHOWN))
            return file.read().decode("utf-8", "replace")[-SHOWN:]
    except OSError:
        return ""
