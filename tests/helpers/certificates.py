"""A certificate authority of the tests' own, as a company has one, and server certificates under it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Authority:
    """A private CA with its certificate in a file."""

    ca: trustme.CA
    ca_file: Path

    @classmethod
    def make(cls, directory: Path, name: str = "ca") -> Authority:
        """A new CA whose certificate lies in `directory`."""
        ca = trustme.CA()
        ca_file = directory / f"{name}.pem"
        ca.cert_pem.write_to_path(str(ca_file))
        return cls(ca, ca_file)

    def server(self, *names: str) -> ssl.SSLContext:
        """A context to serve these host names with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names).configure_cert(context)
        return context

    def client(self) -> ssl.SSLContext:
        """A context that trusts this CA alone."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def files(self, directory: Path, *names: str) -> tuple[Path, Path]:
        """Certificate chain and key of a server certificate as files."""
        certificate, key = directory / "server.pem", directory / "server.key"
        issued = self.ca.issue_cert(*names)
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return certificate, key
