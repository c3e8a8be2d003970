"""Answers that are kept: a cache that saves money, a store in the repository that decides without a key, and a plain file of answers.

The cache (data_dir/gate/cache) forgets after some days. The store (`--record DIR`, `--recorded DIR`) is made by a maintainer's run and
committed; each answer stands there under the fingerprint of all that decided it, so that what is stale is told from what fits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from proxy.accounting.pricing import Pricer
from scoring.gate.reply import Reply, of_json
from scoring.gate.results import BadInput
from scoring.gate.targets.patience import Refused
from scoring.gate.targets.program import of_value
from scoring.gate.targets.requests import Prepared
from scoring.gate.targets.variants import Variant

JUDGES: Final = "judges.json"
"""What judges answered, beside the answers they judged."""
RAW: Final = 16_384
"""Characters of an answer's raw bytes that the store keeps; longer ones would swell the repository."""
FIX: Final = "a maintainer's run is needed: `goldwash gate … --record {folder}` with the keys, then commit {folder}"


class Keeps(Protocol):
    """Somewhere answers are kept."""

    def get(self, variant: Variant, prepared: Prepared, run: int) -> Reply | None:
        """The answer, or None; one with an error where it must not be asked for elsewhere."""

    def put(self, variant: Variant, prepared: Prepared, run: int, reply: Reply) -> None:
        """Keep an answer."""

    def close(self) -> None:
        """Write what is not written yet."""


class Cache:
    """A file an answer; read and written by any number of runs at once."""

    def __init__(self, folder: Path, days: float) -> None:
        self._folder, self._seconds = folder, days * 86_400

    def get(self, variant: Variant, prepared: Prepared, run: int) -> Reply | None:
        """None also where it is too old or cannot be read."""
        if not variant.is_repeatable:
            return None
        path = self._path(prepared, run)
        try:
            if time.time() - path.stat().st_mtime > self._seconds:
                return None
            return of_json(orjson.loads(path.read_bytes()))
        except (OSError, orjson.JSONDecodeError):
            return None

    def put(self, variant: Variant, prepared: Prepared, run: int, reply: Reply) -> None:
        """Failures to answer are not kept."""
        if variant.is_repeatable and reply.error is None and not reply.is_cached:
            path = self._path(prepared, run)
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, orjson.dumps(reply.as_json()))

    def close(self) -> None:
        """Nothing is left to write."""

    def _path(self, prepared: Prepared, run: int) -> Path:
        name = prepared.of_run(run)
        return self._folder / name[:2] / f"{name}.json"


class Recorded:
    """A folder of JSONL files, one a target, a line a run: fit for `git diff`."""

    def __init__(self, folder: Path, *, writes: bool) -> None:
        self._folder, self._writes = folder, writes
        self._rows: dict[str, dict[tuple[str, int], dict[str, Any]]] = {}
        self._changed: set[str] = set()
        if not writes and not folder.is_dir():
            raise BadInput(f"{folder}: there are no recorded answers: {FIX.format(folder=folder)}")

    def get(self, variant: Variant, prepared: Prepared, run: int) -> Reply | None:
        """When deciding on recorded answers alone, one that is missing or stale is a Reply whose error says so."""
        if self._writes:
            return None
        row = self._of(variant).get((prepared.case.id, run))
        reply = of_json(row["reply"]) if row is not None and row["fingerprint"] == prepared.of_run(run) else None
        if reply is not None:
            return reply
        what = "is not there" if row is None else "is stale: the case, the prompt, the model or the parameters have changed since"
        return Reply(error=f"the recorded answer to run {run} {what}; {FIX.format(folder=self._folder)}")

    def put(self, variant: Variant, prepared: Prepared, run: int, reply: Reply) -> None:
        """Takes the place of the answer to the same run of the same case."""
        if not self._writes or reply.error is not None:
            return
        if not variant.is_repeatable:
            raise BadInput(f"[target.{variant.name}] is a program, and nothing says which files make its answers: name them in watch first")
        kept = reply if len(reply.raw or "") <= RAW else replace(reply, raw=None)
        row = {"case": prepared.case.id, "run": run, "fingerprint": prepared.of_run(run), "reply": kept.as_json()}
        self._of(variant)[(prepared.case.id, run)] = row
        self._changed.add(variant.name)

    def close(self) -> None:
        """Write what changed, each file whole or not at all."""
        for name in sorted(self._changed):
            self._folder.mkdir(parents=True, exist_ok=True)
            rows = sorted(self._rows[name].items())
            lines = b"".join(orjson.dumps(row, option=orjson.OPT_SORT_KEYS) + b"\n" for _, row in rows)
            _write(self._folder / f"{name}.jsonl", lines)
        self._changed.clear()

    def _of(self, variant: Variant) -> dict[tuple[str, int], dict[str, Any]]:
        if variant.name not in self._rows:
            path = self._folder / f"{variant.name}.jsonl"
            self._rows[variant.name] = {(row["case"], row["run"]): row for row in _lines(path)} if path.is_file() else {}
        return self._rows[variant.name]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for place, row in objects(path):
        if not isinstance(row.get("case"), str) or not isinstance(row.get("run"), int) or not {"fingerprint", "reply"} <= row.keys():
            raise BadInput(f"{place}: this is no recorded answer: record the set again")
        yield row


class PlainFile:
    """A user's own answers: lines of {"case", "run"?, "text", "tool_calls", "context", "usage"}; a line without a run answers every run."""

    def __init__(self, path: Path, pricer: Pricer) -> None:
        self._path, self._pricer = path, pricer
        self._rows: dict[tuple[str, int | None], dict[str, Any]] = {}
        for place, row in objects(path):
            if not isinstance(row.get("case"), str):
                raise BadInput(f'{place}: "case" is missing: an answer names its case, such as {{"case": "…", "text": "…"}}')
            self._rows[(row["case"], row.get("run"))] = row

    def answer(self, variant: Variant, case: str, run: int) -> Reply:
        """The answer to a run; one with an error where there is none."""
        row = self._rows.get((case, run)) or self._rows.get((case, None))
        if row is None:
            return Reply(error=f"{self._path} holds no answer to run {run}: add one")
        try:
            return of_value(row, variant, self._pricer, latency_ms=row.get("latency_ms"))
        except Refused as refused:
            return Reply(error=f"{self._path}: {refused}")


def objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSONL file, each with its place. Raises BadInput."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}: name a JSONL file of answers") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise BadInput(f"{path}:{number}: {error}: each line must be one JSON object") from error
        if not isinstance(row, dict):
            raise BadInput(f"{path}:{number}: a {type(row).__name__} is no answer: each line must be one JSON object")
        yield f"{path}:{number}", row


def judged(path: Path) -> dict[str, dict[str, Any]]:
    """What judges answered, by key; nothing where the file is not there or cannot be read."""
    try:
        kept = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return {key: value for key, value in kept.items() if isinstance(value, dict)} if isinstance(kept, dict) else {}


def keep_judged(path: Path, memory: Mapping[str, Any]) -> None:
    """Writes them whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, orjson.dumps(memory, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2) + b"\n")


def _write(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    beside.write_bytes(data)
    beside.replace(path)
