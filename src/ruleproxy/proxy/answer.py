"""The client's answer as it goes out through ASGI, with what the log wants to know of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

from ruleproxy.messages.message import Headers
from ruleproxy.wire.formats import Api, error_body, error_headers, error_type

AsgiSend = Callable[[dict[str, Any]], Awaitable[None]]


class ClientAnswer:
    """One answer: head, data, end."""

    __slots__ = ("_head", "_send", "ended", "first", "size", "status")

    def __init__(self, send: AsgiSend) -> None:
        self._send = send
        self.status = 0
        """The status that went out; 0 before."""
        self.first: float | None = None
        """`perf_counter()` when the head went out."""
        self.size = 0
        """Bytes of the body so far."""
        self.ended = False

    async def begin(self, status: int, headers: Headers) -> None:
        """Send the head. Raises h11.LocalProtocolError for a header that cannot be written; then none is sent."""
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        self.status = status
        self.first = perf_counter()

    async def write(self, data: bytes) -> None:
        """Send bytes of the body."""
        self.size += len(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """Say that the body is complete."""
        self.ended = True
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def refuse(self, status: int, message: str, api: Api, *, close: bool = False) -> None:
        """Send a whole error answer in the client's format, but for its end."""
        kind = error_type(status)
        body = error_body(api, kind, message)
        headers = [*error_headers(api, kind), (b"content-length", b"%d" % len(body))]
        if close:
            headers.append((b"connection", b"close"))
        await self.begin(status, headers)
        await self.write(body)
