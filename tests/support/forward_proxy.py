"""A real forward proxy, small: CONNECT and absolute form, with or without TLS and credentials.

It resolves names itself, by a table: `up.corp.example:443` may be a port of loopback.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class RunningForwardProxy:
    """`heads` are the request heads that it got; `leads_to` says where names lead; `refusal` is a status for all."""

    port: int
    leads_to: Mapping[str, int]
    credentials: str | None = None
    refusal: int | None = None
    extra: bytes = b""
    heads: list[bytes] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextmanager
def forward_proxy(
    leads_to: Mapping[str, int],
    *,
    credentials: str | None = None,
    refusal: int | None = None,
    extra: bytes = b"",
    tls: ssl.SSLContext | None = None,
) -> Iterator[RunningForwardProxy]:
    """Run a proxy; `extra` are bytes that it sends into a tunnel before anybody asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = RunningForwardProxy(listener.getsockname()[1], leads_to, credentials, refusal, extra)
    opened: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            opened.append(connection)
            threading.Thread(target=_serve, args=(proxy, connection, tls, opened), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in opened:
            connection.close()
        thread.join(5)


def _serve(
    proxy: RunningForwardProxy, client: socket.socket, tls: ssl.SSLContext | None, opened: list[socket.socket]
) -> None:
    with contextlib.suppress(OSError):
        if tls is not None:
            client = tls.wrap_socket(client, server_side=True)
        data = b""
        while b"\r\n\r\n" not in data:
            more = client.recv(65536)
            if not more:
                return
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        proxy.heads.append(head)
        method, target, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
        status = _judge(proxy, head)
        if status is not None:
            client.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
            return
        if method == b"CONNECT":
            place, path = target.decode(), b""
        else:
            host, slash, rest_of_path = target.removeprefix(b"http://").partition(b"/")
            path = slash + rest_of_path
            place = host.decode() + ("" if b":" in host else ":80")
        port = proxy.leads_to.get(place)
        if port is None:
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        upstream = socket.create_connection(("127.0.0.1", port))
        opened.append(upstream)
        if method == b"CONNECT":
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n" + proxy.extra)
        else:
            first, _, lines = head.partition(b"\r\n")
            upstream.sendall(first.replace(target, path) + b"\r\n" + lines + b"\r\n\r\n" + rest)
        threading.Thread(target=_copy, args=(upstream, client), daemon=True).start()
        _copy(client, upstream)


def _judge(proxy: RunningForwardProxy, head: bytes) -> int | None:
    if proxy.refusal is not None:
        return proxy.refusal
    if proxy.credentials is not None:
        wanted = b"proxy-authorization: basic " + base64.b64encode(proxy.credentials.encode())
        if wanted.lower() not in [line.lower() for line in head.split(b"\r\n")]:
            return 407
    return None


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
