"""Compressed messages as rules read them: opened when somebody looks inside, left as they came when nothing changed.

A request's body is opened by whoever reads it first (`unpack_body`). An answer is opened while it comes, in front of
the exchange that reads it: the exchange sees it without its codings. What it passes on whole and unchanged goes out
as it came, codings and all; a stream that it reads event by event goes out open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from ruleproxy.engine.events import (
    Action,
    Data,
    End,
    Event,
    Head,
    ReadOn,
    UpstreamData,
    UpstreamEnd,
    UpstreamFailed,
    UpstreamHead,
    is_over,
)
from ruleproxy.messages.body import Unpack
from ruleproxy.messages.message import Headers
from ruleproxy.messages.values import EditRefused
from ruleproxy.wire.compression import CodingError, Decoder, TooLarge, decode_whole, find_codings

_PACKED = frozenset({b"content-encoding", b"content-length", b"content-md5", b"digest"})
"""Headers that say what the bytes are in their codings."""


STEP = 32 * 1024
"""So many bytes of an answer are read at once: they may be thousands of events, and nobody else is served while they
are read."""


def cut(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that are read at once."""
    for piece in pieces:
        for at in range(0, len(piece), STEP):
            yield piece[at : at + STEP]


class InflatesTooMuch(EditRefused):
    """A body that is larger than it may be once its codings are undone."""


def unpack_with(limit: int) -> Unpack:
    """What opens the bodies of requests, up to `limit` bytes. Raises `EditRefused` for those it cannot open."""

    def unpack(headers: Headers, data: bytes) -> bytes:
        codings = find_codings(headers)
        shown = ", ".join(codings)
        try:
            return decode_whole(codings, data, limit)
        except CodingError as error:
            raise EditRefused(f"content-encoding {shown}: not opened, {error}") from None
        except TooLarge:
            raise InflatesTooMuch(f"content-encoding {shown}: it inflates to more than {limit} bytes") from None

    return unpack


def without_codings(headers: Headers) -> Headers:
    """The headers of a body that is open."""
    return [line for line in headers if line[0].lower() not in _PACKED]


class Reader(Protocol):
    """The exchange that reads the answer."""

    @property
    def passes(self) -> bool:
        """Whether every further byte of the answer, once it is open, goes to the client as it is."""

    @property
    def gathers(self) -> bool:
        """Whether the answer is kept as it is until it is complete."""

    def take(self, event: Event) -> Sequence[Action]:
        """The actions that follow an event."""


class Unpacking:
    """Opens one answer. `limit`: bytes that one piece of it may inflate to."""

    def __init__(self, head: UpstreamHead, decoder: Decoder, limit: int) -> None:
        self._head = head
        self._open_head = UpstreamHead(head.status, without_codings(head.headers))
        self._decoder = decoder
        self._limit = limit
        # What came, for as long as it may still go out as it did; and the same open.
        self._packed: list[bytes] = []
        self._opened: list[bytes] = []
        self.left = False
        """Whether what comes is left as it is."""
        self._begun = False
        # What is still to be opened of the piece that came last, and how much of it was.
        self._rest: Iterator[bytes] | None = None
        self._size = 0

    @property
    def unread(self) -> bool:
        """Whether there is more in what came than was read so far."""
        return self._rest is not None

    @classmethod
    def of(cls, head: UpstreamHead, limit: int) -> Unpacking | None:
        """What opens the answer that begins so; None where it has no codings, or one that is not known."""
        codings = find_codings(head.headers)
        if not codings:
            return None
        try:
            return cls(head, Decoder(codings), limit)
        except CodingError:
            return None

    def receive(self, event: Event, reader: Reader) -> Sequence[Action]:
        """What the reader makes of an event once it is open. A damaged answer is one that ended too early."""
        return reader.take(event) if self.left else self._read(self._open(event), reader)

    def _read(self, events: Sequence[Event], reader: Reader) -> Sequence[Action]:
        actions: list[Action] = []
        for opened in events:
            actions += reader.take(opened)
            if is_over(actions):
                self._rest = None
                break
        if not self._begun and actions and isinstance(actions[0], Head):
            self._begun = True
            return self._pack(actions[0], actions[1:], reader)
        return actions

    def _pack(self, head: Head, actions: Sequence[Action], reader: Reader) -> Sequence[Action]:
        """The beginning of an answer, or all of it, as it came where nobody changed it."""
        packed = Head(head.status, self._pack_headers(head.headers)), Data(b"".join(self._packed))
        match actions:
            case [Data(data), End()] if data == b"".join(self._opened):
                return (*packed, End())
        if reader.passes:
            self.left = True
            self._rest = None
            return packed
        return (head, *actions)

    def _open(self, event: Event) -> Sequence[Event]:
        try:
            match event:
                case UpstreamHead():
                    return (self._open_head,)
                case UpstreamData(data):
                    if not self._begun:
                        self._packed.append(data)
                    self._rest, self._size = cut(self._decoder.feed(data)), 0
                    return self._open_part(self._rest)
                case ReadOn():
                    assert self._rest is not None, "there is nothing more to be read"
                    return self._open_part(self._rest)
                case UpstreamEnd():
                    self._decoder.finish()
        except CodingError as error:
            self._rest = None
            if not self._begun and not 200 <= self._head.status < 300:
                # Its status still says what it is: it passes unread.
                self.left = True
                ended = (event,) if isinstance(event, UpstreamEnd) else ()
                return (self._head, UpstreamData(b"".join(self._packed)), *ended)
            return (UpstreamFailed("truncated", f"the upstream's compressed answer is damaged: {error}"),)
        except TooLarge:
            self._rest = None
            return (UpstreamFailed("truncated", f"the upstream's answer inflates to more than {self._limit} bytes"),)
        return (event,)

    def _open_part(self, rest: Iterator[bytes]) -> Sequence[Event]:
        pieces: list[bytes] = []
        size = 0
        for piece in rest:
            size += len(piece)
            if self._size + size > self._limit:
                raise TooLarge
            pieces.append(piece)
            if size >= STEP:
                break
        else:
            self._rest = None
        self._size += size
        if not self._begun:
            self._opened += pieces
        return [UpstreamData(piece) for piece in pieces]

    def _pack_headers(self, headers: Headers) -> Headers:
        own = self._open_head.headers
        if headers[: len(own)] == own:
            return [*self._head.headers, *headers[len(own) :]]
        return [*without_codings(headers), *(line for line in self._head.headers if line[0].lower() in _PACKED)]
