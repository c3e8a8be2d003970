"""A request that is held back until all of its body is here, since what goes to the upstream depends on all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.lane.request import Refused, RequestPlan

if TYPE_CHECKING:
    from proxy.lane.routing import Route
    from proxy.lane.sigv4 import Signer

MAX_SIGNED: Final = 64 << 20


class HeldRequest:
    """See the module. `asks_usage`: what add gave asks for a usage that the client did not ask for."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self.asks_usage = False

    def add(self, piece: bytes, framed: bytes, *, whole: bool) -> bytes | None:
        """Take more of the body, and the same as it would be `framed` for the upstream; give what is to be sent once that is known.

        Raises Refused.
        """
        raise NotImplementedError


class SignedRequest(HeldRequest):
    """A request to AWS that is signed again: a signature covers the whole body."""

    def __init__(self, signer: Signer, route: Route, plan: RequestPlan) -> None:
        super().__init__()
        self._signer = signer
        self._route = route
        self._plan = plan

    def add(self, piece: bytes, framed: bytes, *, whole: bool) -> bytes | None:
        """See HeldRequest; refused where it is too long to be held."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > MAX_SIGNED:
            raise Refused(413, "too_large_to_sign", f"a request that is signed again can hold {MAX_SIGNED >> 20} MB at most")
        if not whole:
            return None
        plan = self._plan
        return self._signer.signed(self._route, plan.method, plan.target, plan.lines, b"".join(self._pieces))
