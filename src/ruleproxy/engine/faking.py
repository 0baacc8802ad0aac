"""A whole answer given to the client as the stream that it asked for."""

from __future__ import annotations

import zlib

import msgspec

from ruleproxy.messages.message import Headers, Response
from ruleproxy.wire.anthropic import PING_EVENT, NotAMessageError, error_event
from ruleproxy.wire.fake_stream import fake_stream
from ruleproxy.wire.formats import error_status, error_type

_INFLATED_LIMIT = 64 * 1024 * 1024
ENTITY = frozenset({b"content-type", b"content-length", b"content-encoding", b"etag", b"content-md5", b"digest"})
"""Headers that describe the body that the upstream sent."""


class FakingError(Exception):
    """An answer that is no message: `status` and `kind` are what the client is told instead."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class StreamFaker:
    """Makes the stream of one exchange. `model` is the one that the client asked for."""

    __slots__ = ("_model",)

    def __init__(self, model: str) -> None:
        self._model = model

    @property
    def ping(self) -> bytes:
        """What keeps a connection alive; it does not restart a client's own limit on waiting."""
        return PING_EVENT

    @staticmethod
    def error_event(kind: str, message: str) -> bytes:
        """An error after the 200 went out."""
        return error_event(kind, message)

    @staticmethod
    def stream_headers(headers: Headers) -> Headers:
        """The upstream's headers, but for those that describe the body that it sent."""
        kept = [line for line in headers if line[0].lower() not in ENTITY]
        return [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"), *kept]

    def events(self, response: Response) -> list[bytes]:
        """The events of a whole message. Raises `FakingError` for what is none."""
        body = decode_body(response)
        try:
            return fake_stream(body, model=self._model)
        except NotAMessageError as error:
            if error.reason == "error":
                kind, message = read_error(body, 502)
                raise FakingError(error_status(kind), kind, message) from None
            raise FakingError(
                502,
                "api_error",
                f"the upstream answered {response.status} with no message to make a stream of: {error}",
            ) from None

    @staticmethod
    def read_error(response: Response) -> tuple[str, str]:
        """Type and message of an upstream's error answer."""
        try:
            body = decode_body(response)
        except FakingError:
            return read_error(b"", response.status)  # unreadable, but its status still says what it is
        return read_error(body, response.status)


def decode_body(response: Response) -> bytes:
    """The body of an answer without its content coding. Raises `FakingError` where that cannot be undone."""
    codings = b",".join(v for k, v in response.headers if k.lower() == b"content-encoding").strip().lower()
    if codings in (b"", b"identity"):
        return response.body
    if codings not in (b"gzip", b"x-gzip", b"deflate"):
        raise FakingError(
            502, "api_error", f"the upstream's answer has the content-encoding {codings.decode('latin-1')}"
        )
    inflater = zlib.decompressobj(47 if codings != b"deflate" else 15)
    try:
        data = inflater.decompress(response.body, _INFLATED_LIMIT)
    except zlib.error as error:
        raise FakingError(502, "api_error", f"the upstream's compressed answer is damaged: {error}") from None
    if inflater.unconsumed_tail:
        raise FakingError(502, "api_error", f"the upstream's answer inflates to more than {_INFLATED_LIMIT} bytes")
    if not inflater.eof:
        raise FakingError(502, "api_error", "the upstream's compressed answer is damaged: its end is missing")
    return data


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Envelope(msgspec.Struct):
    error: _Error


def read_error(body: bytes, status: int) -> tuple[str, str]:
    """Type and message of an error body; where it has none of its own, what its status says."""
    try:
        found = msgspec.json.decode(body, type=_Envelope).error
    except msgspec.DecodeError:
        text = " ".join(body[:300].decode("utf-8", "replace").split())
        return error_type(status), f"the upstream answered {status}" + (f": {text}" if text else "")
    return found.type or error_type(status), found.message or f"the upstream answered {status}"
