"""What the proxy port serves beside the traffic, under /goldwash/: feedback and health, by aiohttp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from config.settings import Settings

if TYPE_CHECKING:
    from proxy.lane.lane import Lane


def build_app(lane: Lane, settings: Settings) -> web.Application:
    """The application of a worker."""
    app = web.Application(client_max_size=1 << 20)

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "draining" if lane.draining else "ok"}, status=503 if lane.draining else 200)

    async def close_after(_: web.Request, response: web.StreamResponse) -> None:
        # A connection that came here stays with aiohttp: the client's next exchange must find the lane again.
        response.force_close()

    app.on_response_prepare.append(close_after)
    app.router.add_get("/goldwash/health", health)
    return app
