"""The gateway as an ASGI application: one exact path, one method, a bearer token, no streams, and every rule held.

Answers are Messages answers, refusals are Anthropic error objects, so that a client shows its user what was wrong.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ruleproxy.gateway.answering import answer
from ruleproxy.gateway.conversation import find_conversation_faults
from ruleproxy.gateway.request_shape import KNOWN_BETAS, REQUEST
from ruleproxy.gateway.shapes import find_faults
from ruleproxy.wire.formats import error_body, error_type

LARGEST_BODY = 32 * 1024 * 1024
"""Bytes, as the provider's own limit."""

REMEMBERED = 100
"""Exchanges kept in `GatewayApplication.seen`."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class RefusedError(Exception):
    """The gateway does not take a request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request as it arrived, and the status it was answered with."""

    method: str
    raw_path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    status: int
    message: str


@dataclass(slots=True)
class GatewayApplication:
    """`path` is the one path that exists, percent-encoded as on the wire. `seen` keeps what arrived, newest last."""

    path: str
    seen: deque[SeenRequest] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await _follow_lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise NotImplementedError(f"the gateway does not speak {scope['type']}")
        status, message = 200, ""
        body = b""
        try:
            body = await _read_body(receive)
            answered = self._answer(scope, body)
        except RefusedError as refusal:
            status, message = refusal.status, refusal.message
            answered = error_body("anthropic.messages", error_type(status), message)
        path, query, headers = scope["raw_path"], scope["query_string"], list(scope["headers"])
        self.seen.append(SeenRequest(scope["method"], path, query, headers, body, status, message))
        await _send_json(send, status, answered, empty=scope["method"] == "HEAD")

    def _answer(self, scope: Scope, encoded: bytes) -> bytes:
        if scope["raw_path"].decode("latin-1") != self.path:
            raise RefusedError(404, f"no route for {scope['raw_path'].decode('latin-1')}")
        if scope["query_string"]:
            query = scope["query_string"].decode("latin-1")
            raise RefusedError(404, f"no route for {self.path}?{query}: routes match the whole URL, query included")
        if scope["method"] != "POST":
            raise RefusedError(405, f"method {scope['method']} is not allowed here, only POST")
        headers = scope["headers"]
        if not any(_is_bearer(value) for name, value in headers if name.lower() == b"authorization"):
            raise RefusedError(401, "missing bearer token: send Authorization: Bearer ...")
        body = _read_json(encoded)
        if body.get("stream") is True:
            raise RefusedError(403, "streaming responses are blocked by this gateway: `stream` must not be true")
        if any(value not in KNOWN_BETAS for value in _betas(headers)):
            raise RefusedError(400, "invalid beta flag")
        fault = next(find_faults(REQUEST, body), None) or next(find_conversation_faults(body), None)
        if fault is not None:
            raise RefusedError(400, fault)
        return orjson.dumps(answer(body, encoded))


def _is_bearer(value: bytes) -> bool:
    scheme, _, token = value.partition(b" ")
    return scheme.lower() == b"bearer" and bool(token.strip())


def _betas(headers: list[tuple[bytes, bytes]]) -> Iterator[str]:
    """Every value of every `anthropic-beta` line."""
    for name, line in headers:
        if name.lower() == b"anthropic-beta":
            for value in line.decode("latin-1").split(","):
                if value.strip():
                    yield value.strip()


def _read_json(encoded: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(encoded)
    except orjson.JSONDecodeError as error:
        raise RefusedError(400, f"The request body is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise RefusedError(400, "Input should be a valid dictionary")
    return body


async def _read_body(receive: Receive) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise RefusedError(400, "the client went away")
        pieces.append(event.get("body", b""))
        size += len(pieces[-1])
        if size > LARGEST_BODY:
            raise RefusedError(413, "Request exceeds the maximum size")
        if not event.get("more_body"):
            return b"".join(pieces)


async def _send_json(send: Send, status: int, body: bytes, *, empty: bool) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"request-id", b"req_" + hashlib.sha256(body).hexdigest()[:24].encode()),
    ]
    if status == 405:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if empty else body})


async def _follow_lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": event["type"] + ".complete"})
        if event["type"] == "lifespan.shutdown":
            return
