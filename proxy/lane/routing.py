"""Which upstream a request goes to, told by the first segment of its path and by nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from config.options import Upstream
from proxy.lane.headers import is_secret_parameter

# A segment of dots would let a path climb out of an upstream's base path; no provider's API needs one.
_DOTS: Final = re.compile(rb"/(?:\.|%2e){1,2}(?:[/?#]|%2f|$)", re.IGNORECASE)
# What is longer than any name may be a key that stands in the wrong place: it is not repeated.
_A_NAME: Final = re.compile(r"[\w.-]{1,20}", re.ASCII)
# A client that makes regions up must not make memory grow.
MAX_REGIONS: Final = 200


class NotRouted(Exception):
    """The request belongs to no upstream. `status` and the message go to the client."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the connections of a route go."""

    host: str  # dialled, unless connect_to or egress_proxy says otherwise
    port: int
    tls: bool
    connect_to: tuple[str, int] | None = None  # dial here; Host, SNI and signatures stay those of the URL
    egress_proxy: str | None = None
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One upstream, ready for the lane."""

    name: str
    url: str  # without credentials
    pool_key: str  # a provider's connections are its own: two names never share limits
    dialect: str | None
    origin: Origin
    host_line: bytes  # b"Host: api.openai.com\r\n"
    base_path: bytes  # without a slash at its end; b"" for most
    facts: bytes  # the first facts of an ACCEPTED frame: name, dialect, URL
    settings: Upstream = field(compare=False, hash=False)  # time-outs and limits
    aws: bool = False  # the host checks AWS signatures


def make_route(name: str, url: str, settings: Upstream) -> Route:
    """Turn an upstream's configuration into a route. The URL was validated by the configuration."""
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    host = parts.hostname or ""
    port = parts.port or (443 if tls else 80)
    shown = f"[{host}]" if ":" in host else host
    if parts.port is not None and parts.port != (443 if tls else 80):
        shown += f":{parts.port}"
    connect_to = None
    if settings.connect_to:
        to_host, _, to_port = settings.connect_to.rpartition(":")
        connect_to = (to_host.strip("[]"), int(to_port))
    clean = f"{parts.scheme}://{shown}{parts.path.rstrip('/')}"
    return Route(
        name=name,
        url=clean,
        pool_key=f"{name} {clean}",
        dialect=settings.dialect,
        origin=Origin(host, port, tls, connect_to, settings.egress_proxy, str(settings.ca_file) if settings.ca_file else None),
        host_line=b"Host: %s\r\n" % shown.encode(),
        base_path=parts.path.rstrip("/").encode(),
        facts="\n".join((name, settings.dialect or "", clean)).encode(),
        settings=settings,
        aws=host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")),
    )


@dataclass(frozen=True, slots=True)
class Target:
    """A request target, taken apart."""

    route: Route
    rest: bytes  # what the upstream gets: base path, path and query as they came
    metadata: bytes  # what stood behind '~' in the base URL, without secrets; b"" if nothing
    proxy_key: bytes = b""  # that stood there too


def without_key(metadata: bytes) -> tuple[bytes, bytes]:
    """Metadata of a base URL as it may be kept, and the proxy key that stood in it, b"" if none."""
    kept, key = [], b""
    for part in re.split(b"[;&]", metadata):
        name, equals, value = part.partition(b"=")
        if unquote_to_bytes(name).strip().lower() == b"key":
            key = unquote_to_bytes(value).strip()
        elif equals and is_secret_parameter(name):
            kept.append(name + b"=***")
        else:
            kept.append(part)
    return b";".join(kept), key


class Router:
    """The table of upstreams."""

    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        self._upstreams = {name.encode(): upstream for name, upstream in upstreams.items()}
        self._routes: dict[bytes, Route] = {}
        for name, upstream in upstreams.items():
            if upstream.url is not None and "{region}" not in upstream.url:
                self._routes[name.encode()] = make_route(name, upstream.url, upstream)
        self._regional: dict[tuple[bytes, str], Route] = {}

        self.nowhere = make_route("goldwash", "http://127.0.0.1", Upstream())

    @property
    def names(self) -> list[str]:
        """All known first segments."""
        return sorted(name.decode() for name in self._upstreams)

    def route(self, target: bytes) -> Target:
        """Take a request target apart. Raises NotRouted."""
        if target[:1] != b"/":
            raise NotRouted(
                400,
                "bad_target",
                "the request target must be a path such as /openai/v1/models: use Goldwash as base URL, not as HTTP proxy",
            )
        end = target.find(b"/", 1)
        if end < 0:
            end = len(target)
        mark = target.find(b"?", 1, end)
        if mark >= 0:
            end = mark
        name = target[1:end]
        rest = target[end:] or b"/"
        metadata = b""
        while rest[:2] == b"/~":
            end = rest.find(b"/", 2)
            if end < 0:
                end = len(rest)
            metadata = metadata + b";" + rest[2:end] if metadata else rest[2:end]
            rest = rest[end:] or b"/"
        key = b""
        if metadata:
            metadata, key = without_key(metadata)
        if rest[:1] == b"?":
            rest = b"/" + rest
        if b"#" in target:
            raise NotRouted(400, "bad_target", "the request target holds a '#': a fragment is never sent (RFC 9112, 3.2)")
        if (b"/." in rest or b"%2" in rest) and _DOTS.search(rest.partition(b"?")[0]):
            raise NotRouted(400, "bad_target", "the path holds a '.' or '..' segment, which no upstream needs: send the path resolved")
        route = self._routes.get(name)
        if route is None:
            route = self._find(name, rest)
        if route.base_path:
            rest = route.base_path + rest
        return Target(route, rest, metadata, key)

    def _find(self, name: bytes, rest: bytes) -> Route:
        shown = name.decode("utf-8", "replace")[:80]
        upstream = self._upstreams.get(name)
        if upstream is None:
            said = f"no upstream is called '{shown}'" if _A_NAME.fullmatch(shown) else "the path does not begin with an upstream's name"
            raise NotRouted(404, "unknown_upstream", f"{said}; known: {', '.join(self.names)}")
        path = rest.partition(b"?")[0].decode("latin-1")
        url = upstream.base_url(path)
        if url is None:
            raise NotRouted(404, "upstream_not_configured", upstream.missing(shown, path) or f"upstream {shown} has no URL")
        route = self._regional.get((name, url))
        if route is None:
            if len(self._regional) >= MAX_REGIONS:
                self._regional.clear()
            route = self._regional[name, url] = make_route(shown, url, upstream)
        return route
