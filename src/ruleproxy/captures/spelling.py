"""Text with the escapes of JSON, URLs and HTML undone, and the way back to where everything stood.

`sk\\u002dant`, `sk%2Dant` and `hooks.slack.com\\/services` are spelled so by somebody's encoder. A secret is looked for
in the plain text and masked in the one that it stands in.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ruleproxy.captures.secret_values import compile_bytes
from ruleproxy.captures.spans import Span

# However many levels of an encoding lie over each other. Secrets are ASCII: nothing else is undone.
_ESCAPED: Final = compile_bytes(
    rb"\\+u00([0-7][0-9A-Fa-f])|\\+(/)|%(?:25)*([0-7][0-9A-Fa-f])"
    rb"|&(?:amp;)*(quot|apos|lt|gt|amp|#[0-9]{2,3}|#[xX][0-7][0-9A-Fa-f]);"
)
_ENTITIES: Final = {b"quot": b'"', b"apos": b"'", b"lt": b"<", b"gt": b">", b"amp": b"&"}


@dataclass(frozen=True, slots=True)
class Plain:
    """A `text` without escapes. `places` are those of the characters that were escaped; `surplus` how many bytes more
    the source had up to the end of each.
    """

    text: bytes
    source: bytes
    places: Sequence[int]
    surplus: Sequence[int]

    def to_source(self, span: Span) -> Span | None:
        """Where a span stands in the source; None where nothing of it does.

        It ends where a string of JSON around it ends: an escaped quotation mark is none of JSON's own.
        """
        start, end = self._find(span.start), self._find(span.end)
        position = start
        while (position := self.source.find(b'"', position, end)) >= 0:
            if self.source[position - 1 : position] != b"\\":
                end = position
                break
            position += 1
        return Span(start, end, span.replacement) if start < end else None

    def _find(self, position: int) -> int:
        before = bisect_left(self.places, position)
        return position + (self.surplus[before - 1] if before else 0)


def undo_escapes(text: bytes) -> Plain | None:
    """The text without escapes; None where it has none."""
    pieces: list[bytes] = []
    places: list[int] = []
    surplus: list[int] = []
    position = length = lost = 0
    for found in _ESCAPED.finditer(text):
        start, end = found.span()
        pieces += (text[position:start], _character(found.lastindex, found.group(found.lastindex)))
        length += start - position
        places.append(length)
        length += 1
        lost += end - start - 1
        surplus.append(lost)
        position = end
    if not places:
        return None
    pieces.append(text[position:])
    return Plain(b"".join(pieces), text, places, surplus)


def _character(kind: int, code: bytes) -> bytes:
    match kind:
        case 1 | 3:
            return bytes((int(code, 16),))
        case 2:
            return code
        case _:
            if not code.startswith(b"#"):
                return _ENTITIES[code]
            number = int(code[2:], 16) if code[1:2] in b"xX" else int(code[1:])
            return bytes((number,)) if number < 0x80 else b"?"
