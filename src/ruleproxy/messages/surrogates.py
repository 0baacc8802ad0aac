"""Lone surrogates in JSON text: half a character, valid JSON, sent by real clients, refused by fast decoders.

RFC 8259, section 8.2, names them as unpredictable. They are kept by masking: each distinct lone escape (`\\ud83d`)
is replaced by the escape of a private-use character that the text does not use. Both are six bytes long, so every
offset stays true, and unmasking gives the very same bytes back.
"""

from __future__ import annotations

import re

import orjson

from ruleproxy.messages.values import SourceText

_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
_PRIVATE_USE = range(0xE000, 0xF900)


class Masking:
    """Which escapes stand for which lone surrogates in one document."""

    __slots__ = ("_codes", "_masks", "_pattern", "_shown", "_source")

    def __init__(self, source: bytes) -> None:
        self._source = source.lower()
        self._codes = iter(_PRIVATE_USE)
        self._masks: dict[bytes, bytes] = {}
        self._shown: dict[str, str] = {}
        self._pattern: re.Pattern[bytes] | None = None

    def mask(self, escape: bytes) -> bytes:
        """The escape that stands for a lone one."""
        known = self._masks.get(escape)
        if known is None:
            # Neither the escape nor the character itself may stand in the text: both would be taken for a mask.
            code = next(
                c for c in self._codes if b"\\u%04x" % c not in self._source and chr(c).encode() not in self._source
            )
            known = self._masks[escape] = b"\\u%04x" % code
            self._shown[chr(code)] = orjson.loads(b'"' + known + b'"')
            self._pattern = re.compile(b"|".join(re.escape(mask) for mask in self._masks.values()))
        return known

    def unmask(self, text: bytes) -> bytes:
        """The text with its lone surrogates back."""
        if self._pattern is None:
            return text
        originals = {mask: escape for escape, mask in self._masks.items()}
        return self._pattern.sub(lambda match: originals[match.group()], text)

    def reveal(self, value: str) -> str:
        """A decoded string as rules see it: U+FFFD for half a character, and the JSON token kept for a copy."""
        if not any(character in value for character in self._shown):
            return value
        text = SourceText(value.translate({ord(character): "\ufffd" for character in self._shown}))
        escapes = {ord(chr(int(mask[2:], 16))): escape.decode() for escape, mask in self._masks.items()}
        parts = (escapes.get(ord(c)) or orjson.dumps(c).decode()[1:-1] for c in value)
        text.token = ('"' + "".join(parts) + '"').encode()
        return text


def mask_lone_surrogates(data: bytes, source: bytes, masking: Masking | None) -> tuple[bytes, Masking | None]:
    """`data` with its lone surrogates masked; the masking is None where the text has none.

    `source` is the text of the document that the data belong to, `masking` the one that it has already.
    """
    pieces: list[bytes] = []
    position = 0
    escapes = list(_ESCAPE.finditer(data))
    index = 0
    while index < len(escapes):
        escape = escapes[index]
        index += 1
        unit = escape.group(1)
        if unit is None or not 0xD800 <= (code := int(unit, 16)) <= 0xDFFF:
            continue
        if code < 0xDC00 and index < len(escapes):
            follower = escapes[index]
            low = follower.group(1)
            if follower.start() == escape.end() and low is not None and 0xDC00 <= int(low, 16) <= 0xDFFF:
                index += 1
                continue
        masking = masking or Masking(source)
        pieces += (data[position : escape.start()], masking.mask(escape.group()))
        position = escape.end()
    if not pieces:
        return data, masking
    pieces.append(data[position:])
    return b"".join(pieces), masking
