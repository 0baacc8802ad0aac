"""One JSON text that is read level by level: its validity, its lone surrogates, its values.

The judge of validity is msgspec, which is strict about everything it skips but UTF-8, so that is checked first.
It also refuses lone surrogates (`"\\ud83d"` without its other half), which are valid JSON and which real clients
send. Those escapes are masked by private-use ones of the same length before decoding and unmasked on the way out.
"""

from __future__ import annotations

import re
from codecs import utf_8_decode
from typing import Any, Final
from weakref import ref

import msgspec
from msgspec import Raw

from ruleproxy.messages.journal import Journal
from ruleproxy.messages.levels import Level, decode_value
from ruleproxy.messages.list_level import ListLevel
from ruleproxy.messages.nodes import Node
from ruleproxy.messages.object_level import ObjectLevel
from ruleproxy.messages.surrogates import Masking, TooManyHalves, mask_lone_surrogates
from ruleproxy.messages.values import Value, number

_any: Final = msgspec.json.Decoder(str | int | float | bool | None | list[Raw] | dict[str, Raw])
_PIECE: Final = 32 * 1024
_PRINTABLE_ESCAPE: Final = re.compile(rb"\\u00[2-7]")


class NotEditable(Exception):
    """These bytes are not JSON that can be edited; they pass as they came."""


class JsonText:
    """One JSON text and what its levels share: the journal, and the masking of lone surrogates."""

    __slots__ = ("journal", "masking", "source", "text")

    def __init__(self, source: bytes, journal: Journal) -> None:
        self.source = source
        self.journal = journal
        self.masking: Masking | None = None
        self.text = source

    def open(self, above: Node | None = None, key: str | None = None) -> Value:
        """The root; `above` is the node that it stands in, if it does. Raises `NotEditable`."""
        if (wrong := find_bad_utf8(self.source)) >= 0:
            raise NotEditable(f"not JSON: invalid UTF-8 at byte {wrong}")
        try:
            try:
                return self._read_root(above, key)
            except msgspec.DecodeError:
                self.text, self.masking = mask_lone_surrogates(self.source, self.source, None)
                if self.masking is None:
                    raise
                return self._read_root(above, key)
        except msgspec.DecodeError as error:
            reason = str(error).removeprefix("JSON is malformed: ")
            raise NotEditable(f"not JSON: {reason[0].lower()}{reason[1:]}" if reason else "not JSON") from None
        except TooManyHalves as error:
            raise NotEditable(str(error)) from None
        except RecursionError:
            raise NotEditable("JSON nested too deeply to be edited") from None

    def _read_root(self, above: Node | None, key: str | None) -> Value:
        root = self.decode(self.text, None, key)
        if above is not None and isinstance(root, Level):
            root.hang_below(above, self.text)
        return root

    def decode(self, raw: Raw | bytes, parent: Level | None, key: str | None) -> Value:
        """The value of a raw slice, or of the whole text: a node for a container, else the scalar."""
        try:
            value = decode_value(raw)
        except msgspec.ValidationError:
            value = self.decode_unusual(raw)
        return self.settle(value, raw, parent, key)

    def settle(self, value: Any, raw: Raw | bytes, parent: Level | None, key: str | None) -> Value:
        """A decoded value as rules see it."""
        kind = type(value)
        if kind is str:
            return value if self.masking is None else self.masking.reveal(value)
        if kind is dict or kind is list:
            node = ObjectLevel if kind is dict else ListLevel
            above = None if parent is None else ref(parent)
            return node(self, above, key, raw if type(raw) is Raw else None, value)
        if kind is float:
            return number(bytes(raw).strip())
        return value

    @staticmethod
    def decode_unusual(raw: Raw | bytes) -> Any:
        """The decoded value of a list of anything but objects, or of a number past the range of a float."""
        try:
            return _any.decode(raw)
        except msgspec.ValidationError:
            return number(bytes(raw).strip())

    def adopt(self, data: bytes) -> bytes:
        """JSON text written by a rule, with its lone surrogates masked like those of the source."""
        if b"\\u" not in data:
            return data
        masked, self.masking = mask_lone_surrogates(data, self.source, self.masking)
        return masked

    def unmask(self, text: bytes) -> bytes:
        """A text of this document with its lone surrogates back."""
        return text if self.masking is None else self.masking.unmask(text)

    def names_at_most(self, name: str, count: int) -> bool:
        """Whether no more than `count` members of the source can have this name."""
        oddly = b"\\u00" in self.text and _PRINTABLE_ESCAPE.search(self.text) is not None
        return not oddly and self.text.count(b'"%s"' % name.encode()) <= count


def find_bad_utf8(data: bytes) -> int:
    """The offset of the first byte that is not UTF-8; -1 where all of it is.

    Piece by piece, because a whole string of this size is memory that the system has to clear each time.
    """
    if data.isascii():
        return -1
    view = memoryview(data)
    start, size = 0, len(data)
    while start < size:
        end = min(start + _PIECE, size)
        try:
            _, read = utf_8_decode(view[start:end], "strict", end == size)
        except UnicodeDecodeError as error:
            return start + error.start
        start += read
    return -1
