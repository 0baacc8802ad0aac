"""A certificate authority that lives as long as a test, in files as a company hands them out."""

from __future__ import annotations

import ssl
from datetime import datetime
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)


class Authority:
    """`file` holds its certificate."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._name = name
        self._made = trustme.CA(organization_name=f"example {name}")
        self._number = 0
        self.file = folder / f"{name}.pem"
        self._made.cert_pem.write_to_path(self.file)

    def server(self, *hosts: str, expires: datetime | None = None, wants: Authority | None = None) -> ssl.SSLContext:
        """The context of a server for these names; `wants` a client certificate of that authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate = self._made.issue_cert(*(hosts or ("127.0.0.1",)), not_after=expires)
        certificate.configure_cert(context)
        if wants is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(wants.file)
        return context

    def client(self, name: str, *, password: str | None = None) -> tuple[Path, Path]:
        """Certificate and key of a client, the key locked where there is a password."""
        self._number += 1
        made = self._made.issue_cert(f"{name}.corp.example", common_name=name)
        certificate = self._folder / f"{self._name}-{self._number}-certificate.pem"
        key = self._folder / f"{self._name}-{self._number}-key.pem"
        certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        private = made.private_key_pem.bytes()
        if password is not None:
            private = load_pem_private_key(private, None).private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode())
            )
        key.write_bytes(private)
        return certificate, key
