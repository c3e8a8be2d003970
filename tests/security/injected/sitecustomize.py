"""Takes one scrub out of a Goldwash that a test starts, or makes it fail where it should not, to see that the search for secrets notices.

Python imports this by itself in every process whose PYTHONPATH holds its directory; TESTED_MUTATIONS names what to change, with commas.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

Change = Callable[[Any], None]


def keep_request_headers(module: Any) -> None:
    """Every header of a request is kept."""
    original = module.HeaderPolicy.of_request

    def of_request(self: Any, name: bytes) -> tuple[bytes, int]:
        lower, bits = original(self, name)
        self.request[bytes(name)] = found = lower, bits | module.KEEP
        return found

    module.HeaderPolicy.of_request = of_request


def keep_response_headers(module: Any) -> None:
    """Every header of an answer is kept."""
    original = module.HeaderPolicy.of_response

    def of_response(self: Any, name: bytes) -> tuple[bytes, int]:
        lower, bits = original(self, name)
        self.response[bytes(name)] = found = lower, bits | module.KEEP
        return found

    module.HeaderPolicy.of_response = of_response


def keep_query(module: Any) -> None:
    """Queries and paths are kept as they came."""
    module.masked_query = lambda query: query


def keep_names_as_sent(module: Any) -> None:
    """Names of parameters are taken as they are escaped."""
    module.unquote_to_bytes = lambda text: text


def keep_metadata(module: Any) -> None:
    """Metadata of the base URL is kept as it came."""
    original = module.without_key
    module.without_key = lambda metadata: (metadata, original(metadata)[1])


def keep_credential(module: Any) -> None:
    """A provider key is kept itself, and not its hash."""
    module.provider_key_hash = lambda key, secret: key.decode("latin-1")


def store_unscrubbed(module: Any) -> None:
    """Nothing is taken out of what is stored."""
    module.Redactor.text = lambda self, text: text
    module.Redactor.texts = lambda self, texts: texts


def store_echoed_keys(module: Any) -> None:
    """A key of no known form that an answer repeats is stored."""
    module.Redactor.knowing = lambda self, key_hash: self


def tell_exceptions(module: Any) -> None:
    """Exceptions are told with their text."""
    module.places = lambda error: f"{type(error).__name__}: {error}"


def tell_arguments(module: Any) -> None:
    """What a loop says of a fault is told as it is."""

    def loop_fault(_: Any, context: dict[str, Any]) -> None:
        module.structlog.get_logger("loop").error("fault", what=str(context))

    module.loop_fault = loop_fault


def tell_libraries(module: Any) -> None:
    """Told things are not searched for secrets."""
    module._Scrubbed.__call__ = lambda self, _, __, event: event


def tell_egress_password(module: Any) -> None:
    """The egress proxy is named as configured."""
    original = module._connect_tunnel

    async def connect(loop: Any, proxy: str, host: str, port: int) -> Any:
        try:
            return await original(loop, proxy, host, port)
        except module.Unreachable as error:
            raise module.Unreachable(error.kind, f"{error} ({proxy})") from error

    module._connect_tunnel = connect


def open_files(module: Any) -> None:
    """Files are made for everybody to read."""
    os.umask(0)
    original = module.os.open

    def opened(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        return int(original(path, flags, 0o644 if mode == 0o600 else mode, **more))

    module.os = type("os", (), {**vars(os), "open": staticmethod(opened)})


def fail_on_a_head(module: Any) -> None:
    """A request for /stage/fault/… fails while it is read, with an exception that holds its whole head; pipelined, too."""
    original = module.RequestReader.read

    def read(self: Any, head: bytes) -> Any:
        if b"/fault" in head[:64]:
            raise RuntimeError(f"fault with {head!r}")
        return original(self, head)

    module.RequestReader.read = read


def fail_in_a_reader(module: Any) -> None:
    """Reading an exchange for /odd-reading fails with an exception that holds its body."""
    original = module.read_or_estimate

    def read(captured: Any) -> Any:
        if captured.path == "/odd-reading":
            raise ValueError(f"cannot read {captured.request_body!r}")
        return original(captured)

    module.read_or_estimate = read


CHANGES: dict[str, tuple[str, Change]] = {
    "keep request headers": ("proxy.lane.headers", keep_request_headers),
    "keep response headers": ("proxy.lane.headers", keep_response_headers),
    "keep query": ("proxy.lane.request", keep_query),
    "keep names as sent": ("proxy.lane.headers", keep_names_as_sent),
    "keep metadata": ("proxy.lane.routing", keep_metadata),
    "keep credential": ("proxy.lane.lane", keep_credential),
    "store unscrubbed": ("proxy.log.redaction", store_unscrubbed),
    "store echoed keys": ("proxy.log.redaction", store_echoed_keys),
    "tell exceptions": ("proxy.logs", tell_exceptions),
    "tell arguments": ("proxy.logs", tell_arguments),
    "tell libraries": ("proxy.logs", tell_libraries),
    "tell egress password": ("proxy.lane.pool", tell_egress_password),
    "open files": ("proxy.spool.writer", open_files),
    "fail on a head": ("proxy.lane.request", fail_on_a_head),
    "fail in a reader": ("proxy.service.assembly", fail_in_a_reader),
}


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules that are to be changed, and changes them once they are loaded."""

    def __init__(self, changes: dict[str, list[Change]]) -> None:
        self._changes = changes
        self._loaders: dict[str, Any] = {}

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name not in self._changes or name in self._loaders:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            self._loaders[name] = spec.loader
            spec.loader = self
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._loaders[spec.name].create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        self._loaders[module.__name__].exec_module(module)
        for change in self._changes[module.__name__]:
            change(module)


_chosen: dict[str, list[Change]] = {}
for _name in filter(None, os.environ.get("TESTED_MUTATIONS", "").split(",")):
    _module, _change = CHANGES[_name]
    _chosen.setdefault(_module, []).append(_change)
if _chosen:
    sys.meta_path.insert(0, _Changed(_chosen))
