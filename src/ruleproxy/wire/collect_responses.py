"""Find the OpenAI response that a stream of events tells: the way back from `fake_responses`.

The last event says all of it. Some gateways leave its output empty there: then it is what the items were when they were
done.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ruleproxy.wire.collect_stream import CannotCollectError, read_event
from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.fake_responses import ENDINGS
from ruleproxy.wire.half_characters import write_json


def collect_responses(events: Iterable[StreamEvent]) -> bytes:
    """The body of the non-streaming answer that these events tell. Raises `CannotCollectError`."""
    done: dict[int, Any] = {}
    for number, event in enumerate(events):
        if event.data == b"[DONE]":
            continue
        data = read_event(number, event)
        kind = data.get("type", event.type)
        if kind == "error" or (isinstance(data.get("error"), dict) and "response" not in data):
            raise CannotCollectError.told_by(event)
        match kind:
            case "response.output_item.done" if isinstance(index := data.get("output_index"), int):
                done[index] = data.get("item")
            case str() if kind.removeprefix("response.") in ENDINGS and isinstance(data.get("response"), dict):
                response: dict[str, Any] = data["response"]
                if not response.get("output"):
                    response |= {"output": [done[index] for index in sorted(done)]}
                return write_json(response)
    raise CannotCollectError("the stream ended before its response did")
