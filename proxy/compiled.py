"""The hottest modules as machine code: built by mypyc from the very sources, and taken only where the build is of just these sources.

Nothing else changes: a module that is compiled does what its source says, and without a build the source runs. Builds lie apart from
the sources, in build/compiled/ under a digest of them, so an edit is never shadowed by an older build. `scripts/compile` makes one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

ROOT: Final = Path(__file__).parents[1]
SWITCH: Final = "GOLDWASH_COMPILED"
"""Set to 0 to run the sources although a build is there."""
MODULES: Final = (
    "proxy.accounting.pricing",
    "proxy.accounting.tariff",
    "proxy.accounting.units",
    "proxy.lane.capture",
    "proxy.lane.chunked",
    "proxy.lane.client",
    "proxy.lane.exchange",
    "proxy.lane.headers",
    "proxy.lane.held",
    "proxy.lane.ids",
    "proxy.lane.include_usage",
    "proxy.lane.lane",
    "proxy.lane.pool",
    "proxy.lane.request",
    "proxy.lane.spooled",
    "proxy.lane.tee",
    "proxy.lane.upstream",
    "proxy.lane.websocket",
    "proxy.log.assemble",
    "proxy.log.bodies",
    "proxy.log.columns",
    "proxy.log.ingest",
    "proxy.log.intake",
    "proxy.log.metadata",
    "proxy.log.open_exchanges",
    "proxy.log.redaction",
    "proxy.log.rows",
    "proxy.log.segments",
    "proxy.providers.compatible",
    "proxy.providers.fields",
    "proxy.reading",
    "proxy.spool.frames",
    "proxy.spool.reader",
    "proxy.spool.writer",
    "proxy.storable",
    "proxy.streams.sse",
)
"""What every request passes, and every row."""
GROUP: Final = "goldwash_lane"
_SUFFIX: Final = EXTENSION_SUFFIXES[0]


def source(module: str) -> Path:
    """The file of a module."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def folder() -> Path:
    """Where a build of these sources for this interpreter lies, or would lie. Raises OSError where the sources cannot be read."""
    digest = hashlib.sha256(f"{sys.version}{sysconfig.get_platform()}{_SUFFIX}".encode())
    for path in (Path(__file__), *map(source, MODULES)):
        digest.update(path.read_bytes())
    return ROOT / "build" / "compiled" / digest.hexdigest()[:16]


class _Finder(MetaPathFinder):
    """Finds the compiled modules before the sources are looked at."""

    def __init__(self, place: Path) -> None:
        self._places = {name: place / f"{name}{_SUFFIX}" for name in (*MODULES, f"{GROUP}__mypyc")}

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        place = self._places.get(fullname)
        if place is None:
            return None
        return spec_from_file_location(fullname, place, loader=ExtensionFileLoader(fullname, str(place)))


def use() -> bool:
    """Take the build for all that this process imports from here on; whether there is one. Call it before the modules are imported."""
    if os.environ.get(SWITCH, "") == "0":
        return False
    try:
        place = folder()
    except OSError:
        return False
    if not (place / "complete").is_file():
        return False
    sys.meta_path.insert(0, _Finder(place))
    return True


_OTHERS: Final = "aiohttp botocore click httptools numpy opentelemetry orjson pyarrow pydantic pydantic_core rich structlog uvloop".split()
_TYPES: Final = (
    "[mypy]\nexplicit_package_bases = True\nignore_missing_imports = True\n"
    f"[mypy-{','.join(f'{name}.*' for name in _OTHERS)}]\nfollow_imports = skip\n"  # reading them takes longer than compiling ours
)
_SETUP: Final = """
from mypyc.build import mypycify
from setuptools import setup
setup(name="goldwash-compiled", packages=[], ext_modules=mypycify({files!r}, opt_level="1", debug_level="0", group_name={group!r}))
"""


def build() -> Path:
    """Compile. Raises subprocess.CalledProcessError, with the compiler's words in `output`."""
    place = folder()
    files = [str(source(module).relative_to(ROOT)) for module in MODULES]
    with tempfile.TemporaryDirectory(prefix="goldwash-compile-") as name:
        work = Path(name)
        for package in ("config", "proxy"):
            shutil.copytree(ROOT / package, work / package, ignore=shutil.ignore_patterns("__pycache__"))
        (work / "mypy.ini").write_text(_TYPES)
        (work / "setup.py").write_text(_SETUP.format(files=files, group=GROUP))
        command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
        subprocess.run(command, cwd=work, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=place.parent))
        for module in MODULES:
            shutil.copy(work.joinpath(*module.split(".")).with_name(f"{module.rpartition('.')[2]}{_SUFFIX}"), fresh / f"{module}{_SUFFIX}")
        shutil.copy(work / f"{GROUP}__mypyc{_SUFFIX}", fresh)
        (fresh / "complete").touch()
    for old in place.parent.iterdir():  # builds of sources that are gone
        if old != fresh:
            shutil.rmtree(old, ignore_errors=True)
    fresh.chmod(0o755)
    shutil.rmtree(place, ignore_errors=True)
    fresh.rename(place)
    return place


def main() -> int:
    """`python -m proxy.compiled`: build, and say what came of it; 0 also where it cannot be done, since nothing depends on it."""
    if (folder() / "complete").is_file():
        return 0
    sys.stderr.write("Compiling the lane (once; about a minute) …\n")
    try:
        place = build()
    except subprocess.CalledProcessError as error:
        lines = str(error.output).strip().splitlines()
        why = lines[-1] if lines else f"exit code {error.returncode}"
    else:
        sys.stdout.write(f"{len(MODULES)} modules compiled: {place.relative_to(ROOT)}\n")
        return 0
    sys.stdout.write(f"not compiled, the sources run instead, which costs about half as much CPU again a request: {why}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
