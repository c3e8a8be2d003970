"""Writes the bundle that shows an auditor on what a release rests, and checks one."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli import config_option, load_settings
from scoring.commands.golden_set import directory_option, opened, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = click.Path(path_type=Path)


@click.command()
@config_option
@directory_option
@click.argument("name", required=False)
@click.option("--out", type=FILE, help="A .zip, or a folder; else NAME-evidence.zip here.")
@click.option("--calibration", type=FILE, help="What `goldwash calibrate --json` printed; else golden/calibration.json, else the log.")
@click.option("--report", type=FILE, help="The report that reviewers saw; else the gate's, made anew.")
@click.option("--verify", type=FILE, help="Check a bundle instead: every hash, the dataset, the verdict, the human sample.")
def evidence(
    config: Path | None,
    directory: Path | None,
    name: str | None,
    out: Path | None,
    calibration: Path | None,
    report: Path | None,
    verify: Path | None,
) -> None:
    """One bundle for an auditor: verdict, rules, results, golden set, judge, human sample, report, and a manifest of hashes.

    The same release gives the same bytes. --verify needs nothing but the bundle, and exits with 1 where anything differs.
    """
    if verify is not None:
        sys.exit(_verify(verify))
    if name is None:
        raise click.UsageError("name the release, or say --verify BUNDLE")
    from scoring.release import evidence as made
    from scoring.release import files

    folder = files.directory(config)
    mark = files.read(folder, name)
    found = _marked(mark, folder.parent)
    found |= _golden(config, directory)
    found[made.ROLES["calibration"]] = _calibration(config, directory, calibration, mark)
    found.setdefault(made.ROLES["verdict"], json.dumps(mark["verdict"], indent=1, sort_keys=True).encode() + b"\n")
    found[made.ROLES["report"]] = report.read_bytes() if report else f"{_head(mark)}\n{made.report(found, mark)}".encode()
    whole = made.bundle(mark, found, f"goldwash {version('goldwash')}")
    place = out or Path(f"{name}-evidence.zip")
    if place.suffix == ".zip":
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(made.zipped(whole))
    else:
        _folder(place, whole)
    click.echo(f"{place}: {len(whole)} files, {sum(map(len, whole.values())):,} bytes")
    bad = [line for line in made.checked(whole, str(place)) if line.ok is False]
    for line in bad:
        click.echo(f"warning: {line.what}: {line.said}", err=True)
    sys.exit(1 if bad else 0)


def _verify(place: Path) -> int:
    from scoring.release.evidence import checked, unzipped
    from scoring.release.mark import BadRelease

    try:
        if place.is_dir():
            whole = {path.relative_to(place).as_posix(): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}
        else:
            whole = unzipped(place.read_bytes(), str(place))
    except OSError as error:
        raise BadRelease(f"{place}: {error.strerror or error}: name the zip or the folder of a bundle") from error
    lines = checked(whole, str(place))
    words = {True: "ok", False: "FAILED", None: "unknown"}
    for line in lines:
        click.echo(f"{words[line.ok]:<8} {shown(line.what, 120)}: {shown(line.said, 200)}")
    failed = sum(line.ok is False for line in lines)
    click.echo(f"{failed} of {len(lines)} checks failed" if failed else f"all {len(lines)} checks hold, or have nothing to rest on")
    return 1 if failed else 0


def _marked(mark: Mapping[str, Any], home: Path) -> dict[str, bytes]:
    """The files that the mark names, as they were marked. Raises BadRelease."""
    from scoring.gate.rules import SHIPPED
    from scoring.release.evidence import ROLES
    from scoring.release.files import SHIPPED as OURS
    from scoring.release.mark import BadRelease, digest

    found = {}
    for role, said in mark["files"].items():
        if role not in ROLES:
            continue
        path = SHIPPED if said["path"].startswith(OURS) else home / said["path"]
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BadRelease(f"{path}: {error.strerror or error}: release {mark['release']} rests on it; put it back") from error
        if digest(data) != said["sha256"] and path == SHIPPED:
            raise BadRelease(
                f"{said['path']}: this Goldwash ships other rules: install that version, or mark the release with --rules FILE"
            )
        if digest(data) != said["sha256"]:
            raise BadRelease(f"{path}: it was changed since release {mark['release']} was marked: put the marked version back")
        found[ROLES[role]] = data
    return found


def _golden(config: Path | None, directory: Path | None) -> dict[str, bytes]:
    golden_set = opened(config, directory)
    found = {f"golden/{path.name}": path.read_bytes() for path in sorted(golden_set.directory.glob("*.jsonl"))}
    return found | {f"golden/blobs/{name}": data for name, data in golden_set.blobs(golden_set.cases).items()}


def _calibration(config: Path | None, directory: Path | None, given: Path | None, mark: Mapping[str, Any]) -> bytes:
    """The judges' calibration: of a file, or those of the log whose fingerprint graded this release."""
    from scoring.gate.calibrated import FILE as CALIBRATION
    from scoring.gate.calibrated import known

    beside = opened(config, directory).directory
    if given is not None or (beside / CALIBRATION).is_file():
        return (given or beside / CALIBRATION).read_bytes()
    marks = set(mark["measured_with"].get("judge_fingerprints", ()))
    judges = [one for one in known(None, beside, load_settings(config)) if one.get("fingerprint") in marks] if marks else []
    return json.dumps({"judges": judges}, indent=1, sort_keys=True, default=str).encode() + b"\n"


def _head(mark: Mapping[str, Any]) -> str:
    """What stands before the gate's report: who accepted the release, and on what."""
    accepted, sample = mark["accepted"], mark["accepted"]["sample"]
    lines = [f"# Release {mark['release']}", "", f"Marked {mark['at']}, accepted by {accepted['by']}.", ""]
    lines += [f"Shipped although: {accepted['despite']}", ""] if accepted.get("despite") else []
    lines += ["Human sample: none." if sample is None else f"Human sample: {sample['accepted']} of {sample['n']} accepted.", ""]
    return "\n".join(lines)


def _folder(place: Path, whole: Mapping[str, bytes]) -> None:
    from scoring.release.mark import BadRelease

    if place.exists() and any(place.iterdir()):
        raise BadRelease(f"{place}: there is something in it: name a new folder, or a .zip")
    for name, data in whole.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
