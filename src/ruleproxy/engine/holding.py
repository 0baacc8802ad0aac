"""The beginning of a stream, held back until it shows whether it is one: an error there can still become a status."""

from __future__ import annotations

import msgspec

from ruleproxy.engine.context import Failure
from ruleproxy.wire.events import BadStreamError, Item, StreamEvent
from ruleproxy.wire.formats import error_status, error_type
from ruleproxy.wire.framing import Framing
from ruleproxy.wire.json_shapes import read_shape

HELD_BYTES = 64 * 1024
"""So much of a stream is held at most."""

HELD_SECONDS = 3.0
"""So long a silent upstream is waited for before its head goes out."""

_MOST_ITEMS = 16


class _Error(msgspec.Struct):
    # Every one of them is a number somewhere, a word elsewhere: Google's `status` is `INTERNAL`.
    type: object = None
    message: object = None
    status: object = None
    status_code: object = None
    code: object = None


class _Data(msgspec.Struct):
    type: object = None
    message: object = None
    error: _Error | str | list[object] | int | float | None = None


class StreamStart:
    """Feed it the stream from its first byte; `held` are all of these bytes."""

    __slots__ = ("_decoder", "_held", "_items", "_size")

    def __init__(self, framing: Framing) -> None:
        self._decoder = framing.decoder(HELD_BYTES)
        self._held: list[bytes] = []
        self._items = self._size = 0

    @property
    def held(self) -> bytes:
        """Everything that came so far."""
        return b"".join(self._held)

    def feed(self, data: bytes) -> Failure | bool:
        """The failure that the stream begins with; whether enough came to know that there is none."""
        self._held.append(data)
        self._size += len(data)
        try:
            return self._judge(self._decoder.feed(data)) or self._size > HELD_BYTES
        except BadStreamError as error:
            return self._judge(error.before) or True

    def finish(self) -> Failure | None:
        """The failure of a stream that has ended before it was of use; None where it has an event after all."""
        found = self._judge(self._decoder.finish())
        if found is True:
            return None
        if isinstance(found, Failure):
            return found
        return empty_stream()

    def _judge(self, items: list[Item]) -> Failure | bool:
        for item in items:
            self._items += 1
            if isinstance(item, StreamEvent) and item.type != "ping":
                return read_error_event(item) or True
        # Pings and comments are no answer yet, but an upstream that sends many is at work.
        return self._items >= _MOST_ITEMS


def empty_stream() -> Failure:
    """The failure of a stream that has no event, or of an answer that has no byte where a stream was asked for."""
    message = "the upstream's stream ended without an event"
    return Failure("empty_stream", {"type": "api_error", "message": message, "status": 502})


def read_error_event(event: StreamEvent) -> Failure | None:
    """The failure that an event tells of; None where it tells of none."""
    data = read_shape(event.data, _Data)
    if data is None:
        if event.type != "error":
            return None
        data = _Data(error=" ".join(event.data[:300].decode("utf-8", "replace").split()))
    named = "error" in (event.type, data.type)
    unnamed = data.error is not None and (data.type == "response.failed" or not (event.type or data.type))
    if not named and not unnamed:
        return None
    # The responses of OpenAI have no envelope around an error within a stream.
    error = data.error if isinstance(data.error, _Error) else _Error(message=data.error or data.message)
    numbers = (s for s in (error.status, error.status_code, error.code) if isinstance(s, int) and 400 <= s < 600)
    told = next(numbers, None)
    kind = _text(error.type) or error_type(told or 500)
    message = _text(error.message) or "the upstream's stream began with an error"
    return Failure("error_event", {"type": kind, "message": message, "status": told or error_status(kind)})


def _text(value: object) -> str:
    """A text as it is, nothing for nothing, anything else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()
