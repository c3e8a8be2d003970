"""The short account that `goldwash up` gives of itself: addresses first, then a line that moves, or structured lines for machines."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final, TextIO

import aiohttp
import structlog
from rich.console import Console

if TYPE_CHECKING:
    from proxy.supervisor import Supervisor

TRY_SQL: Final = "SELECT provider, response_model, count(*) AS n, sum(cost_usd) AS usd FROM exchanges GROUP BY ALL ORDER BY usd DESC"
# How each SDK is pointed here; the README's table says more.
SDKS: Final = (
    ("OpenAI", "OPENAI_BASE_URL", "openai/v1"),
    ("Anthropic", "ANTHROPIC_BASE_URL", "anthropic"),
    ("Google GenAI", "GOOGLE_GEMINI_BASE_URL", "google"),
    ("Ollama", "OLLAMA_HOST", "ollama"),
    ("AWS Bedrock", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "aws-bedrock"),
    ("any other", "base URL", "NAME"),
)
SENTENCES: Final = {
    "child_died": "{child} ended with code {code}; started again in {restart_in:g} s",
    "child_starts_again": "{child} starts again, as planned",
    "child_killed": "{child} did not end within {after:g} s and was killed",
    "config_refused": "the configuration was not taken: {why}; {kept} stay",
    "needs_restart": "a changed {keys} takes effect at the next start",
    "renewed": "{workers} worker(s) renewed; running streams ended on the old ones",
    "draining": "draining: no new requests, streams finish, what is spooled is loaded (Ctrl-C again ends at once)",
    "stopping_at_once": "ended at once; what is spooled is loaded at the next start",
    "stopped": "stopped",
    "cannot_start": "{why}",
}
FOLLOW_SECONDS: Final = 2.0
LOG_LINE_SECONDS: Final = 60.0
STEP_SECONDS: Final = 10
"""A log that is so much further behind than at the last line has moved; less comes and goes."""


class Account:
    """Tells what happens: sentences in a terminal, structlog elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._tty = stream.isatty()
        self._console = Console(file=stream, highlight=False)
        self._log = structlog.get_logger("goldwash")

    @staticmethod
    def host_of(host: str) -> str:
        """An address that a client on this machine can use."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
        return f"[{host}]" if ":" in host else host

    def tell(self, event: str, **facts: Any) -> None:
        """Report one event."""
        if self._tty:
            bad = event in ("child_died", "child_killed", "config_refused", "cannot_start")
            self._console.print(SENTENCES.get(event, event).format(**facts), style="yellow" if bad else "dim")
        else:
            level = "warning" if event in ("child_died", "child_killed", "config_refused", "cannot_start") else "info"
            getattr(self._log, level)(event, **facts)

    def greet(self, supervisor: Supervisor) -> None:
        """Say where everything is, and the first thing to try."""
        settings = supervisor.settings
        scheme = "https" if settings.proxy.tls_cert else "http"
        base = f"{scheme}://{self.host_of(settings.proxy.host)}:{supervisor.port}"
        admin = f"http://{self.host_of(settings.admin.host)}:{supervisor.admin_port}"
        if not self._tty:
            self._log.info("up", proxy=base, admin=admin, workers=len(supervisor.workers), data_dir=str(settings.data_dir))
            return
        self._console.print(f"\n[bold]Goldwash[/bold] passes traffic at [bold]{base}[/bold]")
        self._console.print(f"log, metrics, SQL and the web page: {admin}")
        self._console.print(f"data: {settings.data_dir}\n", soft_wrap=True)
        for name, variable, path in (("SDK", "set", "to"), *((name, variable, f"{base}/{path}") for name, variable, path in SDKS)):
            self._console.print(f"{name:<14}{variable:<34}{path}", style="dim" if name == "SDK" else None, soft_wrap=True)  # to be copied
        known = ", ".join(sorted(settings.upstreams))
        self._console.print(f"\n[dim]upstreams:[/dim] {known}")
        self._console.print(f'[dim]then try:[/dim] goldwash sql "{TRY_SQL}"\n', soft_wrap=True)

    async def wait_for_log(self, supervisor: Supervisor, stopping: asyncio.Event, seconds: float = 30) -> bool:
        """Wait until the log service answers; False where it does not."""
        url = f"http://{self.host_of(supervisor.settings.admin.host)}:{supervisor.admin_port}/readyz"
        until = time.monotonic() + seconds
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < until and not stopping.is_set():
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(url, timeout=aiohttp.ClientTimeout(total=2)) as answer:
                        if answer.status == 200:
                            return True
                await asyncio.sleep(0.1)
        return False

    async def follow(self, supervisor: Supervisor, stopping: asyncio.Event) -> None:
        """Greet, then watch."""
        self.greet(supervisor)
        await self.watch(supervisor, stopping)

    async def watch(self, supervisor: Supervisor, stopping: asyncio.Event) -> None:
        """Show rows written and how far the log is behind, until told to stop."""
        admin = f"http://{self.host_of(supervisor.settings.admin.host)}:{supervisor.admin_port}"
        pulse = Pulse(time.monotonic())
        status = self._console.status("starting", spinner="dots") if self._tty else contextlib.nullcontext()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            with status as live:
                while not stopping.is_set():
                    figures: dict[str, float] | None
                    try:
                        async with session.get(f"{admin}/metrics") as answer:
                            figures = parse_metrics(await answer.text())
                        shown = sentence(figures)
                    except (aiohttp.ClientError, TimeoutError, OSError):
                        figures, shown = None, "the log service does not answer yet; traffic passes, and is spooled"
                    if live is not None:
                        live.update(shown)
                    elif pulse.is_due(figures, time.monotonic()):
                        if figures is None:
                            self._log.warning("log_service_silent", meanwhile="traffic passes, and is spooled")
                        else:
                            self._log.info("status", **summary(figures))
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(stopping.wait(), FOLLOW_SECONDS)


def parse_metrics(text: str) -> dict[str, float]:
    """The unlabelled samples of a Prometheus page, and sums over labels of the others, by name."""
    figures: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith(("#", "gen_ai_")) or " " not in line:  # sums over buckets say nothing
            continue
        name, _, value = line.rpartition(" ")
        with contextlib.suppress(ValueError):
            figures[name.partition("{")[0]] = figures.get(name.partition("{")[0], 0.0) + float(value)
    return figures


class Pulse:
    """When a line is due where nobody watches: something moved, or the log service has been silent for long, and the last line is old."""

    def __init__(self, now: float) -> None:
        """now: seconds of a clock that never goes back, as below."""
        self._said, self._answered = now - LOG_LINE_SECONDS, now
        self._last: dict[str, float] | None = None  # what was told last

    def is_due(self, figures: dict[str, float] | None, now: float) -> bool:
        """Whether to tell of these now; None: the log service does not answer."""
        if figures is not None:
            self._answered = now
            told = summary(figures)
            moved = {**told, "behind_seconds": told["behind_seconds"] // STEP_SECONDS, "spool_mb": 0}
            if self._last is None:  # what an earlier run left is no news; what this one did before the first look is
                self._last = {**moved, "rows_written": 0, "under_way": 0, "behind_seconds": 0, "load_errors": 0}
            if moved == self._last:
                return False
        elif now - self._answered < LOG_LINE_SECONDS:
            return False
        if now - self._said < LOG_LINE_SECONDS:
            return False
        self._said = now
        if figures is not None:
            self._last = moved
        return True


def summary(figures: dict[str, float]) -> dict[str, float]:
    """The handful that an operator looks at: rows since the log service started, what is under way, how far behind, and what went wrong."""
    found = {
        "rows_written": figures.get("goldwash_rows_written_total", 0.0),
        "under_way": figures.get("goldwash_exchanges_active", 0.0),
        "behind_seconds": _lag(figures),
        "spool_mb": figures.get("goldwash_spool_bytes", 0.0) / 1e6,
        "shed": figures.get("goldwash_shed_total", 0.0),
        "load_errors": figures.get("goldwash_load_errors_total", 0.0),
        "without_price": figures.get("goldwash_stored_without_price", 0.0),
    }
    return {name: round(value) for name, value in found.items()}


def _lag(figures: dict[str, float]) -> float:
    """Seconds; before its first round the log counts from 1970, which says nothing."""
    lag = figures.get("goldwash_log_lag_seconds", 0.0)
    return lag if lag < 1e9 else 0.0


def sentence(figures: dict[str, float]) -> str:
    """How it goes, in a line."""
    rows = figures.get("goldwash_rows_written_total", 0)
    lag = _lag(figures)
    active = figures.get("goldwash_exchanges_active", 0)
    unpriced = figures.get("goldwash_stored_without_price", 0)
    is_late = lag >= STEP_SECONDS  # the loader looks for more every few seconds: the age of its last look is no delay
    behind = f"log {lag:.0f} s behind the traffic" if is_late else f"log less than {STEP_SECONDS} s behind"
    parts = [f"{rows:,.0f} rows written", f"{active:,.0f} under way", behind]
    if unpriced:
        parts.append(f"{unpriced:,.0f} without a price (goldwash doctor)")
    return " · ".join(parts)
