"""The compiled lane is taken where it is a build of these very sources, and the sources run otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxy import compiled

SAY = "from proxy import compiled; print(compiled.use()); import proxy.lane.client as c, proxy.spool.writer as w; print(c.__file__, w.__file__)"


def said(**env: str) -> tuple[str, list[str]]:
    """What a fresh interpreter takes: whether a build was found, and the files of two modules."""
    done = subprocess.run(
        [sys.executable, "-c", SAY], cwd=compiled.ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=True
    )
    found, files = done.stdout.splitlines()
    return found, files.split()


def test_every_module_has_a_source() -> None:
    """A module that moved would silently run uncompiled."""
    assert all(compiled.source(module).is_file() for module in compiled.MODULES)


def test_switched_off() -> None:
    """The switch makes the sources run."""
    found, files = said(**{compiled.SWITCH: "0"})
    assert found == "False"
    assert all(file.endswith(".py") for file in files)


def test_a_build_of_these_sources_is_taken() -> None:
    """What scripts/compile made is what runs."""
    if not (compiled.folder() / "complete").is_file():
        pytest.skip("scripts/compile has not been run on these sources (or there is no C compiler)")
    found, files = said(**{compiled.SWITCH: "1"})
    assert found == "True"
    assert all(Path(file).parent == compiled.folder() for file in files)


def test_an_edit_leaves_the_build_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest is of the sources' bytes: after an edit no older build is looked at."""
    before = compiled.folder()
    edited = tmp_path / "tee.py"
    edited.write_bytes(compiled.source("proxy.lane.tee").read_bytes() + b"\n# edited\n")
    real = compiled.source
    monkeypatch.setattr(compiled, "source", lambda module: edited if module == "proxy.lane.tee" else real(module))
    assert compiled.folder() != before
    assert not compiled.use()


def test_nothing_interpreted_inherits_from_what_is_compiled() -> None:
    """Such a class could not be instantiated where the build is used, and nowhere else would that show."""
    import importlib
    import inspect
    import pkgutil

    import proxy

    wrong = []
    for found in pkgutil.walk_packages(proxy.__path__, "proxy."):
        if found.name in compiled.MODULES or found.name.endswith("__main__"):
            continue
        for name, kind in inspect.getmembers(importlib.import_module(found.name), inspect.isclass):
            if kind.__module__ == found.name:
                wrong += [f"{found.name}.{name} < {base.__module__}" for base in kind.__mro__[1:] if base.__module__ in compiled.MODULES]
    assert wrong == []
