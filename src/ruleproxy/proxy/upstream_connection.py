"""One connection to an upstream, on which one request at a time waits for its answer."""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Callable
from typing import Any, cast

import httpx

from ruleproxy.proxy.failures import AnswerMalformed, AnswerTruncated, TlsFailed
from ruleproxy.proxy.forward_proxies import ForwardProxy, describe_refusal
from ruleproxy.proxy.response_reader import BadResponse, ResponseHead, ResponseReader, Truncated
from ruleproxy.proxy.routes import Patience
from ruleproxy.proxy.tls import describe_tls_failure

_PAUSE_READING_AT = 256 * 1024
_READING_SECONDS = 0.05


class UpstreamConnection(asyncio.Protocol):
    """A protocol for `loop.create_connection`.

    Bytes that come while no request waits belong to nobody: they end the connection, so that they can never
    be taken for the answer to a later request.
    """

    __slots__ = (
        "_buffered",
        "_deadline",
        "_failure",
        "_last_activity",
        "_loop",
        "_on_close",
        "_patience",
        "_patience_timer",
        "_paused",
        "_pieces",
        "_poll",
        "_reader",
        "_transport",
        "_waiter",
        "idle_timer",
        "open",
        "place",
        "proxy",
        "resting_since",
    )

    def __init__(self, place: str, on_close: Callable[[UpstreamConnection], None]) -> None:
        self.place = place
        """`host:port`, for messages."""
        self.proxy: ForwardProxy | None = None
        """Whom the requests are said to, if not to the upstream itself."""
        self.open = False
        self.idle_timer: asyncio.TimerHandle | None = None
        self.resting_since = 0.0
        """Since when, in the loop's time, it waits for its next request."""
        self._on_close = on_close
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._poll = select.poll()
        self._reader: ResponseReader | None = None
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._paused = False
        self._failure: httpx.TransportError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._patience_timer: asyncio.TimerHandle | None = None
        self._last_activity = 0.0
        self._deadline = 0.0
        self._patience: Patience

    async def ask(self, method: str, head: bytes, body: bytes, patience: Patience, deadline: float) -> ResponseHead:
        """Write a request and wait for the head of its answer, which has to be complete before `deadline` (loop time).

        Raises httpx.ReadError, ReadTimeout, ProxyError, AnswerTruncated, AnswerMalformed or TlsFailed.
        """
        reader = self._reader = ResponseReader(method)
        self._last_activity = now = self._loop.time()
        self._patience = patience
        self._deadline = deadline
        first = min(patience.first_byte, patience.idle, deadline - now)
        self._patience_timer = self._loop.call_later(first, self._check_patience)
        if body:
            self._transport.writelines((head, body))
        else:
            self._transport.write(head)
        while reader.head is None:
            if self._failure is not None:
                raise self._failure
            await self._wait()
        if reader.head.status == 407 and self.proxy is not None:
            raise httpx.ProxyError(f"no answer of {self.place} through {self.proxy.place}: {describe_refusal(407)}")
        return reader.head

    async def next_piece(self) -> bytes | None:
        """Bytes of the body as soon as there are some, None at its end. Raises as `ask` does."""
        while not self._pieces:
            reader = self._reader
            if reader is None or reader.complete:
                return None
            if self._failure is not None:
                raise self._failure
            await self._wait()
        pieces = self._pieces
        piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._buffered = 0
        if self._paused:
            self._paused = False
            self._last_activity = self._loop.time()
            if self.open:
                self._transport.resume_reading()
        return piece

    def finish(self) -> bool:
        """End the exchange; True if the connection may carry another one, else it is closed at once."""
        reader = self._reader
        self._reader = None
        self._pieces.clear()
        self._buffered = 0
        if self._patience_timer is not None:
            self._patience_timer.cancel()
            self._patience_timer = None
        if (
            self.open
            and reader is not None
            and reader.complete
            and reader.persistent
            and not reader.excess
            and not self._paused
            # An answer that came before the request was out: the rest of the request is still to be sent.
            and self._transport.get_write_buffer_size() == 0
        ):
            return True
        self.abort()
        return False

    def is_quiet(self) -> bool:
        """Whether an idle connection is open and nothing, not even its end, waits to be read from it.

        Asked of the kernel, because what arrived after the loop's last turn has not reached `data_received`.
        """
        return self.open and not self._transport.is_closing() and not self._poll.poll(0)

    def abort(self) -> None:
        """Close at once, dropping what is still to be written."""
        if self.open:
            self.open = False
            self._transport.abort()
            self._on_close(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: the event loop's call."""
        # uvloop's transports are not subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        connected: Any = transport.get_extra_info("socket")
        self._poll.register(connected.fileno(), select.POLLIN)
        self.open = True

    def data_received(self, data: bytes) -> None:
        """Take bytes: the event loop's call."""
        reader = self._reader
        if reader is None:
            self.abort()
            return
        self._last_activity = self._loop.time()
        try:
            pieces = reader.feed(data)
        except BadResponse as error:
            self._fail(AnswerMalformed(f"{self.place} did not answer in HTTP/1.1: {error}"))
            self.abort()
            return
        if pieces:
            self._pieces += pieces
            self._buffered += len(data)
            if self._buffered > _PAUSE_READING_AT and not reader.complete and not self._paused:
                self._paused = True
                self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """Take the end of what the upstream sends: the event loop's call."""
        self._lose()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of the connection: the event loop's call."""
        self._lose(exc)

    def _lose(self, exc: Exception | None = None) -> None:
        was_open = self.open
        self.open = False
        reader = self._reader
        if reader is not None and not reader.complete and self._failure is None:
            if exc is not None:
                if isinstance(exc, ssl.SSLError):
                    # TLS 1.3 tells only now that it wanted (another) client certificate.
                    self._failure = TlsFailed(describe_tls_failure(self.place, exc))
                elif reader.head is None:
                    self._failure = httpx.ReadError(f"{self.place} reset the connection before an answer")
                else:
                    self._failure = AnswerTruncated(f"{self.place} reset the connection within the answer")
            else:
                try:
                    reader.end()
                except Truncated as error:
                    if reader.untouched:
                        self._failure = httpx.ReadError(f"{self.place} closed the connection without an answer")
                    else:
                        self._failure = AnswerTruncated(f"the answer of {self.place} is cut short: {error}")
        if was_open:
            self._on_close(self)
        self._wake()

    def _fail(self, failure: httpx.TransportError) -> None:
        if self._failure is None:
            self._failure = failure
        self._wake()

    def _check_patience(self) -> None:
        now = self._loop.time()
        patience, reader = self._patience, self._reader
        waiting = reader is not None and reader.untouched
        limit = patience.first_byte if waiting else patience.idle
        # While the client is slow nothing is read, and that is not the upstream's silence.
        rest = limit if self._paused else self._last_activity + limit - now
        left = self._deadline - now
        if rest > 0 and left > 0:
            # The first byte may come at any time, and from then on the other limit counts.
            self._patience_timer = self._loop.call_later(min(rest, patience.idle, left), self._check_patience)
            return
        if left > 0 and self.open and self._poll.poll(0):
            # The upstream was not silent: this process was busy, and what came is still to be read.
            self._patience_timer = self._loop.call_later(_READING_SECONDS, self._check_patience)
            return
        self._patience_timer = None
        if left <= 0:
            message = f"the answer of {self.place} was not complete after {patience.total:g} s (timeouts.total)"
        elif waiting:
            name = patience.name_of("first_byte")
            message = f"{self.place} sent no byte of an answer for {limit:g} s ({name})"
        else:
            message = f"{self.place} sent nothing more of its answer for {limit:g} s ({patience.name_of('idle')})"
        self._fail(httpx.ReadTimeout(message))
        self.abort()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
