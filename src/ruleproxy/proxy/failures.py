"""What can go wrong on the way to an upstream, as httpx names it and as an exchange hears it.

    httpx.ConnectError         no connection: refused, unreachable, name unknown     refused
    httpx.ProxyError           the proxy in between gave none                        refused
      TlsFailed                the connection could not be made safe                 tls
    httpx.ConnectTimeout       no connection in time                                 timeout
    httpx.ReadTimeout          no byte in time                                       timeout
    httpx.ReadError            ended or reset before an answer                       reset
    httpx.RemoteProtocolError
      AnswerTruncated          the answer ended too early                            truncated
      AnswerMalformed          what came is no HTTP answer                           truncated
    UnsendableRequest          a request that cannot be written without harm         (not the upstream's fault)

Every message names the upstream as `host:port` and never holds credentials.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl

import httpx

from ruleproxy.engine.events import FailureKind, UpstreamFailed
from ruleproxy.proxy.tls import describe_tls_failure


class TlsFailed(httpx.ConnectError):
    """The handshake failed or the certificate is not trusted."""


class AnswerTruncated(httpx.RemoteProtocolError):
    """The connection ended before the answer did."""


class AnswerMalformed(httpx.RemoteProtocolError):
    """What came is no HTTP/1.1 answer."""


class UnsendableRequest(ValueError):
    """A request line or header that would break out of its line."""


def failure_of(error: httpx.TransportError) -> UpstreamFailed:
    """The event that tells an exchange of a transport's error."""
    return UpstreamFailed(_kind_of(error), str(error))


def connect_error(place: str, error: OSError, *, secure: bool) -> httpx.TransportError:
    """The httpx error for an OSError met while connecting to `place` (`host:port`), with TLS where it is `secure`."""
    if isinstance(error, ssl.SSLError):
        return TlsFailed(describe_tls_failure(place, error))
    if isinstance(error, socket.gaierror):
        return httpx.ConnectError(f"cannot resolve the name of {place}: {error.strerror or error}")
    if isinstance(error, ConnectionRefusedError) or error.errno == errno.ECONNREFUSED:
        return httpx.ConnectError(f"cannot connect to {place}: connection refused")
    if isinstance(error, ConnectionResetError):
        if secure:
            return TlsFailed(f"{place} reset the connection during the handshake")
        # Whether it is still connecting then, or waits for an answer, is only a matter of who was faster.
        return httpx.ReadError(f"{place} reset the connection before an answer")
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    return httpx.ConnectError(f"cannot connect to {place}: {reason}")


def _kind_of(error: httpx.TransportError) -> FailureKind:
    match error:
        case httpx.TimeoutException():
            return "timeout"
        case TlsFailed():
            return "tls"
        case httpx.ConnectError() | httpx.ProxyError():
            return "refused"
        case httpx.RemoteProtocolError():
            return "truncated"
        case _:
            return "reset"
