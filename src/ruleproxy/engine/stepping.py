"""An answer without codings as an exchange reads it: a large piece of it in steps, so that others have their turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ruleproxy.engine.events import Action, Event, ReadOn, UpstreamData, is_over
from ruleproxy.engine.unpacking import STEP, Reader, cut


class Stepping:
    """Stands in front of the exchange that reads an answer, as `Unpacking` does for one in codings."""

    __slots__ = ("_rest",)

    left = True
    """What is passed on is what came."""

    def __init__(self) -> None:
        # What is still to be read of the piece that came last.
        self._rest: Iterator[bytes] | None = None

    @property
    def unread(self) -> bool:
        """Whether there is more in what came than was read so far."""
        return self._rest is not None

    def receive(self, event: Event, reader: Reader) -> Sequence[Action]:
        """What follows an event."""
        if isinstance(event, UpstreamData) and len(event.data) > STEP:
            self._rest = cut((event.data,))
        if self._rest is None or not isinstance(event, UpstreamData | ReadOn):
            return reader.take(event)
        # Of what nobody looks into all that is left is one.
        part = b"".join(self._rest) if reader.passes or reader.gathers else next(self._rest, b"")
        actions = reader.take(UpstreamData(part)) if part else ()
        if is_over(actions) or len(part) != STEP:
            self._rest = None
        return actions
