"""Keeps the house: three floors with imports only downwards, no circles, a reason in each file's first line, pages that match the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from config.reference import page
from proxy.providers import SESSIONS, SHELF
from proxy.providers.reference import page as dialects

ROOT = Path(__file__).parent.parent
FLOORS = ("config", "proxy", "scoring")
"""From the ground up: a floor imports itself and what lies below it."""
PURE = (
    "proxy/streams",
    "proxy/providers",
    "proxy/accounting",
    "proxy/exchange.py",
    "proxy/reading.py",
    "proxy/semconv.py",
    "proxy/service/exposition.py",
    "proxy/demo/wire.py",
    "proxy/demo/shop.py",
    "scoring/gate/reports",
    "scoring/gate/figures.py",
    "scoring/gate/evaluators/retrieval.py",
)
"""Rooms that touch no socket, clock, random source, environment or file."""
IMPURE = frozenset(
    {"socket", "asyncio", "aiohttp", "time", "random", "secrets", "os", "subprocess", "tempfile", "shutil", "httptools", "uvloop", "duckdb"}
)
VAGUE = frozenset({"utils", "util", "helpers", "helper", "models", "misc", "common"})


def _sources(*floors: str) -> list[Path]:
    return sorted(file for floor in floors for file in (ROOT / floor).rglob("*.py"))


def _module(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def _imports(file: Path, *, at_load: bool) -> Iterator[str]:
    """Names a file imports; at_load leaves out what is imported inside functions or for the type checker only."""

    def visit(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: write the whole name instead of a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif at_load and (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _is_type_checking(node)):
            return
        for child in ast.iter_child_nodes(node):
            yield from visit(child)

    yield from visit(_tree(file))


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_go_only_downwards(floor):
    """config imports neither of the others, proxy not scoring, not even inside a function."""
    above = FLOORS[FLOORS.index(floor) + 1 :]
    wrong = [f"{_module(f)} imports {name}" for f in _sources(floor) for name in _imports(f, at_load=False) if name.split(".")[0] in above]
    assert wrong == []


def test_no_import_goes_in_a_circle():
    """The modules of the three floors can be sorted so that each imports only earlier ones."""
    modules = {_module(file): file for file in _sources(*FLOORS)}
    graph: dict[str, set[str]] = {}
    for name, file in modules.items():
        wanted = {imported if imported in modules else imported.rpartition(".")[0] for imported in _imports(file, at_load=True)}
        graph[name] = (wanted & modules.keys()) - {name}
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle: {' -> '.join([*path[path.index(name) :], name])}"
        if name not in done:
            for other in sorted(graph[name]):
                walk(other, (*path, name))
            done.add(name)

    for name in sorted(graph):
        walk(name, ())


def test_pure_rooms_stay_pure():
    """Parsing, pricing and reading import nothing that reaches outside."""
    files = [file for room in PURE for file in ([ROOT / room] if room.endswith(".py") else _sources(room))]
    wrong = [
        f"{_module(f)} imports {name}" for f in files if f.exists() for name in _imports(f, at_load=False) if name.split(".")[0] in IMPURE
    ]
    assert wrong == []


def test_every_file_says_why_it_exists():
    """The first statement of a source file is a docstring."""
    wrong = [str(file.relative_to(ROOT)) for file in _sources(*FLOORS, "tests") if not ast.get_docstring(_tree(file))]
    assert wrong == []


def test_every_test_says_what_it_shows():
    """A test function has a docstring: one sentence of behaviour."""
    wrong = [
        f"{file.relative_to(ROOT)}::{node.name}"
        for file in _sources("tests")
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert wrong == []


def test_no_file_has_a_vague_name():
    """A file is named for the one thing in it."""
    wrong = [str(file.relative_to(ROOT)) for file in _sources(*FLOORS) if file.stem in VAGUE]
    assert wrong == []


def test_the_configuration_page_is_fresh():
    """docs/configuration.md is what scripts/docs would write now."""
    assert (ROOT / "docs/configuration.md").read_text(encoding="utf-8") == page(), "run scripts/docs"


def test_the_dialects_page_is_fresh_and_whole():
    """docs/dialects.md is what scripts/docs would write now, and every reader says what it reads and whom it follows."""
    assert (ROOT / "docs/dialects.md").read_text(encoding="utf-8") == dialects(), "run scripts/docs"
    for reader in {line.reader for line in (*SHELF, *SESSIONS)}:
        assert reader.source.startswith("https://"), reader
        assert reader.reads, reader
        assert reader.unknown, reader


def test_chores_are_short_and_say_what_they_do():
    """One word a chore, under 20 lines, its second line a comment that says what for."""
    for script in (ROOT / "scripts").iterdir():
        lines = script.read_text(encoding="utf-8").splitlines()
        assert re.fullmatch(r"[a-z]+", script.name), script
        assert len(lines) < 20, f"{script}: {len(lines)} lines"
        assert lines[1].startswith("# "), script


def test_locks_name_no_host():
    """The locks hold hashes and versions; where the packages come from is the installer's own setting."""
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text(encoding="utf-8")
        assert "--hash=sha256:" in text
        assert not re.search(r"://|--index|--extra|--find-links|--trusted", text), lock


def test_help_is_quick_because_it_imports_nothing():
    """Listing the commands loads neither settings nor a command: no pydantic, aiohttp or DuckDB."""
    code = "import sys, proxy.cli\ntry: proxy.cli.main(['--help'])\nexcept SystemExit: pass\nprint(sorted({'pydantic','aiohttp','duckdb','rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
