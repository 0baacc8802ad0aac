"""AWS event-stream frames against botocore's own parser, and what is said of bytes that are none."""

from __future__ import annotations

import struct
import zlib
from datetime import UTC, datetime
from itertools import chain, pairwise
from uuid import UUID

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleproxy.wire.eventstream import (
    BadFrameError,
    ChecksumError,
    Frame,
    FrameDecoder,
    FrameLengthError,
    HeaderError,
    PreludeChecksumError,
    TruncatedFrameError,
    begins_frame,
    decode_frame,
    encode_frame,
)

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
HEADERS = st.dictionaries(NAMES, st.text(st.characters(codec="utf-8"), max_size=60), max_size=5)
FRAMES = st.lists(st.tuples(HEADERS, st.binary(max_size=200)), max_size=5)


def prelude(total: int, headers: int) -> bytes:
    """The lengths of a frame, with the right checksum."""
    lengths = struct.pack(">II", total, headers)
    return lengths + struct.pack(">I", zlib.crc32(lengths))


def frame_of(headers: bytes, payload: bytes = b"") -> bytes:
    """A frame with any bytes as its headers, and the right checksums."""
    message = prelude(16 + len(headers) + len(payload), len(headers)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def value(kind: int, data: bytes) -> bytes:
    return b"\x01h" + bytes([kind]) + data


@settings(max_examples=150, deadline=None)
@given(FRAMES, st.lists(st.integers(1, 50), max_size=8))
def test_botocore_reads_what_is_written_here(frames: list[tuple[dict[str, str], bytes]], cuts: list[int]) -> None:
    """The same headers and payloads; and here they are read again, however they are cut."""
    stream = b"".join(encode_frame(headers, payload) for headers, payload in frames)
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    assert [(event.headers, event.payload) for event in buffer] == frames
    decoder = FrameDecoder()
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[a:b] for a, b in pairwise(places)]
    found = list(chain.from_iterable(decoder.feed(piece) for piece in pieces))
    decoder.finish()
    assert [(dict(frame.headers), frame.payload) for frame in found] == frames
    assert b"".join(frame.raw for frame in found) == stream


def test_a_byte_at_a_time() -> None:
    """A frame is given out with its last byte."""
    raw = encode_frame({":event-type": "chunk"}, b"payload")
    decoder = FrameDecoder()
    assert [decoder.feed(raw[at : at + 1]) for at in range(len(raw) - 1)] == [[]] * (len(raw) - 1)
    assert decoder.feed(raw[-1:]) == [Frame({":event-type": "chunk"}, b"payload", raw)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (value(0, b""), True),
        (value(1, b""), False),
        (value(2, b"\xff"), -1),
        (value(3, b"\x01\x00"), 256),
        (value(4, b"\xff\xff\xff\xfe"), -2),
        (value(5, b"\x00" * 7 + b"\x05"), 5),
        (value(6, b"\x00\x02ab"), b"ab"),
        (value(7, b"\x00\x03\xc3\xa9x"), "éx"),
        (value(8, struct.pack(">q", 1_700_000_000_000)), datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (value(9, bytes(range(16))), UUID(bytes=bytes(range(16)))),
    ],
)
def test_every_type_of_header(header: bytes, expected: object) -> None:
    """As the specification lists them."""
    assert decode_frame(frame_of(header)).headers == {"h": expected}


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (
            struct.pack(">III", 0xFFFFFFFF, 0, zlib.crc32(struct.pack(">II", 0xFFFFFFFF, 0))),
            FrameLengthError,
            "4294967295",
        ),
        (prelude(15, 0), FrameLengthError, "15 bytes"),
        (prelude(40, 30), FrameLengthError, "its headers have 30"),
        (b'{"message":"no frame at all"}', PreludeChecksumError, "prelude"),
        (b"<html>a login page", PreludeChecksumError, "prelude"),
        (encode_frame({}, b"x")[:-1] + b"?", ChecksumError, "does not match its checksum"),
        (frame_of(value(10, b"")), HeaderError, "unknown type 10"),
        (frame_of(value(7, b"\x00\x09ab")), HeaderError, "go past their end"),
        (frame_of(b"\x09ab"), HeaderError, "go past their end"),
        (frame_of(b"\x01h"), HeaderError, "go past their end"),
        (frame_of(value(7, b"\x00")), HeaderError, "go past their end"),
        (frame_of(value(0, b"") * 2), HeaderError, "twice"),
        (frame_of(value(7, b"\x00\x01\xff")), HeaderError, "not UTF-8"),
        (frame_of(value(8, b"\x7f" * 8)), HeaderError, "no calendar"),
    ],
)
def test_bytes_that_are_no_frame(data: bytes, error: type[BadFrameError], words: str) -> None:
    """Each at once and by its name, with the frames that came before."""
    good = encode_frame({"a": "b"}, b"c")
    with pytest.raises(error, match=words) as caught:
        FrameDecoder().feed(good + data)
    assert [frame.raw for frame in caught.value.before] == [good]


def test_a_frame_that_is_cut_short() -> None:
    """Only the end tells; what there is of it is kept."""
    decoder = FrameDecoder()
    raw = encode_frame({"a": "b"}, b"c")
    assert decoder.feed(raw[:-2]) == []
    with pytest.raises(TruncatedFrameError, match=f"{len(raw) - 2} bytes into it") as caught:
        decoder.finish()
    assert caught.value.rest == raw[:-2]


def test_a_limit_of_ones_own() -> None:
    """Told by the length that the frame names, before its bytes came."""
    raw = encode_frame({}, b"x" * 100)
    assert FrameDecoder(len(raw)).feed(raw)
    with pytest.raises(FrameLengthError, match="more than 115"):
        FrameDecoder(len(raw) - 1).feed(raw[:12])


def test_two_frames_are_not_one() -> None:
    """Nor is none, or a piece of one."""
    raw = encode_frame({}, b"x")
    with pytest.raises(FrameLengthError):
        decode_frame(raw + raw)
    with pytest.raises(TruncatedFrameError):
        decode_frame(raw[:-1])


def test_names_and_values_that_do_not_fit() -> None:
    """A frame has one byte for a name's length and two for a value's."""
    for headers in ({"": "x"}, {"n" * 256: "x"}, {"n": "x" * 40000}):
        with pytest.raises(ValueError, match="too long"):
            encode_frame(headers, b"")


def test_the_beginning_of_a_frame() -> None:
    """Twelve bytes are enough to know."""
    raw = encode_frame({"a": "b"}, b"c")
    assert begins_frame(raw[:12])
    assert not begins_frame(raw[:11])
    assert not begins_frame(b"\0" * 12)
