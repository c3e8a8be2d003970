"""Reads the log in pages: small answers to many queries, so that ten million rows never stand in memory and the log's limits hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import pyarrow as pa
import pyarrow.ipc

from proxy.service.client import Access, ServiceError
from scoring.conversation import Document
from scoring.logged import SELECTION, LoggedExchange, link

PAGE_ROWS: Final = 2_000
PAGE_BYTES: Final = 24 << 20
"""Of bodies, as they passed: some 100 MB in memory while a page is looked at."""
PART: Final = 500_000
"""Exchanges that are joined with their scores at once."""
NO_ID: Final = "00000000-0000-0000-0000-000000000000"
NEAR: Final = timedelta(hours=1)
"""How far from a page the next and the previous exchange of a trace are looked for."""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, from inclusive, until exclusive, both with a zone."""

    start: datetime
    end: datetime

    @property
    def parameters(self) -> dict[str, str]:
        """For `accepted_at >= $start AND accepted_at < $end`."""
        return {"start": self.start.isoformat(), "end": self.end.isoformat()}


WITHIN: Final = "{0}accepted_at >= CAST($start AS TIMESTAMPTZ) AND {0}accepted_at < CAST($end AS TIMESTAMPTZ)"


def day(of: date) -> Window:
    """A day in UTC."""
    start = datetime.combine(of, time(), UTC)
    return Window(start, start + timedelta(days=1))


def table(access: Access, sql: str, parameters: Mapping[str, Any] | None = None) -> tuple[pa.Table, bool]:
    """A result as Arrow, and whether more rows were there than [sql] max_rows. Raises ServiceError."""
    answer = access.sql(sql, "arrow", dict(parameters) if parameters else None)
    with answer.file:
        return pa.ipc.open_stream(answer.file).read_all(), answer.truncated


def rows(access: Access, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """All rows of a result that is known to be small. Raises ServiceError, also where the log gave a part of them only."""
    found, truncated = table(access, sql, parameters)
    if truncated:
        most = f"[sql] max_rows = {access.settings.sql.max_rows:,}"
        raise ServiceError(413, f"a question of Goldwash's own has more than {found.num_rows:,} rows for an answer", f"raise {most}")
    result: list[dict[str, Any]] = found.to_pylist()
    return result


def paged(access: Access, sql: str, key: str, parameters: Mapping[str, Any] | None = None, size: int = 50_000) -> Iterator[dict[str, Any]]:
    """Rows of a query of any size, ordered by its text column `key`, which must be unique and not NULL."""
    after = ""
    size = min(size, access.settings.sql.max_rows)
    while True:
        page = rows(
            access,
            f"SELECT * FROM ({sql}) WHERE {key} > $after ORDER BY {key} LIMIT $size",  # noqa: S608  queries of our own
            {**(parameters or {}), "after": after, "size": size},
        )
        yield from page
        if not page:
            return
        after = page[-1][key]


def windows(
    access: Access,
    span: Window,
    where: str,
    parameters: Mapping[str, Any],
    *,
    most_rows: int = PAGE_ROWS,
    most_bytes: float = PAGE_BYTES,
) -> list[tuple[Window, int]]:
    """Spans of whole seconds with about a page of exchanges each, and how many: those that meet a condition over `exchanges e`."""
    counted = rows(
        access,
        "SELECT CAST(floor(epoch(e.accepted_at)) AS BIGINT) AS s, CAST(count(*) AS BIGINT) AS n, "  # noqa: S608  conditions of our own
        "CAST(sum(coalesce(e.request_bytes, 0) + coalesce(e.response_bytes, 0)) AS DOUBLE) AS b "
        f"FROM exchanges e WHERE {WITHIN.format('e.')} AND {where} GROUP BY 1 ORDER BY 1",
        {**span.parameters, **parameters},
    )
    found: list[tuple[Window, int]] = []
    start: int | None = None
    last = n = 0
    size = 0.0
    for row in counted:
        if start is not None and (n + row["n"] > most_rows or size + row["b"] > most_bytes):
            found.append((_seconds(start, last + 1), n))
            start, n, size = None, 0, 0.0
        start = row["s"] if start is None else start
        last, n, size = row["s"], n + row["n"], size + row["b"]
    if start is not None:
        found.append((_seconds(start, last + 1), n))
    return found


def parts(access: Access, span: Window) -> list[Window]:
    """Spans of a day that the log can join with what was said of them in seconds each: one for most days. Raises ServiceError."""
    return [window for window, _ in windows(access, span, "true", {}, most_rows=PART, most_bytes=float("inf"))]


def bounds(access: Access, span: Window) -> dict[str, str]:
    """The least and the greatest exchange id of a span, as $least and $greatest: with BETWEEN the log skips what lies elsewhere in time."""
    found = rows(
        access,
        "SELECT min(e.exchange_id)::VARCHAR AS least, max(e.exchange_id)::VARCHAR AS greatest FROM exchanges e "  # noqa: S608
        f"WHERE {WITHIN.format('e.')}",
        span.parameters,
    )[0]
    return {name: found[name] or NO_ID for name in ("least", "greatest")}


def exchanges(
    access: Access,
    span: Window,
    where: str,
    parameters: Mapping[str, Any],
    columns: str = "",
    size: int = PAGE_ROWS,
) -> Iterator[list[LoggedExchange]]:
    """Pages of the exchanges of a window with their bodies and contexts, linked to their neighbours in their traces.

    columns: more of them, such as the conditions of tasks (`Tasks.sql_columns`).
    """
    after = NO_ID
    size = min(size, access.settings.sql.max_rows)
    while True:
        page = rows(
            access,
            f"SELECT {SELECTION}{columns} FROM exchanges e LEFT JOIN "  # noqa: S608  conditions of our own
            f"(SELECT * FROM bodies b WHERE {WITHIN.format('b.')}) b USING (exchange_id) "
            f"WHERE {WITHIN.format('e.')} AND e.exchange_id > CAST($after AS UUID) AND {where} ORDER BY e.exchange_id LIMIT $size",
            {**span.parameters, **parameters, "after": after, "size": size},
        )
        if not page:
            return
        yield _linked(access, _exchanges(access, page), span)
        after = page[-1]["exchange_id"]
        if len(page) < size:
            return


BETWEEN: Final = "{0}exchange_id BETWEEN CAST($least AS UUID) AND CAST($greatest AS UUID)"
"""Beside a list of ids: ids ascend with time, so that the log looks at a small part of itself only."""


def among(ids: Sequence[str]) -> dict[str, Any]:
    """Parameters of a query over $ids with BETWEEN; there must be at least one."""
    return {"ids": list(ids), "least": min(ids), "greatest": max(ids)}


def by_id(access: Access, ids: Sequence[str]) -> dict[str, LoggedExchange]:
    """Single exchanges with their bodies and contexts, by id; ids that the log does not hold are left out. Quick where ids lie together."""
    if not ids:
        return {}
    found = rows(
        access,
        "WITH wanted AS (SELECT CAST(unnest($ids) AS UUID) AS exchange_id) "  # noqa: S608  names of our own
        f"SELECT {SELECTION} FROM (SELECT * FROM exchanges e WHERE {BETWEEN.format('e.')} AND exchange_id IN (FROM wanted)) e LEFT JOIN "
        f"(SELECT * FROM bodies b WHERE {BETWEEN.format('b.')} AND exchange_id IN (FROM wanted)) b USING (exchange_id)",
        among(ids),
    )
    return {one.exchange_id: one for one in _exchanges(access, found)}


def of_traces(access: Access, span: Window, traces: Sequence[str]) -> dict[str, list[LoggedExchange]]:
    """The exchanges of traces (or sessions, where an exchange names no trace) in a window, in order of time, by trace."""
    found = rows(
        access,
        f"SELECT {SELECTION} FROM exchanges e LEFT JOIN "  # noqa: S608  names of our own
        f"(SELECT * FROM bodies b WHERE {WITHIN.format('b.')}) b USING (exchange_id) "
        f"WHERE {WITHIN.format('e.')} AND coalesce(e.trace_id, e.session_id) IN (SELECT unnest($traces)) AND e.purpose = 'app' "
        "ORDER BY e.exchange_id",
        {**span.parameters, "traces": list(traces)},
    )
    grouped: dict[str, list[LoggedExchange]] = {}
    for one in _exchanges(access, found):
        grouped.setdefault(one.trace_id or one.session_id or one.exchange_id, []).append(one)
    for steps in grouped.values():
        link(steps)
    return grouped


def _exchanges(access: Access, page: list[dict[str, Any]]) -> list[LoggedExchange]:
    contexts = _contexts(access, page)
    return [
        LoggedExchange.from_row(row, contexts.get(row["exchange_id"], ()) or contexts.get(row["response_id"] or "", ())) for row in page
    ]


def _contexts(access: Access, page: list[dict[str, Any]]) -> dict[str, list[Document]]:
    if not page:
        return {}
    found: dict[str, list[Document]] = {}
    for row in rows(
        access,
        "SELECT exchange_id::VARCHAR AS exchange_id, response_id, document_id, text, title, rank, relevance, source FROM contexts "
        "WHERE exchange_id IN (SELECT CAST(unnest($ids) AS UUID)) OR response_id IN (SELECT unnest($responses)) ORDER BY rank, record_id",
        {
            "ids": [row["exchange_id"] for row in page],
            "responses": [row["response_id"] for row in page if row["response_id"]] or [""],
        },
    ):
        document = Document(row["document_id"], row["text"] or "", row["title"], row["rank"], row["relevance"], row["source"])
        found.setdefault(row["exchange_id"] or row["response_id"], []).append(document)
    return found


def _linked(access: Access, page: list[LoggedExchange], span: Window) -> list[LoggedExchange]:
    """Link a page's traces, and fetch the one neighbour on either side that lies outside of the page."""
    traces: dict[str, list[LoggedExchange]] = {}
    for one in page:
        if one.trace_id:
            traces.setdefault(one.trace_id, []).append(one)
    if not traces:
        return page
    first, last = page[0].exchange_id, page[-1].exchange_id
    near = Window(span.start - NEAR, span.end + NEAR)
    beside = rows(
        access,
        "SELECT trace_id, max(exchange_id) FILTER (exchange_id < CAST($first AS UUID))::VARCHAR AS before, "  # noqa: S608
        "min(exchange_id) FILTER (exchange_id > CAST($last AS UUID))::VARCHAR AS after FROM exchanges "
        f"WHERE {WITHIN.format('')} AND trace_id IN (SELECT unnest($traces)) AND purpose = 'app' "
        "AND (exchange_id < CAST($first AS UUID) OR exchange_id > CAST($last AS UUID)) GROUP BY trace_id",
        {**near.parameters, "first": first, "last": last, "traces": list(traces)},
    )
    outside = by_id(access, [one for row in beside for one in (row["before"], row["after"]) if one]) if beside else {}
    for row in beside:
        steps = traces[row["trace_id"]]
        steps[:0] = [outside[row["before"]]] if row["before"] in outside else []
        steps += [outside[row["after"]]] if row["after"] in outside else []
    for steps in traces.values():
        link(steps)
    return page


def _seconds(start: int, end: int) -> Window:
    return Window(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC))
