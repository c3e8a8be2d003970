"""Brings together what the log knows of an exchange that may become a case: bodies, headers, what people and judges said of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from proxy.service.client import Access
from scoring import pages
from scoring.golden.case import Expected
from scoring.golden.surrogates import Surrogates
from scoring.logged import LoggedExchange
from scoring.population import FEEDBACK


@dataclass(frozen=True, slots=True)
class Failed:
    """A question of a rubric that a judge failed the exchange on."""

    rubric: str
    item: str
    reason: str | None
    fingerprint: str | None
    who: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One exchange with everything that was said of it."""

    exchange: LoggedExchange
    headers: dict[str, str]
    corrections: tuple[Expected, ...]  # by people, newest first
    failed_checks: tuple[str, ...]
    failed_items: tuple[Failed, ...]
    task: str | None = None  # by whose options it was checked


class UnknownExchange(LookupError):
    """The log holds no exchange of this id."""

    exit_code = 2


def resolve(access: Access, said: str) -> str:
    """The exchange id for an id of ours or the provider's response id. Raises UnknownExchange."""
    found = pages.rows(
        access,
        "SELECT exchange_id::VARCHAR AS id FROM exchanges WHERE exchange_id = TRY_CAST($said AS UUID) OR response_id = $said "
        "ORDER BY exchange_id DESC LIMIT 1",
        {"said": said},
    )
    if not found:
        raise UnknownExchange(f"{said}: the log holds no exchange with this id or response id; ids stand in the header goldwash-id")
    return str(found[0]["id"])


def gather(access: Access, ids: Iterable[str]) -> dict[str, Evidence]:
    """Evidence by exchange id; ids that the log does not hold are left out. Raises ServiceError."""
    wanted = list(ids)
    exchanges = pages.by_id(access, wanted)
    headers = _headers(access, wanted)
    corrections = _corrections(access, wanted)
    checks, verdicts, tasks = _scores(access, wanted)
    return {
        one: Evidence(
            exchange,
            headers.get(one, {}),
            tuple(corrections.get(one, ())),
            tuple(checks.get(one, ())),
            tuple(verdicts.get(one, ())),
            tasks.get(one),
        )
        for one, exchange in exchanges.items()
    }


def redacted(expected: Expected, surrogates: Surrogates) -> Expected:
    """What is expected with the surrogates of its case."""
    return Expected.model_validate(surrogates.value(expected.model_dump(mode="json", by_alias=True, exclude_defaults=True)))


def _headers(access: Access, ids: list[str]) -> dict[str, dict[str, str]]:
    found = pages.rows(
        access,
        "SELECT exchange_id::VARCHAR AS id, request_headers::VARCHAR AS headers FROM exchanges "
        "WHERE exchange_id IN (SELECT CAST(unnest($ids) AS UUID))",
        {"ids": ids},
    )
    return {row["id"]: json.loads(row["headers"]) for row in found if row["headers"]}


def _corrections(access: Access, ids: list[str]) -> dict[str, list[Expected]]:
    """Corrected answers of labels, then those of users."""
    found: dict[str, list[Expected]] = {}
    labelled = pages.rows(
        access,
        "SELECT exchange_id::VARCHAR AS id, expected::VARCHAR AS expected FROM labels "
        "WHERE expected IS NOT NULL AND exchange_id IN (SELECT CAST(unnest($ids) AS UUID)) ORDER BY created_at DESC",
        {"ids": ids},
    )
    for row in labelled:
        found.setdefault(row["id"], []).append(Expected.model_validate(_part(json.loads(row["expected"]))))
    for row in pages.rows(access, _USERS, {"ids": ids}):
        found.setdefault(row["id"], []).append(Expected(text=row["value"]))
    return found


_USERS = (
    f"SELECT f.exchange_id::VARCHAR AS id, f.value FROM {FEEDBACK} f "  # noqa: S608  all of it is ours
    "WHERE lower(f.name) IN ('correction', 'corrected', 'edit') AND f.value IS NOT NULL "
    "AND f.exchange_id IN (SELECT CAST(unnest($ids) AS UUID)) ORDER BY f.created_at DESC"
)


def _part(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


def _scores(access: Access, ids: list[str]) -> tuple[dict[str, list[str]], dict[str, list[Failed]], dict[str, str]]:
    """By exchange: the checks that it failed, the questions that a judge failed it on, its task; the newest first."""
    checks: dict[str, list[str]] = {}
    verdicts: dict[str, list[Failed]] = {}
    tasks: dict[str, str] = {}
    found = pages.rows(
        access,
        "SELECT exchange_id::VARCHAR AS id, name, kind, label, reason, fingerprint, scorer FROM scores "
        "WHERE (kind = 'checks' OR passed = false AND kind IN ('check', 'judge_item')) "
        "AND exchange_id IN (SELECT CAST(unnest($ids) AS UUID)) "
        "ORDER BY created_at DESC, name",
        {"ids": ids},
    )
    for row in found:
        if row["kind"] == "checks":
            if row["label"]:
                tasks.setdefault(row["id"], row["label"])
        elif row["kind"] == "check":
            checks.setdefault(row["id"], []).append(row["name"])
        else:
            rubric, _, item = row["name"].partition(".")
            failed = Failed(rubric, item, row["reason"], row["fingerprint"], row["scorer"] or "judge")
            verdicts.setdefault(row["id"], []).append(failed)
    return checks, verdicts, tasks
