"""Golden cases as pytest items: `pytest golden/cases.jsonl --goldwash-targets candidate`.

Each case is an item and the verdict one more, at the end. An item fails where the verdict blames its case; a failure that the verdict lets
pass (known_failing, within what chance does) is an expected one, and a case that reached no target or no judge is skipped. The session ends
with the gate's exit code: 0 passed, 1 failed, 2 bad input, 3 judge stale or uncalibrated, 4 could not tell. Other tests' failures are a 1
among these. All cases run together at the first item, whatever `-k` selects.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from scoring.gate.preparing import Ready
    from scoring.gate.running import Outcome

PRECEDENCE: Final = (2, 4, 1, 3)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options; nothing is imported before golden files are named."""
    group = parser.getgroup("goldwash", "golden cases (goldwash)")
    group.addoption("--goldwash-targets", metavar="NAMES", help="targets of goldwash.toml, with commas")
    group.addoption("--goldwash-config", metavar="FILE", help="goldwash.toml to use")
    group.addoption("--goldwash-baseline", metavar="FILE", help="result file to hold the run against")
    group.addoption("--goldwash-rules", metavar="FILE", help="rules (gate.toml)")
    group.addoption("--goldwash-recorded", metavar="DIR", help="decide on recorded answers, without network or key")
    group.addoption("--goldwash-strict", action="store_true", help="an unclear comparison ends with 4")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A golden file that is named on the command line."""
    if file_path.suffix != ".jsonl" or not parent.session.isinitpath(file_path):
        return None
    run = parent.config.stash.get(RUN, None)
    if run is None:
        run = parent.config.stash[RUN] = Run(parent.config)
        parent.config.pluginmanager.register(run, "goldwash-run")
    run.files.append(file_path)
    file: GoldenFile = GoldenFile.from_parent(parent, path=file_path)
    return file


class Run:
    """The one run of the gate that all items of a session share."""

    def __init__(self, config: pytest.Config) -> None:
        if hasattr(config, "workerinput"):
            raise pytest.UsageError("golden cases run together, and many at once by themselves: leave -n out for them")
        self._config = config
        self.files: list[Path] = []
        self._ready: Ready | None = None
        self._outcomes: list[Outcome] | None = None
        self._others_failed = False

    def ready(self) -> Ready:
        """Everything read and checked. Ends the session with 2 where it cannot be used."""
        from scoring.gate.order import Order
        from scoring.gate.preparing import prepared

        if self._ready is None:
            option = self._config.getoption
            order = Order(
                files=tuple(self.files),
                config=_path(option("--goldwash-config")),
                targets=tuple(name.strip() for name in (option("--goldwash-targets") or "").split(",") if name.strip()),
                baseline=_path(option("--goldwash-baseline")),
                rules=_path(option("--goldwash-rules")),
                recorded=_path(option("--goldwash-recorded")),
                strict=bool(option("--goldwash-strict")),
            )
            self._ready = _or_exit(lambda: prepared(order))
        return self._ready

    def outcomes(self) -> list[Outcome]:
        """What became of each target; runs at the first call."""
        from scoring.gate.running import run

        if self._outcomes is None:
            ready = self.ready()
            self._outcomes = _or_exit(lambda: run(ready))
        return self._outcomes

    def outcome(self, target: str) -> Outcome:
        """That of one target."""
        return next(one for one in self.outcomes() if one.variant.name == target)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """The verdicts come last."""
        items.sort(key=lambda item: isinstance(item, VerdictItem))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes whether anything else failed."""
        if report.failed and GOLDEN not in report.keywords:
            self._others_failed = True

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """The gate's exit code, with the other tests' failures as a 1 among them."""
        if self._outcomes is None:
            return
        codes = {one.verdict.exit_code for one in self._outcomes} | {int(self._others_failed)}
        session.exitstatus = next((code for code in PRECEDENCE if code in codes), 0)


RUN: Final = pytest.StashKey[Run]()
GOLDEN: Final = "goldwash"
"""Keyword of our items: `-k goldwash`."""


class GoldenFile(pytest.File):
    """One golden file: an item a case and target."""

    def collect(self) -> Iterator[pytest.Item]:
        """The cases that will be run, and the verdicts after the last file's."""
        run = self.config.stash[RUN]
        ready = run.ready()
        from scoring.gate.golden_files import read

        here = {case.id for case in read([self.path]).cases}
        for column in ready.columns:
            target = column.variant.name
            for case in dict.fromkeys(task.prepared.case.id for task in ready.tasks[target]):
                if case in here:
                    item: pytest.Item = CaseItem.from_parent(self, name=f"{target}[{case}]", target=target, case=case)
                    yield item
            if self.path == run.files[-1]:
                verdict: pytest.Item = VerdictItem.from_parent(self, name=f"{target}[verdict]", target=target)
                yield verdict


class Failed(Exception):
    """What the gate says; shown without a traceback."""


class _Item(pytest.Item):
    def __init__(self, *, target: str, **more: Any) -> None:
        super().__init__(**more)
        self.target = target
        self.keywords[GOLDEN] = True

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Our own words alone."""
        return str(excinfo.value) if isinstance(excinfo.value, Failed) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it stands."""
        return self.path, None, self.name


class CaseItem(_Item):
    """One case on one target."""

    def __init__(self, *, case: str, **more: Any) -> None:
        super().__init__(**more)
        self.case = case

    def runtest(self) -> None:
        """Passes, fails, is an expected failure, or is skipped."""
        outcome = self.config.stash[RUN].outcome(self.target)
        rows = outcome.results.by_case.get(self.case, ())
        lost = next((row for row in rows if row.passed is None), None)
        if lost is not None:
            pytest.skip(f"not measured: {lost.error}")
        failed = [row for row in rows if row.passed is False]
        if not failed:
            return
        said = f"{len(failed)} of {len(rows)} runs failed\n{_why(failed[0].extra)}"
        if self.case in _blamed(outcome):
            raise Failed(said)
        pytest.xfail(f"the verdict lets it pass ({failed[0].status or 'confirmed'}): {said}")


class VerdictItem(_Item):
    """The verdict on one target."""

    def runtest(self) -> None:
        """Fails where the exit code is not 0."""
        from scoring.gate.wording import as_text

        verdict = self.config.stash[RUN].outcome(self.target).verdict
        if verdict.exit_code:
            raise Failed(as_text(verdict))


def _blamed(outcome: Outcome) -> frozenset[str]:
    """Cases that the verdict fails for: those its rulings name, or all that failed where only a rate is named."""
    failed = [ruling for ruling in outcome.verdict.rulings if ruling.state == "failed"]
    named = frozenset(case for ruling in failed for case in ruling.cases)
    if failed and not named:
        return frozenset(row.case for row in outcome.results.rows if row.passed is False and row.status != "known_failing")
    return named


def _why(extra: Any) -> str:
    failed = [grade for grade in extra.get("grades") or () if grade.get("passed") is False]
    grades = [f"{one['name']}: {one['reason']}" + (f" ({one['evidence']})" if one.get("evidence") else "") for one in failed]
    return "\n".join([f"question: {extra.get('question')}", f"answer: {extra.get('output')}", *grades])


def _path(value: str | None) -> Path | None:
    return Path(value) if value else None


def _or_exit(does: Any) -> Any:
    """What it returns; bad input ends the session with its own exit code and sentence."""
    try:
        return does()
    except Exception as error:
        code = getattr(error, "exit_code", None)
        if code is None:
            raise
        pytest.exit(f"goldwash: {error}", returncode=code)
