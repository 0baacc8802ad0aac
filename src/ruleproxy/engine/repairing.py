"""A stream that was promised: repaired where one came, made where something else did."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from ruleproxy.engine.asking import request_model
from ruleproxy.engine.context import RunContext
from ruleproxy.engine.faking import StreamFaker, readable_body
from ruleproxy.engine.replying import Client
from ruleproxy.engine.runtime import member
from ruleproxy.messages.message import Response
from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.repair_stream import Asked, StreamRepairer
from ruleproxy.wire.repair_stream_formats import REPAIRERS


def open_repairer(context: RunContext) -> StreamRepairer:
    """What repairs the stream of an exchange."""
    asked = context.original.request
    most = member(asked.body.root, "max_tokens")
    model = request_model(asked)
    known = Asked(
        model if isinstance(model, str) else "",
        most if isinstance(most, int) and not isinstance(most, bool) else None,
        hashlib.sha256(asked.body.source).hexdigest(),
    )
    return REPAIRERS[context.api](known)


class StreamMaker(StreamFaker):
    """Makes the stream that a client asked for, of a whole answer that came in its place."""

    __slots__ = ("_context",)

    def __init__(self, client: Client, context: RunContext) -> None:
        super().__init__(client, context.original.request)
        self._context = context

    def _stream(self, response: Response) -> Iterable[StreamEvent]:
        if readable_body(response).strip():
            return super()._stream(response)
        # Claude Code asks again without a stream then; a status would have it ask for the same ten times.
        events = open_repairer(self._context).finish()
        return (each for each in events if isinstance(each, StreamEvent))
