"""The golden set on disk: `golden/*.jsonl` and `golden/blobs/`, read and written whole, beside the code that it guards."""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Final

from scoring.golden.blobs import MissingBlob, names
from scoring.golden.case import BadCase, GoldenCase, lines_of, text_of

DIRECTORY: Final = Path("golden")
"""Where it is looked for, beside the main configuration file (or in the working directory)."""
NEW: Final = "cases.jsonl"
"""The file that new cases join; a case stays in the file where it is found."""
BLOBS: Final = "blobs"


class GoldenSet:
    """All cases of a directory. `put` and `save`; nothing is written before `save`. Raises BadCase."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._files: dict[str, dict[str, GoldenCase]] = {}
        self._changed: set[str] = set()
        for path in sorted(directory.glob("*.jsonl")):
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise BadCase(f"{path}: cannot be read as UTF-8 text ({error}); correct the path or the file") from error
            cases = lines_of(text, str(path))
            for case in cases:
                other = self.file_of(case.id)
                if other is not None:
                    raise BadCase(f"{path}: id: {case.id} stands in {directory / other} too: keep one of them")
            self._files[path.name] = {case.id: case for case in cases}

    @property
    def cases(self) -> list[GoldenCase]:
        """All cases, sorted by id."""
        return sorted((case for cases in self._files.values() for case in cases.values()), key=lambda case: case.id)

    def file_of(self, case_id: str) -> str | None:
        """The file a case stands in; None = there is no such case."""
        return next((name for name, cases in self._files.items() if case_id in cases), None)

    def find(self, said: str) -> GoldenCase:
        """A case by its id, or by a beginning of it that only it has, or by its exchange's id. Raises BadCase."""
        close = [case for case in self.cases if case.id.startswith(said) or case.source.exchange_id == said] if said else []
        exact = [case for case in close if case.id == said]
        if len(exact or close) == 1:
            return (exact or close)[0]
        if close:
            raise BadCase(f"{said}: {len(close)} cases begin so: {', '.join(case.id for case in close[:5])}; write more of the id")
        raise BadCase(f"{said}: there is no such case in {self.directory}; `goldwash golden list` shows what there is")

    def put(self, case: GoldenCase, file: str | None = None) -> None:
        """Add a case, or replace the one of its id; a new one joins `file`."""
        name = self.file_of(case.id) or file or NEW
        self._files.setdefault(name, {})[case.id] = case
        self._changed.add(name)

    def replace(self, old: str, case: GoldenCase) -> None:
        """Put a case in the place of another whose input was edited, so that its id is another now."""
        name = self.file_of(old) or NEW
        self._files.get(name, {}).pop(old, None)
        self.put(case, name)

    def save(self) -> list[Path]:
        """Write the files that changed, each whole or not at all; their paths."""
        written = []
        self.directory.mkdir(parents=True, exist_ok=True)
        for name in sorted(self._changed):
            path = self.directory / name
            _write(path, text_of(list(self._files[name].values())).encode())
            written.append(path)
        self._changed.clear()
        return written

    def keep(self, blobs: dict[str, bytes]) -> None:
        """Write blobs that are not there yet."""
        for name, data in sorted(blobs.items()):
            path = self.directory / BLOBS / name
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(path, data)

    def blobs(self, cases: Iterable[GoldenCase]) -> dict[str, bytes]:
        """What the cases refer to, by hash. Raises MissingBlob, also where a blob is not what its name says."""
        found: dict[str, bytes] = {}
        for case in cases:
            for name in {*case.input.attachments, *names(case.input.body)}:
                path = self.directory / BLOBS / name
                if not path.is_file():
                    raise MissingBlob(f"{path}: case {case.id} refers to it and it is not there: commit it with the golden files")
                data = path.read_bytes()
                if sha256(data).hexdigest() != name:
                    raise MissingBlob(f"{path}: its content is not what its name says: take it from the commit that added it")
                found[name] = data
        return found


def _write(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    beside.write_bytes(data)
    beside.replace(path)
