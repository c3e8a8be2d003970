"""Opens the log, and is the one place that knows what its addresses mean.

Two kinds of address: a DuckDB file (`goldwash.duckdb`, the embedded default, relative to the data directory), and
`ducklake:postgres:…` with a data path, which many log services write and read at once.

DuckDB lets one process hold a file. Threads of that process take a cursor each; the instance itself has one thread, so that each
query runs in the thread that asked and a heavy reader never takes the core that loads.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Final

import duckdb

from proxy.log import extensions, migrations, views, without_pandas

without_pandas.install()

CHECKPOINT: Final = "128MB"  # WAL size: at 16 MB (the default) a busy loader would checkpoint several times a second
LAKE: Final = "ducklake:"
EXPORT: Final = "export"  # the one directory, beside the file, that SQL of ours may write to: snapshots pass through it
CATALOG: Final = "log"  # the name a lake is attached under; a plain file is the connection's own database


class LogError(Exception):
    """The log cannot be opened; the text is one sentence with the fix."""

    exit_code = 2


class LogLocked(LogError):
    """Another process holds the file. `pid` is that process, where DuckDB says."""

    def __init__(self, text: str, pid: int | None) -> None:
        super().__init__(text)
        self.pid = pid


class Log:
    """An open log. Close it when done: a file is held by one process at a time."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, address: str, file: Path | None) -> None:
        self._connection = connection
        self.address = address
        self.file = file  # None: a lake

    @classmethod
    def open(
        cls,
        address: str,
        data_dir: Path,
        data_path: str = "",
        memory: str = "1GB",
        read_only: bool = False,
        extra: tuple[str, ...] = (),
    ) -> Log:
        """Open the log, create it where there is none, and bring its schema up to this version.

        address, data_path: as in `[log]`; a relative path lies under `data_dir`. memory: DuckDB's size with unit, for all cursors together.
        read_only: change nothing but an older schema; the file must exist. extra: DuckDB extensions to load, in order:
        later none can be. Raises LogError.
        """
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        options: dict[str, str | bool | int | float | list[str]] = {
            "threads": 1,
            "memory_limit": memory,
            "checkpoint_threshold": CHECKPOINT,
            "temp_directory": str(data_dir / "duckdb.tmp"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        }
        if address.startswith(LAKE):
            connection = _open_lake(address, data_dir, data_path, options, extra)
            log = cls(connection, address, None)
        else:
            file = data_dir / address
            log = cls(_open_file(file, options, read_only, extra), address, file)
        try:
            connection = log._connection
            connection.execute("SET TimeZone = 'UTC'")
            if read_only:
                if migrations.check(connection, address) < len(migrations.MIGRATIONS):
                    log.close()
                    cls.open(address, data_dir, data_path, memory).close()
                    return cls.open(address, data_dir, data_path, memory, read_only, extra)
            else:
                _bring_up(connection, address)
        except migrations.NewerSchema as error:
            log.close()
            raise LogError(str(error)) from error
        except duckdb.Error as error:
            log.close()
            raise _broken(address, error) from error
        return log

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same database: one a thread, closed by whoever asked."""
        cursor = self._connection.cursor()
        if self.file is None:
            cursor.execute(f"USE {CATALOG}")
        return cursor

    def close(self) -> None:
        """Let go of the file; what is committed is in it."""
        self._connection.close()


def _bring_up(connection: duckdb.DuckDBPyConnection, address: str) -> None:
    """Schema and views of this version. Where another log service of a lake does the same at this moment, one of both tries again."""
    for pause in (0.1, 0.2, 0.5, 1.0, 2.0, None):
        try:
            migrations.migrate(connection, address)
            views.create(connection)
        except duckdb.TransactionException:
            if pause is None:
                raise
            time.sleep(pause)
        else:
            return


def _open_file(
    file: Path, options: dict[str, str | bool | int | float | list[str]], read_only: bool, extra: tuple[str, ...]
) -> duckdb.DuckDBPyConnection:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not read_only:
        os.umask(0o077)  # for good: DuckDB makes a new WAL after each checkpoint, and nobody else may read it
    connection: duckdb.DuckDBPyConnection | None = None
    try:
        connection = duckdb.connect(str(file), read_only=read_only, config=options)
        extensions.load(connection, *extra)
        connection.execute(f"SET allowed_directories = [{_quoted(str(file.parent / EXPORT) + '/')}]")
        connection.execute("SET enable_external_access = false")
    except (duckdb.Error, extensions.NoExtension) as error:
        if connection is not None:
            connection.close()
        raise (LogError(str(error)) if isinstance(error, extensions.NoExtension) else _broken(str(file), error)) from error
    return connection


def _open_lake(
    address: str, data_dir: Path, data_path: str, options: dict[str, str | bool | int | float | list[str]], extra: tuple[str, ...]
) -> duckdb.DuckDBPyConnection:
    if not data_path:
        raise LogError(f'[log] address = "{_shown(address)}" is a DuckLake: set [log] data_path, such as "s3://bucket/goldwash"')
    connection = duckdb.connect(":memory:", config=options)
    path = data_path if "://" in data_path else str(data_dir / data_path)
    if "://" not in path:
        Path(path).mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        extensions.load(connection, "httpfs", "postgres_scanner", "ducklake", *extra)
        connection.execute(f"SET allowed_directories = [{_quoted(path)}]")
        _attach(connection, f"ATTACH {_quoted(address)} AS {CATALOG} (DATA_PATH {_quoted(path)})")
        connection.execute("SET enable_external_access = false")
        connection.execute(f"USE {CATALOG}")
    except extensions.NoExtension as error:
        connection.close()
        raise LogError(str(error)) from error
    except duckdb.Error as error:
        connection.close()
        raise LogError(f"the DuckLake at {_shown(address)} cannot be opened: {_first_line(error)}; check catalog and data_path") from error
    return connection


def _attach(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    """Attach a lake. Two log services that make a new one at the same moment: one of both finds it half made, and tries again."""
    try:
        connection.execute(statement)
    except duckdb.Error as error:
        if "already exists" not in str(error):
            raise
        time.sleep(1.0)
        connection.execute(statement)


def _broken(where: str, error: duckdb.Error) -> LogError:
    text = _first_line(error)
    if "Conflicting lock" in text or "Could not set lock" in text:
        found = re.search(r"PID (\d+)", text)
        pid = int(found.group(1)) if found else None
        who = f"process {pid}" if pid else "another process"
        return LogLocked(f"{where}: {who} holds the log; ask it (goldwash sql does, while it serves), or stop it first", pid)
    if isinstance(error, duckdb.SerializationException) or "newer version" in text or "storage version" in text:
        return LogError(f"{where}: this file was written by another DuckDB ({text}); open it with that version, or move it away")
    if "not a valid DuckDB database" in text or "orrupt" in text or "checksum" in text or "WAL" in text:
        return LogError(f"{where}: the file is damaged ({text}); move it away and restore a snapshot, or start anew from the spool")
    if isinstance(error, duckdb.IOException | duckdb.PermissionException):
        return LogError(f"{where}: the log cannot be opened ({text}); check that the directory exists, is writable and has room")
    return LogError(f"{where}: the log cannot be opened: {text}")


def _first_line(error: Exception) -> str:
    return _shown((str(error).splitlines() or [type(error).__name__])[0])


def _shown(address: str) -> str:
    """An address without its password."""
    return re.sub(r"(password\s*=\s*)(?:'[^']*'|\S+)|(://[^:/@\s]*:)[^@\s]+(?=@)", r"\1\2***", address, flags=re.IGNORECASE)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
