"""Server-sent events: encode one, and decode a stream of them piece by piece.

The format is section 9.2.6 of https://html.spec.whatwg.org/multipage/server-sent-events.html: lines end in
LF, CR or CRLF, a blank line ends an event, `field:value` may have one space after the colon, a line that
begins with a colon is a comment, several `data` lines are joined with LF, and a block without data is no
event.

Two laws hold whatever pieces the stream arrives in: the decoded items are the same, and their `raw` bytes
joined are the input. An event that nobody edits can therefore leave exactly as it came.

One thing makes that hard: a CR at the end of a piece, because an LF that follows belongs to the same line
end. Such a CR waits for its next byte. Only where the line before it also ended in a bare CR (a stream that
uses CR throughout) the event ends with it at once; an LF that follows after all counts to the next item's
`raw`.
"""

from __future__ import annotations

import re

from ruleproxy.wire.events import EventTooLargeError, Filler, Item, StreamEvent, Unfinished

DEFAULT_LIMIT = 32 * 1024 * 1024
"""Bytes of one event. The largest events seen are whole tool inputs and base64 images of a few megabytes."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_LINES = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_DATA = re.compile(rb"\A(data(?:: ?)?)[^\r\n]*([\r\n]*)\Z")
_NAMED = re.compile(rb"\Aevent(?=[:\r\n]|\Z)(?:: ?)?")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def has_line_end(text: str) -> bool:
    """Whether what is one line of a stream would be more of them."""
    return "\n" in text or "\r" in text


def encode_event(type: str, data: bytes) -> bytes:  # noqa: A002 (the field's own name)
    """An event as bytes: `event: T`, one `data:` line per line of `data`, a blank line.

    An empty `type` leaves the `event:` line out. Raises ValueError where `type` has a line end in it.
    """
    if has_line_end(type):
        raise ValueError(f"an event type cannot contain a line end: {type!r}")
    head = b"event: " + type.encode() + b"\n" if type else b""
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(_LINE_END.split(data))
    return head + b"data: " + data + b"\n\n"


def write_in_one_line(text: bytes) -> bytes:
    """A JSON text as every reader takes it for one line.

    Some split streams wherever Unicode ends a line (httpx's `iter_lines`, which litellm 1.106 reads by): within a
    string, and nowhere else in JSON, such a character may stand, and be an escape as well.
    """
    text = text.replace(b"\r", b" ").replace(b"\n", b" ")
    for character in "\x85\u2028\u2029":
        text = text.replace(character.encode(), b"\\u%04x" % ord(character))
    return text


def encode_comment(text: str) -> bytes:
    """A comment, which every reader skips; `text` is one line."""
    if has_line_end(text):
        raise ValueError(f"a comment cannot contain a line end: {text!r}")
    return b": " + text.encode() + b"\n\n"


def respell_event(raw: bytes, type: str, data: bytes) -> bytes:  # noqa: A002 (the field's own name)
    """An event that came as `raw`, with this type and this data; its other lines, and how the lines were spelled, stay.

    Raises ValueError where `type` has a line end in it.
    """
    lines = _LINES.findall(raw.removeprefix(_BYTE_ORDER_MARK))
    places = [index for index, line in enumerate(lines) if line.startswith(b"data")]
    if len(places) != 1 or b"\n" in data or b"\r" in data:
        kept = [line for line in lines if line.strip(b"\r\n") and not line.startswith((b"data", b"event"))]
        return b"".join(kept) + encode_event(type, data)
    at = places[0]
    lines[at] = _DATA.sub(lambda found: found[1] + data + found[2], lines[at], count=1)
    if type != _read_type(lines):
        ending = lines[at][len(lines[at].rstrip(b"\r\n")) :]
        named = encode_event(type, b"").split(b"\n")[0] + ending if type else b""
        lines = [line for line in lines if not line.startswith(b"event")]
        at = next(index for index, line in enumerate(lines) if line.startswith(b"data"))
        lines.insert(at, named)
    return b"".join(lines)


def _read_type(lines: list[bytes]) -> str:
    named = [_NAMED.sub(b"", line.rstrip(b"\r\n"), count=1) for line in lines if _NAMED.match(line)]
    return named[-1].decode("utf-8", "replace") if named else ""


class Decoder:
    """Feed it bytes as they arrive; it returns what they complete. After an error it cannot be used again."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._raw: list[bytes] = []  # earlier pieces of the item that is under way
        self._raw_size = 0
        self._line: list[bytes] = []  # earlier pieces of the line that is under way
        self._held_return = False  # the last piece ended in a CR that is not yet judged
        self._skip_feed = False  # an item ended in a bare CR: an LF that comes next is the rest of that line end
        self._bare_return = False  # the line before this one, of the same item, ended in a bare CR
        self._at_start = True
        self._type = ""
        self._data: list[bytes] = []
        self._in_block = False

    def feed(self, piece: bytes) -> list[Item]:
        """What `piece` completes, in order. Raises EventTooLargeError."""
        items: list[Item] = []
        if not piece:
            return items
        if self._held_return:
            self._held_return = False
            piece = b"\r" + piece
        self._read(piece, items)
        return items

    def finish(self) -> list[Item]:
        """What the end completes: nothing, an event whose last CR was held back, or an `Unfinished`."""
        items: list[Item] = []
        if self._held_return:
            self._held_return = False
            self._read(b"\r", items, final=True)
        raw = b"".join(self._raw)
        if raw:
            # Without a line it is the LF of a CRLF whose CR ended an event.
            items.append(Unfinished(raw) if self._in_block or self._line else Filler(raw))
            self._raw.clear()
        return items

    def _read(self, piece: bytes, items: list[Item], *, final: bool = False) -> None:
        item_start = line_start = 0
        if self._skip_feed:
            self._skip_feed = False
            if piece.startswith(b"\n"):
                line_start = 1
        for found in _LINE_END.finditer(piece, line_start):
            end = found.end()
            ending = found[0]
            line = piece[line_start : found.start()]
            if self._line:
                line = b"".join(self._line) + line
            if ending != b"\n" and not line and self._bare_return:
                # See the module's note: this item ends at the CR, whatever follows.
                end = found.start() + 1
                self._skip_feed = len(ending) == 1 and end == len(piece)
            elif ending == b"\r" and end == len(piece) and not final:
                piece = piece[:-1]
                self._held_return = True
                break
            self._line.clear()
            line_start = found.end()
            if self._at_start:
                self._at_start = False
                line = line.removeprefix(_BYTE_ORDER_MARK)
            if self._take_line(line):
                items.append(self._complete(piece[item_start:end], items))
                item_start = end
            else:
                self._bare_return = ending == b"\r"
        self._keep(piece, item_start, line_start, items)

    def _keep(self, piece: bytes, item_start: int, line_start: int, items: list[Item]) -> None:
        if item_start < len(piece):
            self._raw.append(piece[item_start:])
            self._raw_size += len(piece) - item_start
            if line_start < len(piece):
                self._line.append(piece[line_start:])
            if self._raw_size > self._limit:
                raise self._too_large(items)

    def _take_line(self, line: bytes) -> bool:
        """Read one line without its end; true where it completes an item."""
        if not line:
            return True
        if line.startswith(b":"):
            # A comment between events is passed on at once: it may be all that keeps a client waiting.
            return not self._in_block
        self._in_block = True
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._type = value.removeprefix(b" ").decode("utf-8", "replace")
        return False

    def _complete(self, last: bytes, before: list[Item]) -> Item:
        raw = last
        if self._raw:
            self._raw.append(last)
            raw = b"".join(self._raw)
            self._raw.clear()
            self._raw_size = 0
        if len(raw) > self._limit:
            raise self._too_large(before)
        item: Item = StreamEvent(self._type, b"\n".join(self._data), raw) if self._data else Filler(raw)
        self._data = []
        self._type = ""
        self._in_block = self._bare_return = False
        return item

    def _too_large(self, before: list[Item]) -> EventTooLargeError:
        return EventTooLargeError(f"a server-sent event is larger than {self._limit} bytes", before)
