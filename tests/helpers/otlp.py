"""An OTLP receiver on 127.0.0.1, by HTTP or gRPC, made of the SDK's own protocol types: keeps what it took, and answers as told."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

REQUESTS = {"traces": ExportTraceServiceRequest, "logs": ExportLogsServiceRequest, "metrics": ExportMetricsServiceRequest}
ANSWERS = {"traces": ExportTraceServiceResponse, "logs": ExportLogsServiceResponse, "metrics": ExportMetricsServiceResponse}


@dataclass
class Said:
    """An answer: status by HTTP or code by gRPC; None = taken. rejected: as many of the batch are left out."""

    status: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    rejected: int = 0


def plain(value: Any) -> Any:
    """An AnyValue as a Python value."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None


def attributes(thing: Any) -> dict[str, Any]:
    """Its attributes by name."""
    return {pair.key: plain(pair.value) for pair in thing.attributes}


class Receiver:
    """A context manager. `refuse(signal, batch)` may give a Said for a request; `script` holds answers for the next ones, first of all."""

    def __init__(self, port: int = 0) -> None:
        self.taken: dict[str, list[Any]] = {"traces": [], "logs": [], "metrics": []}
        self.headers: list[dict[str, str]] = []
        self.script: deque[Said] = deque()
        self.refuse: Any = lambda signal, batch: None
        self.requests = 0
        self.port = port

    def answer(self, signal: str, request: Any, headers: dict[str, str]) -> Said:
        """What becomes of a request."""
        self.requests += 1
        said = self.script.popleft() if self.script else self.refuse(signal, request) or Said()
        if said.status is None:
            self.taken[signal].append(request)
            self.headers.append(headers)
        return said

    @property
    def spans(self) -> list[Any]:
        """All spans, in the order in which they came."""
        return [s for r in self.taken["traces"] for resource in r.resource_spans for scope in resource.scope_spans for s in scope.spans]

    @property
    def events(self) -> list[Any]:
        """All log records."""
        return [e for r in self.taken["logs"] for resource in r.resource_logs for scope in resource.scope_logs for e in scope.log_records]

    def points(self, name: str) -> list[Any]:
        """The newest points of a histogram."""
        for request in reversed(self.taken["metrics"]):
            for resource in request.resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        if metric.name == name:
                            return list(metric.histogram.data_points)
        return []

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://127.0.0.1:{self.port}"


class ByHttp(Receiver):
    """OTLP over HTTP."""

    def __enter__(self) -> Self:
        receiver = self
        self._open: list[socket.socket] = []  # connections that clients keep

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                receiver._open.append(self.request)
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                signal = self.path.removeprefix("/v1/")
                if signal not in REQUESTS:
                    self._send(404, b"", {})
                    return
                said = receiver.answer(signal, REQUESTS[signal].FromString(body), {k.lower(): v for k, v in self.headers.items()})
                answer = ANSWERS[signal]()
                if said.rejected:
                    name = {"traces": "rejected_spans", "logs": "rejected_log_records", "metrics": "rejected_data_points"}[signal]
                    setattr(answer.partial_success, name, said.rejected)
                    answer.partial_success.error_message = "too old"
                self._send(said.status or 200, answer.SerializeToString(), said.headers)

            def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {"Content-Type": "application/x-protobuf", "Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class ByGrpc(Receiver):
    """OTLP over gRPC."""

    def __enter__(self) -> Self:
        import grpc

        def unary(signal: str) -> Any:
            def export(request: Any, context: Any) -> Any:
                said = self.answer(signal, request, dict(context.invocation_metadata()))
                if said.status is not None:
                    context.set_trailing_metadata(tuple(said.headers.items()))
                    context.abort(said.status, "told to")
                answer = ANSWERS[signal]()
                if said.rejected:
                    answer.partial_success.rejected_spans = said.rejected
                return answer

            return grpc.unary_unary_rpc_method_handler(export, REQUESTS[signal].FromString, ANSWERS[signal].SerializeToString)

        self._server = grpc.server(ThreadPoolExecutor(4))
        for signal, name in (("traces", "trace.v1.Trace"), ("logs", "logs.v1.Logs"), ("metrics", "metrics.v1.Metrics")):
            service = f"opentelemetry.proto.collector.{name}Service"
            handlers = grpc.method_handlers_generic_handler(service, {"Export": unary(signal)})
            self._server.add_generic_rpc_handlers((handlers,))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait()
