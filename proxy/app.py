"""What the proxy port serves beside the traffic, under /goldwash/: feedback and health, by aiohttp."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aiohttp import web

from proxy.service import opinions

if TYPE_CHECKING:
    from proxy.lane.lane import Lane


def build_app(lane: Lane) -> web.Application:
    """The application of a worker; its answers close the connection, which is aiohttp's from then on."""
    app = web.Application(client_max_size=1 << 20)

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "draining" if lane.draining else "ok"}, status=503 if lane.draining else 200)

    async def feedback(request: web.Request) -> web.Response:
        if request.content_type != "application/json":  # a web page of elsewhere can send no such body without being asked first
            return _failure(415, "send feedback as application/json")
        try:
            said = opinions.parse("feedback", await request.json())
        except (ValueError, UnicodeDecodeError) as error:
            return _failure(400, str(error))
        for opinion in said:
            if not lane.capture.record(opinion.frame(time.time_ns())):
                return _failure(507, "the spool has no room: free disk space, then send it again")
        return web.json_response({"ids": [opinion.id for opinion in said]}, status=202)

    async def unknown(request: web.Request) -> web.Response:
        return _failure(404, f"{request.path} is not served here: /goldwash/feedback (POST) and /goldwash/health are")

    async def close_after(_: web.Request, response: web.StreamResponse) -> None:
        response.force_close()  # the client's next exchange must find the lane again

    app.on_response_prepare.append(close_after)
    app.router.add_get("/goldwash/health", health)
    app.router.add_post("/goldwash/feedback", feedback)
    app.router.add_route("*", "/{path:.*}", unknown)
    return app


def _failure(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"type": "goldwash", "message": f"Goldwash: {message}"}}, status=status)
