"""Driving one exchange: what it asks for is done with sockets, and what the sockets say is told to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, Protocol

import httpx

from ruleproxy.engine.events import (
    Action,
    CredentialRenewed,
    Cut,
    Data,
    End,
    Event,
    Head,
    ReadOn,
    Send,
    UpstreamData,
    UpstreamEnd,
    UpstreamFailed,
    UpstreamHead,
    Waited,
)
from ruleproxy.engine.secret_texts import SecretUnreadable
from ruleproxy.messages.message import Headers
from ruleproxy.proxy.failures import failure_of
from ruleproxy.proxy.outgoing import Outgoing
from ruleproxy.wire.headers import strip_hop_by_hop


class Exchange(Protocol):
    """What is driven here: see `ruleproxy.engine.exchange`."""

    @property
    def relaying(self) -> bool:
        """Whether every further byte of the upstream goes to the client as it comes."""

    @property
    def patience(self) -> float | None:
        """Seconds of upstream silence after which to say `Waited`; None: however long it takes."""

    @property
    def unread(self) -> bool:
        """Whether there is more in what came than was read so far."""

    @property
    def acted(self) -> Sequence[str]:
        """Names of the rules that have acted so far."""

    @property
    def remarks(self) -> Sequence[str]:
        """What else there is to say of it in its log line."""

    @property
    def retries(self) -> int:
        """How often its request was sent again."""

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

    def __init__(self, transport: httpx.AsyncBaseTransport, outgoing: Outgoing | None = None) -> None:
        self.transport = transport
        self.outgoing = outgoing or Outgoing()

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
                if exchange.unread:
                    await asyncio.sleep(0)
                    actions = exchange.receive(ReadOn())
                    continue
                if asked is not None:
                    await upstream.ask(asked)
                if exchange.relaying and upstream.body is not None:
                    event = await upstream.relay(answer)
                else:
                    event = await upstream.next_event()
                actions = exchange.receive(event)
        finally:
            await upstream.close()


class _Upstream:
    """The upstream's side of one exchange; asked again, it drops the answer before."""

    __slots__ = ("_asked", "_exchange", "_forwarder", "_pending", "_renewed", "_response", "body")

    def __init__(self, forwarder: Forwarder, exchange: Exchange) -> None:
        self._forwarder = forwarder
        self._exchange = exchange
        self._asked: Send | None = None
        self._renewed = False
        self._response: httpx.Response | None = None
        self._pending: asyncio.Task[Event] | None = None
        self.body: AsyncIterator[bytes] | None = None

    async def ask(self, send: Send) -> None:
        """Take up a request: the next event is the head of its answer, or its failure."""
        await self.close()
        self._asked = send

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
        self._asked = self.body = None
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.cancel()
            await asyncio.wait((pending,))
        if self._response is not None:
            response, self._response = self._response, None
            await response.aclose()

    def _next_step(self) -> Coroutine[Any, Any, Event]:
        asked = self._asked
        if asked is not None:
            self._asked = None
            return self._send(asked)
        assert self.body is not None, "an exchange waits for an upstream that it has not asked"
        return self._read(self.body)

    async def _send(self, send: Send) -> Event:
        outgoing = self._forwarder.outgoing
        try:
            request, used = await outgoing.make(send)
            response = await self._forwarder.transport.handle_async_request(request)
        except SecretUnreadable as error:
            return UpstreamFailed("refused", str(error))
        except httpx.TransportError as error:
            return failure_of(error)
        self._response = response
        if response.status_code == 401 and used and not self._renewed:
            self._renewed = True
            assert outgoing.secrets is not None
            if await outgoing.secrets.renew(used):
                return CredentialRenewed()
        self.body = aiter(response.stream)  # type: ignore[arg-type]
        return UpstreamHead(response.status_code, strip_hop_by_hop(response.headers.raw))

    async def _read(self, body: AsyncIterator[bytes]) -> Event:
        try:
            return UpstreamData(await anext(body))
        except StopAsyncIteration:
            return UpstreamEnd()
        except httpx.TransportError as error:
            return failure_of(error)
