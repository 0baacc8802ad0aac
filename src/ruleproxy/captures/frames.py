"""AWS event streams as captures have them: a frame a line, with what it carries to be read.

A frame of which the checksums, the order of headers and the spelling of the payload would not come out the same is
written as its bytes, so that a stream read back is the stream that passed.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from typing import Any, Final

import orjson

from ruleproxy.captures.contents import add_content, add_text
from ruleproxy.captures.fields import Fields
from ruleproxy.wire.eventstream import (
    BadFrameError,
    Frame,
    FrameDecoder,
    begins_frame,
    encode_frame,
)

_CHUNK: Final = ((":event-type", "chunk"), (":content-type", "application/json"), (":message-type", "event"))
"""The headers of the frames that Bedrock's events come in: a line without any has these."""

_PAYLOAD: Final = re.compile(rb'\{"bytes":"([A-Za-z0-9+/=]*)"(?:,"p":"([^"\\]*)")?\}')


def render_frames(body: bytes) -> list[dict[str, Any]] | None:
    """The frames of a stream; what follows the last whole one is bytes. None where a body has no frame."""
    frames = _split(body) if begins_frame(body) else ()
    if not frames:
        return None
    entries = [_render_frame(frame) for frame in frames]
    rest = body[sum(len(frame.raw) for frame in frames) :]
    return [*entries, _render_bytes(rest)] if rest else entries


def _split(body: bytes) -> Sequence[Frame]:
    try:
        return FrameDecoder().feed(body)
    except BadFrameError as error:
        return error.before


def _render_frame(frame: Frame) -> dict[str, Any]:
    headers = {name: value for name, value in frame.headers.items() if isinstance(value, str)}
    try:
        if encode_frame(headers, frame.payload) != frame.raw:
            return _render_bytes(frame.raw)
    except ValueError:
        return _render_bytes(frame.raw)
    entry: dict[str, Any] = {} if tuple(headers.items()) == _CHUNK else {"headers": headers}
    opened = _open_payload(frame.payload)
    if opened is None:
        add_content(entry, "payload", frame.payload, empty=True)
        return entry
    data, padding = opened
    add_content(entry, "data", data, empty=True)
    if padding is not None:
        entry["p"] = padding
    return entry


def _render_bytes(raw: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    add_text(entry, "raw", "raw_base64", raw)
    return entry


def _open_payload(payload: bytes) -> tuple[bytes, str | None] | None:
    """The event that a payload carries, and its padding; None for a payload that these two do not make again."""
    found = _PAYLOAD.fullmatch(payload)
    if found is None:
        return None
    try:
        data = binascii.a2b_base64(found[1], strict_mode=True)
        padding = None if found[2] is None else found[2].decode()
    except ValueError:
        return None
    return (data, padding) if _make_payload(data, padding) == payload else None


def _make_payload(data: bytes, padding: str | None) -> bytes:
    spelled = b'{"bytes":"' + binascii.b2a_base64(data, newline=False) + b'"'
    return spelled + (b"}" if padding is None else b',"p":' + orjson.dumps(padding) + b"}")


def read_frame(fields: Fields) -> bytes:
    """The bytes of a frame. Raises WrongField."""
    raw = fields.take_content("raw", as_json=False)
    if raw is not None:
        fields.finish()
        return raw
    headers = _read_headers(fields) if "headers" in fields else dict(_CHUNK)
    payload = fields.take_content("payload")
    if payload is None:
        data = fields.take_content("data")
        if data is None:
            raise fields.wrong("", "a frame has `data`, a `payload`, or is `raw`")
        payload = _make_payload(data, fields.take_text("p") if "p" in fields else None)
    fields.finish()
    try:
        return encode_frame(headers, payload)
    except ValueError as error:
        raise fields.wrong("headers", str(error)) from None


def _read_headers(fields: Fields) -> dict[str, str]:
    headers = fields.take("headers")
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise fields.wrong("headers", "the headers of a frame are an object of texts")
    return headers
