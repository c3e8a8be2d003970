"""Decides what SQL a reader may run: one SELECT over the log's own relations, with reviewed functions only; all else is refused.

The text is turned into DuckDB's own parse tree on an empty connection that nothing can be bound or executed on, and the tree is
walked with lists of what is allowed. A kind of node, a function or a relation that no list names is refused: it fails closed.
"""

from __future__ import annotations

import difflib
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from proxy.log.functions import CATALOG_VIEWS, SCALARS, TABLES

MAX_SQL: Final = 131_072
"""Characters. A tree takes some 150 times the text; long lists belong in a parameter."""

_EXPLAIN = re.compile(r"\s*explain\s+(analyze\s+)?", re.IGNORECASE)
_CTE_NAME = re.compile(r"[\w $-]+")

_EXPRESSIONS: Final = frozenset(
    "BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION LAMBDA OPERATOR PARAMETER POSITIONAL_REFERENCE STAR "
    "SUBQUERY WINDOW".split()
)
_NODES: Final = frozenset(
    "SELECT_NODE SET_OPERATION_NODE RECURSIVE_CTE_NODE BASE_TABLE SUBQUERY JOIN TABLE_FUNCTION EXPRESSION_LIST EMPTY PIVOT SHOW_REF "
    "ORDER_MODIFIER LIMIT_MODIFIER LIMIT_PERCENT_MODIFIER DISTINCT_MODIFIER ORDER_DEFAULT ASCENDING DESCENDING".split()
)
_SHOWN: Final = frozenset({'"tables"', '"databases"', '"schemas"', "__show_tables_expanded"})

_FIXES: Final = (
    (
        re.compile(r"read_|parquet_|glob|sniff_csv"),
        "SQL here reads no files: copy the log with `goldwash snapshot FILE` and open both with DuckDB",
    ),
    (re.compile(r"query|json_execute_serialized_sql"), "write the inner query as a subquery"),
    (re.compile(r"nextval|currval|setseed|write_log|checkpoint|enable_|disable_|truncate_"), "SQL here is read-only"),
    (re.compile(r"quack_"), "Quack is switched on by [log] quack in the configuration"),
)


class Refused(ValueError):
    """The statement may not run here. `hint` says what to do instead."""

    def __init__(self, reason: str, hint: str = "write one SELECT over the log's tables; SHOW TABLES lists them") -> None:
        super().__init__(reason)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Relations:
    """What can be read: the log's catalog, its schema, and the lower-case names of tables and views in it."""

    catalog: str
    schema: str
    names: frozenset[str]


def relations_of(connection: duckdb.DuckDBPyConnection) -> Relations:
    """The relations of the connection's current database and schema."""
    row = connection.execute("SELECT current_database(), current_schema()").fetchone()
    assert row is not None
    catalog, schema = row
    found = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = $1 AND schema_name = $2 "
        "UNION ALL SELECT view_name FROM duckdb_views() WHERE database_name = $1 AND schema_name = $2 AND NOT internal",
        [catalog, schema],
    ).fetchall()
    return Relations(catalog.lower(), schema.lower(), frozenset(name.lower() for (name,) in found))


class Guard:
    """Checks statements; one for many threads.

    relations: called at first use, and again when a name is not known (a migration may have made it since).
    """

    def __init__(self, relations: Callable[[], Relations]) -> None:
        self._relations = relations
        self._known: Relations | None = None
        self._lock = threading.Lock()
        self._parser = duckdb.connect(":memory:", config={"enable_external_access": "false", "threads": "1", "memory_limit": "256MB"})
        self._parser.execute("SET lock_configuration = true")

    def check(self, sql: str) -> None:
        """Return if `sql` may run as it stands, else raise Refused."""
        if len(sql) > MAX_SQL:
            raise Refused(f"the statement has {len(sql):,} characters, the limit is {MAX_SQL:,}", "pass long lists as a parameter")
        if "\0" in sql or any("\ud800" <= character <= "\udfff" for character in sql):
            raise Refused("the statement holds a character that is no text (NUL or half a surrogate pair)", "take it out")
        explained = _EXPLAIN.match(sql)
        tree = self._tree(sql[explained.end() :] if explained else sql)
        statements = tree["statements"]
        if len(statements) != 1:
            raise Refused(f"{len(statements)} statements were given", "send one statement at a time")
        for kind, node, ctes in _nodes(statements[0]):
            self._check(kind, node, ctes)

    def _tree(self, sql: str) -> dict[str, Any]:
        with self._lock:
            try:
                row = self._parser.execute("SELECT json_serialize_sql($1::VARCHAR)", [sql]).fetchone()
            except duckdb.Error as error:
                raise Refused(f"the statement cannot be read: {error}") from error
        try:
            tree: dict[str, Any] = json.loads(row[0]) if row and row[0] else {}
        except RecursionError as error:
            raise Refused("the statement is nested too deeply", "split it with WITH") from error
        except ValueError as error:  # text that is no valid UTF-8 or JSON number in DuckDB's answer
            raise Refused("the statement holds a value that cannot be checked", "pass it as a parameter") from error
        if tree.get("error") is not False:
            raise _not_a_select(str(tree.get("error_type")), str(tree.get("error_message")))
        return tree

    def _check(self, kind: str, node: dict[str, Any], ctes: frozenset[str]) -> None:
        if kind == "BASE_TABLE":
            self._check_relation(node["catalog_name"], node["schema_name"], node["table_name"], ctes)
        elif kind == "SHOW_REF":
            shown = node["table_name"]
            if node["query"] is None and shown not in _SHOWN:
                self._check_relation(node["catalog_name"], node["schema_name"], shown.strip('"'), ctes)
        elif "function_name" in node:
            name = node["function_name"].lower()
            if name not in (TABLES if kind == "TABLE_FUNCTION" else SCALARS):
                fix = next((fix for pattern, fix in _FIXES if pattern.match(name)), None)
                place = " in FROM" if kind == "TABLE_FUNCTION" else ""
                raise Refused(f"the function {name}{place} is not allowed here", fix or _nearest(name, TABLES if place else SCALARS))
            if node["catalog"].lower() not in {"", "system"} or node["schema"].lower() not in {"", "main", "pg_catalog"}:
                raise Refused(f"the function {name} is called through {node['schema']!r}", f"write {name}(…) without a prefix")

    def _check_relation(self, catalog: str, schema: str, name: str, ctes: frozenset[str]) -> None:
        catalog, schema, name = catalog.lower(), schema.lower(), name.lower()
        if not catalog and not schema and name in ctes:
            return
        known = self._known
        if known is None or not _is_known(known, catalog, schema, name):
            known = self._known = self._relations()
        if not _is_known(known, catalog, schema, name):
            full = ".".join(part for part in (catalog, schema, name) if part)
            raise Refused(f"there is no table or view {full!r} in the log", _nearest(name, known.names))


def check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Return if a reader may run `sql` over the relations of `connection`, else raise Refused. For one statement; see Guard for more."""
    Guard(lambda: relations_of(connection)).check(sql)


def _is_known(known: Relations, catalog: str, schema: str, name: str) -> bool:
    if name in known.names:
        # `a.t` is read by DuckDB as schema a or catalog a, whichever there is.
        if not catalog and schema in {"", known.schema, known.catalog}:
            return True
        if catalog == known.catalog and schema == known.schema:
            return True
    return catalog in {"", known.catalog, "system"} and (
        name in CATALOG_VIEWS.get(schema, ()) or (schema == "main" and name in CATALOG_VIEWS[""])
    )


def _nearest(name: str, names: frozenset[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else "SHOW TABLES lists what there is; DESCRIBE a table for its columns"


def _not_a_select(error_type: str, message: str) -> Refused:
    if error_type == "not implemented":
        return Refused(
            "only SELECT statements run here (also WITH, FROM, VALUES, SHOW TABLES, DESCRIBE, SUMMARIZE and EXPLAIN of one)",
            "the log is read-only; a PIVOT needs its values listed: ON column IN (…)",
        )
    return Refused(f"this is no SQL that DuckDB can read: {message}", "correct the statement")


def _nodes(statement: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], frozenset[str]]]:
    """Every node that means something, with its kind and the names of the CTEs that it can see; refuses kinds that no list names."""
    stack: list[tuple[Any, frozenset[str]]] = [(statement, frozenset())]
    while stack:
        node, ctes = stack.pop()
        if isinstance(node, list):
            stack.extend((child, ctes) for child in node)
            continue
        if not isinstance(node, dict):
            continue
        kind = _kind(node)
        if kind:
            yield kind, node, ctes
        children = dict(node)
        if kind == "TABLE_FUNCTION":
            call = children.pop("function")
            if call.get("class") != "FUNCTION":
                raise Refused("FROM holds a call that is no function")
            yield "TABLE_FUNCTION", call, ctes
            stack.append(({name: child for name, child in call.items() if name not in {"class", "type", "function_name"}}, ctes))
        if "cte_map" in children:
            ctes = _with(children.pop("cte_map"), ctes, stack)
        if kind == "RECURSIVE_CTE_NODE":
            ctes = ctes | {children["cte_name"].lower()}
        stack.extend((child, ctes) for child in children.values())


def _with(cte_map: dict[str, Any], ctes: frozenset[str], stack: list[tuple[Any, frozenset[str]]]) -> frozenset[str]:
    """Push the queries of WITH, each seeing those before it, as DuckDB binds them; the names that the main query sees."""
    for entry in cte_map["map"]:
        name = entry["key"]
        if not _CTE_NAME.fullmatch(name):
            raise Refused(f"WITH gives the name {name!r}", "name it with letters, digits and _ only")
        stack.append((entry["value"], ctes))
        ctes = ctes | {name.lower()}
    return ctes


def _kind(node: dict[str, Any]) -> str | None:
    kind = node.get("type")
    if "class" in node:
        if node["class"] not in _EXPRESSIONS:
            raise Refused(f"the expression kind {node['class']} is not allowed here")
        return str(node["class"])
    if "function_name" in node:
        raise Refused("a function stands where none is expected")
    if isinstance(kind, str):
        if kind not in _NODES and not kind.endswith("_TYPE_INFO"):
            raise Refused(f"the clause {kind} is not allowed here")
        return kind
    return None
