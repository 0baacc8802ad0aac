"""The driver of exchanges: what an exchange asks for is done, in order, and what happens is told to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from ruleproxy.engine.events import (
    Action,
    Cut,
    Data,
    End,
    Event,
    Head,
    Send,
    UpstreamData,
    UpstreamEnd,
    UpstreamFailed,
    UpstreamHead,
    Waited,
)
from ruleproxy.messages.message import Headers
from ruleproxy.proxy.forwarding import Forwarder
from ruleproxy.proxy.transport import SocketTransport
from support.recording_upstream import (
    OK,
    AwaitClose,
    Close,
    Pause,
    ReceivedRequest,
    RecordingUpstream,
    Script,
    recording_upstream,
)


class Scripted:
    """An exchange that answers events by a function, and remembers them."""

    acted: Sequence[str] = ()
    remarks: Sequence[str] = ()
    retries = 0
    unread = False

    def __init__(self, upstream: RecordingUpstream, patience: float | None = None) -> None:
        self.relaying = False
        self.patience = patience
        self.upstream = upstream
        self.events: list[Event] = []

    def send(self, method: str = "POST", target: bytes = b"/", headers: Headers | None = None) -> Send:
        return Send(self.upstream.url, method, target, headers or [], b"")

    def begin(self) -> Sequence[Action]:
        return (self.send(),)

    def receive(self, event: Event) -> Sequence[Action]:
        self.events.append(event)
        return self.react(event)

    def react(self, event: Event) -> Sequence[Action]:
        match event:
            case UpstreamHead(status, headers):
                return (Head(status, headers),)
            case UpstreamData(data):
                return (Data(data),)
            case UpstreamEnd():
                return (End(),)
            case UpstreamFailed():
                return (Cut(),)
        return ()


class Client:
    """The client's side, as a list."""

    def __init__(self) -> None:
        self.got: list[object] = []

    async def begin(self, status: int, headers: Headers) -> None:
        self.got.append((status, headers))

    async def write(self, data: bytes) -> None:
        self.got.append(data)

    async def end(self) -> None:
        self.got.append("end")


@pytest.fixture
async def forwarder() -> AsyncIterator[Forwarder]:
    transport = SocketTransport()
    yield Forwarder(transport)
    await transport.aclose()


async def test_events_come_in_order(forwarder: Forwarder) -> None:
    """Head, data, end; the head without what belongs to the connection."""
    head = b"HTTP/1.1 201 Created\r\nConnection: x-a\r\nX-A: 1\r\nX-B: 2\r\nContent-Length: 4\r\n\r\n"
    with recording_upstream((head + b"ab", Pause(0.1), b"cd")) as upstream:
        exchange, client = Scripted(upstream), Client()
        await forwarder.forward(exchange, client)
    headers = [(b"X-B", b"2"), (b"Content-Length", b"4")]
    assert exchange.events == [UpstreamHead(201, headers), UpstreamData(b"ab"), UpstreamData(b"cd"), UpstreamEnd()]
    assert client.got == [(201, headers), b"ab", b"cd", "end"]


async def test_a_request_is_framed_by_the_driver(forwarder: Forwarder) -> None:
    """Whatever host and length an exchange leaves in the headers."""
    with recording_upstream() as upstream:
        exchange = Scripted(upstream)
        headers = [(b"host", b"client.example"), (b"content-length", b"999")]
        exchange.begin = lambda: (Send(upstream.url, "PUT", b"/x%2F", headers, b"abc"),)  # type: ignore[method-assign]
        await forwarder.forward(exchange, Client())
    assert upstream.requests[0].request_line == b"PUT /x%2F HTTP/1.1"
    assert upstream.requests[0].header_lines == [b"host: " + upstream.place.encode(), b"content-length: 3"]


async def test_an_exchange_may_ask_again(forwarder: Forwarder) -> None:
    """A second request replaces the first, whose unread answer ends with its connection."""

    class Twice(Scripted):
        def react(self, event: Event) -> Sequence[Action]:
            if isinstance(event, UpstreamHead) and event.status == 400:
                return (self.send(target=b"/again"),)
            return super().react(event)

    def answer(request: ReceivedRequest) -> Script:
        if b"/again" in request.request_line:
            return (OK,)
        return (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 1000\r\n\r\nx", AwaitClose())

    with recording_upstream(answer) as upstream:
        exchange, client = Twice(upstream), Client()
        await forwarder.forward(exchange, client)
        await asyncio.to_thread(upstream.wait_until, lambda seen: 0 in seen.closed)
    assert client.got == [(200, [(b"Content-Length", b"2")]), b"ok", "end"]


async def test_patience_is_told_and_the_same_answer_awaited(forwarder: Forwarder) -> None:
    """Waited comes before the head and within the body, one request goes out, and not a byte is lost."""

    class Impatient(Scripted):
        def react(self, event: Event) -> Sequence[Action]:
            if isinstance(event, Waited):
                return ()
            return super().react(event)

    script = (Pause(0.3), b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", Pause(0.3), b"cd")
    with recording_upstream(script) as upstream:
        exchange, client = Impatient(upstream, patience=0.05), Client()
        await forwarder.forward(exchange, client)
    kinds = [type(event) for event in exchange.events]
    first_head = kinds.index(UpstreamHead)
    assert kinds[0] is Waited
    assert Waited in kinds[first_head:]
    assert client.got[1:] == [b"ab", b"cd", "end"]
    assert len(upstream.requests) == 1


async def test_patience_may_end_the_wait(forwarder: Forwarder) -> None:
    """An exchange that answers by itself while it waits: the upstream is dropped."""

    class GivesUp(Scripted):
        def react(self, event: Event) -> Sequence[Action]:
            if isinstance(event, Waited):
                return (Head(200, []), Data(b"enough"), End())
            return super().react(event)

    with recording_upstream((AwaitClose(),)) as upstream:
        client = Client()
        await forwarder.forward(GivesUp(upstream, patience=0.05), client)
        await asyncio.to_thread(upstream.wait_until, lambda seen: 0 in seen.closed)
    assert client.got == [(200, []), b"enough", "end"]


async def test_relaying_copies_without_asking(forwarder: Forwarder) -> None:
    """After the head says so, the exchange hears of the end only; also where patience had begun a wait."""

    class Relays(Scripted):
        def react(self, event: Event) -> Sequence[Action]:
            if isinstance(event, UpstreamHead):
                self.relaying = True
                self.patience = None
            return super().react(event)

    script = (Pause(0.1), b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", Pause(0.1), b"cd")
    with recording_upstream(script) as upstream:
        for patience in (None, 5.0):
            exchange, client = Relays(upstream, patience), Client()
            await forwarder.forward(exchange, client)
            assert [type(event) for event in exchange.events] == [UpstreamHead, UpstreamEnd]
            assert client.got[1:] == [b"ab", b"cd", "end"]


async def test_a_failure_is_told_with_its_kind(forwarder: Forwarder) -> None:
    """Refused, reset, truncated within a relayed body; the last one cuts the client's answer."""
    exchange, client = Scripted(RecordingUpstream(1, lambda _request: ())), Client()
    await forwarder.forward(exchange, client)
    assert exchange.events == [UpstreamFailed("refused", "cannot connect to 127.0.0.1:1: connection refused")]
    with recording_upstream((Close(),)) as upstream:
        exchange = Scripted(upstream)
        await forwarder.forward(exchange, client)
        assert [event.kind for event in exchange.events if isinstance(event, UpstreamFailed)] == ["reset"]
    assert client.got == []
    with recording_upstream((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", Close())) as upstream:
        exchange = Scripted(upstream)
        exchange.relaying = True
        await forwarder.forward(exchange, client)
        assert [event.kind for event in exchange.events if isinstance(event, UpstreamFailed)] == ["truncated"]
    assert client.got[-1] == b"ab"


async def test_an_answer_without_an_upstream(forwarder: Forwarder) -> None:
    """An exchange may answer by itself at once; nobody is asked."""
    with recording_upstream() as upstream:
        exchange, client = Scripted(upstream), Client()
        exchange.begin = lambda: (Head(400, []), Data(b"no"), End())  # type: ignore[method-assign]
        await forwarder.forward(exchange, client)
    assert client.got == [(400, []), b"no", "end"]
    assert upstream.connections == 0
