"""Answers that are made here: what a rule responds, and errors in the client's own shape."""

from __future__ import annotations

from collections.abc import Sequence

from ruleproxy.engine.context import Answer
from ruleproxy.engine.events import Action, Data, End, Head
from ruleproxy.messages.headers import HeaderFields
from ruleproxy.messages.journal import Journal
from ruleproxy.messages.message import Headers
from ruleproxy.messages.values import NIL, Value, encode
from ruleproxy.wire.anthropic import error_event
from ruleproxy.wire.formats import Api, error_body
from ruleproxy.wire.sse import encode_event

_EVENT_STREAM = b"text/event-stream"


def is_event_stream(headers: Headers) -> bool:
    """Whether an answer says that it is a stream of server-sent events."""
    return any(k.lower() == b"content-type" and v.lower().startswith(_EVENT_STREAM) for k, v in headers)


def is_encoded(headers: Headers) -> bool:
    """Whether an answer's bytes are compressed, so that nothing in them can be read as they come."""
    return any(k.lower() == b"content-encoding" and v.strip().lower() not in (b"", b"identity") for k, v in headers)


def with_length(headers: Headers, length: int) -> Headers:
    """The headers of a whole body of this length."""
    kept = [line for line in headers if line[0].lower() not in (b"content-length", b"transfer-encoding")]
    return [*kept, (b"content-length", b"%d" % length)]


def reply(answer: Answer, *, head_only: bool) -> Sequence[Action]:
    """What a rule responds. Raises `EditRefused` for what cannot be sent."""
    headers = HeaderFields([], Journal())
    body, content_type = _encode_body(answer.body)
    for name, value in answer.headers.items():
        headers.write(name, value)
    if content_type is not None and headers.get("content-type") is NIL:
        headers.write("content-type", content_type)
    lines = with_length(headers.lines, len(body))
    if head_only or not body:
        return (Head(answer.status, lines), End())
    return (Head(answer.status, lines), Data(body), End())


def reply_error(api: Api, status: int, kind: str, message: str) -> Sequence[Action]:
    """An error in the client's own shape; `kind` is an Anthropic error type."""
    body = error_body(api, kind, message)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    return (Head(status, headers), Data(body), End())


def end_stream(api: Api, kind: str, message: str) -> Sequence[Action]:
    """An error within a stream, as its last event."""
    if api in ("anthropic.messages", "unknown"):
        return (Data(error_event(kind, message)), End())
    return (Data(encode_event("", error_body(api, kind, message))), End())


def _encode_body(value: Value) -> tuple[bytes, str | None]:
    if value is NIL:
        return b"", None
    if isinstance(value, str):
        return value.encode(), "text/plain; charset=utf-8"
    return encode(value), "application/json"
