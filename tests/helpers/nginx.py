"""A real nginx as a second opinion on what a request is: a reverse proxy on a free port in front of a test's own upstream."""

from __future__ import annotations

import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.helpers.goldwash import free_port
from tests.helpers.waiting import eventually

CONFIGURATION = """
daemon off;
master_process off;
pid {directory}/pid;
error_log {directory}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    keepalive_timeout 5s;
    client_header_timeout 5s;
    client_body_timeout 5s;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering off;
        }}
    }}
}}
"""


def nginx_path() -> str | None:
    """Where nginx is installed (Debian: nginx-light), or None."""
    return shutil.which("nginx") or next((path for path in ("/usr/sbin/nginx",) if Path(path).exists()), None)


class Nginx:
    """One nginx; use it as a context manager."""

    def __init__(self, directory: Path, upstream: int) -> None:
        self.port = free_port()
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._file = directory / "nginx.conf"
        self._file.write_text(CONFIGURATION.format(directory=directory, port=self.port, upstream=upstream))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        program = nginx_path()
        assert program is not None
        command = [program, "-p", str(self._directory), "-c", str(self._file), "-e", str(self._directory / "error.log")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert eventually(self._listens), (self._directory / "error.log").read_text()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False
