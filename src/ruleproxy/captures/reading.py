"""Capture files read back, each mistake named by file and place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import orjson

from ruleproxy.captures.capture import (
    Capture,
    CapturedAttempt,
    CapturedEvent,
    CapturedFailure,
    CapturedRequest,
    CapturedResponse,
)
from ruleproxy.captures.fields import Fields, WrongField
from ruleproxy.captures.frames import read_frame
from ruleproxy.captures.writing import VERSION
from ruleproxy.messages.message import Headers

SIZE_LIMIT: Final = 512 * 1024 * 1024
"""Bytes of a file: five parts of 64 MiB and the room that writing them takes."""

_BODIES: Final = ("body", "body_text", "body_base64", "body_as")


class BadCapture(Exception):
    """A capture that cannot be used. `place` is a JSON pointer, empty for the whole file."""

    def __init__(self, file: Path, place: str, problem: str) -> None:
        super().__init__(f"{file}{f' at {place}' if place else ''}: {problem}")
        self.file = file
        self.place = place
        self.problem = problem


def read_capture(file: Path, *, size_limit: int = SIZE_LIMIT) -> Capture:
    """The capture in a file of at most `size_limit` bytes. Raises BadCapture."""
    try:
        with file.open("rb") as stream:
            text = stream.read(size_limit + 1)
    except OSError as error:
        raise BadCapture(file, "", f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    if len(text) > size_limit:
        raise BadCapture(file, "", f"larger than {size_limit} bytes")
    return parse_capture(text, file)


def parse_capture(text: bytes, file: Path) -> Capture:
    """The capture that a file's text describes; `file` is for messages. Raises BadCapture."""
    if not text.strip():
        raise BadCapture(file, "", "empty")
    try:
        value = orjson.loads(text.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise BadCapture(file, "", _say_not_json(text, error)) from None
    try:
        return _read(Fields(value, ""))
    except WrongField as wrong:
        raise BadCapture(file, wrong.place, wrong.problem) from None


def _say_not_json(text: bytes, error: orjson.JSONDecodeError) -> str:
    if text.startswith(b"\x1f\x8b"):
        return "not JSON, but gzip: only .jsonl.gz, .tar.gz and .tgz are read compressed"
    try:
        text.decode()
    except UnicodeDecodeError as undecodable:
        return f"not JSON: no UTF-8 at byte {undecodable.start}"
    return f"not JSON: {error.msg[:1].lower()}{error.msg[1:]} at line {error.lineno}, column {error.colno}"


def _read(fields: Fields) -> Capture:
    version = fields.take_int("version", VERSION)
    if version > VERSION:
        raise fields.wrong("version", f"version {version} is newer than what is read here ({VERSION})")
    if version < 1:
        raise fields.wrong("version", f"there is no version {version}")
    at = fields.take_text("at", "")
    trace = fields.take("trace")
    if "request" not in fields:
        raise fields.wrong("", "`request` is missing")
    request = _read_request(fields.take_fields("request"), None)
    earlier = tuple(_read_attempt(attempt, request) for attempt in fields.take_list_of_fields("earlier"))
    sent = _read_request(fields.take_fields("sent"), request) if "sent" in fields else None
    response = _read_response(fields.take_fields("response"), None) if "response" in fields else None
    failure = _read_failure(fields.take_fields("failure")) if "failure" in fields else None
    answer = _read_response(fields.take_fields("answer"), response) if "answer" in fields else None
    fields.finish()
    return Capture(request, sent, response, failure, answer, trace, at, earlier)


def _read_attempt(fields: Fields, request: CapturedRequest) -> CapturedAttempt:
    if "sent" not in fields:
        raise fields.wrong("", "`sent` is missing")
    made = CapturedAttempt(
        _read_request(fields.take_fields("sent"), request),
        _read_response(fields.take_fields("response"), None) if "response" in fields else None,
        _read_failure(fields.take_fields("failure")) if "failure" in fields else None,
    )
    fields.finish()
    return made


def _read_request(fields: Fields, before: CapturedRequest | None) -> CapturedRequest:
    method = fields.take_text("method")
    if not method.isascii() or not method.isprintable() or not method or " " in method:
        raise fields.wrong("method", f"{method!r} is no method")
    path = fields.take_latin_1("path")
    if not path or any(byte <= 0x20 or byte == 0x7F for byte in path):
        raise fields.wrong("path", f"{path.decode('latin-1')!r} is no raw path")
    made = CapturedRequest(
        method,
        path,
        _read_headers(fields),
        _read_body(fields, "request", before),
        fields.take_text("origin", ""),
        **_read_remarks(fields),
    )
    fields.finish()
    return made


def _read_response(fields: Fields, before: CapturedResponse | None) -> CapturedResponse:
    status = fields.take_int("status")
    if not 100 <= status <= 999:
        raise fields.wrong("status", f"{status} is no status")
    headers = _read_headers(fields)
    events: tuple[CapturedEvent, ...] | None = None
    streams = [name for name in ("events", "frames") if name in fields]
    if streams and sum(name in fields for name in _BODIES) + len(streams) > 1:
        raise fields.wrong("", "an answer has events, frames or a body, not two of them")
    if "events" in fields:
        events = tuple(_read_event(event) for event in fields.take_list_of_fields("events"))
    elif "body_as" in fields and before is not None:
        events = before.events
    made = CapturedResponse(
        status,
        headers,
        b"".join(map(read_frame, fields.take_list_of_fields("frames"))) or _read_body(fields, "response", before),
        events,
        cut=fields.take_bool("cut", default=False),
        **_read_remarks(fields),
    )
    fields.finish()
    return made


def _read_failure(fields: Fields) -> CapturedFailure:
    made = CapturedFailure(fields.take_text("kind"), fields.take_text("message", ""))
    fields.finish()
    return made


def _read_event(fields: Fields) -> CapturedEvent:
    kind = fields.take_text("type", "")
    if "\n" in kind or "\r" in kind:
        raise fields.wrong("type", "a line break in the type of an event")
    raw = fields.take_content("raw", as_json=False)
    data = fields.take_content("data")
    at_ms = fields.take_number("at_ms")
    if raw is None and data is None:
        raise fields.wrong("", "an event has `data`, or bytes between events have `raw`")
    fields.finish()
    return CapturedEvent(kind, data, at_ms, raw)


def _read_remarks(fields: Fields) -> dict[str, Any]:
    return {
        "truncated": fields.take_int("truncated", 0),
        "decoded": fields.take_text("decoded", ""),
        "withheld": fields.take_text("withheld", ""),
    }


def _read_headers(fields: Fields) -> Headers:
    headers: Headers = []
    for number, pair in enumerate(fields.take_list("headers")):
        place = f"headers/{number}"
        match pair:
            case [str(name), str(value)]:
                headers.append((fields.to_latin_1(place, name), fields.to_latin_1(place, value)))
            case _:
                raise fields.wrong(place, "a header is a list of its name and its value, both texts")
        if set(name + value) & set("\r\n\0"):
            raise fields.wrong(place, "a header cannot hold a line break or a NUL")
    return headers


def _read_body(fields: Fields, part: str, before: CapturedRequest | CapturedResponse | None) -> bytes:
    if "body_as" not in fields:
        return fields.take_content("body") or b""
    if fields.take_text("body_as") != part:
        raise fields.wrong("body_as", f'the only body that can be meant here is that of "{part}"')
    if before is None:
        raise fields.wrong("body_as", "there is no other body")
    if sum(name in fields for name in _BODIES) > 1:
        raise fields.wrong("body_as", "a body is written out or that of another part, not both")
    return before.body
