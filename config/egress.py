"""Which corporate proxy each upstream goes out through, by the environment's HTTPS_PROXY and NO_PROXY where nothing is configured."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from config.options import Upstream


def resolve_egress(upstreams: Mapping[str, Upstream], environ: Mapping[str, str]) -> dict[str, Upstream]:
    """The upstreams with `egress_proxy` decided: a URL, or None for a direct connection.

    Only https upstreams follow the environment: HTTP_PROXY is not honoured, since plain http upstreams are near ones (Ollama, vLLM).
    A value of "" in the configuration means none, whatever the environment says.
    """
    proxy = environ.get("https_proxy") or environ.get("HTTPS_PROXY") or environ.get("all_proxy") or environ.get("ALL_PROXY")
    no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    resolved = {}
    for name, upstream in upstreams.items():
        chosen = upstream.egress_proxy
        if chosen is None and proxy and upstream.url and upstream.url.startswith("https:"):
            host = urlsplit(upstream.url.replace("{region}", upstream.region or "region")).hostname or ""
            chosen = None if bypasses(host, no_proxy) else _with_scheme(proxy)
        resolved[name] = upstream.model_copy(update={"egress_proxy": chosen or None})
    return resolved


def bypasses(host: str, no_proxy: str) -> bool:
    """Whether NO_PROXY lets `host` go out directly: names with their subdomains, `*`, addresses and CIDR ranges; loopback always."""
    names = [part.strip().lower().removeprefix("*").removeprefix(".") for part in no_proxy.split(",") if part.strip()]
    if host == "localhost" or any(name in {"", host} or host.endswith(f".{name}") for name in names):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or any(address in network for network in _networks(no_proxy))


def _networks(no_proxy: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    networks = []
    for part in no_proxy.split(","):
        try:
            networks.append(ipaddress.ip_network(part.strip(), strict=False))
        except ValueError:
            continue  # a host name
    return networks


def _with_scheme(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"
