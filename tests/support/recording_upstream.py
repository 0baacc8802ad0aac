"""An upstream on a raw socket: it keeps every byte it gets and answers with the bytes it is told to."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from support.raw_client import values_in

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Close:
    """A step of a script: close the connection."""


class Reset:
    """A step of a script: reset the connection."""


@dataclass(frozen=True)
class Pause:
    """A step of a script: wait."""

    seconds: float


@dataclass
class WaitFor:
    """A step of a script: wait until the test says so (`event.set()`)."""

    event: threading.Event


class AwaitClose:
    """A step of a script: read until the other side ends the connection, and note that it did."""


@dataclass(frozen=True)
class Flood:
    """A step of a script: send the same bytes again and again, until the other side has enough or so many were sent."""

    piece: bytes
    most: int = 80 * 1024 * 1024


Step = bytes | Close | Reset | Pause | WaitFor | AwaitClose | Flood
Script = Sequence[Step]


@dataclass
class ReceivedRequest:
    """A request as it came; `connection` counts from 0."""

    connection: int
    head: bytes
    body: bytes

    @property
    def request_line(self) -> bytes:
        return self.head.split(b"\r\n", 1)[0]

    @property
    def header_lines(self) -> list[bytes]:
        return self.head.split(b"\r\n")[1:]

    def values(self, name: bytes) -> list[bytes]:
        return values_in(self.header_lines, name)


@dataclass
class RecordingUpstream:
    """`requests` in the order in which they were complete; `closed` holds the connections the other side ended."""

    port: int
    answer: Callable[[ReceivedRequest], Script]
    requests: list[ReceivedRequest] = field(default_factory=list)
    closed: set[int] = field(default_factory=set)
    errors: list[BaseException] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    def wait_until(self, condition: Callable[[RecordingUpstream], bool], seconds: float = 10) -> None:
        """Wait until a condition holds of this upstream; fails the test where it never does."""
        deadline = time.monotonic() + seconds
        while not condition(self):
            assert time.monotonic() < deadline, "the upstream never saw what the test waits for"
            time.sleep(0.005)


@contextmanager
def recording_upstream(
    answer: Script | Callable[[ReceivedRequest], Script] = (OK,), *, tls: ssl.SSLContext | None = None
) -> Iterator[RecordingUpstream]:
    """Run an upstream on a free port; `answer` is the same for every request, or made for each."""
    listener = socket.create_server(("127.0.0.1", 0))
    make = answer if callable(answer) else lambda _request: answer
    upstream = RecordingUpstream(listener.getsockname()[1], make)
    stopping = threading.Event()
    open_sockets: list[socket.socket] = []

    def accept() -> None:
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            number = upstream.connections
            upstream.connections += 1
            open_sockets.append(connection)
            threading.Thread(target=_converse, args=(upstream, connection, number, tls), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield upstream
    finally:
        stopping.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in open_sockets:
            connection.close()
        thread.join(5)


def _converse(upstream: RecordingUpstream, connection: socket.socket, number: int, tls: ssl.SSLContext | None) -> None:
    try:
        if tls is not None:
            connection = _shake_hands(connection, tls)
        buffer = b""
        while True:
            request, buffer = _read_request(connection, buffer, number)
            if request is None:
                upstream.closed.add(number)
                return
            upstream.requests.append(request)
            for step in upstream.answer(request):
                if not _take(upstream, connection, number, step):
                    return
    except OSError:
        upstream.closed.add(number)
    finally:
        connection.close()


def _shake_hands(connection: socket.socket, tls: ssl.SSLContext) -> socket.socket:
    secured = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
    try:
        secured.do_handshake()
    except ssl.SSLError:
        # Closing with unread bytes resets the connection, and the reset may overtake the alert.
        with socket.socket(fileno=secured.detach()) as bare:
            bare.shutdown(socket.SHUT_WR)
            bare.settimeout(5)
            while bare.recv(65536):
                pass
        raise
    return secured


def _take(upstream: RecordingUpstream, connection: socket.socket, number: int, step: Step) -> bool:
    match step:
        case bytes():
            connection.sendall(step)
        case Pause(seconds):
            time.sleep(seconds)
        case WaitFor(event):
            event.wait(10)
        case Flood(piece, most):
            for _ in range(0, most, len(piece)):
                connection.sendall(piece)
        case AwaitClose():
            while connection.recv(65536):
                pass
            upstream.closed.add(number)
            return False
        case Reset():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            return False
        case Close():
            return False
    return True


def _read_request(connection: socket.socket, buffer: bytes, number: int) -> tuple[ReceivedRequest | None, bytes]:
    while b"\r\n\r\n" not in buffer:
        data = connection.recv(65536)
        if not data:
            return None, buffer
        buffer += data
    head, _, rest = buffer.partition(b"\r\n\r\n")
    request = ReceivedRequest(number, head, b"")
    length = int((request.values(b"content-length") or [b"0"])[0])
    while len(rest) < length:
        data = connection.recv(65536)
        if not data:
            return None, rest
        rest += data
    request.body = rest[:length]
    return request, rest[length:]
