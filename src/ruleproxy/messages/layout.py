"""Where the members of a container stand in its text, and the text put together again around what changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw

_KEY: Final = re.compile(rb'[ \t\r\n]*("[^"\\]*(?:\\.[^"\\]*)*")[ \t\r\n]*:[ \t\r\n]*', re.DOTALL)
_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]|[^\[\]{}"]+', re.DOTALL)
_SCALAR: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[^\s,\]}]+', re.DOTALL)
_name: Final = msgspec.json.Decoder(str)


class Entry(NamedTuple):
    """One member: its name (empty in a list) and its offsets in the buffer; in a list key_start is value_start."""

    name: str
    key_start: int
    value_start: int
    value_end: int


def lay_out_object(buffer: bytes, start: int, members: Mapping[str, Raw]) -> tuple[list[Entry], int]:
    """The entries of the object that starts at `start`, and where it ends.

    `members` is the object as decoded, where the last of a repeated key wins. Each slice is compared with the text
    and every byte between them is accounted for, so the entries are right or the slow way is taken.
    """
    entries: list[Entry] = []
    position = start + 1
    last = len(members) - 1
    for index, (name, raw) in enumerate(members.items()):
        match = _KEY.match(buffer, position)
        if match is None or _decode_name(match.group(1)) != name:
            return _scan_object(buffer, start)
        value_start = match.end()
        value = bytes(raw)
        if not buffer.startswith(value, value_start):
            return _scan_object(buffer, start)
        entries.append(Entry(name, match.start(1), value_start, value_start + len(value)))
        position = _skip_space(buffer, value_start + len(value))
        if buffer[position] != (0x7D if index == last else 0x2C):
            return _scan_object(buffer, start)
        position += 1
    if not members:
        position = _skip_space(buffer, position) + 1
    return entries, position


def lay_out_list(buffer: bytes, start: int, items: Iterable[Raw]) -> tuple[list[Entry], int]:
    """The entries of the list that starts at `start` with these elements, and where it ends."""
    entries: list[Entry] = []
    position = start + 1
    for raw in items:
        position = _skip_space(buffer, position)
        end = position + len(memoryview(raw))
        entries.append(Entry("", position, position, end))
        position = _skip_space(buffer, end) + 1
    if not entries:
        position = _skip_space(buffer, position) + 1
    return entries, position


def _scan_object(buffer: bytes, start: int) -> tuple[list[Entry], int]:
    # About 30 ms a megabyte, against 0.1 for the way above: only for objects with a repeated key.
    entries: list[Entry] = []
    position = start + 1
    while (match := _KEY.match(buffer, position)) is not None:
        end = _skip_value(buffer, match.end())
        entries.append(Entry(_decode_name(match.group(1)), match.start(1), match.end(), end))
        position = _skip_space(buffer, end) + 1
        if buffer[position - 1] == 0x7D:
            return entries, position
    return entries, _skip_space(buffer, position) + 1


def _skip_value(buffer: bytes, position: int) -> int:
    if buffer[position] not in b"[{":
        match = _SCALAR.match(buffer, position)
        assert match is not None
        return match.end()
    depth = 0
    while True:
        token = _TOKEN.match(buffer, position)
        assert token is not None
        position = token.end()
        opening = buffer[token.start()]
        if opening in b"[{":
            depth += 1
        elif opening in b"]}":
            depth -= 1
            if depth == 0:
                return position


def _skip_space(buffer: bytes, position: int) -> int:
    if buffer[position] > 0x20:
        return position
    match = _SPACE.match(buffer, position)
    assert match is not None
    return match.end()


def _decode_name(token: bytes) -> str:
    return token[1:-1].decode() if b"\\" not in token else _name.decode(token)


class Output:
    """Text under construction: runs of the source, merged where they touch, and new pieces between them."""

    __slots__ = ("_buffer", "_end", "_levels", "_pieces", "_start", "reused", "source")

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.reused = 0
        self._pieces: list[bytes | memoryview] = []
        self._buffer: bytes = source
        self._start = self._end = 0
        self._levels: list[_Level] = []

    def copy(self, buffer: bytes, start: int, end: int) -> None:
        """Take a run of a buffer as it is."""
        if start == self._end and buffer is self._buffer:
            self._end = end
            return
        self._flush()
        self._buffer, self._start, self._end = buffer, start, end

    def write(self, data: bytes) -> None:
        """Take new bytes."""
        self._flush()
        self._start = self._end = 0
        self._pieces.append(data)

    def mixed(self, data: bytes, fresh: int) -> None:
        """Take bytes of which so many are new."""
        self.write(data)
        self.reused += len(data) - fresh

    def _flush(self) -> None:
        if self._end > self._start:
            self._pieces.append(memoryview(self._buffer)[self._start : self._end])
            if self._buffer is self.source:
                self.reused += self._end - self._start
        self._start = self._end

    def join(self) -> bytes:
        """The finished text."""
        self._flush()
        return b"".join(self._pieces)

    def begin(self, buffer: bytes, start: int, entries: list[Entry]) -> None:
        """Open a container whose source starts at `start`; its members follow, then `finish`."""
        self._levels.append(_Level(buffer, start, entries))
        self.copy(buffer, start, entries[0].key_start if entries else start + 1)

    def original(self, entry: Entry) -> None:
        """A member as it was."""
        self._separate(entry)
        self.copy(self._levels[-1].buffer, entry.key_start, entry.value_end)

    def edited(self, entry: Entry, write: Callable[[Output], None]) -> None:
        """A member whose value writes itself."""
        self._separate(entry)
        self.copy(self._levels[-1].buffer, entry.key_start, entry.value_start)
        write(self)

    def replaced(self, entry: Entry, value: bytes) -> None:
        """A member with another value."""
        self._separate(entry)
        self.copy(self._levels[-1].buffer, entry.key_start, entry.value_start)
        self.write(value)

    def added(self, name: bytes | None, value: bytes) -> None:
        """A member that the source does not have."""
        self._separate(None)
        self.write(value if name is None else name + self._levels[-1].colon + value)

    def _separate(self, entry: Entry | None) -> None:
        level = self._levels[-1]
        previous, level.previous = level.previous, entry
        first, level.first = level.first, False
        if first:
            return
        if entry is not None and previous is not None and level.follows(previous, entry):
            self.copy(level.buffer, previous.value_end, entry.key_start)
        else:
            self.write(level.comma)

    def finish(self) -> None:
        """Close the container as its source does."""
        level = self._levels.pop()
        end = level.entries[-1].value_end if level.entries else level.start + 1
        self.copy(level.buffer, end, _skip_space(level.buffer, end) + 1)


class _Level:
    """A container being written: how its source separates members, and the member written last."""

    __slots__ = ("_index", "buffer", "colon", "comma", "entries", "first", "previous", "start")

    def __init__(self, buffer: bytes, start: int, entries: list[Entry]) -> None:
        self.buffer = buffer
        self.start = start
        self.entries = entries
        self._index: dict[Entry, int] | None = None
        self.first = True
        self.previous: Entry | None = None
        self.comma = buffer[entries[0].value_end : entries[1].key_start] if len(entries) > 1 else b","
        self.colon = b":"
        if entries and entries[0].value_start > entries[0].key_start:
            text = buffer[entries[0].key_start : entries[0].value_start]
            self.colon = text[text.rindex(b'"') + 1 :]

    def follows(self, previous: Entry, entry: Entry) -> bool:
        """Whether these two stood one behind the other."""
        if self._index is None:
            self._index = {known: index for index, known in enumerate(self.entries)}
        return self._index[entry] == self._index[previous] + 1
