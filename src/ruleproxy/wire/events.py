"""What a stream consists of once its framing is taken off: events, and bytes that are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a stream.

    `type` is empty where nothing names it (to a browser that means `message`). `raw` are the bytes that it came as,
    none where it was made here; `edited` says that type or data are others than those bytes tell.
    """

    type: str
    data: bytes
    raw: bytes = b""
    edited: bool = False

    def edit(self, type: str, data: bytes) -> StreamEvent:  # noqa: A002 (the field's own name)
        """The same event with another type or other data."""
        if (type, data) == (self.type, self.data):
            return self
        return replace(self, type=type, data=data, edited=True)


@dataclass(frozen=True, slots=True)
class Filler:
    """Bytes that are no event: a comment, a spare blank line, a block without data."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The bytes of an event whose end never came."""

    raw: bytes


Item = StreamEvent | Filler | Unfinished


class BadStreamError(ValueError):
    """Bytes that cannot be read as a stream any further; `before` holds what the same piece had completed by then."""

    def __init__(self, message: str, before: Sequence[Item] = ()) -> None:
        super().__init__(message)
        self.before = list(before)


class EventTooLargeError(BadStreamError):
    """An event grew past the limit."""
