"""A JSON body that is opened only where a rule looks, and put back byte for byte where none wrote.

Theory of operation. A container is decoded one level at a time into `Raw` slices: what is not opened stays bytes.
Nodes are views on such levels. An edit replaces a level's member table by a changed copy (so that undoing is
putting the old table back) and marks the way up to the root as touched. Putting back walks down the touched way
only: each touched level is laid out, that is, the exact places of its members in the source text are found and
*proved* (every byte between two members is accounted for), then unchanged runs are copied as slices and changed
values are written between them. A level that cannot be laid out without doubt (a repeated key) refuses its edits.

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
from ruleproxy.messages.nodes import ListNode, Node, ObjectNode, decode_value
from ruleproxy.messages.surrogates import Masking, mask_lone_surrogates
from ruleproxy.messages.values import Value, number

_any: Final = msgspec.json.Decoder(str | int | float | bool | None | list[Raw] | dict[str, Raw])


_PIECE: Final = 32 * 1024
_PRINTABLE_ESCAPE: Final = re.compile(rb"\\u00[2-7]")


class NotEditable(Exception):
    """These bytes are not JSON that can be edited; they pass as they came."""


class JsonText:
    """One JSON text and what its nodes share: the journal, and the masking of lone surrogates."""

    __slots__ = ("journal", "masking", "source", "text")

    def __init__(self, source: bytes, journal: Journal) -> None:
        self.source = source
        self.journal = journal
        self.masking: Masking | None = None
        self.text = source

    def open(self) -> Value:
        """The root. Raises `NotEditable`."""
        if (wrong := find_bad_utf8(self.source)) >= 0:
            raise NotEditable(f"not JSON: invalid UTF-8 at byte {wrong}")
        try:
            try:
                return self.decode(self.text, None, None)
            except msgspec.DecodeError:
                self.text, self.masking = mask_lone_surrogates(self.source, self.source, None)
                if self.masking is None:
                    raise
                return self.decode(self.text, None, None)
        except msgspec.DecodeError as error:
            reason = str(error).removeprefix("JSON is malformed: ")
            raise NotEditable(f"not JSON: {reason[0].lower()}{reason[1:]}" if reason else "not JSON") from None
        except RecursionError:
            raise NotEditable("JSON nested too deeply to be edited") from None

    def decode(self, raw: Raw | bytes, parent: ref[Node] | None, key: str | None) -> Value:
        """The value of a raw slice, or of the whole text: a node for a container, else the scalar."""
        try:
            value = decode_value(raw)
        except msgspec.ValidationError:
            value = self.decode_unusual(raw)
        return self.settle(value, raw, parent, key)

    def settle(self, value: Any, raw: Raw | bytes, parent: ref[Node] | None, key: str | None) -> Value:
        """A decoded value as rules see it."""
        kind = type(value)
        if kind is str:
            return value if self.masking is None else self.masking.reveal(value)
        if kind is dict or kind is list:
            node = ObjectNode if kind is dict else ListNode
            return node(self, parent, key, raw if type(raw) is Raw else None, value)
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

    def names_at_most(self, name: str, count: int) -> bool:
        """Whether no more than `count` members of the source can have this name."""
        oddly = b"\\u00" in self.text and _PRINTABLE_ESCAPE.search(self.text) is not None
        return not oddly and self.text.count(b'"%s"' % name.encode()) <= count


class Document:
    """One JSON text. `root` is a node, or a scalar where the text is one. Raises `NotEditable`."""

    __slots__ = ("journal", "root", "text")

    def __init__(self, source: bytes, journal: Journal) -> None:
        self.journal = journal
        self.text = JsonText(source, journal)
        self.root: Value = self.text.open()

    def to_json(self) -> tuple[bytes, int]:
        """The text as it is now, and how many of its bytes are the source's own."""
        text = self.text
        if not isinstance(self.root, Node) or not self.root.touched:
            return text.source, len(text.source)
        data, fresh = self.root.render()
        size = len(self.root.source())
        if len(text.text) > size:
            start = self.root.place()[1]
            data = b"".join((text.text[:start], data, text.text[start + size :]))
        return (text.masking.unmask(data) if text.masking else data), len(data) - fresh


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
