"""Hand out the board for Grafana and the rules for Prometheus that are shipped with Goldwash."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), help="Directory to copy them to; else their places are printed.")
def dashboards(to: Path | None) -> None:
    """Print where the shipped board (grafana.json) and rules (rules.yml, with rules_test.yml) are, or copy them."""
    import shutil

    import dashboards as shipped

    here = Path(next(iter(shipped.__path__)))
    for file in sorted(file for file in here.iterdir() if file.suffix in (".json", ".yml")):
        if to is not None:
            to.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, to / file.name)
        click.echo(str(file if to is None else to / file.name))
