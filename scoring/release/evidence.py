"""One bundle that shows an auditor on what a release rests: files with their hashes, and what can be worked out again from them. Pure.

The same inputs give the same bytes: names sorted, times fixed, nothing compressed. `checked` needs nothing but the bundle: it works out
every hash, the dataset's version, the verdict (where the baseline is inside) and the human sample's figures anew.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final, NamedTuple

from scoring.gate import results as gate_results
from scoring.gate.alone import decide_alone
from scoring.gate.decide import decide
from scoring.gate.reports import Report, render
from scoring.gate.results import BadInput
from scoring.gate.rows import dataset
from scoring.gate.rules import parse as parse_rules
from scoring.gate.verdict import Verdict
from scoring.gate.words import State
from scoring.golden.blobs import names as blob_names
from scoring.golden.case import BadCase, lines_of
from scoring.release.mark import BadRelease, digest, parse, short, text_of
from scoring.release.sample import tally

MANIFEST: Final = "manifest.json"
MARK: Final = "release.json"
FORMAT: Final = 1
MOST: Final = 4 << 30
"""Bytes of a zip's files that are read: all of them stand in memory."""
ROLES: Final = {
    "results": "results/candidate.jsonl",
    "baseline": "results/baseline.jsonl",
    "anchor": "results/anchor.jsonl",
    "verdict": "verdict.json",
    "rules": "rules.toml",
    "sample": "sample.csv",
    "calibration": "calibration.json",
    "report": "report.md",
}
"""What a file is, and where it lies in the bundle; golden files lie under golden/."""


class Line(NamedTuple):
    """One thing that was worked out again."""

    what: str
    ok: bool | None  # None: the bundle does not hold what it takes
    said: str


def bundle(mark: Mapping[str, Any], files: Mapping[str, bytes], made_by: str) -> dict[str, bytes]:
    """All files of the bundle by name, the manifest among them. files: name in the bundle → content."""
    whole = {**files, MARK: text_of(mark).encode()}
    listed = {name: {"sha256": digest(data), "bytes": len(data)} for name, data in sorted(whole.items())}
    manifest = {"release_evidence": FORMAT, "release": mark["release"], "made_by": made_by, "files": listed}
    return {**whole, MANIFEST: (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()}


def zipped(files: Mapping[str, bytes]) -> bytes:
    """The bundle as a zip, the same bytes for the same files: stored, sorted, dated 1980."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(files.items()):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            info.create_system = 3
            archive.writestr(info, data)
    return out.getvalue()


def unzipped(data: bytes, place: str) -> dict[str, bytes]:
    """The files of a zip. Raises BadRelease."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            inside = [one for one in archive.infolist() if not one.is_dir()]
            if len({one.filename for one in inside}) < len(inside):
                raise BadRelease(f"{place}: two of its files have one name: this is not what `goldwash release evidence` wrote")
            if sum(one.file_size for one in inside) > MOST:
                raise BadRelease(f"{place}: it holds more than {MOST >> 30} GB: unpack it, and verify the folder")
            return {one.filename: archive.read(one) for one in inside}
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise BadRelease(f"{place}: this is no zip that can be read ({error}): make the bundle anew") from error


def checked(files: Mapping[str, bytes], place: str) -> list[Line]:
    """What can be worked out again from a bundle, and whether it comes to the same. Raises BadRelease where it is no bundle."""
    try:
        manifest = json.loads(files[MANIFEST])
        listed = dict(manifest["files"])
        mark = parse(files[MARK].decode(), MARK)
    except (KeyError, TypeError, ValueError) as error:
        raise BadRelease(f"{place}: {MANIFEST} or {MARK} is missing or unreadable ({error}): this is no evidence bundle") from error
    return [*_hashes(files, listed), *_marked(files, mark), *_recomputed(files, mark)]


def _hashes(files: Mapping[str, bytes], listed: Mapping[str, Any]) -> Iterator[Line]:
    for name in sorted(files.keys() | listed.keys()):
        if name == MANIFEST:
            continue
        if name not in listed:
            yield Line(name, False, "is not in the manifest")
        elif name not in files:
            yield Line(name, False, "is in the manifest and not in the bundle")
        elif digest(files[name]) != listed[name].get("sha256"):
            yield Line(name, False, "was changed: its hash is another than the manifest's")
        else:
            yield Line(name, True, f"{len(files[name]):,} bytes as listed")


def _marked(files: Mapping[str, bytes], mark: Mapping[str, Any]) -> Iterator[Line]:
    """Whether the files are those that the release was marked with."""
    for role, said in sorted(mark["files"].items()):
        name = ROLES.get(role)
        if name is None:
            continue
        if name not in files:
            yield Line(role, False, f"the mark names {said['path']}, and the bundle lacks it")
        else:
            same = digest(files[name]) == said["sha256"]
            yield Line(role, same, "is the file that was marked" if same else "is another file than the one that was marked")


def _recomputed(files: Mapping[str, bytes], mark: Mapping[str, Any]) -> Iterator[Line]:
    try:
        results = _results(files, "results")
        if results is None:
            yield Line("verdict", None, "no results to work it out from")
            return
        yield _dataset(files, mark)
        yield _verdict(files, mark, results)
        sheet = files.get(ROLES["sample"])
        told = mark["accepted"].get("sample")
        if sheet is not None:
            same = tally(sheet.decode(), results, str(mark["release"]), ROLES["sample"]).as_json() == told
            yield Line("human sample", same, "counts to the same" if same else "counts to something else than the mark says")
        elif told is not None:
            yield Line("human sample", False, "the mark tells of one, and the bundle lacks it")
    except (BadInput, BadCase, UnicodeDecodeError, ValueError) as error:
        yield Line("contents", False, str(error))


def _dataset(files: Mapping[str, bytes], mark: Mapping[str, Any]) -> Line:
    told = mark["measured_with"].get("dataset")
    golden = {name: data for name, data in files.items() if name.startswith("golden/") and name.endswith(".jsonl")}
    if not golden:
        return Line("dataset", None, "no golden files in the bundle")
    cases = [case for name, data in sorted(golden.items()) for case in lines_of(data.decode(), name)]
    missing = sorted({blob for case in cases for blob in blob_names(case.input.body) if f"golden/blobs/{blob}" not in files})
    if missing:
        return Line("dataset", False, f"{len(missing)} blobs of its cases are missing, such as {missing[0][:12]}")
    if told is None:
        return Line("dataset", None, f"{len(cases)} cases; the results name no dataset")
    found = dataset(cases)
    return Line("dataset", found == told, f"{len(cases)} cases, version {found}" + ("" if found == told else f"; the results say {told}"))


def _verdict(files: Mapping[str, bytes], mark: Mapping[str, Any], results: gate_results.Results) -> Line:
    told = mark["verdict"]
    again = decided(files, mark, results)
    if isinstance(again, str):
        return Line("verdict", None, f"cannot be worked out again: {again}")
    found = short(again.as_json())
    same = found["outcome"] == told["outcome"] and _states(found) == _states(told)
    return Line("verdict", same, f"{found['outcome']} again" if same else f"comes to {found['outcome']} {_differ(found, told)}")


def decided(files: Mapping[str, bytes], mark: Mapping[str, Any], results: gate_results.Results) -> Verdict | str:
    """The verdict, worked out from what the bundle holds; why not, where something is missing. Raises BadInput."""
    base, rules, told = _results(files, "baseline"), files.get(ROLES["rules"]), mark["verdict"]
    if rules is None:
        return "the rules are not in it"
    if base is None and _states(told).get("regression") not in (None, State.SKIPPED):
        return "it was decided against a baseline that is not in it (`release mark --baseline`)"
    on = date.fromisoformat(str(mark["files"].get("rules", {}).get("decided_on") or mark["at"][:10]))
    read = parse_rules(rules.decode(), ROLES["rules"])
    strict = bool(told.get("is_inconclusive")) and told["outcome"] == "could_not_tell"
    if base is None:
        return decide_alone(results, read, today=on, strict=strict)
    return decide(base, results, read, today=on, anchor=_results(files, "anchor"), strict=strict)


def report(files: Mapping[str, bytes], mark: Mapping[str, Any]) -> str:
    """What a reviewer would have seen: the gate's report as Markdown, or why there is none. Raises BadInput."""
    results = _results(files, "results")
    verdict = "the results are not in it" if results is None else decided(files, mark, results)
    if isinstance(verdict, str) or results is None:
        return f"No report: the verdict cannot be worked out again: {verdict}\n"
    return render("markdown", [Report(_results(files, "baseline"), results, verdict)])


def _states(verdict: Mapping[str, Any]) -> dict[str, Any]:
    return {one["rule"]: one["state"] for one in verdict["rulings"]}


def _differ(found: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    now, then = _states(found), _states(told)
    other = [f"{rule}: {then.get(rule)} → {now.get(rule)}" for rule in sorted(now.keys() | then.keys()) if now.get(rule) != then.get(rule)]
    return f"where the mark says {told['outcome']}" + (f" ({', '.join(other[:4])})" if other else "")


def _results(files: Mapping[str, bytes], role: str) -> gate_results.Results | None:
    data = files.get(ROLES[role])
    return None if data is None else gate_results.parse(data.split(b"\n"), ROLES[role])
