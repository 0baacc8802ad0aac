"""What the frames of a Bedrock answer stream mean: chunks that carry events, exceptions that end them.

A `chunk` frame carries one event of the model's own format as `{"bytes": BASE64, "p": PADDING}`; an exception frame
says what went wrong. Both as in the model of the service that botocore ships (bedrock-runtime, `ResponseStream`).
Frames of other kinds (those of the Converse API) are events of the type that their header names.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence

import msgspec

from ruleproxy.wire.events import BadStreamError, Filler, Item, StreamEvent, Unfinished
from ruleproxy.wire.eventstream import (
    DEFAULT_LIMIT,
    BadFrameError,
    Frame,
    FrameDecoder,
    TruncatedFrameError,
    decode_frame,
    encode_frame,
)
from ruleproxy.wire.formats import error_body
from ruleproxy.wire.json_shapes import read_shape

KEEP_ALIVE = encode_frame({":message-type": "event", ":event-type": "keepalive"}, b"")
"""A frame that botocore and the Anthropic SDKs pass over: an event of a type that their model does not have."""

# Exceptions that a stream may end with. Other Anthropic error types have no counterpart there.
_EXCEPTIONS = {
    "invalid_request_error": "validationException",
    "authentication_error": "validationException",
    "permission_error": "validationException",
    "not_found_error": "validationException",
    "request_too_large": "validationException",
    "rate_limit_error": "throttlingException",
    "api_error": "internalServerException",
    "timeout_error": "modelTimeoutException",
    "overloaded_error": "serviceUnavailableException",
}

# The names of errors, in streams and in the header of an answer (`x-amzn-ErrorType`), without regard to case.
_KINDS = {
    "validationexception": "invalid_request_error",
    "servicequotaexceededexception": "invalid_request_error",
    "accessdeniedexception": "permission_error",
    "unrecognizedclientexception": "authentication_error",
    "expiredtokenexception": "authentication_error",
    "resourcenotfoundexception": "not_found_error",
    "throttlingexception": "rate_limit_error",
    "modelnotreadyexception": "overloaded_error",
    "serviceunavailableexception": "overloaded_error",
    "modeltimeoutexception": "timeout_error",
    "modelerrorexception": "api_error",
    "modelstreamerrorexception": "api_error",
    "internalserverexception": "api_error",
}


class _Chunk(msgspec.Struct):
    bytes: str


class _Typed(msgspec.Struct):
    type: str = ""


class _Error(msgspec.Struct):
    message: str = ""
    type: str = "api_error"


class _Envelope(msgspec.Struct):
    error: _Error


def error_kind(name: str) -> str:
    """The Anthropic error type for the name of a Bedrock error; `api_error` for an unknown one."""
    return _KINDS.get(name.rpartition("#")[2].partition(":")[0].lower(), "api_error")


def exception_of(kind: str) -> str:
    """The exception that a stream ends with, for an Anthropic error type."""
    return _EXCEPTIONS.get(kind, "modelStreamErrorException")


def encode_chunk(data: bytes) -> bytes:
    """A frame that carries an event's data."""
    payload = b'{"bytes":"' + binascii.b2a_base64(data, newline=False) + b'"}'
    return encode_frame(
        {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}, payload
    )


def encode_exception(kind: str, message: str) -> bytes:
    """A frame that tells of an error; `kind` is an Anthropic error type."""
    headers = {
        ":exception-type": exception_of(kind),
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return encode_frame(headers, msgspec.json.encode({"message": message}))


def type_of(data: bytes) -> str:
    """The `type` that an event's data names; empty where it names none."""
    typed = read_shape(data, _Typed)
    return "" if typed is None else typed.type


def encode_event(type: str, data: bytes) -> bytes:  # noqa: A002 (the field's own name)
    """An event of the Anthropic format as a frame: a chunk, or an exception where it tells of an error.

    Pings have no counterpart and become frames that clients pass over.
    """
    type = type or type_of(data)  # noqa: A001 (the field's own name)
    if type == "ping":
        return KEEP_ALIVE
    if data == b"[DONE]":
        return b""  # the end of streams of another format, which some gateways append to every stream
    if type != "error":
        return encode_chunk(data)
    envelope = read_shape(data, _Envelope)
    if envelope is None:
        return encode_exception("api_error", " ".join(data[:300].decode("utf-8", "replace").split()))
    return encode_exception(envelope.error.type, envelope.error.message)


def respell_event(raw: bytes, type: str, data: bytes) -> bytes:  # noqa: A002 (the field's own name)
    """An event that came as the frame `raw`, with this type and this data; what is no chunk keeps its headers."""
    headers = {name: value for name, value in decode_frame(raw).headers.items() if isinstance(value, str)}
    if headers.get(":message-type") != "event" or headers.get(":event-type") == "chunk":
        return encode_event(type, data)
    return encode_frame(headers | {":event-type": type}, data)


def read_frame(frame: Frame) -> Item:
    """The event that a frame carries. An exception is an `error` event of the Anthropic format.

    Raises BadStreamError for a chunk without an event in it.
    """
    kind = frame.headers.get(":message-type")
    if kind == "exception":
        return _read_error(frame, str(frame.headers.get(":exception-type", "")), _read_message(frame.payload))
    if kind == "error":
        code, message = frame.headers.get(":error-code", ""), frame.headers.get(":error-message", "")
        return _read_error(frame, str(code), str(message))
    name = frame.headers.get(":event-type")
    if name != "chunk":
        if not frame.payload or name == "initial-response":
            return Filler(frame.raw)
        return StreamEvent(str(name or ""), frame.payload, frame.raw)
    chunk = read_shape(frame.payload, _Chunk)
    if chunk is None:
        raise BadStreamError("a chunk of the stream carries no event: it is no JSON with bytes in it")
    try:
        data = binascii.a2b_base64(chunk.bytes, strict_mode=True)
    except ValueError as error:
        raise BadStreamError(f"a chunk of the stream carries no event: {error}") from None
    return StreamEvent(type_of(data), data, frame.raw)


def _read_error(frame: Frame, name: str, message: str) -> StreamEvent:
    data = error_body("anthropic.messages", error_kind(name), message or name or "the stream ended with an error")
    return StreamEvent("error", data, frame.raw)


def _read_message(payload: bytes) -> str:
    error = read_shape(payload, _Error)
    return " ".join(payload[:300].decode("utf-8", "replace").split()) if error is None else error.message


class Decoder:
    """Feed it bytes as they arrive; it returns the events that they complete."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._frames = FrameDecoder(limit)

    def feed(self, piece: bytes) -> list[Item]:
        """What `piece` completes, in order. Raises BadStreamError."""
        items: list[Item] = []
        try:
            _read_frames(self._frames.feed(piece), items)
        except BadFrameError as error:
            _read_frames(error.before, items)
            raise BadStreamError(str(error), items) from None
        return items

    def finish(self) -> list[Item]:
        """What the end completes: nothing, or an `Unfinished` frame."""
        try:
            self._frames.finish()
        except TruncatedFrameError as error:
            return [Unfinished(error.rest)]
        return []


def _read_frames(frames: Sequence[Frame], items: list[Item]) -> None:
    for frame in frames:
        try:
            items.append(read_frame(frame))
        except BadStreamError as error:
            raise BadStreamError(str(error), items) from None
