"""Who may come in at the admin port: on loopback the browser's usual tricks are kept out, elsewhere the token is asked for.

On loopback any web page can make a browser send requests here. A page cannot set the Host header (DNS rebinding shows in it), nor
send `application/json` across origins without asking first, which is never granted: those two are checked, and no token is needed.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from config.options import is_loopback
from config.settings import Settings
from proxy.service.state import make_token, token_file

OPEN: Final = frozenset({"/healthz", "/readyz"})
"""What probes ask without a token; it tells nothing but yes or no."""

PRECIOUS: Final = frozenset({"/api/forget"})
"""What asks for the token on loopback, too: other people of this machine may read, and must not erase."""

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::[0-9]+)?")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def failure(status: int, error: str, hint: str) -> web.Response:
    """An error as JSON: what is wrong, and what to do."""
    return web.json_response({"error": error, "hint": hint}, status=status)


def door(settings: Settings, token: str | None) -> Any:
    """The middleware. token: asked for where it is given; what cannot be undone asks for it everywhere."""
    bound = settings.admin.host

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        needed = make_token(token_file(settings)) if token is None and request.path in PRECIOUS else token
        refusal = _refusal(request, bound, token) or (None if needed is token else _without_token(request, needed))
        if refusal is not None:
            response: web.StreamResponse = refusal
        else:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = failure(error.status, error.reason, "see the list of addresses in the README")
        if not response.prepared:
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
        return response

    return check


def _refusal(request: web.Request, bound: str, token: str | None) -> web.Response | None:
    if token is None:
        host = host_name(request.headers.get("Host", ""))
        if not is_loopback(host) and host != bound.lower():
            return failure(
                421, f"the Host header names {host!r}", f"ask as http://127.0.0.1:{_port(request)}: other names may be a web page's"
            )
    elif request.path not in OPEN and (refused := _without_token(request, token)) is not None:
        return refused
    if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        return failure(403, "the request comes from another web site", "open the address itself")
    if request.method not in {"GET", "HEAD"} and request.content_type != "application/json":
        given = repr(request.content_type) if "Content-Type" in request.headers else "missing"
        return failure(415, f"the content type is {given}", "send `Content-Type: application/json`")
    return None


def _without_token(request: web.Request, token: str | None) -> web.Response | None:
    if token is None or _has_token(request.headers.get("Authorization", ""), token):
        return None
    response = failure(401, "this address asks for a token", "send `Authorization: Bearer TOKEN`; it lies in admin.token in data_dir")
    response.headers["WWW-Authenticate"] = 'Basic realm="goldwash (any name, the token as password)"'
    return response


def host_name(header: str) -> str:
    """The name in a Host header, without its port; '' where it is malformed."""
    found = _HOST.fullmatch(header)
    return (found[1] or found[2]).lower() if found else ""


def _port(request: web.Request) -> str:
    sockname = request.transport.get_extra_info("sockname") if request.transport else None
    return str(sockname[1]) if sockname else "8081"


def _has_token(header: str, token: str) -> bool:
    scheme, _, given = header.partition(" ")
    if scheme.lower() == "basic":  # a browser's way to ask for it
        try:
            given = base64.b64decode(given, validate=True).decode("utf-8", "replace").partition(":")[2]
        except binascii.Error:
            return False
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(given.strip().encode(), token.encode())
