"""The mark of a release: prompt, model, tools, dataset, judge, verdict, the human sample and who accepted it; a small JSON file for git.

It holds hashes of the files that it rests on, and no answers of anybody, so that it may lie beside the code for years. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from scoring.gate.results import Results
from scoring.release.sample import Tally

FORMAT: Final = 1
KEY: Final = "release_mark"
"""The key that says which format a mark has."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
PASSED: Final = "passed"
_TARGET: Final = ("name", "kind", "model", "upstream", "dialect", "params")
_PARTS: Final = ("ships", "measured_with", "verdict", "files", "accepted")
_SECRET: Final = re.compile(r"key|token|secret|password|authorization|credential", re.IGNORECASE)


class BadRelease(Exception):
    """A release that cannot be marked, read or shown; the text names the file or option and the fix."""

    exit_code = 2


def named(name: str) -> str:
    """The name, if it can be a file's. Raises BadRelease."""
    if not NAME.fullmatch(name):
        raise BadRelease(f"release {name!r}: use letters, digits, '.', '_', '+' and '-', such as 2026-11-21.1 or v4.2")
    return name


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return sha256(data).hexdigest()


def shipped(results: Results) -> dict[str, Any]:
    """What ships, by the header of the candidate's result file: secrets out, texts by their hash."""
    head = results.header
    said = head.extra.get("target")
    target: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
    prompt = target.get("prompt")
    found: dict[str, Any] = {key: target[key] for key in _TARGET if target.get(key) not in (None, {}, [])}
    found.setdefault("name", head.target)
    if isinstance(target.get("base_url"), str):
        found["base_url"] = _plain(target["base_url"])
    if isinstance(prompt, Mapping):
        found["prompt"] = {key: prompt[key] for key in ("file", "at", "sha256") if prompt.get(key)}
        if "sha256" not in found["prompt"] and isinstance(prompt.get("text"), str):
            found["prompt"]["sha256"] = digest(prompt["text"].encode())
    if isinstance(target.get("tools"), list):
        tools = [tool for tool in target["tools"] if isinstance(tool, Mapping)]
        found["tools"] = {"names": sorted(filter(None, map(_tool, tools))), "sha256": digest(canonical(target["tools"]).encode())}
    answered = sorted({str(row.extra["response_model"]) for row in results.rows if row.extra.get("response_model")})
    if answered:
        found["answered_as"] = answered
    cleaned: dict[str, Any] = _clean({key: value for key, value in found.items() if value is not None})
    return cleaned


def instruments(results: Results) -> dict[str, Any]:
    """What it was measured with: dataset, rubric, judge and its health, prices."""
    head = results.header
    said = {
        "dataset": head.dataset,
        "rubric": head.rubric,
        "judge": head.judge,
        "judge_state": head.judge_state,
        "judge_calibrated_on": head.judge_calibrated_on,
        "prices": head.prices,
        "judge_fingerprints": sorted(fingerprints(results)) or None,
    }
    return {key: value for key, value in said.items() if value is not None}


def fingerprints(results: Results) -> set[str]:
    """Of the judges whose opinion stands in the rows."""
    return {
        str(mark)
        for row in results.rows
        for grade in row.extra.get("grades") or ()
        if isinstance(grade, Mapping) and (mark := (grade.get("detail") or {}).get("fingerprint"))
    }


def short(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """A verdict as the mark keeps it: outcome, figures and one sentence a rule."""
    keys = ("outcome", "exit_code", "is_inconclusive", "cases", "runs", "reruns", "smallest_drop", "fingerprint")
    rulings = [{key: one.get(key) for key in ("rule", "state", "sentence")} for one in verdict.get("rulings", ())]
    return {**{key: verdict.get(key) for key in keys}, "rulings": rulings}


def verdict_in(value: Any, target: str | None, place: str) -> dict[str, Any]:
    """The verdict that a JSON file of the gate holds: its own, or one of several targets'. Raises BadRelease."""
    found = list(_verdicts(value, None))
    mine = [one for name, one in found if name == target] if len(found) > 1 else [one for _, one in found]
    if len(mine) == 1:
        return mine[0]
    if not found:
        raise BadRelease(f"{place}: there is no verdict in it: give what `goldwash gate … --json FILE` or `gate compare … --json` wrote")
    raise BadRelease(f"{place}: it holds {len(found)} verdicts and {len(mine)} of target {target}: run the gate on the target that ships")


def _verdicts(value: Any, name: str | None) -> Iterator[tuple[str | None, dict[str, Any]]]:
    if isinstance(value, dict):
        here = value.get("target", name)
        here = here.get("name") if isinstance(here, dict) else here
        if "outcome" in value and "rulings" in value:
            yield here, value
            return
        for inner in value.values():
            yield from _verdicts(inner, here)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, dict) and not ("case" in inner and "run" in inner):
                yield from _verdicts(inner, name)


def mark(
    name: str,
    at: str,
    results: Results,
    verdict: Mapping[str, Any],
    files: Mapping[str, Mapping[str, Any]],
    *,
    accepted_by: str,
    tally: Tally | None,
    despite: str | None = None,
    about: Mapping[str, str | None],
) -> dict[str, Any]:
    """The mark. files: role → {path, sha256, …}; about: git, environment, feature, prompt_version, note. Raises BadRelease.

    A release whose verdict is not a pass needs a reason (`despite`), which stands in the mark with the name.
    """
    outcome = verdict.get("outcome")
    if outcome != PASSED and not despite:
        raise BadRelease(f"release {name}: the verdict is {outcome}: mend it, or say why it ships all the same with --despite REASON")
    if tally is not None and tally.left:
        raise BadRelease(f"release {name}: {tally.left} rows of the human sample are not decided: write yes or no into `accepted`")
    return {
        KEY: FORMAT,
        "release": named(name),
        "at": at,
        **{key: value for key, value in about.items() if value},
        "ships": shipped(results),
        "measured_with": instruments(results),
        "verdict": short(verdict),
        "files": {role: dict(one) for role, one in sorted(files.items())},
        "accepted": {
            "by": accepted_by,
            "sample": None if tally is None else tally.as_json(),
            **({"despite": despite} if despite and outcome != PASSED else {}),
        },
    }


def text_of(value: Mapping[str, Any]) -> str:
    """A mark as the text of its file: keys sorted, a line a value, so that git shows what changed."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def parse(text: str, place: str) -> dict[str, Any]:
    """A mark from its file's text. Raises BadRelease."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise BadRelease(f"{place}: this is no JSON ({error}): take it from the commit that added it") from error
    if not isinstance(value, dict) or value.get(KEY) != FORMAT:
        raise BadRelease(f"{place}: this is no mark of a release that this Goldwash reads: make it with `goldwash release mark`")
    wrong = [key for key in _PARTS if not isinstance(value.get(key), dict)] + [
        key for key in ("release", "at") if not isinstance(value.get(key), str)
    ]
    if wrong or not isinstance(value["verdict"].get("rulings"), list):
        raise BadRelease(f"{place}: {wrong[0] if wrong else 'verdict.rulings'} is missing or malformed: make the mark anew")
    return value


def canonical(value: Any) -> str:
    """A JSON value as text, the same for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _plain(url: str) -> str:
    """An address without user, password, query and fragment."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return urlunsplit((parts.scheme, f"{host}:{parts.port}" if parts.port else host, parts.path, "", ""))


def _tool(tool: Mapping[str, Any]) -> str | None:
    function = tool.get("function")
    name = function.get("name") if isinstance(function, Mapping) else tool.get("name")
    return name if isinstance(name, str) else None


def _clean(value: Any) -> Any:
    """Nothing that is named like a secret; a reference to one (env, file) may stay."""
    if isinstance(value, Mapping):
        return {key: _clean(item) for key, item in value.items() if not (_SECRET.search(str(key)) and isinstance(item, str))}
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value
