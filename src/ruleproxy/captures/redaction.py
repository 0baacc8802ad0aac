"""A capture with its credentials masked. Done before a capture is written: what is not on the disk needs no care.

What the client's credentials were is learned from their headers and parameters first, so that they are masked
everywhere in the exchange, as when an error repeats the key that it refuses.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import unquote_to_bytes

import orjson

from ruleproxy.captures.capture import Capture, CapturedAttempt, CapturedFailure, CapturedRequest, CapturedResponse
from ruleproxy.captures.frame_masking import holds_frames, mask_frames
from ruleproxy.captures.masking import Masker
from ruleproxy.captures.named_values import find_named, skip_scheme
from ruleproxy.captures.secret_names import is_secret_header, is_secret_parameter
from ruleproxy.captures.spans import MASK, mask
from ruleproxy.captures.stream_masking import mask_events
from ruleproxy.messages.message import Headers, Request

_LONG: Final = 12
"""Bytes of a cookie or a member's value that is looked for elsewhere, too: a shorter one may be a word."""
_LONG_NAME: Final = 16
_WORD: Final = re.compile(rb"[^\s\"'`,;:(){}\[\]<>]{12,}")
_COOKIE: Final = re.compile(rb"([^=;\s]+=)([^;]*)")


def mask_capture(capture: Capture, known: Iterable[bytes] = ()) -> Capture:
    """The capture with masks; `known` secrets are masked wherever they stand."""
    masker = Masker((*known, *find_credentials(capture)))
    response = None if capture.response is None else _mask_response(capture.response, masker)
    answer = None if capture.answer is None else _mask_response(capture.answer, masker, capture.response, response)
    return Capture(
        _mask_request(capture.request, masker),
        None if capture.sent is None else _mask_request(capture.sent, masker),
        response,
        None if capture.failure is None else _mask_failure(capture.failure, masker),
        answer,
        None if capture.trace is None else orjson.loads(masker.mask_text(orjson.dumps(capture.trace))),
        capture.at,
        tuple(_mask_attempt(attempt, masker) for attempt in capture.earlier),
    )


def mask_headers(headers: Headers, masker: Masker) -> Headers:
    """The headers with masks: an authorization keeps its scheme, a cookie its name and attributes."""
    return [(_mask_name(name, masker), _mask_header(name, value, masker)) for name, value in headers]


def _mask_name(name: bytes, masker: Masker) -> bytes:
    # Somebody's slip: `-H "$KEY: x"`. Names of headers are short but for such.
    return name if len(name) < _LONG_NAME else masker.mask_text(name)


def mask_target(target: bytes, masker: Masker) -> bytes:
    """A raw path with its query, with masks."""
    path, question, query = target.partition(b"?")
    return masker.mask_text(path) + question + b"&".join(_mask_parameter(p, masker) for p in query.split(b"&"))


def _mask_request(request: CapturedRequest, masker: Masker) -> CapturedRequest:
    return replace(
        request,
        path=mask_target(request.path, masker),
        headers=mask_headers(request.headers, masker),
        body=masker.mask_body(request.body),
        origin=masker.mask_text(request.origin.encode()).decode(),
    )


def _mask_response(
    response: CapturedResponse,
    masker: Masker,
    before: CapturedResponse | None = None,
    before_masked: CapturedResponse | None = None,
) -> CapturedResponse:
    # Most answers are passed on as they came: their events, which are most of the work, are looked at once.
    events, body = None, b""
    if (
        before is not None
        and before_masked is not None
        and (response.events, response.body)
        == (
            before.events,
            before.body,
        )
    ):
        events, body = before_masked.events, before_masked.body
    elif response.events is not None:
        events = mask_events(response.events, masker)
    else:
        framed = holds_frames(response.body)
        body = mask_frames(response.body, masker) if framed else masker.mask_body(response.body)
    return replace(
        response,
        headers=mask_headers(response.headers, masker),
        body=body,
        events=events,
    )


def _mask_attempt(attempt: CapturedAttempt, masker: Masker) -> CapturedAttempt:
    return CapturedAttempt(
        _mask_request(attempt.sent, masker),
        None if attempt.response is None else _mask_response(attempt.response, masker),
        None if attempt.failure is None else _mask_failure(attempt.failure, masker),
    )


def _mask_failure(failure: CapturedFailure, masker: Masker) -> CapturedFailure:
    return replace(failure, message=masker.mask_text(failure.message.encode("utf-8", "replace")).decode())


def _mask_header(name: bytes, value: bytes, masker: Masker) -> bytes:
    shown = name.decode("latin-1")
    if not is_secret_header(shown) or not value.strip():
        return masker.mask_text(value)
    lowered = shown.lower()
    if lowered == "set-cookie":
        return _COOKIE.sub(_mask_cookie, value, 1)
    if "cookie" in lowered:
        masked = _COOKIE.sub(_mask_cookie, value)
        return mask(value) if masked == value and b"=" not in value else masked
    start = skip_scheme(value, 0)
    return value[:start] + mask(value[start:])


def _mask_cookie(found: re.Match[bytes]) -> bytes:
    name, value = found.group(1), found.group(2)
    return name + (mask(value) if value.strip() else value)


def _mask_parameter(parameter: bytes, masker: Masker) -> bytes:
    name, equals, value = parameter.partition(b"=")
    if not equals:
        return masker.mask_text(parameter)
    if value and is_secret_parameter(unquote_to_bytes(name).decode("latin-1")):
        return name + equals + mask(value)
    plain = unquote_to_bytes(value)
    if masker.mask_text(plain) != plain:
        return name + equals + mask(value)
    return name + equals + masker.mask_text(value)


def mask_remark(text: str, request: Request, known: Iterable[bytes] = ()) -> str:
    """What is said of a request in a log, with masks: also of its own credentials, which an upstream may repeat."""
    data = text.encode("utf-8", "replace")
    # Looking through a long body takes longer than all else: it has to repeat something first.
    repeated = any(word[0] in request.body for word in _WORD.finditer(data))
    learned = _learn_from(request.headers, request.query, request.body if repeated else b"")
    return Masker((*known, *learned)).mask_text(data).decode("utf-8", "replace")


def mask_traceback(request: Request, known: Iterable[bytes] = ()) -> str:
    """The traceback of the exception that is being handled, masked like any remark on the request.

    Whatever failed may have repeated what it was given, and the log is no place for that.
    """
    return mask_remark(traceback.format_exc().rstrip(), request, known)


def find_credentials(capture: Capture) -> Iterator[bytes]:
    """The credentials of an exchange, known by the headers, parameters and members in which they stand."""
    for request in (capture.request, capture.sent, *(attempt.sent for attempt in capture.earlier)):
        if request is not None:
            yield from _learn_from(request.headers, request.path.partition(b"?")[2], request.body)


def _learn_from(headers: Headers, query: bytes, body: bytes) -> Iterator[bytes]:
    for name, value in headers:
        shown = name.decode("latin-1")
        if "cookie" in shown.lower():
            cookies = (found.group(2).strip() for found in _COOKIE.finditer(value))
            yield from (secret for cookie in cookies for secret in _distinctive(cookie) if len(secret) >= _LONG)
        elif is_secret_header(shown):
            yield from _distinctive(value[skip_scheme(value, 0) :])
    for parameter in query.split(b"&"):
        name, _, value = parameter.partition(b"=")
        if is_secret_parameter(unquote_to_bytes(name).decode("latin-1")):
            yield from _distinctive(unquote_to_bytes(value))
    for span in find_named(body):
        value = body[span.start : span.end]
        # What stands behind a name in a text may be a word; that a mask takes it there is enough.
        if len(value) >= _LONG and not value.isalpha() and any(byte in b"0123456789" for byte in value):
            yield from _distinctive(value)


def _distinctive(secret: bytes) -> Iterator[bytes]:
    # A key like `anything` is a word that a prompt may use.
    if (not secret.isalpha() or len(secret) >= 20) and MASK.fullmatch(secret) is None:
        yield secret
