"""Find the OpenAI response that a stream of events tells: the way back from `fake_responses`.

The last event says all of it. Some gateways leave its output empty there: then it is what the items were when they were
done.
"""

from __future__ import annotations

from typing import Any

from ruleproxy.wire.collect_stream import CannotCollectError, Counted, read_event
from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.fake_responses import ENDINGS
from ruleproxy.wire.half_characters import write_json


class ResponseCollector:
    """A response of the OpenAI format; see `Collector`."""

    def __init__(self) -> None:
        self._done: dict[int, Any] = {}
        self._response: dict[str, Any] | None = None
        self._number = 0
        self._parts = Counted()

    def take(self, event: StreamEvent) -> None:
        """See `Collector`."""
        number, self._number = self._number, self._number + 1
        if event.data == b"[DONE]" or self._response is not None:
            return
        data = read_event(number, event)
        kind = data.get("type", event.type)
        if kind == "error" or isinstance(data.get("error"), dict):
            raise CannotCollectError.told_by(event)
        match kind:
            case "response.output_item.done" if isinstance(index := data.get("output_index"), int):
                self._parts.add(index not in self._done)
                self._done[index] = data.get("item")
            case str() if kind.removeprefix("response.") in ENDINGS and isinstance(data.get("response"), dict):
                self._response = data["response"]

    def finish(self) -> bytes:
        """See `Collector`."""
        response = self._response
        if response is None:
            raise CannotCollectError("the stream ended before its response did")
        if not response.get("output"):
            response |= {"output": [self._done[index] for index in sorted(self._done)]}
        return write_json(response)
