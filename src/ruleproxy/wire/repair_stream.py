"""Make a stream conform to its format, an event at a time and in constant memory.

A stream that conforms comes out as the very items that went in. What is repaired is what the upstream can only have
meant that way: an event without its name, a block that is not closed, an index that is counted wrong. What was lost
cannot be repaired: a stream that ends before it said why it stops, or that cannot be read, ends with an error event,
never with a success that nobody told of, and nothing follows that.

The error that ends a stream is an `api_error`. Claude Code (2.1.197) falls back to a request without a stream at once
on it, at the start of a stream and in its middle; on `overloaded_error` at the start it asks for the same stream ten
times more, over three minutes. The SDKs raise either of them alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ruleproxy.wire.events import Filler, Item, StreamEvent, Unfinished
from ruleproxy.wire.sse import Decoder

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

MOST_DROPPED = 1000
"""So many items after its end a stream may have before it is left to itself."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of an answer before it comes.

    `model` and `max_tokens` are those of the request; `seed` is text that differs from request to request (a digest
    of the body), from which missing ids are made.
    """

    model: str = ""
    max_tokens: int | None = None
    seed: str = ""


@dataclass(slots=True)
class Repairs:
    """What was repaired so far, by kind, in the order in which kinds came up."""

    counts: Counter[str] = field(default_factory=Counter)

    def note(self, kind: str) -> None:
        """Count one repair of a kind."""
        self.counts[kind] += 1


def describe_repairs(counts: Mapping[str, int]) -> str:
    """What was repaired, in one line."""
    return ", ".join(f"{kind} ({count})" if count > 1 else kind for kind, count in counts.items())


class UnrepairableError(ValueError):
    """An event that tells of nothing that could be passed on; the message says what it is."""


class StreamRepairer(ABC):
    """Feed it the items of a stream in order, then `finish`; it returns what the client gets for each.

    `ended`: the client's stream is complete, or ended with an error; nothing more comes of it. `settled`: everything
    was said but the end itself. `repairs` says what was repaired.
    """

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.repairs = Repairs()
        self.ended = False
        self.failed = False
        self.events = 0
        self.dropped = 0
        self._out: list[Item] = []

    @property
    @abstractmethod
    def settled(self) -> bool:
        """Whether the stream said why it stops, so that an end is all that it lacks."""

    @property
    def exhausted(self) -> bool:
        """Whether so much came after the end that it need not be read any longer."""
        return self.dropped >= MOST_DROPPED

    def take(self, item: Item) -> list[Item]:
        """What the client gets for the next item."""
        out = self._out = []
        if self.ended:
            self.dropped += 1
            if isinstance(item, StreamEvent):
                self.repairs.note("event after the end")
            return out
        match item:
            case StreamEvent():
                self._try(self._strip_mark(item))
            case Filler(raw):
                self._take_filler(raw)
            case Unfinished(raw):
                self._take_unfinished(raw)
        return out

    def finish(self, problem: str | None = None) -> list[Item]:
        """What the client gets at the end; `problem` says what broke the stream off, if something did."""
        out = self._out = []
        if not self.ended:
            try:
                self._end(problem)
            except UnrepairableError as error:
                self._fail("api_error", str(error))
            self.ended = True
        return out

    def fail(self, kind: str, message: str) -> list[Item]:
        """End the stream with an error; what the client gets. Nothing where it has ended already."""
        self._out = []
        self._fail(kind, message)
        return self._out

    @abstractmethod
    def _take_event(self, event: StreamEvent) -> None:
        """Give out what an event becomes. Raises UnrepairableError."""

    @abstractmethod
    def _end(self, problem: str | None) -> None:
        """Give out what is left, and the end. Raises UnrepairableError."""

    @abstractmethod
    def _give_error(self, kind: str, message: str) -> None:
        """Give out an error event and end."""

    def _give(self, item: Item) -> None:
        self._out.append(item)

    def _strip_mark(self, event: StreamEvent) -> StreamEvent:
        """The first event without a byte-order mark: the standard has it skipped, the SDKs read it."""
        if self.events or not event.raw.startswith(_BYTE_ORDER_MARK):
            return event
        self.repairs.note("byte-order mark")
        return replace(event, raw=event.raw.removeprefix(_BYTE_ORDER_MARK))

    def _fail(self, kind: str, message: str) -> None:
        if not self.ended:
            self.repairs.note("ended with an error")
            self._give_error(kind, message)

    def _try(self, event: StreamEvent) -> None:
        self.events += 1
        try:
            self._take_event(event)
        except UnrepairableError as error:
            self._fail("api_error", f"event {self.events} of the upstream's stream {error}")

    def _take_filler(self, raw: bytes) -> None:
        """A block that names an event and has no data is one to the SDKs, and no JSON."""
        named = next((line for line in raw.splitlines() if line.startswith(b"event")), None)
        if named is None:
            self._give(Filler(raw))
            return
        kind = named.partition(b":")[2].strip().decode("utf-8", "replace")
        self._try(StreamEvent(kind, b""))

    def _take_unfinished(self, raw: bytes) -> None:
        """An event whose blank line is missing is whole if its data is."""
        for item in Decoder().feed(raw + b"\n\n"):
            if isinstance(item, StreamEvent) and self._is_whole(item.data):
                self.repairs.note("last event without its blank line")
                self._try(StreamEvent(item.type, item.data))
                return
        self.repairs.note("half an event at the end")

    @abstractmethod
    def _is_whole(self, data: bytes) -> bool:
        """Whether the data of an event whose end is missing is all there."""
