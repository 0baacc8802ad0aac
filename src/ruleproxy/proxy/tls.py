"""Whom the proxy trusts over TLS, who it is itself, and what a failed handshake means in words.

Certificates are judged by the system: `truststore` finds the store where Python does not (macOS, Windows, Python
builds with another prefix), and where there is none at all, httpx's bundle (certifi) stands in. `SSL_CERT_FILE` and
`SSL_CERT_DIR` name another store as they do for OpenSSL; `NODE_EXTRA_CA_CERTS` adds to it as it does for clients
written for Node.js; `ca_file` adds, too.

A file that changed is read again for the next connection. If it cannot be used, the old one stays and the log says so.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import certifi
import truststore

from ruleproxy.proxy.routes import Trust

_log = logging.getLogger("ruleproxy")

_Stamp = tuple[tuple[int, int, int], ...]

# Numbers of x509_vfy.h: https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_REASONS: Final[Mapping[int, str]] = {
    9: "it is not valid yet: are the clocks right",
    10: "it has expired: its owner has to renew it",
    18: "it is self-signed: give it with ca_file if it is the right one",
    19: "its chain ends in an authority that is not known here: give that authority with ca_file",
    20: "it was issued by an authority that is not known here: give that authority with ca_file",
    21: "it was issued by an authority that is not known here: give that authority with ca_file",
    23: "it has been revoked",
    26: "it is not meant for servers",
    62: "it is for another host name: is the upstream's URL right",
    64: "it is for another address: is the upstream's URL right",
}
# Alerts with which a server answers a client's certificate: RFC 8446 6.2.
_ALERTS: Final[Mapping[str, str]] = {
    "CERTIFICATE_REQUIRED": "it wants a client certificate: give one with client_certificate",
    "BAD_CERTIFICATE": "it refused the client certificate",
    "UNKNOWN_CA": "it does not know the authority of the client certificate",
    "CERTIFICATE_EXPIRED": "the client certificate has expired",
    "CERTIFICATE_REVOKED": "the client certificate has been revoked",
    "CERTIFICATE_UNKNOWN": "it refused the client certificate",
    "UNSUPPORTED_CERTIFICATE": "it refused the client certificate",
    "ACCESS_DENIED": "it refused the client certificate",
    "WRONG_VERSION_NUMBER": "it does not speak TLS: is the upstream's URL http:// and not https://",
    "HTTP_REQUEST": "it does not speak TLS: is the upstream's URL http:// and not https://",
    "UNSUPPORTED_PROTOCOL": "its version of TLS is too old",
    "PROTOCOL_VERSION": "it wants another version of TLS",
}


class BadTrust(ValueError):
    """A certificate, a key or a bundle that cannot be used; the text names the setting and the file."""


class TlsContexts:
    """The context for connections, made anew when one of its files has changed."""

    def __init__(self, trust: Trust, environment: Mapping[str, str] | None = None) -> None:
        self._trust = trust
        self._named = _named_files(trust, environment or {})
        self._context: ssl.SSLContext | None = None
        self._stamp: _Stamp = ()

    def context(self) -> ssl.SSLContext:
        """The context as its files are now. Raises `BadTrust` where they never were usable."""
        stamp = self._look()
        if self._context is None:
            self._context = self._make()
        elif stamp != self._stamp:
            try:
                self._context = self._make()
            except BadTrust as error:
                _log.error("%s; what was read before stays in force", error)
        self._stamp = stamp
        return self._context

    def _look(self) -> _Stamp:
        found = []
        for _, file in self._named:
            try:
                status = file.stat()
                found.append((status.st_mtime_ns, status.st_size, status.st_ino))
            except OSError:
                found.append((0, 0, 0))
        return tuple(found)

    def _make(self) -> ssl.SSLContext:
        context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if _has_no_store(context):
            context.load_verify_locations(certifi.where())
        trust = self._trust
        for setting, file in self._named:
            if setting in ("client_certificate", "client_key"):
                continue
            try:
                context.load_verify_locations(file)
            except (OSError, ssl.SSLError) as error:
                raise BadTrust(f"{setting}: {_describe(file, error, 'certificates')}") from None
        if trust.certificate is not None:
            # Without a password of its own OpenSSL would ask for one on the terminal.
            try:
                context.load_cert_chain(trust.certificate, trust.key, password=trust.password or "")
            except (OSError, ssl.SSLError) as error:
                raise BadTrust(f"client_certificate: {_describe_pair(trust, error)}") from None
        context.set_alpn_protocols(["http/1.1"])
        return context


def describe_tls_failure(place: str, error: ssl.SSLError) -> str:
    """What went wrong between here and `place` (`host:port`), and what there is to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _REASONS.get(error.verify_code)
        return f"the certificate of {place} is not trusted: {reason or error.verify_message}"
    code = (error.reason or "").upper().replace(" ", "_")
    for ending, meaning in _ALERTS.items():
        if code.endswith(ending):
            return f"cannot speak TLS with {place}: {meaning}"
    return f"cannot speak TLS with {place}: {(error.reason or str(error)).lower().replace('_', ' ')}"


def _named_files(trust: Trust, environment: Mapping[str, str]) -> list[tuple[str, Path]]:
    named = [("ca_file", file) for file in trust.ca_files]
    # OpenSSL passes over a file that is missing here: then nobody would be trusted and nobody told why.
    named += [
        (name, Path(file)) for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS") if (file := environment.get(name))
    ]
    if trust.certificate is not None:
        named.append(("client_certificate", trust.certificate))
    if trust.key is not None:
        named.append(("client_key", trust.key))
    return named


def _has_no_store(context: ssl.SSLContext) -> bool:
    paths = ssl.get_default_verify_paths()
    folder = Path(paths.capath) if paths.capath else None
    listed = folder is not None and folder.is_dir() and any(folder.iterdir())
    return not listed and paths.cafile is None and context.cert_store_stats()["x509_ca"] == 0


def _describe(file: Path, error: OSError, wanted: str) -> str:
    if isinstance(error, ssl.SSLError):
        return f"{file} holds no {wanted} in PEM form"
    return f"{file} cannot be read: {(error.strerror or str(error)).lower()}"


def _describe_pair(trust: Trust, error: OSError) -> str:
    files = f"{trust.certificate}" + (f" with {trust.key}" if trust.key is not None else "")
    reason = getattr(error, "reason", None) or ""
    if not isinstance(error, ssl.SSLError):
        return f"{files} cannot be read: {(error.strerror or str(error)).lower()}"
    if "KEY_VALUES_MISMATCH" in reason:
        return f"{files}: the key is not that of the certificate"
    # OpenSSL's own reason for a wrong password varies; a locked key says that it is one (RFC 7468 11, RFC 1421 4.6).
    assert trust.certificate is not None
    if b"ENCRYPTED" in (trust.key or trust.certificate).read_bytes():
        return f"{files}: the key is locked, and the password {'is wrong' if trust.password else 'is missing'}"
    return f"{files}: no certificate with its private key in PEM form"
