"""The web page at `/`: what is running and what passed today, made on the server, without a script, every value escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

STYLE: Final = """
:root{color-scheme:light dark;--soft:#8884}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem}
h1{font-size:1.3rem}h2{font-size:1rem;margin-top:2rem}dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(11rem,1fr));gap:1rem}
dt{font-size:.8rem;opacity:.7}dd{margin:0;font-size:1.2rem;font-variant-numeric:tabular-nums}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--soft);white-space:nowrap}td.n,th.n{text-align:right;
font-variant-numeric:tabular-nums}.wide{overflow-x:auto}code{background:var(--soft);padding:.1rem .3rem;border-radius:.2rem}.bad{color:#c33}
"""

CSP: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
)
"""The one style is allowed by its hash; nothing else loads, runs or is sent."""

TODAY: Final = """
SELECT count(*) AS exchanges, sum(cost_usd) AS cost_usd, count(*) FILTER (cost_usd IS NULL) AS unpriced,
    count(*) FILTER (ending <> 'complete' OR status >= 400) AS errors, sum(input_tokens) AS input_tokens,
    sum(output_tokens) AS output_tokens, quantile_cont(duration_ms, 0.5) AS p50_ms
FROM exchanges WHERE accepted_at >= date_trunc('day', now())
"""
LAST: Final = """
SELECT accepted_at, provider, coalesce(response_model, request_model) AS model, feature, status, ending, input_tokens, output_tokens,
    cost_usd, duration_ms
FROM exchanges ORDER BY accepted_at DESC LIMIT 20
"""
_LAST_COLUMNS: Final = ("accepted (UTC)", "provider", "model", "feature", "status", "ending", "input", "output", "cost $", "ms")
_NUMBERS: Final = frozenset({"status", "input", "output", "cost $", "ms"})


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows."""

    base_url: str | None  # of the proxy; None: not known
    accepting: bool
    lag: float  # seconds
    loading_error: str | None
    today: Sequence[Any] | None  # the row of TODAY; None: the log could not say
    last: Sequence[Sequence[Any]]  # the rows of LAST


def render(view: View) -> str:
    """The page as HTML."""
    exchanges, cost, unpriced, errors, tokens_in, tokens_out, p50 = view.today or (None,) * 7
    facts = [
        ("proxy", f"{view.base_url or 'not told'}", False),
        ("accepting", "yes" if view.accepting else "no", not view.accepting),
        ("log behind traffic", f"{view.lag:.1f} s", view.lag > 60),
        ("exchanges today", number(exchanges), False),
        ("cost today", money(cost) + (f" + {unpriced} without a price" if unpriced else ""), False),
        ("errors today", number(errors), bool(errors)),
        ("input tokens today", number(tokens_in), False),
        ("output tokens today", number(tokens_out), False),
        ("median duration", "–" if p50 is None else f"{p50:,.0f} ms", False),
    ]
    if view.loading_error:
        facts.append(("the log refuses rows", view.loading_error, True))
    tiles = "".join(f"<div><dt>{escape(name)}</dt><dd{_bad(bad)}>{escape(value)}</dd></div>" for name, value, bad in facts)
    head = "".join(f"<th{_n(name)}>{escape(name)}</th>" for name in _LAST_COLUMNS)
    rows = "".join(_row(row) for row in view.last) or f'<tr><td colspan="{len(_LAST_COLUMNS)}">Nothing has passed yet.</td></tr>'
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Goldwash</title><style>{STYLE}</style></head><body><h1>Goldwash</h1><dl>{tiles}</dl>"
        f'<h2>Last exchanges</h2><div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        "<p>Ask for more: <code>goldwash sql &quot;FROM cost_daily&quot;</code> · <code>goldwash sql &quot;SHOW TABLES&quot;</code></p>"
        "</body></html>"
    )


def _row(row: Sequence[Any]) -> str:
    at, provider, model, feature, status, ending, tokens_in, tokens_out, cost, ms = row
    failed = ending != "complete" or (status or 0) >= 400
    cells = [f"{at:%H:%M:%S}" if at else "–", provider, model, feature, number(status), ending]
    cells += [number(tokens_in), number(tokens_out), money(cost), "–" if ms is None else f"{ms:,.0f}"]
    tags = zip(_LAST_COLUMNS, cells, strict=True)
    return (
        "<tr>"
        + "".join(f"<td{_n(name) or _bad(failed and name == 'ending')}>{escape(str(cell or '–'))}</td>" for name, cell in tags)
        + "</tr>"
    )


def number(value: Any) -> str:
    """A count, or a dash where it is not known."""
    return "–" if value is None else f"{value:,}"


def money(value: Any) -> str:
    """US dollars with the digits that matter, or a dash where they are not known."""
    return "–" if value is None else f"{value:,.2f}" if abs(value) >= 1 else f"{value:.6f}"


def _bad(bad: bool) -> str:
    return ' class="bad"' if bad else ""


def _n(name: str) -> str:
    return ' class="n"' if name in _NUMBERS else ""
