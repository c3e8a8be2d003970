"""The command behind scripts/simulate: prints the tables of docs/gate.md, measured on the gate as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from scoring.gate import recorded_judges, simulation
from scoring.gate.flywheel import KINDS, Deploys, Product, play


@click.group()
def main() -> None:
    """How often the gate cries wolf, and what it sees."""


_repetitions = click.option("--repetitions", default=2000, show_default=True, help="Comparisons, or played products, a line.")
_seed = click.option("--seed", default=7, show_default=True)


_other = click.option(
    "--other", is_flag=True, help="The harder settings: with everything, small sets, conversations, cases that always fail."
)


@main.command()
@_repetitions
@_seed
@_other
def alarms(repetitions: int, seed: int, other: bool) -> None:
    """False alarms: nothing changed, and what failed all the same."""
    lines = simulation.other_settings if other else simulation.settings
    _print(simulation.table(lines(0.0, "breaks"), repetitions, seed))


@main.command()
@_repetitions
@_seed
@_other
@click.option("--drop", default=0.05, show_default=True, help="True difference in pass rate.")
@click.option("--kind", type=click.Choice(simulation.KINDS), default="breaks", show_default=True, help="How the candidate is worse.")
def power(repetitions: int, seed: int, other: bool, drop: float, kind: str) -> None:
    """Power: the candidate is worse, and how often that is seen."""
    lines = simulation.other_settings if other else simulation.settings
    _print(simulation.table(lines(drop, kind), repetitions, seed))


@main.command()
@_repetitions
@_seed
def flywheel(repetitions: int, seed: int) -> None:
    """Ten releases that feed their failures back, as often as asked."""
    _print(_flywheel(repetitions, seed))


@main.command()
@_seed
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def judges(seed: int, file: Path) -> None:
    """Real pairs: FILE holds LLMBar's recorded judges (Parquet)."""
    _print(recorded_judges.table(file, seed))


def _flywheel(repetitions: int, seed: int) -> Iterator[str]:
    yield "| product | unchanged deploys blocked | mending deploys blocked | deploys that break a mended case: blocked | and named |"
    yield "|---|---|---|---|---|"
    products = {
        "10% flaky, 1 run": Product(),
        "10% flaky, 3 runs": Product(runs=3),
        "10% flaky, reruns": Product(has_reruns=True),
        "30% flaky, 1 run": Product(flaky=0.3),
        "30% flaky, reruns": Product(flaky=0.3, has_reruns=True),
        "30% flaky, 5 runs": Product(flaky=0.3, runs=5),
    }
    for name, product in products.items():
        totals = {kind: Deploys() for kind in KINDS}
        for repetition in range(repetitions):
            for kind, deploys in play(product, seed * 1_000_003 + repetition).items():
                totals[kind].add(deploys)
        shares = [f"{one.blocked / one.tried:.3f} of {one.tried:,}" for one in totals.values()]
        yield f"| {name} | {' | '.join(shares)} | {totals['breaks'].named / totals['breaks'].tried:.3f} |"


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        click.echo(line)


if __name__ == "__main__":
    main()
