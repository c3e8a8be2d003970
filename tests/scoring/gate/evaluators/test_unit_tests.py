"""Generated code in its sandbox: right and wrong code, code that does not end, and code that reaches for what is not its own."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from pathlib import Path

import pytest

from scoring.gate.evaluators import evaluate, sandbox
from scoring.gate.evaluators.sandbox import Outcome
from scoring.gate.evaluators.unit_tests import code_of
from tests.scoring.gate.evaluators.made import case, reply

TESTS = "from answer import f\n\n\ndef test_it():\n    assert f(2) == 4, f(2)\n\n\ndef test_zero():\n    assert f(0) == 0\n"


async def run(code: str, tests: str = TESTS, seconds: float = 30.0) -> Outcome:
    return await sandbox.tested(code, tests, module="answer", seconds=seconds, memory_mb=256)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("Here:\n```python\nx = 1\n```\nand\n```py\ny = 2\n```\nRun it:\n```sh\nrm -rf /\n```", "x = 1\n\n\ny = 2\n"),
        ("```\nx = 1\n```", "x = 1\n"),
        ("x = 1", "x = 1"),
        ("```sh\nls\n```", ""),
    ],
)
def test_the_code_of_an_answer(answer, code):
    """Python blocks before blocks without a language, blocks before the whole text, and no other language's."""
    assert code_of(answer) == code


async def test_right_code_passes_and_wrong_code_fails_with_the_assertion(tmp_path: Path):
    """The grade names the test, its words and its line; the share of tests that passed is its score."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "double.py").write_text(TESTS)
    wanted = case(expected={"test_file": "tests/double.py"})
    right = await evaluate(wanted, reply("```python\ndef f(x):\n    return x * 2\n```"), directory=tmp_path)
    assert (right.passed, right.grades[0].detail["ran"], right.grades[0].score) == (True, 2, 1.0), right
    wrong = await evaluate(wanted, reply("```python\ndef f(x):\n    return x * 3\n```"), directory=tmp_path)
    assert (wrong.passed, wrong.deterministic, wrong.grades[0].score) == (False, True, 0.5)
    assert "test_it: AssertionError: 6" in wrong.reason


@pytest.mark.parametrize(
    ("named", "why"),
    [("../secrets.py", "outside"), ("/etc/passwd", "outside"), ("tests/none.py", "commit it"), ("a.js", "Python")],
)
async def test_test_files_lie_in_the_golden_set(tmp_path: Path, named: str, why: str):
    """A case can run no file from elsewhere; a file that is not there is no failure of the release."""
    found = await evaluate(case(expected={"test_file": named}), reply("x = 1"), directory=tmp_path)
    assert found.passed is None
    assert why in (found.error or "")


async def test_unittest_classes_run_too():
    """Methods of a TestCase count as tests."""
    tests = "import unittest, answer\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(answer.f(1), 2)\n    def test_b(self): self.fail('no')\n"
    outcome = await run("def f(x): return 2 * x", tests)
    assert (outcome.ran, outcome.failed, outcome.passed) == (2, 1, False)
    assert "AssertionError: no" in outcome.reason


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import os\nos._exit(0)", "before its tests did"),
        ("import sys\nsys.exit(0)", "SystemExit"),
        ("def f(x)", "SyntaxError"),
        ("def f(x): return bytearray(1 << 30)", "MemoryError"),
        ("def f(x):\n    open('big', 'wb').write(bytes(64 << 20))", "File too large"),
        ("def f(x): return f(x)", "RecursionError"),
        ('print(\'{"nonce": "x", "ran": 5, "failed": 0}\')\nraise SystemExit', "SystemExit"),
    ],
)
async def test_code_that_breaks_out_fails(code, why):
    """To end early, to overflow and to claim success without the tests are failures with a reason."""
    outcome = await run(code)
    assert outcome.passed is False
    assert why in outcome.reason


@pytest.mark.parametrize(
    "code", ["while True: pass", "import time\ntime.sleep(60)", "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"]
)
async def test_what_does_not_end_is_ended_with_all_it_started(code):
    """Loops, sleeps and forks are over in time, and nothing of them is left."""
    marker = f"goldwash-{os.getpid()}-{time.monotonic_ns()}"
    began = time.monotonic()
    outcome = await run(f"MARK = '{marker}'\n{code}", seconds=1)
    assert outcome.passed is False
    assert "longer than" in outcome.reason
    assert time.monotonic() - began < 20


def working_directories() -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            found.append(str(entry.readlink()))
        except OSError:
            continue
    return found


async def test_it_cannot_escape_by_a_session_of_its_own(tmp_path: Path):
    """A daemon that the code starts, in a session of its own, ends with it."""
    marker = f"daemon-{os.getpid()}-{time.monotonic_ns()}"
    beat = (
        f"import os, time\nos.mkdir('{marker}')\n"
        f"if os.fork() == 0:\n    os.setsid()\n    os.chdir('{marker}')\n    if os.fork() == 0:\n        while True: time.sleep(0.05)\n"
        "    os._exit(0)\ndef f(x): return 2 * x"
    )
    outcome = await run(beat)
    if not outcome.held.get("namespaces"):
        pytest.skip("this kernel gives no user namespaces to this user")
    assert outcome.passed is True
    assert not [place for place in working_directories() if marker in place]


async def test_it_inherits_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch):
    """Keys of the run are not there to be read."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    outcome = await run("import os\ndef f(x): return ','.join(sorted(os.environ))")
    assert "OPENAI" not in outcome.reason
    assert "AssertionError: HOME,LANG,PATH,TMPDIR" in outcome.reason, outcome.reason


async def test_it_reaches_neither_network_nor_files():
    """Where the kernel gives namespaces and Landlock: a listening port here and a file of ours are out of reach, and pid 1 is itself."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        call = await run(f"import socket\ndef f(x): return socket.create_connection(('127.0.0.1', {port}), 1)")
    if not call.held.get("namespaces") or not call.held.get("files"):
        pytest.skip(f"this kernel holds {dict(call.held)}")
    assert "Error" in call.reason
    assert "AssertionError" not in call.reason
    read = await run(f"def f(x): return open({__file__!r}).read()")
    assert "PermissionError" in read.reason
    listed = await run("import os\ndef f(x): return os.listdir('/proc')")
    assert "PermissionError" in listed.reason
    alone = await run("import os\ndef f(x): return os.getpid()")
    assert "AssertionError: 1" in alone.reason


async def test_many_run_at_once():
    """Sandboxes do not stand in each other's way."""
    outcomes = await asyncio.gather(*(run(f"def f(x): return {n} * x") for n in (2, 3, 2, 3)))
    assert [outcome.passed for outcome in outcomes] == [True, False, True, False]


async def test_a_forged_report_is_no_report():
    """Neither a result without the run's secret nor one that lacks its figures is believed, and none of them ends the run."""
    forged = "import os\nfor fd in range(3, 20):\n    try: os.write(fd, b'{}')\n    except OSError: pass\n"
    for line in ('{"nonce": "x", "ran": 1, "failed": 0, "held": {}}', '{"nonce": "x"}', "[]", "null", "{"):
        outcome = await run(forged.replace("{}", line) + "os._exit(0)")
        assert outcome.passed is False
        assert "before its tests did" in outcome.reason
    steals = (
        "import gc, json, os\n"
        "nonce = next((one['nonce'] for one in gc.get_objects() if isinstance(one, dict) and 'nonce' in one), '')\n"
        "for fd in range(3, 20):\n    try: os.write(fd, json.dumps({'nonce': nonce}).encode())\n    except OSError: pass\nos._exit(0)"
    )
    assert (await run(steals)).passed is False
