"""The columns of a run's matrix: each target with each of its prompts, and where the answers of each are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from config.settings import Settings
from scoring.gate.answers import Cache, Keeps, PlainFile, Recorded
from scoring.gate.headers import prices
from scoring.gate.order import Order
from scoring.gate.results import BadInput
from scoring.gate.targets.variants import Variant, placed, variants


class Column(NamedTuple):
    """One variant of a run."""

    variant: Variant
    keeps: tuple[Keeps, ...]
    plain: PlainFile | None = None  # a user's own file of answers
    folder: Path | None = None  # a recorded store that alone decides


def columns(order: Order, settings: Settings, home: Path) -> list[Column]:
    """All columns, in the order of the targets. Raises BadInput."""
    found = [
        _column(variant, order, settings, home)
        for variant in variants(settings.target, chosen(order.targets, settings), order.prompts, home)
    ]
    return [column for group in found for column in group]


def chosen(names: tuple[str, ...], settings: Settings) -> tuple[str, ...]:
    """The targets that are run: those named, else [gate] targets, else the only one there is. Raises BadInput."""
    wanted = names or settings.gate.targets
    if wanted:
        return tuple(dict.fromkeys(wanted))
    if len(settings.target) == 1:
        return tuple(settings.target)
    if not settings.target:
        raise BadInput(
            'no target is configured: write [target.candidate] into goldwash.toml, with kind = "endpoint" and what is under test'
        )
    raise BadInput(f"{len(settings.target)} targets are configured: choose with --targets, of {', '.join(sorted(settings.target))}")


def _column(variant: Variant, order: Order, settings: Settings, home: Path) -> list[Column]:
    target = variant.target
    if target.kind == "recorded":
        return _recorded(variant, settings, home)
    if order.recorded is not None:
        return [Column(variant, (Recorded(order.recorded, writes=False),), folder=order.recorded)]
    keeps: list[Keeps] = []
    if order.use_cache and settings.gate.cache:
        keeps.append(Cache(settings.data_dir / "gate" / "cache", settings.gate.cache_days))
    if order.record is not None:
        if not variant.is_repeatable:
            raise BadInput(f"[target.{variant.name}] is a program, and nothing says which files make its answers: name them in watch first")
        keeps.append(Recorded(order.record, writes=True))
    return [Column(variant, tuple(keeps))]


def _recorded(variant: Variant, settings: Settings, home: Path) -> list[Column]:
    target = variant.target
    assert target.answers is not None  # checked with the configuration
    place = placed(target.answers, home)
    if not place.is_dir():
        return [Column(variant, (), PlainFile(place, prices(settings)))]
    if target.of is None or settings.target.get(target.of) is None or settings.target[target.of].kind == "recorded":
        raise BadInput(
            f"[target.{variant.name}] answers = {str(place)!r} is a folder of --record: say in `of` which target's answers to take"
        )
    return [
        Column(replace(one), (Recorded(place, writes=False),), folder=place) for one in variants(settings.target, [target.of], (), home)
    ]
