"""A capture with its credentials masked. Done before a capture is written: what is not on the disk needs no care.

What the client's credentials were is learned from their headers and parameters first, so that they are masked
everywhere in the exchange, as when an error repeats the key that it refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import unquote_to_bytes

import orjson

from ruleproxy.captures.capture import Capture, CapturedFailure, CapturedRequest, CapturedResponse
from ruleproxy.captures.masking import Masker
from ruleproxy.captures.named_values import skip_scheme
from ruleproxy.captures.secret_names import is_secret_header, is_secret_parameter
from ruleproxy.captures.spans import MASK, mask
from ruleproxy.captures.stream_masking import mask_events
from ruleproxy.messages.message import Headers

_COOKIE: Final = re.compile(rb"([^=;\s]+=)([^;]*)")


def mask_capture(capture: Capture, known: Iterable[bytes] = ()) -> Capture:
    """The capture with masks; `known` secrets are masked wherever they stand."""
    masker = Masker((*known, *_learn(capture)))
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
    )


def mask_headers(headers: Headers, masker: Masker) -> Headers:
    """The headers with masks: an authorization keeps its scheme, a cookie its name and attributes."""
    return [(name, _mask_header(name, value, masker)) for name, value in headers]


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
    if before is not None and before_masked is not None and response.events == before.events:
        events = before_masked.events
    else:
        events = None if response.events is None else mask_events(response.events, masker)
    return replace(
        response,
        headers=mask_headers(response.headers, masker),
        body=masker.mask_body(response.body),
        events=events,
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


def _learn(capture: Capture) -> Iterator[bytes]:
    for request in (capture.request, capture.sent):
        if request is None:
            continue
        for name, value in request.headers:
            shown = name.decode("latin-1")
            if is_secret_header(shown) and "cookie" not in shown.lower():
                yield from _distinctive(value[skip_scheme(value, 0) :])
        for parameter in request.path.partition(b"?")[2].split(b"&"):
            name, _, value = parameter.partition(b"=")
            if is_secret_parameter(unquote_to_bytes(name).decode("latin-1")):
                yield from _distinctive(unquote_to_bytes(value))


def _distinctive(secret: bytes) -> Iterator[bytes]:
    # A key like `anything` is a word that a prompt may use.
    if (not secret.isalpha() or len(secret) >= 20) and MASK.fullmatch(secret) is None:
        yield secret
