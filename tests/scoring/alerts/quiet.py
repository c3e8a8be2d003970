"""The long form: thirty quiet days with daily and weekly patterns, a day one and troubles after them, every rule looking each few minutes.

    .venv/bin/python -m tests.scoring.alerts.quiet [--a-day 20000] [--minutes 10] [--days 30]

Prints every change of an alert, and in the end how many fired. Nothing may fire while nothing is wrong.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config.settings import Settings
from proxy import logs
from proxy.service.client import Access
from scoring.alerts import rules
from scoring.alerts.evaluation import Evaluator
from tests.scoring.alerts.month import made

START = datetime(2026, 3, 2, tzinfo=UTC)


def main() -> None:
    """Fill, follow, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--a-day", type=int, default=20_000)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=float, default=0.5)
    arguments = parser.parse_args()
    logs.set_up("warning")
    with tempfile.TemporaryDirectory() as directory:
        count = made(Path(directory), START, arguments.days, arguments.a_day, seed=arguments.seed)
        print(f"{count:,} exchanges in {arguments.days} days")
        settings = Settings(data_dir=Path(directory))
        evaluator = Evaluator(settings, rules.load(None))
        fired = looks = 0
        began, spent, slowest = time.perf_counter(), 0.0, 0.0
        with Access(settings) as access:
            now = START + timedelta(minutes=1)
            while now < START + timedelta(days=arguments.days):
                for one in evaluator.run(access, now):
                    if one.after in ("pending", "firing"):
                        fired += 1
                        print(f"{now:%Y-%m-%d %H:%M} {one.reading.rule} {dict(one.reading.slice)} {one.after}: {one.reading.message}")
                looks += 1
                spent += evaluator.seconds
                slowest = max(slowest, evaluator.seconds)
                now += timedelta(minutes=arguments.minutes)
        print(
            f"{looks:,} looks in {time.perf_counter() - began:.0f} s; a look asks the log for {spent / looks * 1e3:.0f} ms on average, "
            f"{slowest:.2f} s at most; {fired} alerts"
        )


if __name__ == "__main__":
    main()
