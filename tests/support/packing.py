"""Bodies in content codings."""

from __future__ import annotations

import gzip
import sys
import zlib

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def pack(data: bytes, *codings: str) -> bytes:
    """The data in these codings, applied in this order; `bare` is deflate without zlib around it."""
    for coding in codings:
        match coding:
            case "gzip" | "x-gzip":
                data = gzip.compress(data)
            case "deflate":
                data = zlib.compress(data)
            case "bare":
                packer = zlib.compressobj(wbits=-15)
                data = packer.compress(data) + packer.flush()
            case "br":
                data = brotli.compress(data)
            case "zstd":
                data = zstd.compress(data)
            case _:
                raise AssertionError(coding)
    return data


class Packer:
    """Packs piece by piece: what was fed can be unpacked at once, as of a server that flushes after each event."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        if coding == "br":
            self._brotli = brotli.Compressor()
        elif coding == "zstd":
            self._zstd = zstd.ZstdCompressor()
        else:
            self._zlib = zlib.compressobj(wbits=31 if coding == "gzip" else 15)

    def feed(self, data: bytes, *, last: bool = False) -> bytes:
        """The bytes of one more piece; `last` ends the data."""
        if self._coding == "br":
            packed: bytes = self._brotli.process(data)
            end: bytes = self._brotli.finish() if last else self._brotli.flush()
            return packed + end
        if self._coding == "zstd":
            return self._zstd.compress(data, 2 if last else 1)  # FLUSH_FRAME, FLUSH_BLOCK
        return self._zlib.compress(data) + self._zlib.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)
