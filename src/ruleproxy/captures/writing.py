"""A capture as the text of its file: made to be read and compared by people, and exact to the byte.

A header or an event is one line; a JSON body is spread out; keys have one order. `docs/captures.md` is the format.
"""

from __future__ import annotations

import json
import os
import secrets
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
from ruleproxy.captures.contents import add_content, add_text
from ruleproxy.captures.frames import render_frames
from ruleproxy.messages.message import Headers
from ruleproxy.wire.sse import encode_event

VERSION: Final = 1
"""The version of the format that is written, and the newest that is read."""

_OPTIONS: Final = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


def render_capture(capture: Capture) -> bytes:
    """The text of a capture's file."""
    parts: dict[str, Any] = {"version": VERSION}
    if capture.at:
        parts["at"] = capture.at
    parts["request"] = _render_request(capture.request, None)
    if capture.earlier:
        parts["earlier"] = [_render_attempt(attempt, capture.request) for attempt in capture.earlier]
    if capture.sent is not None:
        parts["sent"] = _render_request(capture.sent, capture.request)
    if capture.response is not None:
        parts["response"] = _render_response(capture.response, None)
    if capture.failure is not None:
        parts["failure"] = _render_failure(capture.failure)
    if capture.answer is not None:
        parts["answer"] = _render_response(capture.answer, capture.response)
    if capture.trace is not None:
        parts["trace"] = capture.trace
    return orjson.dumps(parts, option=_OPTIONS)


def write_whole(file: Path, text: bytes) -> int:
    """Put a file there at once, with mode 0600; returns its size. Raises OSError; then nothing is left behind."""
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text)
        partial.replace(file)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return len(text)


def _render_request(request: CapturedRequest, before: CapturedRequest | None) -> dict[str, Any]:
    part: dict[str, Any] = {}
    if request.origin:
        part["origin"] = request.origin
    part["method"] = request.method
    part["path"] = request.path.decode("latin-1")
    part["headers"] = _render_headers(request.headers)
    if before is not None and request.body and _carry_the_same(request, before):
        part["body_as"] = "request"
    else:
        add_content(part, "body", request.body)
    return part | _render_remarks(request)


def _render_attempt(attempt: CapturedAttempt, request: CapturedRequest) -> dict[str, Any]:
    part: dict[str, Any] = {"sent": _render_request(attempt.sent, request)}
    if attempt.response is not None:
        part["response"] = _render_response(attempt.response, None)
    if attempt.failure is not None:
        part["failure"] = _render_failure(attempt.failure)
    return part


def _render_failure(failure: CapturedFailure) -> dict[str, str]:
    return {"kind": failure.kind, "message": failure.message}


def _render_response(response: CapturedResponse, before: CapturedResponse | None) -> dict[str, Any]:
    part: dict[str, Any] = {"status": response.status, "headers": _render_headers(response.headers)}
    same = before is not None and response.events == before.events and _carry_the_same(response, before)
    if same and (response.body or response.events is not None):
        part["body_as"] = "response"
    elif response.events is not None:
        part["events"] = [orjson.Fragment(orjson.dumps(_render_event(event))) for event in response.events]
    elif (frames := render_frames(response.body)) is not None:
        part["frames"] = [orjson.Fragment(orjson.dumps(frame)) for frame in frames]
    else:
        add_content(part, "body", response.body)
    part |= _render_remarks(response)
    if response.cut:
        part["cut"] = True
    return part


def _carry_the_same(part: CapturedRequest | CapturedResponse, before: CapturedRequest | CapturedResponse) -> bool:
    return (part.body, part.decoded) == (before.body, before.decoded)


def _render_remarks(part: CapturedRequest | CapturedResponse) -> dict[str, Any]:
    remarks = {"decoded": part.decoded, "truncated": part.truncated, "withheld": part.withheld}
    return {name: value for name, value in remarks.items() if value}


def _render_headers(headers: Headers) -> list[orjson.Fragment]:
    return [
        orjson.Fragment(json.dumps([name.decode("latin-1"), value.decode("latin-1")], ensure_ascii=False))
        for name, value in headers
    ]


def _render_event(event: CapturedEvent) -> dict[str, Any]:
    part: dict[str, Any] = {}
    if event.data is not None:
        if event.type:
            part["type"] = event.type
        add_content(part, "data", event.data, empty=True)
    raw = event.raw
    if raw is not None and (event.data is None or raw != encode_event(event.type, event.data)):
        add_text(part, "raw", "raw_base64", raw)
    if event.at_ms is not None:
        part["at_ms"] = event.at_ms
    return part
