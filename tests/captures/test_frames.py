"""AWS event streams in captures: lines to be read, and the very bytes read back."""

from __future__ import annotations

import binascii
import struct
import zlib
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleproxy.captures.capture import Capture, CapturedRequest, CapturedResponse
from ruleproxy.captures.fields import Fields, WrongField
from ruleproxy.captures.frames import read_frame, render_frames
from ruleproxy.captures.reading import BadCapture, parse_capture
from ruleproxy.captures.redaction import mask_capture
from ruleproxy.captures.writing import render_capture
from ruleproxy.wire.bedrock import encode_chunk, encode_exception
from ruleproxy.wire.eventstream import encode_frame

CHUNK = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
REQUEST = CapturedRequest("POST", b"/model/m/invoke-with-response-stream", [])


def padded(data: bytes, padding: str) -> bytes:
    """A frame as Bedrock sends it."""
    spelled = binascii.b2a_base64(data, newline=False).decode()
    return encode_frame(CHUNK, f'{{"bytes":"{spelled}","p":"{padding}"}}'.encode())


def with_number() -> bytes:
    """A frame whose header is no text."""
    block = b"\x01n" + struct.pack(">Bi", 4, 7)
    lengths = struct.pack(">II", 16 + len(block), len(block))
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + block
    return message + struct.pack(">I", zlib.crc32(message))


_texts = st.text(max_size=9)
_names = st.text(min_size=1, max_size=9)
_payloads = st.binary(max_size=40) | st.sampled_from(
    [
        b"",
        b'{"a":1}',
        b'{"a": 1}',
        b'{"bytes":"eA=="}',
        b'{"bytes":"eB=="}',
        b'{"p":"a","bytes":"eA=="}',
        b'{"bytes":""}',
    ]
)
frames = (
    st.binary(max_size=40).map(encode_chunk)
    | st.builds(padded, st.sampled_from([b'{"type":"ping"}', b"[1, 2]", b"\xff"]), st.text("abc'\u00e9\n", max_size=9))
    | st.builds(encode_frame, st.dictionaries(_names, _texts, max_size=3), _payloads)
    | st.builds(encode_frame, st.just(CHUNK), _payloads)
    | st.just(with_number())
    | st.just(encode_exception("rate_limit_error", "slow down"))
)
streams = st.builds(lambda parts, rest: b"".join(parts) + rest, st.lists(frames, min_size=1), st.binary(max_size=20))


@given(streams)
def test_what_is_written_gives_the_bytes_again(body: bytes) -> None:
    """Whatever the headers, the spelling of payloads, and what stands behind the last frame."""
    entries = render_frames(body)
    assert entries is not None
    again = [read_frame(Fields(orjson.loads(orjson.dumps(entry)), "")) for entry in entries]
    assert b"".join(again) == body


@given(streams)
def test_a_capture_of_a_stream_is_read_as_it_was_written(body: bytes) -> None:
    """Through the text of a file."""
    capture = Capture(REQUEST, response=CapturedResponse(200, [], body))
    assert parse_capture(render_capture(capture), Path("x.json")) == capture


def test_a_stream_can_be_read_by_people() -> None:
    """A frame a line: the events of chunks, headers and payload of others, bytes of what could not be made again."""
    stream = padded(b'{"type":"message_stop"}', "abc") + encode_chunk(b"[DONE] ") + with_number()
    stream += encode_exception("rate_limit_error", "slow down") + encode_frame({"a": "b"}, b"") + b"\xff\xfe"
    text = render_capture(Capture(REQUEST, response=CapturedResponse(200, [], stream))).decode()
    lines = [line.strip().rstrip(",") for line in text.partition('"frames": [\n')[2].splitlines()]
    assert lines[:2] == ['{"data":{"type":"message_stop"},"p":"abc"}', '{"data_text":"[DONE] "}']
    assert lines[2].startswith('{"raw')
    assert lines[3].endswith('":message-type":"exception"},"payload":{"message":"slow down"}}')
    assert lines[4:6] == ['{"headers":{"a":"b"},"payload_text":""}', '{"raw_base64":"//4="}']


@pytest.mark.parametrize("body", [b"", b"{}", encode_chunk(b"{}")[:-1], b"\0" * 40, b"\xff" * 40])
def test_what_is_no_stream_of_frames_is_a_body(body: bytes) -> None:
    """Nothing, JSON, half a frame, other bytes."""
    assert render_frames(body) is None


def test_masks_stand_in_what_can_be_read() -> None:
    """A key in pieces over several frames is one mask, and the frames are written as frames."""
    key = "sk-ant-api03-" + "Pl4nt3d0" * 10
    pieces = [
        encode_chunk(orjson.dumps({"type": "content_block_delta", "index": 0, "delta": {"text": key[at : at + 9]}}))
        for at in range(0, len(key), 9)
    ]
    text = render_capture(mask_capture(Capture(REQUEST, response=CapturedResponse(200, [], b"".join(pieces)))))
    assert text.count(b'{"data":{"type":"content_block_delta"') == len(pieces)
    assert b"*masked-" in text
    assert b"sk-ant" not in text
    assert b"Pl4nt3d" not in text


@pytest.mark.parametrize(
    ("frame", "place", "problem"),
    [
        ({}, "", "a frame has `data`"),
        ({"data": 1, "payload": 1}, "/data", "there is no `data` here"),
        ({"raw": "x", "headers": {}}, "/headers", "there is no `headers` here"),
        ({"payload": 1, "p": "x"}, "/p", "there is no `p` here"),
        ({"data": 1, "headers": {"a": 1}}, "/headers", "an object of texts"),
        ({"data": 1, "headers": {"": "a"}}, "/headers", "too long"),
        ({"data": 1, "p": 1}, "/p", "expected a text"),
        ({"data_base64": "?"}, "/data_base64", "not base64"),
    ],
)
def test_a_frame_that_is_none_is_named_by_its_place(frame: dict[str, Any], place: str, problem: str) -> None:
    """So that a capture made by hand can be mended."""
    with pytest.raises(WrongField) as caught:
        read_frame(Fields(frame, ""))
    assert caught.value.place == place
    assert problem in caught.value.problem
    capture = {"request": {"method": "GET", "path": "/"}, "response": {"status": 200, "frames": [{"data": 1}, frame]}}
    with pytest.raises(BadCapture, match=f"/response/frames/1{place}: "):
        parse_capture(orjson.dumps(capture), Path("x.json"))


def test_an_answer_has_one_body() -> None:
    """Frames beside events or a body are a mistake."""
    others: list[dict[str, Any]] = [{"events": []}, {"body": 1}, {"body_as": "response"}]
    for other in others:
        response = {"status": 200, "frames": [], **other}
        capture = {"request": {"method": "GET", "path": "/"}, "response": response}
        with pytest.raises(BadCapture, match="not two of them"):
            parse_capture(orjson.dumps(capture), Path("x.json"))
