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
from typing import Final

import msgspec
from msgspec import Raw

from ruleproxy.messages.journal import Journal
from ruleproxy.messages.nodes import ListNode, Node, ObjectNode
from ruleproxy.messages.surrogates import Masking, mask_lone_surrogates
from ruleproxy.messages.values import Value, number

# A list of objects is what bodies are made of: one call opens two levels. What is no such list is decoded again.
_value: Final = msgspec.json.Decoder(str | int | float | bool | None | list[dict[str, Raw]] | dict[str, Raw])
_any: Final = msgspec.json.Decoder(str | int | float | bool | None | list[Raw] | dict[str, Raw])


_PIECE: Final = 32 * 1024
_PRINTABLE_ESCAPE: Final = re.compile(rb"\\u00[2-7]")


class NotEditable(Exception):
    """These bytes are not JSON that can be edited; they pass as they came."""


class Document:
    """One JSON text. `root` is a node, or a scalar where the text is one. Raises `NotEditable`."""

    __slots__ = ("journal", "masking", "root", "source", "text")

    def __init__(self, source: bytes, journal: Journal) -> None:
        self.source = source
        self.journal = journal
        self.masking: Masking | None = None
        self.text = source
        self.root: Value = self._open()

    def _open(self) -> Value:
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

    def decode(self, raw: Raw | bytes, parent: Node | None, key: str | None) -> Value:
        """The value of a raw slice, or of the whole text: a node for a container, else the scalar."""
        try:
            value = _value.decode(raw)
        except msgspec.ValidationError:
            value = self._decode_unusual(raw)
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
    def _decode_unusual(raw: Raw | bytes) -> Value:
        # A list of anything but objects, or a number past the range of a float.
        try:
            return _any.decode(raw)
        except msgspec.ValidationError:
            return number(bytes(raw).strip())

    def holds_at_most(self, name: str, count: int) -> bool:
        """Whether the text proves, without being opened, that no more than `count` members have this name.

        False proves nothing: the name may stand in a string, or an edit or an escape may hide one.
        """
        if isinstance(self.root, Node) and self.root.touched:
            return False
        return not self.spells_ascii_oddly and self.text.count(b'"%s"' % name.encode()) <= count

    @property
    def spells_ascii_oddly(self) -> bool:
        """Whether a printable ASCII character may be written as an escape (`\\u0063` for c) somewhere."""
        return b"\\u00" in self.text and _PRINTABLE_ESCAPE.search(self.text) is not None

    def adopt(self, data: bytes) -> bytes:
        """JSON text written by a rule, with its lone surrogates masked like those of the source."""
        if b"\\u" not in data:
            return data
        masked, self.masking = mask_lone_surrogates(data, self.source, self.masking)
        return masked

    def to_json(self) -> tuple[bytes, int]:
        """The text as it is now, and how many of its bytes are the source's own."""
        if not isinstance(self.root, Node) or not self.root.touched:
            return self.source, len(self.source)
        text, fresh = self.root.render()
        around = len(self.text) - len(self.root.source())
        if around:
            start = self.root.place()[1]
            text = b"".join((self.text[:start], text, self.text[start + len(self.root.source()) :]))
        reused = len(text) - fresh
        return (self.masking.unmask(text) if self.masking else text), reused


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
