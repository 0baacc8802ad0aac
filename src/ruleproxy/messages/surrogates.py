"""Lone surrogates in JSON text: half a character, valid JSON, sent by real clients, refused by fast decoders.

RFC 8259, section 8.2, names them as unpredictable. They are kept by masking: each distinct lone escape (`\\ud83d`)
is replaced by the escape of a private-use character that the text does not use. Both are six bytes long, so every
offset stays true, and unmasking gives the very same bytes back. All of it takes time in proportion to the text,
whatever stands in it: clients choose it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import orjson

from ruleproxy.messages.values import EditRefused, SourceText

# A run of backslashes is read once, from its beginning: what escapes what is told by its length.
_SURROGATE: Final = re.compile(
    rb"(?<!\\)(?:\\\\)*+\\u"
    rb"(?:[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>[dD][89a-fA-F][0-9a-fA-F]{2}))"
)
_ESCAPE_SIZE: Final = 6
_PRIVATE_USE: Final = range(0xE000, 0xF900)
_PRIVATE_ESCAPE: Final = re.compile(rb"\\u([eEfF][0-9a-fA-F]{3})")
_PRIVATE_BYTES: Final = re.compile(rb"\xee[\x80-\xbf]{2}|\xef[\x80-\xa3][\x80-\xbf]")
_PRIVATE_CHARACTER: Final = re.compile("[\ue000-\uf8ff]")
_MASK: Final = re.compile(rb"\\u[ef][0-9a-f]{3}")


class TooManyHalves(EditRefused):
    """More distinct lone surrogates than there are private-use characters that the text does not use."""

    def __init__(self) -> None:
        super().__init__("too many different halves of surrogate pairs to keep them all")


class Masking:
    """Which escapes stand for which lone surrogates in one document."""

    __slots__ = ("_characters", "_free", "_halves", "_masks", "_of_character", "_shown")

    def __init__(self, source: bytes) -> None:
        # Neither the escape nor the character itself may stand in the text: both would be taken for a mask.
        taken = {int(found[1], 16) for found in _PRIVATE_ESCAPE.finditer(source)}
        taken |= {ord(character) for character in set(source.decode("utf-8", "ignore"))}
        self._free: Iterator[int] = (code for code in _PRIVATE_USE if code not in taken)
        self._masks: dict[bytes, bytes] = {}
        self._halves: dict[bytes, bytes] = {}
        self._of_character: dict[bytes, bytes] = {}
        self._shown: dict[int, str] = {}
        self._characters: set[str] = set()

    def mask(self, escape: bytes) -> bytes:
        """The escape that stands for a lone one. Raises `TooManyHalves`."""
        known = self._masks.get(escape)
        if known is None:
            code = next(self._free, None)
            if code is None:
                raise TooManyHalves
            known = self._masks[escape] = b"\\u%04x" % code
            self._halves[known] = escape
            self._of_character[chr(code).encode()] = escape
            self._shown[code] = "\ufffd"
            self._characters.add(chr(code))
        return known

    def unmask(self, text: bytes) -> bytes:
        """The text with its lone surrogates back."""
        halves = self._halves
        return _MASK.sub(lambda found: halves.get(found[0], found[0]), text) if halves else text

    def shows_half(self, value: str) -> bool:
        """Whether a decoded string holds what stands for half a character."""
        return _PRIVATE_CHARACTER.search(value) is not None and not self._characters.isdisjoint(value)

    def reveal(self, value: str) -> str:
        """A decoded string as rules see it: U+FFFD for half a character, and the JSON token kept for a copy."""
        if not self.shows_half(value):
            return value
        text = SourceText(value.translate(self._shown))
        of_character = self._of_character
        text.token = _PRIVATE_BYTES.sub(lambda found: of_character.get(found[0], found[0]), orjson.dumps(value))
        return text


def mask_lone_surrogates(data: bytes, source: bytes, masking: Masking | None) -> tuple[bytes, Masking | None]:
    """`data` with its lone surrogates masked; the masking is None where the text has none.

    `source` is the text of the document that the data belong to, `masking` the one that it has already. Raises
    `TooManyHalves`.
    """
    pieces: list[bytes] = []
    position = 0
    for found in _SURROGATE.finditer(data):
        if found["half"] is None:
            continue
        masking = masking or Masking(source)
        start = found.end() - _ESCAPE_SIZE
        pieces += (data[position:start], masking.mask(data[start : found.end()]))
        position = found.end()
    if not pieces:
        return data, masking
    pieces.append(data[position:])
    return b"".join(pieces), masking


def replace_halves(text: bytes) -> bytes:
    """A JSON text with U+FFFD in place of each escape of half a surrogate pair, for who only looks at it."""
    return _SURROGATE.sub(lambda found: found[0][:-_ESCAPE_SIZE] + rb"\ufffd" if found["half"] else found[0], text)
