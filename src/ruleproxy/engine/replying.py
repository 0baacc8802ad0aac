"""Answers that are made here: what a rule responds, and errors in the client's own shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ruleproxy.engine.context import Answer
from ruleproxy.engine.events import Action, Data, End, Head
from ruleproxy.messages.headers import HeaderFields
from ruleproxy.messages.journal import Journal
from ruleproxy.messages.message import Headers, Request
from ruleproxy.messages.values import NIL, Value, encode
from ruleproxy.wire.compression import find_codings
from ruleproxy.wire.formats import Api, api_of, client_status, error_body, error_headers
from ruleproxy.wire.framing import AWS_EVENT_STREAM, SERVER_SENT_EVENTS, Framing, expected_framing

ENTITY = frozenset({b"content-type", b"content-length", b"content-encoding", b"etag", b"content-md5", b"digest"})
"""Headers that describe the body that the upstream sent."""

# What AWS's clients give as the content type of a stream: botocore's model of the service has it as required.
_CONTENT_OF_FRAMES = b"x-amzn-bedrock-content-type"

_LENGTHS = frozenset({b"content-length", b"content-md5", b"digest"})


@dataclass(frozen=True, slots=True)
class Client:
    """Who is answered: the format that it speaks, and the framing of the streams that it reads, if that is known."""

    api: Api
    framing: Framing | None
    head_only: bool

    @classmethod
    def of(cls, request: Request) -> Client:
        """The client that sent a request."""
        path = request.raw_path.decode("latin-1")
        return cls(api_of(path), expected_framing(path), request.method == "HEAD")

    def reads(self, came: Framing) -> Framing:
        """The framing in which the client is given a stream that came in this one."""
        return self.framing or came

    @property
    def own_framing(self) -> Framing:
        """The framing of a stream that is made here."""
        return self.framing or SERVER_SENT_EVENTS


def is_encoded(headers: Headers) -> bool:
    """Whether an answer's bytes are compressed, so that nothing in them can be read as they come."""
    return bool(find_codings(headers))


def with_length(headers: Headers, length: int) -> Headers:
    """The headers of a whole body of this length."""
    kept = [line for line in headers if line[0].lower() not in (b"content-length", b"transfer-encoding")]
    return [*kept, (b"content-length", b"%d" % length)]


def without_length(headers: Headers) -> Headers:
    """The headers of a stream whose length may become another one."""
    return [line for line in headers if line[0].lower() not in _LENGTHS]


def stream_headers(headers: Headers, framing: Framing) -> Headers:
    """The upstream's headers, but for those that describe the body that it sent: the client's is a stream made here."""
    kept = [line for line in headers if line[0].lower() not in ENTITY]
    made = [(b"content-type", framing.content_type), (b"cache-control", b"no-cache")]
    if framing is AWS_EVENT_STREAM and not any(line[0].lower() == _CONTENT_OF_FRAMES for line in kept):
        made.append((_CONTENT_OF_FRAMES, b"application/json"))
    return [*made, *kept]


def reply(client: Client, answer: Answer) -> Sequence[Action]:
    """What a rule responds. Raises `EditRefused` for what cannot be sent."""
    headers = HeaderFields([], Journal())
    body, content_type = _encode_body(answer.body)
    for name, value in answer.headers.items():
        headers.write(name, value)
    if content_type is not None and headers.get("content-type") is NIL:
        headers.write("content-type", content_type)
    lines = with_length(headers.lines, len(body))
    if client.head_only or not body:
        return (Head(answer.status, lines), End())
    return (Head(answer.status, lines), Data(body), End())


def reply_error(client: Client, status: int, kind: str, message: str) -> Sequence[Action]:
    """An error in the client's own shape; `kind` is an Anthropic error type."""
    body, status = error_body(client.api, kind, message), client_status(client.api, status)
    return (Head(status, with_length(error_headers(client.api, kind), len(body))), Data(body), End())


def end_stream(client: Client, framing: Framing, kind: str, message: str) -> Sequence[Action]:
    """An error within a stream of this framing, as its last event."""
    return (Data(framing.encode_error(client.api, kind, message)), End())


def _encode_body(value: Value) -> tuple[bytes, str | None]:
    if value is NIL:
        return b"", None
    if isinstance(value, str):
        return value.encode(), "text/plain; charset=utf-8"
    return encode(value), "application/json"
