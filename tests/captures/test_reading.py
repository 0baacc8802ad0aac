"""Reading capture files: exact to the byte, and every mistake named by its file and place."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleproxy.captures.capture import (
    Capture,
    CapturedAttempt,
    CapturedEvent,
    CapturedFailure,
    CapturedRequest,
    CapturedResponse,
)
from ruleproxy.captures.reading import BadCapture, parse_capture, read_capture
from ruleproxy.captures.writing import render_capture
from ruleproxy.wire.bedrock import encode_chunk
from ruleproxy.wire.eventstream import encode_frame

FILE = Path("session.json")

_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
# JSON as clients write it, in the spellings that orjson and the standard library choose, and anything at all.
bodies = (
    st.binary(max_size=60)
    | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | _json.map(lambda value: json.dumps(value).encode())
    | _json.map(lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())
)
_line = st.binary(max_size=20).map(lambda value: value.translate(None, b"\r\n\0"))
headers = st.lists(st.tuples(_line, _line), max_size=4)
paths = st.text("abc%/?&=:é~", max_size=12).map(lambda text: b"/" + text.encode("latin-1"))
_at = st.none() | st.integers(0, 10**6) | st.floats(0, 1e6)
_types = st.text(max_size=6).filter(lambda text: not set(text) & set("\r\n"))
events = st.lists(
    st.builds(CapturedEvent, _types, bodies, _at, st.none() | bodies) | st.builds(CapturedEvent, at_ms=_at, raw=bodies),
    max_size=3,
).map(tuple)
requests = st.builds(
    CapturedRequest, st.sampled_from(["GET", "POST", "M-SEARCH"]), paths, headers, bodies, truncated=st.integers(0, 9)
)
_frames = st.lists(
    st.builds(encode_chunk, bodies)
    | st.builds(
        encode_frame, st.dictionaries(st.text(min_size=1, max_size=4), st.text(max_size=4), max_size=2), bodies
    ),
    max_size=3,
).map(b"".join)
responses = st.builds(
    CapturedResponse,
    st.integers(100, 999),
    headers,
    bodies | _frames,
    cut=st.booleans(),
    decoded=st.sampled_from(["", "gzip"]),
) | st.builds(CapturedResponse, st.just(200), headers, events=events)
failures = st.none() | st.builds(CapturedFailure, st.just("reset"), st.text(max_size=9))
captures = st.builds(
    Capture,
    requests,
    st.none() | requests,
    st.none() | responses,
    failures,
    st.none() | responses,
    _json.filter(lambda value: not _holds_big(value)),
    earlier=st.lists(st.builds(CapturedAttempt, requests, st.none() | responses, failures), max_size=2).map(tuple),
)


def _holds_big(value: object) -> bool:
    match value:
        case bool():
            return False
        case int():
            return not -(2**63) <= value < 2**64
        case list():
            return any(map(_holds_big, value))
        case dict():
            return any(map(_holds_big, value.values()))
        case _:
            return False


def carried(capture: Capture) -> list[object]:
    """What a capture says, its spelling of events aside."""
    parts: list[object] = [capture.request, capture.sent, capture.failure, capture.trace]
    parts += [(attempt.sent, attempt.failure) for attempt in capture.earlier]
    for part in (capture.response, capture.answer, *(attempt.response for attempt in capture.earlier)):
        parts.append(None if part is None else (part.status, part.headers, part.content, part.events is None, part.cut))
        if part is not None and part.events is not None:
            parts.append([(event.type, event.data, event.at_ms) for event in part.events if event.data is not None])
    return parts


@given(captures)
def test_any_bytes_survive(capture: Capture) -> None:
    """Whatever a message held, what is read back is the same to the byte, and is written the same again."""
    text = render_capture(capture)
    again = parse_capture(text, FILE)
    assert carried(again) == carried(capture)
    assert render_capture(again) == text


def test_only_the_request_is_required() -> None:
    """A capture written by hand may be as short as this."""
    capture = parse_capture(b'{"request": {"method": "GET", "path": "/v1/models?limit=3"}}', FILE)
    assert capture == Capture(CapturedRequest("GET", b"/v1/models?limit=3", []))
    message = capture.request.to_message()
    assert (message.raw_path, message.query) == (b"/v1/models", b"limit=3")


def test_a_json_body_is_the_compact_spelling_of_its_value() -> None:
    """However the file itself is laid out."""
    capture = parse_capture('{"request":{"method":"P","path":"/","body":{ "b" : [1, 2.50],\n"a":"é" }}}'.encode(), FILE)
    assert capture.request.body == '{"b":[1,2.5],"a":"é"}'.encode()


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        (b"", "", "empty"),
        (b" \n", "", "empty"),
        (b"\x89PNG\r\n\x1a\n\0", "", "not JSON: no UTF-8 at byte 0"),
        (b'{"request"', "", "not JSON: unexpected end of data at line 1, column 11"),
        (b"[" * 5000, "", "not JSON: "),
        (b"[]", "", "expected an object, this is a list"),
        (b"{}", "", "`request` is missing"),
        (b'{"version": 2, "request": 1}', "/version", "version 2 is newer than what is read here (1)"),
        (b'{"version": 0}', "/version", "there is no version 0"),
        (b'{"version": true}', "/version", "expected a whole number, this is true"),
        (b'{"request": "GET /"}', "/request", "expected an object, this is a text"),
        (b'{"request": {"path": "/"}}', "/request", "`method` is missing"),
        (b'{"request": {"method": "GE T", "path": "/"}}', "/request/method", "'GE T' is no method"),
        (b'{"request": {"method": "GET", "path": "/a b"}}', "/request/path", "'/a b' is no raw path"),
        (b'{"request": {"method": "GET", "path": "/\xe2\x82\xac"}}', "/request/path", "'\u20ac' is beyond Latin-1"),
        (b'{"request": {"method": "GET", "path": "/", "haeders": []}}', "/request/haeders", "there is no `haeders`"),
        (b'{"request": {"method": "G", "path": "/"}, "a/b": 1}', "/a~1b", "there is no `a/b` here"),
        (b'{"request": {"method": "G", "path": "/", "headers": {}}}', "/request/headers", "expected a list"),
        (b'{"request": {"method": "G", "path": "/", "headers": [["a"]]}}', "/request/headers/0", "a header is a list"),
        (b'{"request": {"method": "G", "path": "/", "headers": [["a", "\\n"]]}}', "/request/headers/0", "a line break"),
        (b'{"request": {"method": "G", "path": "/", "body": 1, "body_text": ""}}', "/request/body_text", "`body` is"),
        (b'{"request": {"method": "G", "path": "/", "body_text": 1}}', "/request/body_text", "expected a text"),
        (b'{"request": {"method": "G", "path": "/", "body_base64": "*"}}', "/request/body_base64", "not base64"),
        (b'{"request": {"method": "G", "path": "/", "body_as": "sent"}}', "/request/body_as", "the only body"),
        (b'{"request": {"method": "G", "path": "/", "truncated": -1}}', "/request/truncated", "from 0 on"),
        (b'{"request": {"method": "G", "path": "/"}, "response": {}}', "/response", "`status` is missing"),
        (b'{"request": {"method": "G", "path": "/"}, "response": {"status": 9}}', "/response/status", "9 is no status"),
        (
            b'{"request": {"method": "G", "path": "/"}, "response": {"status": 200, "events": [{}], "body": 1}}',
            "/response",
            "an answer has events, frames or a body, not two of them",
        ),
        (
            b'{"request": {"method": "G", "path": "/"}, "response": {"status": 200, "events": [{"type": "ping"}]}}',
            "/response/events/0",
            "an event has `data`",
        ),
        (
            b'{"request": {"method": "G", "path": "/"}, "answer": {"status": 200, "body_as": "response"}}',
            "/answer/body_as",
            "there is no other body",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_its_place(text: bytes, place: str, problem: str) -> None:
    """The message has the file, where in it, and what is wrong."""
    with pytest.raises(BadCapture) as raised:
        parse_capture(text, FILE)
    assert raised.value.place == place
    assert raised.value.problem.startswith(problem) or problem in raised.value.problem
    assert str(raised.value).startswith("session.json" + (f" at {place}: " if place else ": "))


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    """Past the limit no byte is parsed."""
    file = tmp_path / "huge.json"
    file.write_bytes(b'{"request": ' + b" " * 100)
    with pytest.raises(BadCapture, match="larger than 100 bytes"):
        read_capture(file, size_limit=100)


def test_unfinished_and_odd_events_keep_their_bytes() -> None:
    """What `encode_event` would not write the same way stands as it was."""
    stream = (
        CapturedEvent("message_start", b'{"type":"message_start"}', 3.5),
        CapturedEvent(raw=b": keep-alive\n\n", at_ms=4),
        CapturedEvent("", b"[DONE]", 5, raw=b"data:[DONE]\r\n\r\n"),
        CapturedEvent(raw=b"data: \xff"),
    )
    capture = Capture(CapturedRequest("POST", b"/", []), response=CapturedResponse(200, [], events=stream))
    written = orjson.loads(render_capture(capture))["response"]["events"]
    assert written == [
        {"type": "message_start", "data": {"type": "message_start"}, "at_ms": 3.5},
        {"raw": ": keep-alive\n\n", "at_ms": 4},
        {"data_text": "[DONE]", "raw": "data:[DONE]\r\n\r\n", "at_ms": 5},
        {"raw_base64": "ZGF0YTog/w=="},
    ]
    again = parse_capture(render_capture(capture), FILE)
    assert again == capture
