"""Signs a request to AWS again: a client's signature covers the Host and path it used, which are Goldwash's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from proxy.lane.routing import Route

_SCOPE: Final = re.compile(rb"Credential=[^/,\s]+/\d{8}/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")
_REPLACED: Final = frozenset((b"authorization", b"x-amz-date", b"x-amz-security-token", b"x-amz-content-sha256", b"content-length"))
# Only what lies on this machine: asking an instance's metadata service would be a call to somebody who is no upstream.
_LOCAL_SOURCES: Final = frozenset(("env", "shared-credentials-file", "config-file"))


class Signer:
    """An operator's own AWS credentials, for one upstream."""

    def __init__(self, profile: str | None, region: str | None) -> None:
        """Raises ValueError where no credentials are found in the environment or the shared files."""
        import botocore.session  # a heavy import that only AWS users pay for
        from botocore.credentials import CredentialResolver

        session = botocore.session.Session(profile=profile)
        providers = session.get_component("credential_provider").providers
        self._credentials = CredentialResolver([p for p in providers if p.METHOD in _LOCAL_SOURCES]).load_credentials()
        if self._credentials is None:
            raise ValueError("no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or aws_profile")
        self._region = region

    def signed(self, route: Route, method: bytes, target: bytes, lines: Sequence[bytes], body: bytes) -> bytes:
        """The whole request, signed for the upstream's own host and path. `lines`: name, ": ", value, CRLF of each header."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        authorization, content_type = b"", b""
        kept: list[bytes] = []
        for i in range(0, len(lines), 4):
            lower = lines[i].lower()
            if lower == b"authorization":
                authorization = lines[i + 2]
            elif lower == b"content-type":
                content_type = lines[i + 2]
            if lower not in _REPLACED:
                kept += lines[i : i + 4]
        scope = _SCOPE.search(authorization)
        region = self._region or (scope[1].decode() if scope else "us-east-1")
        service = scope[2].decode() if scope else "bedrock"
        scheme = "https" if route.origin.tls else "http"
        host = route.host_line[6:-2].decode()
        request: Any = AWSRequest(
            method=method.decode(),
            url=f"{scheme}://{host}{target.decode('latin-1')}",
            headers={"Content-Type": content_type.decode("latin-1")} if content_type else {},
            data=body,
        )
        SigV4Auth(self._credentials.get_frozen_credentials(), service, region).add_auth(request)
        out = [method, b" ", target, b" HTTP/1.1\r\n", route.host_line, *kept]
        for name in ("Authorization", "X-Amz-Date", "X-Amz-Security-Token"):
            if name in request.headers:
                out += (name.encode(), b": ", str(request.headers[name]).encode(), b"\r\n")
        if body or method not in (b"GET", b"HEAD", b"DELETE"):
            out.append(b"Content-Length: %d\r\n" % len(body))
        return b"".join((*out, b"\r\n", body))
