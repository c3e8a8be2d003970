"""Metrics: unknown is left out, labels are escaped, hanging workers do not count as accepting."""

from __future__ import annotations

import time
from pathlib import Path

from proxy.service.exposition import Figure, render
from proxy.service.figures import Counts, Workers, figures, spool_size, workers
from proxy.service.loading import Progress
from proxy.spool.gauge import Gauge
from proxy.spool.writer import Spool


def test_unknown_is_left_out(tmp_path: Path) -> None:
    """A log that cannot be counted gives no zeros."""
    text = render(figures(Counts(), Progress(loaded_until=time.time()), tmp_path, Workers(), {}))
    assert "goldwash_accepted_total" not in text
    assert "goldwash_log_bytes" not in text
    assert "goldwash_workers 0" in text


def test_labels_are_escaped() -> None:
    """Prometheus' own rules: backslash, quote, line feed."""
    figure = Figure("m", "gauge", "A sentence.", (({"a": 'x"\\\n'}, 1.5), ({"a": "y"}, None)))
    assert render([figure]) == '# HELP m A sentence.\n# TYPE m gauge\nm{a="x\\"\\\\\\n"} 1.5\n'


def test_workers_are_those_that_live(tmp_path: Path) -> None:
    """A fresh gauge accepts; an old one lives and hangs; a dead run is neither."""
    runs = [Spool(tmp_path, "here", f"w{n}", 1 << 16) for n in range(4)]
    for spool, age, draining in zip(runs, (0, 60, 0, 0), (False, False, True, False), strict=True):
        gauge = Gauge(spool.path)
        gauge.write(
            {
                "at": time.time() - age, "active": 2, "connections": 3, "refused": 1, "draining": draining, "spool_full_since": age or None,
                "upstream": {"open": 1, "dialled": 4, "reused": 9},
            }
        )  # fmt: skip
        gauge.close()
    runs[3].close()
    seen = workers(tmp_path)
    assert seen == Workers(
        alive=3, accepting=1, active=6, connections=9, refused=3, spool_full=1, upstream_open=3, upstream_dialled=12, upstream_reused=27
    )
    segments, size = spool_size(tmp_path)
    assert (segments, size) == (4, 4 << 16)
    for spool in runs[:3]:
        spool.close()
