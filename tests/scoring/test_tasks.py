"""Tasks: which one an exchange belongs to, and what mistakes in their file are told."""

from __future__ import annotations

import json

import duckdb
import pytest

from proxy.log.migrations import migrate
from scoring.checks import run
from scoring.judge.rubric import load_all
from scoring.logged import LoggedExchange
from scoring.reference import page
from scoring.tasks import RUBRICS, BadTasks, load, parse
from tests.scoring.checks.made import answered, asked
from tests.scoring.checks.test_reference import PAGE

TOOL = {"type": "function", "function": {"name": "find", "parameters": {}}}


def _of(exchange, text=""):
    task = parse(text, "tasks.toml").of(exchange)
    return task and task.name


@pytest.mark.parametrize(
    ("exchange", "name"),
    [
        (answered("x"), "free_chat"),
        (answered("{}", asked(response_format={"type": "json_object"})), "extraction"),
        (answered("x", asked(tools=[TOOL])), "agentic"),
        (answered("x", asked("<context>Gold is heavy.</context> Why?")), "retrieval_qa"),
        (answered("x", task="classify-intent"), "classification"),
        (answered("x", asked(tools=[TOOL]), task="Summary"), "summarisation"),
        (answered("x", {}), "free_chat"),
    ],
)
def test_every_exchange_has_a_task_with_nothing_configured(exchange, name):
    """By header where there is one, else by the request's shape; whatever is left is chat."""
    assert _of(exchange) == name


def test_an_operators_task_is_asked_first():
    """By feature, path or model; the keys of a table must all hold, and one table is enough."""
    own = """
[tasks.support]
[[tasks.support.match]]
feature = "support-*"
model = ["gpt-4o*"]
[[tasks.support.match]]
path = "*/special"
"""
    right = {"feature": "support-de", "request_model": "gpt-4o-mini"}
    assert _of(answered("x", **right), own) == "support"
    assert _of(answered("x", **{**right, "request_model": "other"}), own) == "free_chat"
    assert _of(answered("x", feature="support-de"), own) == "free_chat"
    assert _of(answered("x", path="/v1/special"), own) == "support"


def test_sql_conditions_are_told_by_the_log():
    """The columns to select are given, and a row that has them knows its task."""
    tasks = parse("[tasks.long]\n[[tasks.long.match]]\nsql = \"input_tokens > 100 AND properties['team'] = 'a'\"\n", "tasks.toml")
    db = duckdb.connect()
    migrate(db, "test")
    db.execute("INSERT INTO exchanges (exchange_id, input_tokens, properties) VALUES (uuid(), 500, MAP {'team': 'a'}), (uuid(), 5, NULL)")
    rows = (
        db.execute(f"SELECT e.exchange_id, e.input_tokens{tasks.sql_columns} FROM exchanges e ORDER BY e.input_tokens")
        .to_arrow_table()
        .to_pylist()
    )
    names = [(task := tasks.of(LoggedExchange.from_row(row))) and task.name for row in rows]
    assert names == ["free_chat", "long"]
    assert load().sql_columns == ""


def test_a_table_of_the_same_name_changes_only_what_it_sets():
    """Options of a check come from the common table, then from the task's own."""
    tasks = parse(
        """
[checks.latency]
max_ms = 10
max_first_ms = 20
[tasks.free_chat]
without = ["cost", "near_duplicate"]
[tasks.free_chat.checks.latency]
max_ms = 99
[tasks.free_chat.checks."tests.scoring.checks.own_checks:terse"]
words = 1
[tasks.summarisation]
enabled = false
""",
        "tasks.toml",
    )
    chat = next(task for task in tasks.tasks if task.name == "free_chat")
    options = {check.name: check.options for check in chat.checks}
    assert (options["latency"].max_ms, options["latency"].max_first_ms) == (99, 20)
    assert "cost" not in options
    assert chat.near_duplicate is None
    assert chat.rubric == "free_chat"
    assert "summarisation" not in {task.name for task in tasks.tasks}
    results = {result.name: result.finding.passed for result in run(answered("two words", duration_ms=100.0), chat.checks)}
    assert results["tests.scoring.checks.own_checks:terse"] is False
    assert results["latency"] is False


def test_a_classifiers_labels_reach_its_check():
    """And the field they stand in is known to the metrics."""
    own = '[tasks.classification.checks.label]\nlabels = ["yes", "no"]\nfield = "label"\n'
    task = parse(own, "tasks.toml").of(answered(json.dumps({"label": "maybe"}), task="classification"))
    assert task is not None
    assert task.label_field == "label"
    results = {result.name: result.finding.passed for result in run(answered('{"label": "maybe"}'), task.checks)}
    assert results["label"] is False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tasks", "not valid TOML"),
        ("x = 1", "line 1: x: there is no such key"),
        ('[tasks.a]\nabot = "x"', "line 2: tasks.a.abot: there is no such key; did you mean about?"),
        (
            '# first\n[tasks.q]\n\nmetrics = ["grounding"]',
            "line 4: tasks.q.metrics: there is no metric 'grounding'; did you mean groundedness?",
        ),
        ('[tasks.q]\nwithout = ["costs"]', "did you mean cost?"),
        ('[[tasks.q.match]]\ntask = "x"\n[[tasks.q.match]]\nfeatur = "x"', "line 4: tasks.q.match.1.featur"),
        ('[tasks.q]\nunit = "day"', "line 2: tasks.q.unit"),
        ('[tasks.q]\nmatch = [{sql = "a; DROP TABLE x"}]', "line 2"),
        ("# c\n[tasks.free_chat.checks.latency]\n\nmax_mss = 1", "line 4: check latency: max_mss: no such option; did you mean max_ms?"),
        ('[checks.latency]\nmax_ms = "soon"', "line 2: check latency: max_ms = 'soon'"),
        ('[checks.policy.forbidden]\nx = "("', "no RE2 expression"),
        ("[checks.near_duplicate]\nlikenes = 1", "did you mean likeness?"),
        ('[tasks.q.checks."no.module:f"]\nx = 1', "importable"),
        ("[tasks.q.checks.jsonschema]\nx = 1", "is not known: choose from"),
        ("[tasks.Q]\n", "lower-case"),
    ],
)
def test_mistakes_are_told_with_file_line_and_fix(text, said):
    """Whatever is wrong, the message says where and what to write."""
    with pytest.raises(BadTasks) as caught:
        parse(text, "tasks.toml")
    assert str(caught.value).startswith("tasks.toml")
    assert said in str(caught.value)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    """It is named."""
    with pytest.raises(BadTasks, match=r"gone\.toml"):
        load(tmp_path / "gone.toml")


def test_shipped_tasks_have_shipped_rubrics():
    """Each names one that is there and can be read."""
    rubrics = load_all([RUBRICS])
    assert load().rubrics == set(rubrics)
    for rubric in rubrics.values():
        assert rubric.asked(frozenset())


def test_the_page_of_tasks_is_fresh():
    """docs/tasks.md is what tasks, rubrics and metrics say now."""
    assert PAGE.with_name("tasks.md").read_text(encoding="utf-8") == page(), "run python -m scoring.reference > docs/tasks.md"
