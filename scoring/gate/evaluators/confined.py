"""Runs unit tests on generated code inside a process that has given up what it could do harm with; started by sandbox.py, never imported.

    python -I -B confined.py REPORT < order.json        REPORT: a descriptor for the result

It takes limits on itself, leaves the network and the other processes (namespaces), the files (Landlock) and every way to gain rights again,
where the kernel lets it, and only then loads the tests and through them the generated code. Only Python's own library: nothing of ours, and
nothing that is installed, is loaded before.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import resource
import signal
import struct
import sys
import traceback
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
"""Flags of unshare(2)."""
PDEATHSIG, NO_NEW_PRIVS = 1, 38
"""Options of prctl(2)."""
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""System calls of Landlock, the same on every architecture."""
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
READABLE = EXECUTE | READ_FILE | READ_DIR
RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Rights over files that each version of Landlock knows; all of them are taken away but those given back."""
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/dev/full")
LINUX = sys.platform == "linux"
MOST_OPEN, MOST_WRITTEN, MOST_PROCESSES = 64, 16 << 20, 32


def main(report: int) -> None:
    """One order, one result; what could not be given up stands in the result."""
    order = json.loads(sys.stdin.read())
    sys.stdin.close()
    os.set_inheritable(report, False)
    libc = ctypes.CDLL(None, use_errno=True)
    _limits(order)
    held = {"namespaces": _alone(libc)}
    child = os.fork()  # the first process of its own namespace: when it ends, everything it started ends
    if child:
        os.close(report)
        signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
        _, status = os.waitpid(child, 0)
        sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
    if LINUX:
        libc.prctl(PDEATHSIG, signal.SIGKILL)
        libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0)
    held["files"] = _landlock(libc, order["directory"])
    result = _run(order)
    os.write(report, json.dumps({"nonce": order["nonce"], "held": held, **result}).encode()[:60_000])
    sys.stdout.flush()
    os._exit(0)  # nothing that the code left behind may run any more


def _limits(order: dict[str, Any]) -> None:
    seconds, memory = int(order["seconds"]) + 1, order["memory_mb"] << 20
    wanted = (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, MOST_WRITTEN),
        (resource.RLIMIT_NOFILE, MOST_OPEN),
        (resource.RLIMIT_NPROC, _mine() + MOST_PROCESSES),
        (resource.RLIMIT_CORE, 0),
    )
    for kind, most in wanted:
        hard = resource.getrlimit(kind)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS knows some of them by name alone
            resource.setrlimit(kind, (least, least))


def _mine() -> int:
    """Threads of this user by now: the limit counts all of them, wherever they run."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        if lines.get("Uid", "").split()[:1] == [str(os.getuid())]:
            total += int(lines.get("Threads", "1"))
    return total


def _alone(libc: ctypes.CDLL) -> bool:
    """No network, no view of other processes, no shared memory with them. Needs user namespaces."""
    return LINUX and bool(libc.unshare(NEWUSER | NEWNET | NEWPID | NEWIPC | NEWUTS | NEWNS) == 0)


def _landlock(libc: ctypes.CDLL, directory: str) -> bool:
    """Reads the system and Python, writes the temporary directory, and sees no other file. Needs Landlock (Linux 5.13)."""
    version = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), 1) if LINUX else 0
    if version < 1:
        return False
    rights = RIGHTS.get(min(version, 5), RIGHTS[1])
    fields = [rights]
    if version >= 4:
        fields.append(3)  # bind and connect, where there are no namespaces
    if version >= 6:
        fields.append(3)  # abstract sockets of others, and signals to them
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return False
    pythons = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    for path, given in [
        *((one, READABLE) for one in (*SYSTEM, *pythons)),
        *((one, READ_FILE | WRITE_FILE) for one in DEVICES),
        (directory, rights),
    ]:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        allowed = given & rights if Path(path).is_dir() else given & rights & (EXECUTE | READ_FILE | WRITE_FILE)
        libc.syscall(ADD_RULE, ruleset, 1, struct.pack("=Qi", allowed, place), 0)
        os.close(place)
    done = libc.syscall(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return bool(done == 0)


def _run(order: dict[str, Any]) -> dict[str, Any]:
    """What the tests come to: how many ran, and the first that failed with its words."""
    os.chdir(order["directory"])
    sys.path.insert(0, order["directory"])
    try:
        tests = importlib.import_module(order["tests"])
    except BaseException as error:  # SystemExit and whatever else the code raises
        return {"ran": 0, "failed": 1, "first": "loading the tests", "words": _words(error)}
    ran, failures = 0, []
    for name, test in _functions(tests):
        ran += 1
        try:
            test()
        except BaseException as error:
            failures.append((name, _words(error)))
    outcome = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromModule(tests).run(outcome)
    ran += outcome.testsRun - len(outcome.skipped)
    failures += [(str(test), words.strip().splitlines()[-1]) for test, words in (*outcome.failures, *outcome.errors)]
    failures += [(str(test), "passed, and was expected to fail") for test in outcome.unexpectedSuccesses]
    first, words = failures[0] if failures else (None, None)
    return {"ran": ran, "failed": len(failures), "first": first, "words": words}


def _functions(module: Any) -> list[tuple[str, Callable[[], Any]]]:
    """Functions test_…() of the module without parameters, in the order in which they stand there."""
    named = [(name, one) for name, one in vars(module).items() if name.startswith("test") and callable(one) and not isinstance(one, type)]
    return [(name, one) for name, one in named if getattr(one, "__module__", None) == module.__name__]


def _words(error: BaseException) -> str:
    lines = traceback.format_exception_only(type(error), error)
    frames = traceback.extract_tb(error.__traceback__)
    place = next((f" ({Path(one.filename).name}, line {one.lineno}: {one.line})" for one in reversed(frames) if one.line), "")
    return ("".join(lines).strip() + place)[:1000]


if __name__ == "__main__":
    main(int(sys.argv[1]))
