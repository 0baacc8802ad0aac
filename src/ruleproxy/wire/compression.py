"""Content codings undone, piece by piece: gzip, deflate, br, zstd, and stacks of them (RFC 9110 8.4).

    decoder = Decoder(find_codings(headers))    raises CodingError for a coding that is not known
    for piece in decoder.feed(data): ...        pieces of at most PIECE bytes or so, made as they are asked for
    for piece in decoder.finish(): ...          raises CodingError where the data ended too early

Nothing is decoded that nobody asks for: who stops asking has spent no more than one piece beyond what he got, so that
a body that inflates without end (a bomb) costs what its limit says. `decode_whole` has such a limit.

brotli is Google's own library, which has bounds on what it gives at once since 1.2; zstd is Python's since 3.14, and
its backport before. deflate is zlib (RFC 1950), or the bare form (RFC 1951) that some servers send under that name.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

import brotli

from ruleproxy.messages.message import Headers

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE: Final = 64 * 1024
"""Bytes that are decoded at once, about."""

# A decoder hands back what it did not take, as a copy: of members of a few bytes each, or of what inflates a
# thousandfold, that would be most of the data again and again. So it is given little at first, and twice as much as
# long as it goes on.
_FIRST_TAKEN: Final = 256

# Each costs as much as kilobytes of data do (zstd: 40 µs), and may be ten bytes: so many, and one for each kilobyte.
_MOST_MEMBERS: Final = 10_000

_MOST_CODINGS: Final = 4
# RFC 8878 3.1.1.1.2 and RFC 9659: decoders of this coding take windows of up to 8 MiB.
_ZSTD_WINDOW_LOG: Final = 23


class CodingError(ValueError):
    """A coding that is not known, or data that is not in it; the text says which."""


class TooLarge(Exception):
    """What was decoded is larger than it may be."""


class _Layer(Protocol):
    """One coding: `feed` gives what there is of the decoded data, `finish` says whether the data was complete."""

    def feed(self, data: bytes) -> Iterator[bytes]: ...
    def finish(self) -> bool: ...


def find_codings(headers: Headers) -> tuple[str, ...]:
    """The content codings of a message in the order in which they were applied; `identity` is none."""
    found = (
        coding.strip().lower().decode("latin-1")
        for name, value in headers
        if name.lower() == b"content-encoding"
        for coding in value.split(b",")
    )
    return tuple(coding for coding in found if coding not in ("", "identity"))


class Decoder:
    """Undoes codings, the last one first. Raises CodingError for one that is not known."""

    def __init__(self, codings: Sequence[str]) -> None:
        if len(codings) > _MOST_CODINGS:
            raise CodingError(f"content-encoding has more than {_MOST_CODINGS} codings")
        unknown = [coding for coding in codings if coding not in _LAYERS]
        if unknown:
            raise CodingError(f"content-encoding {unknown[0]!r} is not known")
        self._names = tuple(codings)
        self._layers: list[_Layer] = [_LAYERS[coding]() for coding in reversed(codings)]

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The decoded bytes that these bytes complete. Raises CodingError."""
        pieces: Iterator[bytes] = iter((data,))
        for layer in self._layers:
            pieces = _through(layer, pieces)
        try:
            yield from pieces
        except (zlib.error, brotli.error, zstd.ZstdError, EOFError) as error:
            raise CodingError(f"the data is not {', '.join(self._names)}: {error}") from None

    def finish(self) -> None:
        """Say that there is no more. Raises CodingError where there should be."""
        if not all(layer.finish() for layer in self._layers):
            raise CodingError(f"the data ({', '.join(self._names)}) is cut short")


def decode_whole(codings: Sequence[str], data: bytes, limit: int) -> bytes:
    """A whole body without its codings. Raises CodingError, and TooLarge past `limit` bytes."""
    decoder = Decoder(codings)
    pieces: list[bytes] = []
    size = 0
    for piece in decoder.feed(data):
        size += len(piece)
        if size > limit:
            raise TooLarge
        pieces.append(piece)
    decoder.finish()
    return b"".join(pieces)


def _through(layer: _Layer, pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield from layer.feed(piece)


class _Members:
    """A coding whose data may be several complete members, one after the other: gzip and zstd."""

    _magic = b""
    """What a further member begins with; what begins otherwise is none and is passed over."""

    def __init__(self) -> None:
        self._member: Any = None
        self._empty = True
        self._ended = False
        self._members = 0
        self._size = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        full = False
        at, taken = 0, PIECE if self._member is not None else _FIRST_TAKEN
        self._size += len(data)
        # A full piece: more of the same may wait inside.
        while at < len(data) or full:
            if self._member is None:
                if self._ended or not (self._empty or data.startswith(self._magic, at)):
                    self._ended = True
                    return
                self._members += 1
                if self._members > _MOST_MEMBERS + self._size // 1024:
                    raise CodingError(f"the data is in more than {_MOST_MEMBERS} tiny members")
                self._member = self._open()
                taken = _FIRST_TAKEN
            self._empty = False
            part = data[at : at + taken]
            piece, left = self._decode(part)
            at += len(part) - left
            full = len(piece) >= PIECE
            taken = min(2 * taken, PIECE)
            if piece:
                yield piece
            if self._member.eof:
                at -= len(self._member.unused_data)
                self._member, full = None, False

    def finish(self) -> bool:
        # No data at all is what HEAD answers and some empty bodies have.
        return self._member is None or self._empty

    def _open(self) -> Any:
        raise NotImplementedError

    def _decode(self, data: bytes) -> tuple[bytes, int]:
        """A piece of at most `PIECE` bytes, and how many bytes of `data` have to be given again."""
        raise NotImplementedError


class _Gzip(_Members):
    # RFC 1952 2.3.1. Clients pass over whatever else stands behind a whole body (zeros up to the size of a block,
    # mostly), as gzip(1) does.
    _magic = b"\x1f"

    def _open(self) -> Any:
        return zlib.decompressobj(16 + zlib.MAX_WBITS)

    def _decode(self, data: bytes) -> tuple[bytes, int]:
        piece = self._member.decompress(data, PIECE)
        return piece, len(self._member.unconsumed_tail)


class _Zstd(_Members):
    def _open(self) -> Any:
        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})

    def _decode(self, data: bytes) -> tuple[bytes, int]:
        # It keeps what it could not take yet.
        return self._member.decompress(data, PIECE), 0


class _Deflate:
    """One stream of zlib or of bare deflate: the first two bytes tell (RFC 1950 2.2)."""

    def __init__(self) -> None:
        self._stream: Any = None
        self._begun = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._stream is None:
            self._begun += data
            if len(self._begun) < 2:
                return
            data, self._begun = self._begun, b""
            wrapped = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        full = False
        at = 0
        while at < len(data) or full:
            part = data[at : at + PIECE]
            piece = self._stream.decompress(part, PIECE)
            full = len(piece) >= PIECE
            if piece:
                yield piece
            at += len(part) - len(self._stream.unconsumed_tail)
            if self._stream.unused_data:
                raise zlib.error("data follows its end")

    def finish(self) -> bool:
        return not self._begun if self._stream is None else bool(self._stream.eof)


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()
        self._empty = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        stream = self._stream
        while data or not self._empty:
            if stream.is_finished():
                if data:
                    raise brotli.error("data follows its end")
                return
            self._empty = False
            piece = stream.process(data, output_buffer_limit=PIECE)
            data = b""
            if piece:
                yield piece
            elif stream.can_accept_more_data():
                # Only asking once more tells that nothing of the output waits inside.
                return

    def finish(self) -> bool:
        return self._empty or bool(self._stream.is_finished())


_LAYERS: Final[dict[str, type[_Layer]]] = {
    "gzip": _Gzip,
    "x-gzip": _Gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}
