"""A client on a raw socket: bytes in, bytes out."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import NamedTuple


class RawAnswer(NamedTuple):
    """An answer as it came; `body` still has its framing unless `read_answer` took it off."""

    status: int
    head: bytes
    body: bytes

    @property
    def header_lines(self) -> list[bytes]:
        return self.head.split(b"\r\n")[1:]

    def values(self, name: bytes) -> list[bytes]:
        return values_in(self.header_lines, name)


def values_in(header_lines: Sequence[bytes], name: bytes) -> list[bytes]:
    """The values of the headers of a name, in any case."""
    lines = (line.partition(b":") for line in header_lines)
    return [value.strip() for found, _, value in lines if found.lower() == name.lower()]


class RawClient:
    """One connection. Every wait ends after ten seconds with TimeoutError."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._buffer = b""

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_all(self) -> bytes:
        """Everything until the other side closes (or resets)."""
        data, self._buffer = self._buffer, b""
        while True:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                return data
            if not more:
                return data
            data += more

    def read_until(self, mark: bytes) -> bytes:
        """Bytes up to and with `mark`; EOFError if the connection ends before it comes."""
        while mark not in self._buffer:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError(self._buffer)
            self._buffer += more
        end = self._buffer.index(mark) + len(mark)
        data, self._buffer = self._buffer[:end], self._buffer[end:]
        return data

    def read_bytes(self, size: int) -> bytes:
        """Exactly `size` bytes; EOFError if the connection ends before."""
        while len(self._buffer) < size:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError(self._buffer)
            self._buffer += more
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def read_answer(self, *, method: str = "POST") -> RawAnswer:
        """One whole answer, its body without chunk framing; EOFError if it is cut short."""
        head = self.read_until(b"\r\n\r\n")[:-4]
        answer = RawAnswer(int(head.split(b" ", 2)[1]), head, b"")
        if method == "HEAD" or answer.status in (204, 304):
            return answer
        lengths = answer.values(b"content-length")
        if lengths:
            return answer._replace(body=self.read_bytes(int(lengths[0])))
        if answer.values(b"transfer-encoding") != [b"chunked"]:
            return answer._replace(body=self.read_all())
        body = b""
        while size := int(self.read_until(b"\r\n"), 16):
            body += self.read_bytes(size)
            assert self.read_bytes(2) == b"\r\n"
        assert self.read_bytes(2) == b"\r\n"
        return answer._replace(body=body)

    def ask(
        self, target: bytes = b"/v1/messages", body: bytes = b"", *, headers: Sequence[bytes] = (), method: str = "POST"
    ) -> RawAnswer:
        """Send a whole request and read its answer."""
        lines = [f"{method} ".encode() + target + b" HTTP/1.1", b"Host: proxy.example", *headers]
        if body or method == "POST":
            lines.append(b"Content-Length: %d" % len(body))
        self.send(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        return self.read_answer(method=method)


def exchange_bytes(port: int, data: bytes) -> bytes:
    """Send bytes on a fresh connection and read until the other side closes it."""
    with RawClient(port) as client:
        client.send(data)
        return client.read_all()
