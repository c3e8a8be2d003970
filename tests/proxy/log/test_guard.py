"""What a reader may run and what is refused, tried with every way round the guard that we could think of."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from proxy.log.guard import MAX_SQL, Guard, Refused, check, relations_of


@pytest.fixture(scope="module")
def log() -> Iterator[duckdb.DuckDBPyConnection]:
    """A small log with a table, a list, a map and a view."""
    connection = duckdb.connect(":memory:")
    connection.execute(
        "CREATE TABLE exchanges (exchange_id UUID, cost_usd DECIMAL(18,9), input_tokens BIGINT, output_text VARCHAR, "
        "finish_reasons VARCHAR[], properties MAP(VARCHAR, VARCHAR), tool_calls JSON, accepted_at TIMESTAMPTZ, request_model VARCHAR)"
    )
    connection.execute("CREATE TABLE bodies (exchange_id UUID, request_body BLOB)")
    connection.execute("CREATE VIEW cost_daily AS SELECT accepted_at::DATE AS day, sum(cost_usd) AS usd FROM exchanges GROUP BY 1")
    connection.execute("CREATE SEQUENCE counter")
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def guard(log: duckdb.DuckDBPyConnection) -> Guard:
    """One guard over the small log."""
    return Guard(lambda: relations_of(log))


ALLOWED = [
    "SELECT 1",
    "select count(*) as n from exchanges",
    "SELECT properties['corpus'] AS corpus, CAST(cost_usd AS VARCHAR) FROM exchanges WHERE properties['corpus'] IN ('a', 'b')",
    "FROM exchanges",
    "FROM exchanges SELECT request_model, sum(cost_usd) GROUP BY ALL ORDER BY ALL LIMIT 5",
    "TABLE exchanges",
    "VALUES (1, 'a'), (2, 'b')",
    "SELECT * FROM cost_daily;",
    "SELECT e.request_model, octet_length(b.request_body) FROM exchanges e JOIN bodies b USING (exchange_id)",
    "SELECT * FROM exchanges POSITIONAL JOIN bodies",
    "SELECT * FROM exchanges ASOF JOIN bodies ON exchanges.exchange_id >= bodies.exchange_id",
    "SELECT main.exchanges.cost_usd FROM main.exchanges",
    "SELECT * FROM memory.main.exchanges",
    "SELECT * FROM memory.exchanges",
    'SELECT "cost_usd" FROM "EXCHANGES"',
    "WITH x AS (SELECT 1 AS a), y AS (SELECT a FROM x) SELECT * FROM y",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
    "WITH x AS MATERIALIZED (SELECT 1) SELECT (SELECT count(*) FROM x)",
    "SELECT unnest(finish_reasons) FROM exchanges",
    "SELECT u FROM exchanges, unnest(finish_reasons) AS t(u)",
    "SELECT * FROM range(3), generate_series(1, 2)",
    "SELECT * FROM exchanges, json_each(tool_calls)",
    "SELECT list_transform([1, 2], lambda x: x + 1), [x * 2 FOR x IN [1, 2] IF x > 1]",
    "SELECT COLUMNS('.*_usd'), * EXCLUDE (tool_calls) FROM exchanges",
    "SELECT COLUMNS(c -> c LIKE 'cost%') FROM exchanges",
    "SELECT row_number() OVER (PARTITION BY request_model ORDER BY cost_usd) AS n FROM exchanges QUALIFY n < 3",
    "SELECT max(cost_usd) OVER w FROM exchanges WINDOW w AS (ORDER BY accepted_at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
    "SELECT quantile_cont(input_tokens, 0.95) FILTER (WHERE input_tokens > 0) FROM exchanges",
    "SELECT date_trunc('hour', accepted_at), now() - INTERVAL 1 DAY, current_date FROM exchanges",
    "SELECT tool_calls->0->>'name', json_extract_string(tool_calls, '$[0].id') FROM exchanges",
    "SELECT try_cast('x' AS INTEGER), '1'::DECIMAL(18,9), CAST(NULL AS STRUCT(a INTEGER, b VARCHAR[]))",
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM bodies) THEN 1 ELSE 2 END, ARRAY(SELECT 1), x'ab'::BLOB IS NULL",
    "SELECT * FROM exchanges TABLESAMPLE 10%",
    "PIVOT exchanges ON request_model IN ('a', 'b') USING sum(cost_usd)",
    "UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b",
    "SHOW TABLES",
    "show all tables;",
    "DESCRIBE exchanges",
    "SHOW exchanges",
    "SUMMARIZE exchanges",
    "DESCRIBE SELECT cost_usd FROM exchanges",
    "EXPLAIN SELECT * FROM exchanges",
    "explain analyze select count(*) from exchanges",
    "SELECT * FROM information_schema.columns",
    "SELECT * FROM duckdb_tables()",
    "SELECT table_name FROM duckdb_columns",
    "SELECT * FROM exchanges WHERE exchange_id = $1",
    "SELECT * FROM exchanges WHERE request_model = $model AND input_tokens > ?1".replace("?1", "$low"),
    "-- what did it cost?\nSELECT sum(cost_usd) /* all */ FROM exchanges",
    "SELECT 'read_csv(''x'')' AS text, 'é🚰' AS \"größe\"",
    "(SELECT 1) UNION ALL (SELECT 2) EXCEPT SELECT 3 INTERSECT SELECT 4",
    "SELECT request_model, count(*) FROM exchanges GROUP BY ROLLUP (request_model) HAVING count(*) > 0",
    "SELECT approx_top_k(request_model, 3), histogram(input_tokens), arg_max(request_model, cost_usd) FROM exchanges",
]

REFUSED = [
    "",
    ";",
    "-- nothing",
    "INSERT INTO exchanges (cost_usd) VALUES (1)",
    "UPDATE exchanges SET cost_usd = 0",
    "DELETE FROM exchanges",
    "TRUNCATE exchanges",
    "MERGE INTO exchanges USING bodies ON false WHEN NOT MATCHED THEN INSERT DEFAULT VALUES",
    "CREATE TABLE t (a INTEGER)",
    "CREATE TEMP TABLE t AS SELECT 1",
    "CREATE MACRO lower(x) AS upper(x)",
    "CREATE OR REPLACE SECRET s (TYPE s3)",
    "DROP TABLE exchanges",
    "ALTER TABLE exchanges ADD COLUMN x INTEGER",
    "COPY exchanges TO 'out.csv'",
    "COPY (SELECT 1) TO 'out.csv'",
    "COPY exchanges FROM 'in.csv'",
    "COPY FROM DATABASE memory TO other",
    "EXPORT DATABASE 'dir'",
    "IMPORT DATABASE 'dir'",
    "ATTACH 'other.duckdb'",
    "ATTACH ':memory:' AS other",
    "DETACH memory",
    "USE other",
    "SET memory_limit = '100GB'",
    "SET enable_external_access = true",
    "RESET memory_limit",
    "SET VARIABLE x = 1",
    "PRAGMA database_list",
    "PRAGMA enable_profiling",
    "CALL pragma_version()",
    "CALL enable_logging()",
    "CALL quack_serve('quack:0.0.0.0:9999')",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CHECKPOINT",
    "FORCE CHECKPOINT",
    "VACUUM",
    "ANALYZE exchanges",
    "BEGIN",
    "COMMIT",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE exchanges",
    "EXPLAIN SELECT 1; DROP TABLE exchanges",
    "EXPLAIN DELETE FROM exchanges",
    "EXPLAIN ANALYZE DELETE FROM exchanges",
    "EXPLAIN EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE EXPLAIN ANALYZE INSERT INTO exchanges DEFAULT VALUES",
    "WITH x AS (INSERT INTO exchanges DEFAULT VALUES RETURNING *) SELECT * FROM x",
    "WITH x AS (DELETE FROM exchanges RETURNING *) SELECT * FROM x",
    "SELECT * FROM (DELETE FROM exchanges RETURNING *)",
    "SELECT * FROM 'file.parquet'",
    "SELECT * FROM 'file.csv'",
    'SELECT * FROM "file.json"',
    "SELECT * FROM '/etc/passwd'",
    "FROM 'https://example.com/a.parquet'",
    "DESCRIBE 'file.parquet'",
    "SUMMARIZE 'file.parquet'",
    "SHOW 'file.parquet'",
    "DESCRIBE FROM read_csv('/etc/passwd')",
    "EXPLAIN SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM READ_CSV_AUTO('/etc/passwd')",
    "SELECT * FROM \"read_text\"('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/*')",
    "SELECT * FROM read_json('x.json')",
    "SELECT * FROM read_parquet('x.parquet')",
    "SELECT * FROM parquet_scan('x.parquet')",
    "SELECT * FROM parquet_metadata('x.parquet')",
    "SELECT * FROM read_duckdb('x.duckdb')",
    "SELECT * FROM sniff_csv('x.csv')",
    "SELECT * FROM glob('*')",
    "SELECT * FROM main.read_text('/etc/passwd')",
    "SELECT * FROM system.main.read_text('/etc/passwd')",
    "SELECT * FROM exchanges, LATERAL read_text(output_text)",
    "SELECT * FROM exchanges JOIN read_text('x') ON true",
    "SELECT (SELECT content FROM read_text('x'))",
    "SELECT 1 WHERE EXISTS (FROM read_text('x'))",
    "SELECT 1 ORDER BY (SELECT size FROM read_text('x'))",
    "SELECT 1 LIMIT (SELECT size FROM read_text('x'))",
    "SELECT 1 OFFSET (SELECT size FROM read_text('x'))",
    "SELECT count(*) FROM exchanges GROUP BY (SELECT size FROM read_text('x'))",
    "SELECT count(*) FROM exchanges HAVING (SELECT true FROM read_text('x'))",
    "SELECT count(*) OVER (ORDER BY cost_usd ROWS (SELECT size FROM read_text('x')) PRECEDING) FROM exchanges",
    "SELECT cost_usd FROM exchanges QUALIFY (SELECT true FROM read_text('x'))",
    "SELECT count(*) FILTER (WHERE EXISTS (FROM read_text('x'))) FROM exchanges",
    "SELECT list(cost_usd ORDER BY (SELECT size FROM read_text('x'))) FROM exchanges",
    "SELECT DISTINCT ON ((SELECT size FROM read_text('x'))) 1",
    "SELECT CASE WHEN (SELECT true FROM read_text('x')) THEN 1 END",
    "SELECT 1 IN (SELECT size FROM read_text('x'))",
    "SELECT 1 BETWEEN 0 AND (SELECT size FROM read_text('x'))",
    "SELECT [(SELECT size FROM read_text('x'))]",
    "SELECT {'a': (SELECT size FROM read_text('x'))}",
    "SELECT (SELECT content FROM read_text('x'))::INTEGER",
    "SELECT * REPLACE ((SELECT size FROM read_text('x')) AS cost_usd) FROM exchanges",
    "SELECT COLUMNS(c -> (SELECT true FROM read_text('x'))) FROM exchanges",
    "SELECT list_transform([1], lambda x: (SELECT size FROM read_text('x')))",
    "SELECT * FROM range((SELECT size FROM read_text('x')))",
    "SELECT * FROM unnest((SELECT list(content) FROM read_text('x')))",
    "SELECT * FROM exchanges e JOIN bodies b ON (SELECT true FROM read_text('x'))",
    "VALUES ((SELECT size FROM read_text('x')))",
    "SELECT 1 UNION ALL SELECT size FROM read_text('x')",
    "WITH a AS (FROM read_text('x')) SELECT 1",
    "SELECT * FROM (WITH a AS (FROM read_text('x')) SELECT 1)",
    "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT size FROM read_text('x')) FROM r",
    "PIVOT exchanges ON request_model IN (SELECT content FROM read_text('x')) USING sum(cost_usd)",
    "PIVOT (FROM read_text('x')) ON size IN (1) USING count(*)",
    "PIVOT exchanges ON request_model IN ('a') USING sum((SELECT size FROM read_text('x')))",
    "PIVOT exchanges ON request_model USING sum(cost_usd)",
    "UNPIVOT (FROM read_text('x')) ON size",
    "SELECT * FROM exchanges TABLESAMPLE reservoir((SELECT 5) ROWS)",
    "SELECT * FROM exchanges AT (VERSION => (SELECT size FROM read_text('x')))",
    'WITH "file.parquet" AS (SELECT 1) SELECT * FROM "file.parquet"',
    "SELECT * FROM (WITH secretfile AS (SELECT 1) FROM secretfile), secretfile",
    "WITH a AS (FROM b), b AS (SELECT 1) FROM a",
    "WITH nowhere AS (SELECT * FROM nowhere) FROM nowhere",
    "FROM query('SELECT 1')",
    "FROM query('DROP TABLE exchanges')",
    "SELECT * FROM main.query('SELECT 1')",
    "FROM log.query('SELECT 1')",
    "FROM query_table('exchanges')",
    "FROM query_table(['exchanges', '/etc/passwd'])",
    "FROM histogram_values('exchanges', cost_usd)",
    "FROM histogram('/etc/passwd', a)",
    "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT json_execute_serialized_sql('{}')",
    "SELECT json_serialize_plan('SELECT * FROM read_text(''x'')')",
    "FROM quack_serve('quack:0.0.0.0:9999', token = 'x')",
    "FROM quack_stop('quack:localhost:9494')",
    "SELECT quack_serve('quack:0.0.0.0:9999')",
    "SELECT quack_stop()",
    "FROM enable_logging(storage = 'file', storage_path = 'x')",
    "FROM disable_logging()",
    "FROM enable_profiling()",
    "FROM truncate_duckdb_logs()",
    "FROM checkpoint()",
    "FROM checkpoint('memory')",
    "FROM force_checkpoint()",
    "SELECT nextval('counter')",
    "SELECT NEXTVAL('counter') FROM exchanges",
    "SELECT \"nextval\"('counter')",
    "SELECT main.nextval('counter')",
    "SELECT system.main.nextval('counter')",
    "SELECT ('counter').nextval()",
    "SELECT currval('counter')",
    "SELECT setseed(0.5)",
    "SELECT write_log('x')",
    "SELECT getvariable('x')",
    "SELECT current_setting('secret_directory')",
    "SELECT getenv('HOME')",
    "SELECT sleep_ms(100000)",
    "SELECT levenshtein(output_text, output_text) FROM exchanges",
    "SELECT * FROM duckdb_databases()",
    "SELECT pg_sleep(1000)",
    "SELECT upper(nextval('counter')::VARCHAR)",
    "SELECT list_transform([1], lambda x: nextval('counter'))",
    "SELECT nextval('counter') OVER ()",
    "SELECT sum(nextval('counter')) OVER ()",
    "SELECT x.nextval() FROM (SELECT 'counter' AS x)",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_logs",
    "SELECT * FROM duckdb_logs()",
    "SELECT * FROM duckdb_variables()",
    "SELECT * FROM duckdb_temporary_files()",
    "SELECT * FROM pg_catalog.pg_settings",
    "SELECT * FROM pragma_storage_info('exchanges')",
    "SELECT * FROM other.main.exchanges",
    "SELECT * FROM temp.main.exchanges",
    "SELECT * FROM memory.other.exchanges",
    "SELECT * FROM __ducklake_metadata_log.ducklake_table",
    "SELECT * FROM connection",  # a Python variable of the caller
    "SELECT * FROM guard",
    "SELECT unknown_function(1)",
    "SELECT\u00a0nextval('counter')",
    "SELECT 1 /* ; */; /* */ DROP TABLE exchanges --",
    "SELECT '\0'",
    "SELECT " + "-" * 20_000 + "1",
    "SELECT " + "1 + " * 30_000 + "1",
    "SELECT '" + "x" * MAX_SQL + "'",
    "SELECT \ud800",
]


@pytest.mark.parametrize("sql", ALLOWED)
def test_allows_reading(guard: Guard, log: duckdb.DuckDBPyConnection, sql: str) -> None:
    """A statement that only reads the log passes, and DuckDB runs it."""
    guard.check(sql)
    cursor = log.cursor()
    parameters: object = {"model": "m", "low": 1} if "$model" in sql else ["00000000-0000-0000-0000-000000000000"] if "$1" in sql else None
    cursor.execute(sql, parameters).fetchall()
    cursor.close()


@pytest.mark.parametrize("sql", REFUSED, ids=lambda sql: ascii(sql[:60]))
def test_refuses_everything_else(guard: Guard, sql: str) -> None:
    """A statement that does or tells more than that is refused with a hint."""
    with pytest.raises(Refused) as caught:
        guard.check(sql)
    assert str(caught.value)
    assert caught.value.hint


def test_sees_a_table_made_later(log: duckdb.DuckDBPyConnection, guard: Guard) -> None:
    """A relation that a migration made after the guard was built is known at its first use."""
    with pytest.raises(Refused, match="no table or view 'later'"):
        guard.check("FROM later")
    log.execute("CREATE TABLE later (a INTEGER)")
    guard.check("FROM later")


def test_names_what_was_probably_meant(guard: Guard) -> None:
    """A misspelt table or function gets the nearest one."""
    with pytest.raises(Refused) as caught:
        guard.check("FROM exchange")
    assert caught.value.hint == "did you mean exchanges?"
    with pytest.raises(Refused) as caught:
        guard.check("SELECT uper('x')")
    assert caught.value.hint == "did you mean upper?"


def test_checks_a_single_statement(log: duckdb.DuckDBPyConnection) -> None:
    """The one-call form needs nothing but a connection."""
    check(log, "FROM exchanges")
    with pytest.raises(Refused):
        check(log, "FROM read_text('x')")
