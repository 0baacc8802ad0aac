"""A stream on its way to the client: taken out of the framing it came in, put into the one that the client reads.

    upstream's bytes -> decode -> [repair] -> [event rules] -> encode -> client's bytes

An event that nothing touched leaves as the bytes that came where both framings are the same, and so does all that is
no event.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from ruleproxy.engine.event_rules import EventRules
from ruleproxy.engine.running import RequiredRuleFailed
from ruleproxy.wire.events import BadStreamError, Filler, Item, StreamEvent, Unfinished
from ruleproxy.wire.framing import Framing
from ruleproxy.wire.sse import DEFAULT_LIMIT


class Repairer(Protocol):
    """Makes a stream conform to its format, an event at a time."""

    def feed(self, event: StreamEvent) -> Iterable[StreamEvent]:
        """What becomes of an event."""

    def finish(self) -> Iterable[StreamEvent]:
        """What is still missing at the end."""


class StreamPipeline:
    """One stream from the framing `came` to the framing `wanted`.

    `problem` is what ends it before its own end: a required rule that failed, bytes that are no stream. What was
    complete before that is given out all the same.
    """

    def __init__(
        self, came: Framing, wanted: Framing, rules: EventRules | None = None, repairer: Repairer | None = None
    ) -> None:
        self.rules = rules
        self.problem: RequiredRuleFailed | BadStreamError | None = None
        self._decoder = came.decoder(DEFAULT_LIMIT)
        self._repairer = repairer
        self._wanted = wanted
        self._same = came is wanted

    def feed(self, data: bytes) -> bytes:
        """What the client gets for these bytes."""
        try:
            items = self._decoder.feed(data)
        except BadStreamError as error:
            out = self._pass(error.before)
            self.problem = self.problem or error
            return out
        return self._pass(items)

    def finish(self) -> bytes:
        """What the client still gets at the end."""
        out = self._pass(self._decoder.finish())
        if self._repairer is None or self.problem is not None:
            return out
        return out + self._rule(self._repairer.finish())

    def _pass(self, items: Sequence[Item]) -> bytes:
        out: list[bytes] = []
        for item in items:
            if isinstance(item, StreamEvent):
                out.append(self._rule((item,) if self._repairer is None else self._repairer.feed(item)))
            elif self._same:
                out.append(item.raw)
            elif isinstance(item, Filler):
                out.append(self._wanted.encode_foreign(item))
            else:
                assert isinstance(item, Unfinished)
                self.problem = BadStreamError("the upstream's stream ended within an event")
            if self.problem is not None:
                break
        return b"".join(out)

    def _encode(self, event: StreamEvent) -> bytes:
        return self._wanted.encode(event) if self._same else self._wanted.encode_foreign(event)

    def _rule(self, events: Iterable[StreamEvent]) -> bytes:
        if self.rules is None:
            return b"".join(map(self._encode, events))
        out: list[bytes] = []
        try:
            for event in events:
                out += map(self._encode, self.rules.take(event))
        except RequiredRuleFailed as failed:
            self.problem = failed
        return b"".join(out)
