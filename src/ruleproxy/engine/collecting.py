"""A stream given to the client as the whole answer that it asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ruleproxy.engine.context import Failure
from ruleproxy.engine.holding import empty_stream, read_error_event
from ruleproxy.engine.replying import ENTITY, Client, with_length
from ruleproxy.messages.message import Headers, Response
from ruleproxy.wire.collect_chat import ChatCollector
from ruleproxy.wire.collect_responses import ResponseCollector
from ruleproxy.wire.collect_stream import CannotCollectError, Collector, MessageCollector
from ruleproxy.wire.compression import find_codings
from ruleproxy.wire.events import BadStreamError, Item, StreamEvent
from ruleproxy.wire.formats import Api
from ruleproxy.wire.framing import Framing
from ruleproxy.wire.invocation_metrics import metric_headers
from ruleproxy.wire.sse import DEFAULT_LIMIT

_COLLECTORS: Mapping[Api, Callable[[], Collector]] = {
    "openai.chat": ChatCollector,
    "openai.responses": ResponseCollector,
}
"""What collects streams, by the format that the client's path names; all others tell messages of Anthropic."""


class StreamCollector:
    """Feed it a stream from its first byte, then `finish`; the bytes are not kept. `size` is how many they were."""

    __slots__ = ("_client", "_codings", "_collector", "_decoder", "_events", "size")

    def __init__(self, headers: Headers, framing: Framing, client: Client) -> None:
        self._client = client
        self._codings = find_codings(headers)
        self._collector = _COLLECTORS.get(client.api, MessageCollector)()
        self._decoder = framing.decoder(DEFAULT_LIMIT)
        self._events = 0
        self.size = 0

    def feed(self, data: bytes) -> Failure | None:
        """Take the next bytes; why there will be no whole answer, where they show it: an error that they tell of."""
        self.size += len(data)
        if self._codings:
            return _fail(f"the upstream's answer has the content-encoding {', '.join(self._codings)}")
        try:
            return self._take(self._decoder.feed(data))
        except BadStreamError as error:
            return self._take(error.before) or _refuse(error)

    def finish(self, status: int, headers: Headers) -> Response | Failure:
        """The whole answer, with the status and headers that the stream came with, or why there is none."""
        failure = self._take(self._decoder.finish())
        if failure is not None:
            return failure
        if not self._events:
            return empty_stream()
        try:
            body = self._collector.finish()
        except CannotCollectError as error:
            return _refuse(error)
        kept = [line for line in headers if line[0].lower() not in ENTITY and line[0].lower() != b"cache-control"]
        made = [(b"content-type", b"application/json")]
        if self._client.api == "bedrock.invoke":
            named = {name.lower() for name, _ in kept}
            made += [line for line in metric_headers(body) if line[0] not in named]
        return Response(status, with_length([*made, *kept], len(body)), body)

    def _take(self, items: Sequence[Item]) -> Failure | None:
        try:
            for item in items:
                if isinstance(item, StreamEvent):
                    self._events += 1
                    self._collector.take(item)
        except CannotCollectError as error:
            told = None if error.event is None else read_error_event(error.event)
            return told or _refuse(error)
        return None


def _refuse(error: Exception) -> Failure:
    return _fail(f"the upstream's stream could not be collected: {error}")


def _fail(message: str) -> Failure:
    return Failure("truncated", {"type": "api_error", "message": message, "status": 502})
