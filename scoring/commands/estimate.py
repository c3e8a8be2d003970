"""Estimates a failure rate from judged and partly labelled rows in a file, with an interval that holds although the judge errs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--config", type=click.Path(dir_okay=False), expose_value=False, help="Taken as by every command; nothing in it matters here."
)
@click.option("--level", type=click.FloatRange(0.5, 1.0, max_open=True), default=0.95, show_default=True, help="Of the intervals.")
@click.option("--seed", type=int, default=None, help="Of the Monte Carlo draws; the same seed gives the same interval.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True))
def estimate(level: float, seed: int | None, file: Path) -> None:
    """Print the failure rate of FILE (CSV, Parquet or JSON Lines; - is standard input) as JSON.

    One row a judged item, 1 = failure: item, verdict (0, 1, empty = unscored), label (0, 1, empty = none), and where known p (probability
    that the row was drawn), p_label (that a drawn row was labelled; else the same for all), stratum, cluster (rows of one trace).
    """
    import json
    import sys
    from dataclasses import asdict

    from scoring.estimates.estimate import estimate as compute
    from scoring.estimates.posterior import SEED
    from scoring.estimates.reading import parse, read

    sample = parse(sys.stdin.buffer.read(), "standard input") if str(file) == "-" else read(file)
    found = compute(sample, level=level, seed=SEED if seed is None else seed)
    said = asdict(found)
    said |= said.pop("agreement")
    click.echo(json.dumps(said, indent=2))
