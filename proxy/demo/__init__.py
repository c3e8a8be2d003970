"""A shop that does not exist, its provider and its customers: so that a newcomer sees the whole loop without a key."""

from proxy.demo.player import DemoError, play
from proxy.demo.upstream import DemoUpstream, demo_upstreams

__all__ = ["DemoError", "DemoUpstream", "demo_upstreams", "play"]
