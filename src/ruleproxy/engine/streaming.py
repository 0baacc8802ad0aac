"""A stream on its way to the client: taken out of the framing it came in, put into the one that the client reads.

    upstream's bytes -> decode -> [repair] -> [event rules] -> encode -> client's bytes

An event that nothing touched leaves as the bytes that came where both framings are the same, and so does all that is
no event.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ruleproxy.engine.arriving import Arrival
from ruleproxy.engine.event_rules import EventRules
from ruleproxy.engine.repairing import open_repairer
from ruleproxy.engine.replying import Client, stream_headers, without_length
from ruleproxy.engine.running import RequiredRuleFailed
from ruleproxy.engine.sides import Sides
from ruleproxy.messages.message import Headers, Response
from ruleproxy.wire.compression import find_codings
from ruleproxy.wire.events import BadStreamError, Filler, Item, StreamEvent, Unfinished
from ruleproxy.wire.framing import AWS_EVENT_STREAM, Framing
from ruleproxy.wire.invocation_metrics import Metering
from ruleproxy.wire.repair_stream import StreamRepairer
from ruleproxy.wire.sse import DEFAULT_LIMIT

SECONDS_TO_END = 10.0
"""So long an upstream that has said why its message stops may take to end it."""

SECONDS_AFTER_END = 1.0
"""So long it may take to end its stream behind the end of its message: its connection can be used again then."""


class StreamPipeline:
    """One stream from the framing `came` to the framing `wanted`.

    `problem` is what ends it before its own end: a required rule that failed, bytes that are no stream. What was
    complete before that is given out all the same. With a `repairer` bytes that are no stream are no problem, but an
    end that the repairer makes.
    """

    def __init__(
        self,
        came: Framing,
        wanted: Framing,
        rules: EventRules | None = None,
        repairer: StreamRepairer | None = None,
    ) -> None:
        self.rules = rules
        self.problem: RequiredRuleFailed | BadStreamError | None = None
        self._decoder = came.decoder(DEFAULT_LIMIT)
        self.repairer = repairer
        self._wanted = wanted
        self._same = came is wanted
        self._metering = Metering() if wanted is AWS_EVENT_STREAM and not self._same else None
        self._unreadable = False

    @property
    def patience(self) -> float | None:
        """Seconds of silence after which nothing more is to be waited for; None as long as the stream goes on."""
        if self.repairer is None:
            return None
        return SECONDS_AFTER_END if self.repairer.ended else SECONDS_TO_END if self.repairer.settled else None

    @property
    def exhausted(self) -> bool:
        """Whether nothing that still comes is of use."""
        return self.repairer is not None and (self._unreadable or self.repairer.exhausted)

    def feed(self, data: bytes) -> bytes:
        """What the client gets for these bytes."""
        if self._unreadable:
            return b""
        try:
            items = self._decoder.feed(data)
        except BadStreamError as error:
            out = self._repair(error.before)
            if self.repairer is not None and self.problem is None:
                self._unreadable = True
                return out + self._pass(self.repairer.fail("api_error", str(error)))
            self.problem = self.problem or error
            return out
        return self._repair(items)

    def finish(self, problem: str | None = None) -> bytes:
        """What the client still gets at the end; `problem` says what broke the stream off, if something did."""
        out = b"" if self._unreadable else self._repair(self._decoder.finish())
        if self.repairer is None or self.problem is not None:
            return out
        return out + self._pass(self.repairer.finish(problem))

    def _repair(self, items: Sequence[Item]) -> bytes:
        if self.repairer is None:
            return self._pass(items)
        out: list[bytes] = []
        for item in items:
            out.append(self._pass(self.repairer.take(item)))
            if self.problem is not None:
                break
        return b"".join(out)

    def _pass(self, items: Sequence[Item]) -> bytes:
        out: list[bytes] = []
        for item in items:
            if isinstance(item, StreamEvent):
                out.append(self._rule((item,)))
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
        if self._same:
            return self._wanted.encode(event)
        return self._wanted.encode_foreign(event if self._metering is None else self._metering.take(event))

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


def open_pipeline(
    sides: Sides, client: Client, came: Framing, answer: Response, headers: Headers, *, repair: bool
) -> tuple[StreamPipeline | None, Headers]:
    """What a stream goes through, None where it passes as it is, and the client's headers.

    `answer` is the head as it came, `headers` what response rules made of its headers. Raises BadStreamError for a
    content coding that is not known.
    """
    wanted, ruled = client.reads(came), bool(sides.rules("event"))
    if (repair or wanted is not came) and (codings := find_codings(answer.headers)):
        raise BadStreamError(f"the upstream's stream has the content-encoding {', '.join(codings)}")
    if wanted is not came or (repair and Arrival(headers).claimed is not came):
        headers = stream_headers(headers, wanted)
    if not ruled and not repair and wanted is came:
        return None, headers
    rules = sides.open_stream(answer) if ruled else None
    repairer = open_repairer(sides.context) if repair else None
    return StreamPipeline(came, wanted, rules, repairer), without_length(headers)
