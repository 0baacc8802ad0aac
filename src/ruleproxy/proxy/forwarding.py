"""Driving one exchange: what it asks for is done with sockets, and what the sockets say is told to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, Protocol

import httpx

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
    UpstreamHead,
    Waited,
)
from ruleproxy.messages.message import Headers
from ruleproxy.proxy.failures import failure_of
from ruleproxy.proxy.routes import NO_ROUTES
from ruleproxy.proxy.secrets import Secrets
from ruleproxy.proxy.signing import Signer
from ruleproxy.wire.headers import frame_request, strip_hop_by_hop


class Exchange(Protocol):
    """What is driven here: see `ruleproxy.engine.exchange`."""

    @property
    def relaying(self) -> bool:
        """Whether every further byte of the upstream goes to the client as it comes."""

    @property
    def patience(self) -> float | None:
        """Seconds of upstream silence after which to say `Waited`; None: however long it takes."""

    @property
    def acted(self) -> Sequence[str]:
        """Names of the rules that have acted so far."""

    @property
    def remarks(self) -> Sequence[str]:
        """What else there is to say of it in its log line."""

    def begin(self) -> Sequence[Action]:
        """The first actions."""

    def receive(self, event: Event) -> Sequence[Action]:
        """The actions that follow an event."""


class Answer(Protocol):
    """The client's side: a head, then data, then the end. Leaving out the end shows the client a cut."""

    async def begin(self, status: int, headers: Headers) -> None:
        """Send the head."""

    async def write(self, data: bytes) -> None:
        """Send bytes of the body; waits while the client is slow."""

    async def end(self) -> None:
        """Say that the body is complete."""


class Forwarder:
    """Carries out exchanges over one transport."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        *,
        signer: Signer | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        self.transport = transport
        self.signer = signer or Signer(NO_ROUTES)
        self.secrets = secrets
        self._origins: dict[str, httpx.URL] = {}

    async def forward(self, exchange: Exchange, answer: Answer) -> None:
        """Drive an exchange to its End, or to its Cut: then the answer is left without an end."""
        upstream = _Upstream(self, exchange)
        try:
            actions = exchange.begin()
            while True:
                asked: Send | None = None
                for action in actions:
                    match action:
                        case Data(data):
                            await answer.write(data)
                        case Head(status, headers):
                            await answer.begin(status, strip_hop_by_hop(headers))
                        case Send():
                            asked = action
                        case End():
                            await upstream.close()
                            await answer.end()
                            return
                        case Cut():
                            return
                if asked is not None:
                    await upstream.ask(asked)
                if exchange.relaying and upstream.body is not None:
                    event = await upstream.relay(answer)
                else:
                    event = await upstream.next_event()
                actions = exchange.receive(event)
        finally:
            await upstream.close()

    def find_url(self, origin: str) -> httpx.URL:
        """The parsed `origin`; the same few origins are asked again and again."""
        url = self._origins.get(origin)
        if url is None:
            url = self._origins[origin] = httpx.URL(origin)
        return url


class _Upstream:
    """The upstream's side of one exchange; asked again, it drops the answer before."""

    __slots__ = ("_asked", "_exchange", "_forwarder", "_pending", "_request", "_response", "body")

    def __init__(self, forwarder: Forwarder, exchange: Exchange) -> None:
        self._forwarder = forwarder
        self._exchange = exchange
        self._request: httpx.Request | None = None
        self._asked: Send | None = None
        self._response: httpx.Response | None = None
        self._pending: asyncio.Task[Event] | None = None
        self.body: AsyncIterator[bytes] | None = None

    async def ask(self, send: Send) -> None:
        """Prepare a request: the next event is the head of its answer, or its failure."""
        await self.close()
        url = self._forwarder.find_url(send.origin)
        self._asked = send
        self._request = httpx.Request(
            send.method,
            url,
            headers=frame_request(send.headers, send.method, url.netloc, send.body),
            stream=httpx.ByteStream(send.body),
            extensions={"target": send.target, "upstream": send.upstream, "silence": send.timeout},
        )

    async def next_event(self) -> Event:
        """What happens next, or Waited after the exchange's patience; what was begun goes on meanwhile."""
        patience = self._exchange.patience
        if self._pending is None:
            step = self._next_step()
            if patience is None:
                return await step
            self._pending = asyncio.create_task(step)
        done, _ = await asyncio.wait((self._pending,), timeout=patience)
        if not done:
            return Waited()
        event = self._pending.result()
        self._pending = None
        return event

    async def relay(self, answer: Answer) -> Event:
        """Copy the rest of the body to the client; its end, or the failure that ended it."""
        while self._pending is not None:
            event = await self.next_event()
            if isinstance(event, UpstreamData):
                await answer.write(event.data)
            elif not isinstance(event, Waited):
                return event
        assert self.body is not None
        try:
            async for piece in self.body:
                await answer.write(piece)
        except httpx.TransportError as error:
            return failure_of(error)
        return UpstreamEnd()

    async def close(self) -> None:
        """Drop what is under way; an unfinished request ends with its connection."""
        self._request = self.body = None
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.cancel()
            await asyncio.wait((pending,))
        if self._response is not None:
            response, self._response = self._response, None
            await response.aclose()

    def _next_step(self) -> Coroutine[Any, Any, Event]:
        request = self._request
        if request is not None:
            self._request = None
            return self._send(request)
        assert self.body is not None, "an exchange waits for an upstream that it has not asked"
        return self._read(self.body)

    async def _send(self, request: httpx.Request) -> Event:
        forwarder, asked = self._forwarder, self._asked
        try:
            if asked is not None and asked.sign is not None:
                request = await forwarder.signer.sign(request, asked.body, asked.upstream)
            response = await forwarder.transport.handle_async_request(request)
            if response.status_code == 401 and forwarder.secrets is not None:
                again = await forwarder.secrets.renew(request)
                if again is not None:
                    await response.aclose()
                    response = await forwarder.transport.handle_async_request(again)
        except httpx.TransportError as error:
            return failure_of(error)
        self._response = response
        self.body = aiter(response.stream)  # type: ignore[arg-type]
        return UpstreamHead(response.status_code, strip_hop_by_hop(response.headers.raw))

    async def _read(self, body: AsyncIterator[bytes]) -> Event:
        try:
            return UpstreamData(await anext(body))
        except StopAsyncIteration:
            return UpstreamEnd()
        except httpx.TransportError as error:
            return failure_of(error)
