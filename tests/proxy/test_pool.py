"""A connection is used again only if the answer before ended exactly where its bytes did."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from ruleproxy.proxy.routes import Patience, Route
from ruleproxy.proxy.transport import SocketTransport
from support.recording_upstream import (
    OK,
    AwaitClose,
    Close,
    Pause,
    ReceivedRequest,
    RecordingUpstream,
    Reset,
    Script,
    WaitFor,
    recording_upstream,
)

POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON"


@pytest.fixture
async def transport() -> AsyncIterator[SocketTransport]:
    transport = SocketTransport(settle=0)
    yield transport
    await transport.aclose()


async def ask(transport: SocketTransport, upstream: RecordingUpstream, method: str = "GET") -> bytes:
    """The body of an answer, which is read to its end."""
    request = httpx.Request(method, upstream.url, stream=httpx.ByteStream(b""), extensions={"target": b"/"})
    response = await transport.handle_async_request(request)
    assert isinstance(response.stream, httpx.AsyncByteStream)
    body = b"".join([piece async for piece in response.stream])
    await response.aclose()
    return body


def first_then_ok(*script: bytes | Close | Reset | Pause | WaitFor | AwaitClose) -> Callable[[ReceivedRequest], Script]:
    """Answers the first request with the script and the others with `ok`."""
    seen: list[ReceivedRequest] = []

    def answer(request: ReceivedRequest) -> Script:
        seen.append(request)
        return script if len(seen) == 1 else (OK,)

    return answer


async def test_a_clean_connection_is_used_again(transport: SocketTransport) -> None:
    """By length, by chunks, and for answers without a body."""
    answers = [
        OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        OK,
    ]
    pending = iter(answers)
    with recording_upstream(lambda _request: (next(pending),)) as upstream:
        for _ in answers:
            await ask(transport, upstream)
    assert [request.connection for request in upstream.requests] == [0] * 5


EXCESS = [
    ("GET", OK + b"x"),
    ("GET", OK + POISON),
    ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + POISON),
    ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\nPOISON"),
    ("GET", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nPOISON\r\n0\r\n\r\n"),
    ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\nPOISON"),
    ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON"),
]


@pytest.mark.parametrize(("method", "answer"), EXCESS)
async def test_extra_bytes_end_the_connection(transport: SocketTransport, method: str, answer: bytes) -> None:
    """After the length, after the last chunk, or a body where none may be: nobody gets them as an answer."""
    with recording_upstream(first_then_ok(answer)) as upstream:
        await ask(transport, upstream, method)
        assert await ask(transport, upstream) == b"ok"
        assert [request.connection for request in upstream.requests] == [0, 1]
        upstream.wait_until(lambda seen: 0 in seen.closed)


@pytest.mark.parametrize("poison", [POISON, b"HTTP/1.1 200 OK\r\nX-Part", b"\r\n", b"x"])
async def test_bytes_that_come_while_a_connection_rests_end_it(transport: SocketTransport, poison: bytes) -> None:
    """A whole answer, part of one, or a stray byte; the loop sees them before the next request."""
    late = threading.Event()
    with recording_upstream(first_then_ok(OK, WaitFor(late), poison)) as upstream:
        assert await ask(transport, upstream) == b"ok"
        late.set()
        await asyncio.to_thread(upstream.wait_until, lambda seen: 0 in seen.closed)
        assert await ask(transport, upstream) == b"ok"
    assert [request.connection for request in upstream.requests] == [0, 1]


async def test_bytes_that_the_loop_has_not_read_yet_are_seen(transport: SocketTransport) -> None:
    """The poison is in the kernel while the loop is busy, and the next request is made before the loop turns."""
    late, written = threading.Event(), threading.Event()

    def answer(request: ReceivedRequest) -> Script:
        if request.connection:
            return (OK,)
        return (OK, WaitFor(late), POISON, WaitFor(written))

    with recording_upstream(answer) as upstream:
        assert await ask(transport, upstream) == b"ok"
        late.set()
        threading.Event().wait(0.3)  # blocks the loop on purpose: what arrives now stays unread
        assert await ask(transport, upstream) == b"ok"
        written.set()
    assert [request.connection for request in upstream.requests] == [0, 1]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ],
)
async def test_a_connection_that_must_end_is_not_kept(transport: SocketTransport, answer: bytes) -> None:
    """Said by the upstream, of an old version, or framed twice."""
    with recording_upstream((answer,)) as upstream:
        assert await ask(transport, upstream) == b"ok"
        assert await ask(transport, upstream) == b"ok"
    assert [request.connection for request in upstream.requests] == [0, 1]


async def test_an_answer_left_early_ends_its_connection(transport: SocketTransport) -> None:
    """Closing the response closes the upstream's connection at once."""
    script = (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc", AwaitClose())
    with recording_upstream(script) as upstream:
        request = httpx.Request("GET", upstream.url)
        response = await transport.handle_async_request(request)
        await response.aclose()
        await asyncio.to_thread(upstream.wait_until, lambda seen: 0 in seen.closed)


async def test_a_connection_that_the_upstream_closed_is_left(transport: SocketTransport) -> None:
    """A POST after the end of an idle connection goes out on a fresh one, and once only."""
    with recording_upstream((OK, Close())) as upstream:
        for _ in range(3):
            assert await ask(transport, upstream, "POST") == b"ok"
            # blocks the loop on purpose: the end stays unread until the next request looks for it
            threading.Event().wait(0.1)
    assert [request.connection for request in upstream.requests] == [0, 1, 2]


@pytest.mark.parametrize("ending", [Close(), Reset()])
async def test_only_an_idempotent_request_is_sent_again(transport: SocketTransport, ending: Close | Reset) -> None:
    """The upstream ends a used connection when the second request arrives: a GET is sent again, a POST fails."""
    for method, again in (("GET", True), ("POST", False)):
        count = {0: 0}

        def answer_by_connection(request: ReceivedRequest, count: dict[int, int] = count) -> Script:
            number = count[request.connection] = count.get(request.connection, 0) + 1
            return (ending,) if request.connection == 0 and number == 2 else (OK,)

        with recording_upstream(answer_by_connection) as upstream:
            assert await ask(transport, upstream) == b"ok"
            if again:
                assert await ask(transport, upstream, method) == b"ok"
            else:
                with pytest.raises(httpx.ReadError, match=upstream.place):
                    await ask(transport, upstream, method)
        assert len(upstream.requests) == (3 if again else 2)


async def test_a_fresh_connection_is_tried_once() -> None:
    """A GET that fails on a fresh connection fails."""
    transport = SocketTransport()
    with recording_upstream((Close(),)) as upstream, pytest.raises(httpx.ReadError):
        await ask(transport, upstream)
    assert len(upstream.requests) == 1


async def test_a_connection_rests_for_a_while_only() -> None:
    """After `rest` seconds it is closed from this side."""
    transport = SocketTransport(rest=0.1)
    with recording_upstream() as upstream:
        await ask(transport, upstream)
        await asyncio.to_thread(upstream.wait_until, lambda seen: 0 in seen.closed)
    await transport.aclose()


async def test_a_second_answer_that_comes_a_little_later_is_nobodys() -> None:
    """A connection rests before it is used again; else every request would be given the answer of the one before."""
    late = (OK, Pause(0.05), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother")
    transport = SocketTransport(settle=1.0)
    with recording_upstream(first_then_ok(*late)) as upstream:
        assert [await ask(transport, upstream) for _ in range(3)] == [b"ok"] * 3
    assert [request.connection for request in upstream.requests] == [0, 1, 2]
    await transport.aclose()


async def test_origins_do_not_share_connections(transport: SocketTransport) -> None:
    """Each origin has its own."""
    with recording_upstream() as one, recording_upstream() as other:
        for upstream in (one, other, one, other):
            await ask(transport, upstream)
        assert (one.connections, other.connections) == (1, 1)


async def test_requests_at_once_have_connections_of_their_own(transport: SocketTransport) -> None:
    """A hundred and twenty at the same time, all answered."""
    with recording_upstream((Pause(0.2), OK)) as upstream:
        bodies = await asyncio.gather(*(ask(transport, upstream) for _ in range(120)))
    assert bodies == [b"ok"] * 120
    assert upstream.connections == 120


async def test_an_early_answer_ends_the_connection() -> None:
    """The rest of a request that is still being written must not become the next request."""
    transport = SocketTransport({"": Route(Patience(first_byte=5))})
    listener = socket.create_server(("127.0.0.1", 0))
    accepted: list[socket.socket] = []

    def answer_before_the_body() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            accepted.append(connection)
            connection.recv(1000)
            connection.sendall(OK)

    thread = threading.Thread(target=answer_before_the_body, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    for content in (b"x" * 20_000_000, b""):
        response = await transport.handle_async_request(httpx.Request("POST", url, content=content))
        assert isinstance(response.stream, httpx.AsyncByteStream)
        assert [piece async for piece in response.stream] == [b"ok"]
    await asyncio.to_thread(thread.join, 10)
    assert len(accepted) == 2
    for connection in (*accepted, listener):
        connection.close()
    await transport.aclose()
