"""Places of a text that are replaced, and what stands in for a secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

MASK: Final = re.compile(rb"\*masked-[0-9a-f]{8}\*")
"""Every character of a mask may stand in a header, a query and a JSON string, and none but its letters in base64."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """`text[start:end]` becomes `replacement`."""

    start: int
    end: int
    replacement: bytes


def mask(secret: bytes) -> bytes:
    """What stands in for a secret; equal ones look equal. A mask stands for itself."""
    if MASK.fullmatch(secret):
        return secret
    return b"*masked-%s*" % sha256(secret).hexdigest()[:8].encode()


def span_of(text: bytes, start: int, end: int) -> Span:
    """The span that masks `text[start:end]`."""
    return Span(start, end, mask(text[start:end]))


def merge(text: bytes, spans: Iterable[Span]) -> list[Span]:
    """Spans in order that do not overlap: of nested ones the outer stays, crossing ones become one mask."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if not merged or span.start >= merged[-1].end:
            merged.append(span)
        elif span.end > merged[-1].end:
            merged[-1] = span_of(text, merged[-1].start, span.end)
    return merged


def replace(text: bytes, spans: Sequence[Span]) -> bytes:
    """The text with its (merged) spans replaced."""
    if not spans:
        return text
    pieces: list[bytes] = []
    position = 0
    for span in spans:
        pieces += (text[position : span.start], span.replacement)
        position = span.end
    pieces.append(text[position:])
    return b"".join(pieces)


def replace_across(pieces: Sequence[bytes], spans: Sequence[Span]) -> list[bytes]:
    """Pieces of a text with its (merged) spans replaced; a replacement stands in the piece where its span began."""
    replaced: list[bytes] = []
    waiting = list(reversed(spans))
    offset = 0
    for piece in pieces:
        end = offset + len(piece)
        kept: list[bytes] = []
        position = offset
        while waiting and waiting[-1].start < end:
            span = waiting[-1]
            if span.start >= offset:
                kept += (piece[position - offset : span.start - offset], span.replacement)
            position = min(span.end, end)
            if span.end > end:
                break
            waiting.pop()
        kept.append(piece[position - offset :])
        replaced.append(b"".join(kept))
        offset = end
    return replaced
