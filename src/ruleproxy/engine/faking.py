"""A whole answer given to the client as the stream that it asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from ruleproxy.engine.asking import request_model
from ruleproxy.engine.replying import Client, stream_headers
from ruleproxy.engine.runtime import member
from ruleproxy.messages.edited import EditedRequest
from ruleproxy.messages.message import Headers, Response
from ruleproxy.wire.compression import find_codings
from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.fake_chat import fake_chat
from ruleproxy.wire.fake_responses import fake_responses
from ruleproxy.wire.fake_stream import tell_message
from ruleproxy.wire.formats import error_status, error_type
from ruleproxy.wire.invocation_metrics import Metering
from ruleproxy.wire.json_shapes import read_shape
from ruleproxy.wire.whole import NotAMessageError


class FakingError(Exception):
    """An answer that is no message: `status` and `kind` are what the client is told instead."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


PART = 256 * 1024
"""So many bytes of a made stream are made at once, about: nobody else is served meanwhile."""


@dataclass(frozen=True, slots=True)
class MadeStream:
    """A stream that is made while it is given out: its head, and its bytes in parts."""

    status: int
    headers: Headers
    parts: Iterator[bytes]


class StreamFaker:
    """Makes the stream of one exchange, from the request that asked for it."""

    __slots__ = ("_client", "_counts", "_model")

    def __init__(self, client: Client, request: EditedRequest) -> None:
        self._client = client
        model = request_model(request)
        self._model = model if isinstance(model, str) else ""
        self._counts = member(member(request.body.root, "stream_options"), "include_usage") is True

    @property
    def ping(self) -> bytes:
        """What keeps a connection alive; it does not restart a client's own limit on waiting."""
        return self._client.own_framing.encode_waiting(self._client.api)

    def headers(self, headers: Headers) -> Headers:
        """The headers of the stream, with those of the upstream's answer."""
        return stream_headers(headers, self._client.own_framing)

    def answer(self, response: Response, *, begun: bool) -> Response | MadeStream:
        """What the client gets for the upstream's answer: a stream for a message, an error as it came.

        Raises `FakingError` for a success that is no message, and for an error where the stream has `begun`.
        """
        if 200 <= response.status < 300:
            return MadeStream(response.status, self.headers(response.headers), self._spell(self._stream(response)))
        if not begun:
            return response
        try:
            body = readable_body(response)
        except FakingError:
            body = b""  # unreadable, but its status still says what it is
        raise FakingError(response.status, *read_error(body, response.status))

    def _spell(self, events: Iterable[StreamEvent]) -> Iterator[bytes]:
        part: list[bytes] = []
        size = 0
        for event in events:
            part.append(self._client.own_framing.encode(event))
            size += len(part[-1])
            if size >= PART:
                yield b"".join(part)
                part.clear()
                size = 0
        if part:
            yield b"".join(part)

    def _stream(self, response: Response) -> Iterable[StreamEvent]:
        body = readable_body(response)
        events: Iterable[StreamEvent]
        try:
            if self._client.api == "openai.chat":
                events = fake_chat(body, model=self._model, counts=self._counts)
            elif self._client.api == "openai.responses":
                events = fake_responses(body, model=self._model)
            else:
                events = tell_message(body, model=self._model)
        except NotAMessageError as error:
            if error.reason == "error":
                kind, message = read_error(body, 502)
                raise FakingError(error_status(kind), kind, message) from None
            raise FakingError(
                502,
                "api_error",
                f"the upstream answered {response.status} with no message to make a stream of: {error}",
            ) from None
        if self._client.api == "bedrock.invoke":
            events = map(Metering().take, events)
        return events


def readable_body(response: Response) -> bytes:
    """The body of an answer. Raises `FakingError` for one in a content coding that is not known."""
    codings = find_codings(response.headers)
    if codings:
        coding = ", ".join(codings)
        raise FakingError(502, "api_error", f"the upstream's answer has the content-encoding {coding}")
    return response.body


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Envelope(msgspec.Struct):
    error: _Error


def read_error(body: bytes, status: int) -> tuple[str, str]:
    """Type and message of an error body; where it has none of its own, what its status says."""
    envelope = read_shape(body, _Envelope)
    if envelope is None:
        text = " ".join(body[:300].decode("utf-8", "replace").split())
        return error_type(status), f"the upstream answered {status}" + (f": {text}" if text else "")
    found = envelope.error
    return found.type or error_type(status), found.message or f"the upstream answered {status}"
