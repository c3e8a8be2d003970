"""Runs everything on one machine: proxy workers, log service, watcher; shows in a few lines how it goes."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from config.settings import Settings
from proxy import logs
from proxy.cli import config_option, load_settings
from proxy.supervisor import CannotStart, Supervisor, run
from proxy.terminal import Account


@click.command()
@config_option
@click.option("--workers", type=int, help="Worker processes that share the port; 0 = one a core.")
@click.option("--port", type=int, help="Port for clients.")
@click.option("--admin-port", type=int, help="Port for SQL, metrics, health and the web page.")
@click.option("--demo", is_flag=True, help="Play a few dozen exchanges from a built-in upstream, show what they cost, and stay up.")
def up(config: Path | None, workers: int | None, port: int | None, admin_port: int | None, demo: bool) -> int:
    """Run everything on one machine: proxy workers, log service, watcher."""
    logs.set_up(os.environ.get("GOLDWASH_LOG_LEVEL", "info"))
    logs.hook()

    def settings() -> Settings:
        return load_settings(config, proxy={"port": port, "workers": workers}, admin={"port": admin_port})

    if demo:
        return asyncio.run(_demo(settings()))
    account = Account(sys.stderr)
    return asyncio.run(_up(settings(), settings, account, account.follow))


async def _up(first: Settings, reload: Any, account: Account, while_up: Any) -> int:
    try:
        return await run(first, reload, account.tell, while_up)
    except CannotStart as error:
        raise click.ClickException(str(error)) from error


async def _demo(settings: Settings) -> int:
    from rich.console import Console

    from proxy.demo import DemoUpstream, demo_upstreams, play

    account = Account(sys.stderr)
    upstream = DemoUpstream()
    base = await upstream.start()
    try:
        with tempfile.TemporaryDirectory(prefix="goldwash-demo-") as directory:
            tree = settings.model_dump()
            tree["data_dir"] = Path(directory)  # demo traffic never mixes with real traffic
            for name, options in demo_upstreams(base).items():
                tree["upstreams"][name] = {**tree["upstreams"].get(name, {}), **options, "egress_proxy": None}
            demo_settings = Settings.model_validate(tree)

            async def show(supervisor: Supervisor, stopping: asyncio.Event) -> None:
                host = account.host_of(supervisor.settings.proxy.host)
                scheme = "https" if supervisor.settings.proxy.tls_cert else "http"
                account.greet(supervisor)
                await account.wait_for_log(supervisor, stopping)
                admin = f"http://{account.host_of(supervisor.settings.admin.host)}:{supervisor.admin_port}"
                watched = sys.stdin.isatty() and sys.stdout.isatty()
                told = Path(directory) if watched else None  # what to ask while it runs, if it goes on
                await play(f"{scheme}://{host}:{supervisor.port}", admin, Console(stderr=False), data_dir=told)
                if not watched:
                    os.kill(os.getpid(), 15)  # nobody is watching: the demo has ended
                    return
                await account.watch(supervisor, stopping)

            return await _up(demo_settings, lambda: demo_settings, account, show)
    finally:
        await upstream.stop()
