"""AWS event-stream frames: encode one, and decode a stream of them piece by piece.

The format is that of the Smithy specification, https://smithy.io/2.0/aws/amazon-eventstream.html:

    total length    4 bytes, big endian, of the whole frame
    headers length  4 bytes
    prelude CRC     4 bytes: CRC-32 of the eight bytes before
    headers         name length (1), name, type (1), value: see `_TYPES`
    payload         what is left
    message CRC     4 bytes: CRC-32 of everything before

A length is believed only after its own checksum and the limit: four bytes of text where a frame belongs (`{"me`, an
error body) would otherwise be waited for as two gigabytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

DEFAULT_LIMIT = 32 * 1024 * 1024
"""Bytes of one frame. The specification allows 24 MiB; a length past the limit is an error at once."""

HEADERS_LIMIT = 128 * 1024
"""Bytes of the headers of one frame, as the specification has it."""

PRELUDE_SIZE = 12
OVERHEAD = PRELUDE_SIZE + 4
"""Bytes of a frame without headers and payload."""

_PRELUDE = struct.Struct(">III")
_CHECKSUM = struct.Struct(">I")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The types of header values by their number: how many bytes they have, or in how many bytes their length stands.
_FIXED: Mapping[int, int] = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_BYTES, _STRING, _TIMESTAMP, _UUID = 6, 7, 8, 9

HeaderValue = bool | int | bytes | str | datetime | UUID


class BadFrameError(ValueError):
    """Bytes that are no frame; `before` holds the frames that the same piece had completed by then."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.before: list[Frame] = []


class PreludeChecksumError(BadFrameError):
    """The lengths of a frame are not what their checksum says: mostly these are no frames at all."""


class ChecksumError(BadFrameError):
    """A frame is not what its checksum says."""


class FrameLengthError(BadFrameError):
    """A frame says that it is larger than the limit, or smaller than a frame can be."""


class HeaderError(BadFrameError):
    """A frame's headers cannot be read: an unknown type of value, or a value past their end."""


class TruncatedFrameError(BadFrameError):
    """The stream ended within a frame; `rest` is what there is of it."""

    def __init__(self, rest: bytes) -> None:
        super().__init__(f"the stream ended within a frame, {len(rest)} bytes into it")
        self.rest = rest


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; `raw` is all of it as it came."""

    headers: Mapping[str, HeaderValue]
    payload: bytes
    raw: bytes = b""


def encode_frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """A frame with headers that are strings. Raises ValueError for a name or value that is too long."""
    parts: list[bytes] = []
    for name, value in headers.items():
        key, text = name.encode(), value.encode()
        if not 0 < len(key) < 256 or len(text) > 0x7FFF:
            raise ValueError(f"a header of a frame is too long: {name[:40]!r}")
        parts.append(struct.pack(f">B{len(key)}sBH", len(key), key, _STRING, len(text)) + text)
    block = b"".join(parts)
    lengths = struct.pack(">II", OVERHEAD + len(block) + len(payload), len(block))
    message = lengths + _CHECKSUM.pack(zlib.crc32(lengths)) + block + payload
    return message + _CHECKSUM.pack(zlib.crc32(message))


def begins_frame(data: bytes) -> bool:
    """Whether these bytes are the beginning of a frame, told by the checksum of its lengths."""
    return len(data) >= PRELUDE_SIZE and zlib.crc32(data[:8]) == _CHECKSUM.unpack_from(data, 8)[0]


def decode_frame(raw: bytes) -> Frame:
    """The one frame that these bytes are. Raises BadFrameError."""
    decoder = FrameDecoder()
    frames = decoder.feed(raw)
    decoder.finish()
    if len(frames) != 1:
        raise FrameLengthError(f"{len(raw)} bytes are {len(frames)} frames, not one")
    return frames[0]


class FrameDecoder:
    """Feed it bytes as they arrive; it returns the frames that they complete. After an error it cannot be used again.

    The memory it takes is the one frame under way, however the bytes are cut.
    """

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._data = bytearray()
        self._total = 0  # of the frame under way, once its lengths are known

    def feed(self, piece: bytes) -> list[Frame]:
        """The frames that `piece` completes, in order. Raises BadFrameError."""
        frames: list[Frame] = []
        self._data += piece
        start = 0
        try:
            while True:
                if not self._total:
                    if len(self._data) - start < PRELUDE_SIZE:
                        break
                    self._total = self._read_lengths(start)
                if len(self._data) - start < self._total:
                    break
                frames.append(_read_frame(bytes(self._data[start : start + self._total])))
                start += self._total
                self._total = 0
        except BadFrameError as error:
            error.before = frames
            raise
        del self._data[:start]
        return frames

    def finish(self) -> None:
        """Say that no more comes. Raises TruncatedFrameError where that is within a frame."""
        if self._data:
            raise TruncatedFrameError(bytes(self._data))

    def _read_lengths(self, start: int) -> int:
        total, headers, checksum = _PRELUDE.unpack_from(self._data, start)
        assert isinstance(total, int)
        if zlib.crc32(self._data[start : start + 8]) != checksum:
            raise PreludeChecksumError("the prelude of a frame does not match its checksum")
        if total > self._limit:
            raise FrameLengthError(f"a frame says that it has {total} bytes, more than {self._limit}")
        if headers > HEADERS_LIMIT or total < OVERHEAD + headers:
            raise FrameLengthError(f"a frame of {total} bytes says that its headers have {headers}")
        return total


def _read_frame(raw: bytes) -> Frame:
    if zlib.crc32(raw[:-4]) != _CHECKSUM.unpack_from(raw, len(raw) - 4)[0]:
        raise ChecksumError("a frame does not match its checksum")
    end = PRELUDE_SIZE + int.from_bytes(raw[4:8])
    return Frame(_read_headers(raw, PRELUDE_SIZE, end), raw[end:-4], raw)


def _read_headers(raw: bytes, at: int, end: int) -> dict[str, HeaderValue]:
    found: dict[str, HeaderValue] = {}
    try:
        while at < end:
            name_end = at + 1 + raw[at]
            if name_end >= end:
                break
            name = raw[at + 1 : name_end].decode()
            kind = raw[name_end]
            at = name_end + 1
            size = _FIXED.get(kind)
            if size is None:
                if kind not in (_BYTES, _STRING):
                    raise HeaderError(f"the header {name!r} of a frame has the unknown type {kind}")
                size = int.from_bytes(raw[at : at + 2])
                at += 2
            if at + size > end:
                break
            if name in found:
                raise HeaderError(f"the header {name!r} of a frame stands there twice")
            found[name] = _read_value(kind, raw[at : at + size])
            at += size
    except UnicodeDecodeError:
        raise HeaderError("a header of a frame is not UTF-8") from None
    except OverflowError:
        raise HeaderError("a header of a frame is a moment that no calendar has") from None
    if at != end:
        raise HeaderError("the headers of a frame go past their end")
    return found


def _read_value(kind: int, data: bytes) -> HeaderValue:
    if kind in (0, 1):
        return kind == 0
    if kind == _BYTES:
        return data
    if kind == _STRING:
        return data.decode()
    if kind == _UUID:
        return UUID(bytes=data)
    number = int.from_bytes(data, signed=True)
    return _EPOCH + timedelta(milliseconds=number) if kind == _TIMESTAMP else number
