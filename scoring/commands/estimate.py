"""Estimate a failure rate from judged and partly labelled rows in a file, with an interval that holds although the judge errs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from scoring.estimates.estimate import Method

SHOWN = ("n", "n_labels", "judge_rate", "rate", "low", "high")
"""What is said of each stratum."""
MOST_STRATA = 50
"""Strata beyond which a list of them helps nobody; they are used all the same."""


@click.command()
@click.option(
    "--config", type=click.Path(dir_okay=False), expose_value=False, help="Taken as by every command; nothing in it matters here."
)
@click.option("--level", type=click.FloatRange(0.5, 1.0, max_open=True), default=0.95, show_default=True, help="Of the intervals.")
@click.option(
    "--method",
    type=click.Choice(["jeffreys", "ppi++", "rogan-gladen"]),
    default="jeffreys",
    show_default=True,
    help="ppi++: with at least 10 labelled failures and passes. rogan-gladen: the labels are old, the rows without one are new.",
)
@click.option("--seed", type=int, default=None, help="Of the Monte Carlo draws; the same seed gives the same interval.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True))
def estimate(level: float, method: Method, seed: int | None, file: Path) -> None:
    """Print the failure rate of FILE (CSV, Parquet or JSON Lines; - is standard input) as JSON.

    One row a judged item, 1 = failure: item, verdict (0, 1, empty = unscored), label (0, 1, empty = none), and where known p (probability
    that the row was drawn), p_label (that a drawn row was labelled; else the same for all), stratum, cluster (rows of one trace).
    """
    import json
    import sys
    from dataclasses import asdict

    from scoring.estimates.agreement import agreement
    from scoring.estimates.estimate import estimate as compute
    from scoring.estimates.posterior import SEED
    from scoring.estimates.reading import parse, read
    from scoring.estimates.slices import slices

    sample = parse(sys.stdin.buffer.read(), "standard input") if str(file) == "-" else read(file)
    drawn = SEED if seed is None else seed
    found = compute(sample, method=method, level=level, seed=drawn)
    agreed = agreement(sample, level=level, seed=drawn, design_effect=found.design_effect)
    said = asdict(found) | asdict(agreed)
    if 1 < len(sample.strata) <= MOST_STRATA:
        parts = slices(sample, [sample.strata[code] for code in sample.stratum], level=level, seed=drawn)
        said["strata"] = {
            name: {key: getattr(part.estimate, key) for key in SHOWN} | {"p_adjusted": part.p_adjusted} for name, part in parts.items()
        }
    click.echo(json.dumps(said, indent=2))
