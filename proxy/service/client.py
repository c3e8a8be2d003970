"""How commands reach the log: through the running log service where there is one, else by opening the log themselves.

Both ways obey the same guard and the same limits, and give the same bytes.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self, cast

from config.settings import Settings
from proxy.log.attach import LAKE, Log, LogError, LogLocked
from proxy.log.guard import Refused
from proxy.service import state
from proxy.service.readers import IN_MEMORY, Answer, Limits, QueryError, Readers
from proxy.service.snapshots import snapshot
from proxy.spool.frames import FrameError
from proxy.spool.reader import SegmentReader, runs

GREETING: Final = 2.0
"""Seconds that the service may take to say that it is there."""
PATIENCE: Final = 15.0
"""Seconds to wait where the log is held by a service that does not answer yet: it is starting, or draining."""


class ServiceError(Exception):
    """The service refused or failed; the text ends with what to do."""

    exit_code = 1

    def __init__(self, status: int, error: str, hint: str) -> None:
        super().__init__(f"{error}: {hint}" if hint else error)
        self.status, self.error, self.hint = status, error, hint


class NoLog(Exception):
    """Nothing was ever logged here."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Remote:
    """A log service that answers."""

    at: state.State
    token: str | None

    def post(self, path: str, body: dict[str, Any], timeout: float) -> http.client.HTTPResponse:
        """The open answer to a POST. Raises ServiceError, and OSError where it is gone."""
        connection = http.client.HTTPConnection(self.at.reach, self.at.port, timeout=timeout)
        # the answer owns the socket then, and closes it with itself
        headers = {
            "Content-Type": "application/json",
            "Connection": "close",
            **({"Authorization": f"Bearer {self.token}"} if self.token else {}),
        }
        connection.request("POST", path, json.dumps(body).encode(), headers)
        response = connection.getresponse()
        if response.status >= 300:
            with response:
                text = response.read().decode("utf-8", "replace")
            try:
                said = json.loads(text)
            except ValueError:
                said = {}
            raise ServiceError(response.status, said.get("error") or text or response.reason, said.get("hint") or "")
        return response

    def sql(self, sql: str, name: str, parameters: Any, timeout: float) -> Answer:
        """A finished result, fetched whole. Raises ServiceError."""
        began = time.monotonic()
        body = {"sql": sql, "format": name, **({"params": parameters} if parameters else {})}
        file = cast(IO[bytes], tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115  the answer carries it on
        try:
            with self.post("/api/sql", body, timeout) as response:
                shutil.copyfileobj(response, file)
        except BaseException:
            file.close()
            raise
        size = file.tell()
        if size != int(response.headers["Content-Length"]):
            file.close()
            raise ServiceError(502, "the answer was cut off", "run it again")
        file.seek(0)
        truncated = response.headers["Goldwash-Truncated"] == "true"
        return Answer(file, size, int(response.headers["Goldwash-Rows"]), truncated, name, time.monotonic() - began)

    def json(self, path: str, body: dict[str, Any], timeout: float) -> dict[str, Any]:
        """The JSON answer to a POST. Raises ServiceError."""
        with self.post(path, body, timeout) as response:
            answer: dict[str, Any] = json.load(response)
        return answer


def find(settings: Settings) -> Remote | None:
    """The log service of this data directory, if it runs and answers."""
    at = state.read(settings.data_dir)
    if at is None or not state.alive(at):
        return None
    token = None
    if at.token_file is not None:
        try:
            token = Path(at.token_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ServiceError(
                401, f"{at.token_file} cannot be read ({error.strerror})", "run this as the user who runs goldwash"
            ) from error
    connection = http.client.HTTPConnection(at.reach, at.port, timeout=GREETING)
    try:
        connection.request("GET", "/healthz", headers={"Connection": "close"})
        with connection.getresponse() as response:
            return Remote(at, token) if response.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Access:
    """The log, however it can be reached. A context manager.

    `remote` is the service, or None where `log` was opened here. Raises LogError, NoLog, ServiceError.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.remote, self.log = _reach(settings)
        self._readers: Readers | None = None

    def sql(self, sql: str, name: str = "json", parameters: Any = None) -> Answer:
        """Run a query under the limits of `[sql]`. Raises ServiceError."""
        limits = Limits(self.settings.sql.max_rows, self.settings.sql.timeout)
        if self.remote is not None:
            return self.remote.sql(sql, name, parameters, limits.timeout + 60.0)
        assert self.log is not None
        if self._readers is None:
            self._readers = Readers(self.log.cursor, Path(tempfile.gettempdir()), threads=1)
        try:
            return self._readers.submit(sql, parameters, name, limits, threading.Event()).result()
        except Refused as error:
            raise ServiceError(400, str(error), error.hint) from error
        except QueryError as error:
            raise ServiceError(error.status, str(error), error.hint) from error

    def rows(self, sql: str, parameters: Any = None) -> list[dict[str, Any]]:
        """The rows of a query as JSON objects. Raises ServiceError."""
        answer = self.sql(sql, "json", parameters)
        with answer.file:
            found: list[dict[str, Any]] = json.load(answer.file)
        return found

    def snapshot(self) -> Path:
        """A fresh copy of the log, for the caller to move. Raises ServiceError, duckdb.Error."""
        if self.remote is not None:
            return Path(self.remote.json("/api/snapshot", {}, timeout=24 * 3600.0)["path"])
        assert self.log is not None
        return snapshot(self.log, self.settings.data_dir)

    def waiting(self) -> tuple[int, int]:
        """(segments, bytes) of the spool that no service is loading; (0, 0) where one runs."""
        return (0, 0) if self.log is None else _waiting(self.log, self.settings.data_dir / "spool")

    def close(self) -> None:
        """Let go of the log."""
        if self._readers is not None:
            self._readers.close()
        if self.log is not None:
            self.log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _reach(settings: Settings) -> tuple[Remote | None, Log | None]:
    until = time.monotonic() + PATIENCE
    while True:
        remote = find(settings)
        if remote is not None:
            return remote, None
        try:
            return None, open_here(settings)
        except LogLocked as error:
            if time.monotonic() > until:
                raise LogError(f"{error}; it holds the log and does not answer at the admin port") from error
            time.sleep(0.2)


def open_here(settings: Settings) -> Log:
    """The log, read-only, for a process that is not the service. Raises LogError, NoLog."""
    address = settings.log.address
    if not address.startswith(LAKE) and not (settings.data_dir / address).exists():
        raise NoLog(
            f"{settings.data_dir / address}: there is no log yet; run `goldwash up` and send something through it "
            "(or `goldwash up --demo` to see it work)"
        )
    return Log.open(address, settings.data_dir, settings.log.data_path, settings.sql.memory, read_only=True)


def _waiting(log: Log, spool: Path) -> tuple[int, int]:
    cursor = log.cursor()
    try:
        rows = cursor.execute('SELECT run, segment, "offset", done FROM spool_position').fetchall()
    finally:
        cursor.close()
    positions = {run: (segment, offset, done) for run, segment, offset, done in rows}
    segments = size = 0
    for run in runs(spool):
        segment, offset, done = positions.get(run.name, (0, 0, False))
        if done:
            continue
        for number in run.segments():
            if number >= segment:
                behind = _unread(run.segment(number), offset if number == segment else 0)
                segments, size = segments + bool(behind), size + behind
    return segments, size


def _unread(path: Path, offset: int) -> int:
    """Bytes of whole frames behind an offset."""
    with contextlib.suppress(OSError, FrameError, ValueError):
        reader = SegmentReader(path, offset)
        try:
            start = reader.offset
            while reader.next_raw() is not None:
                pass
            return reader.offset - start
        finally:
            reader.close()
    return 0
