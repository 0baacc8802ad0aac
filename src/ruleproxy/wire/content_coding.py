"""Bodies that were compressed on the way, opened piece by piece: the codings of RFC 9110 8.4.1 that Python has."""

from __future__ import annotations

import zlib

from ruleproxy.messages.message import Headers
from ruleproxy.wire.events import BadStreamError

MOST_INFLATED = 16 * 1024 * 1024
"""Bytes that one piece of a stream may inflate to; text inflates to ten or twenty times its size."""

_WINDOWS = {b"gzip": 47, b"x-gzip": 47, b"deflate": 15}


def content_coding(headers: Headers) -> bytes:
    """The coding of a body by its headers, in lower case; empty for none."""
    found = b",".join(value for name, value in headers if name.lower() == b"content-encoding").strip().lower()
    return b"" if found == b"identity" else found


class Inflater:
    """Feed it a compressed body from its first byte. Raises BadStreamError for a coding that it cannot open."""

    def __init__(self, coding: bytes, limit: int = MOST_INFLATED) -> None:
        if coding not in _WINDOWS:
            raise BadStreamError(f"the upstream's answer has the content-encoding {coding.decode('latin-1')}")
        self._limit = limit
        self._inflater = zlib.decompressobj(_WINDOWS[coding])

    def feed(self, data: bytes) -> bytes:
        """What the next piece says. Raises BadStreamError."""
        try:
            inflated = self._inflater.decompress(data, self._limit)
        except zlib.error as error:
            raise BadStreamError(f"the upstream's compressed answer is damaged: {error}") from None
        if self._inflater.unconsumed_tail:
            raise BadStreamError(f"the upstream's answer inflates to more than {self._limit} bytes")
        return inflated

    def finish(self) -> None:
        """Say that no more comes. Raises BadStreamError where there should have been more."""
        if not self._inflater.eof:
            raise BadStreamError("the upstream's compressed answer is damaged: its end is missing")
