"""Put the message together that a stream of events tells: the way back from `fake_stream`.

What the events mean is described at https://docs.anthropic.com/en/docs/build-with-claude/streaming; deltas are
appended as the SDKs append them. Values are the upstream's own, spelled as compact JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from ruleproxy.wire.cut_json import close_json
from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.half_characters import compact_json, read_json, write_json
from ruleproxy.wire.repair_stream_envelope import REASONS_OF_CUTS

_APPENDED = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}

MOST_PARTS = 100_000
"""So many blocks, citations and counts a collected message may have."""

# Deltas of final values: each takes the place of what the block had (anthropic 2.12, @anthropic-ai/sdk 1.12).
_REPLACING = frozenset({"compaction_delta"})


class CannotCollectError(ValueError):
    """A stream that tells no whole message. `event` is the one that told of an error instead, if one did."""

    def __init__(self, message: str, event: StreamEvent | None = None) -> None:
        super().__init__(message)
        self.event = event

    @classmethod
    def told_by(cls, event: StreamEvent) -> CannotCollectError:
        """The stream told of an error."""
        return cls(
            "the stream told of an error: " + " ".join(event.data[:300].decode("utf-8", "replace").split()), event
        )


def read_event(number: int, event: StreamEvent) -> dict[str, Any]:
    """The data of an event of a stream, an object. Raises `CannotCollectError`."""
    try:
        data = read_json(event.data)
    except ValueError as error:
        raise CannotCollectError(f"event {number} of the stream cannot be read: {error}") from None
    if not isinstance(data, dict):
        raise CannotCollectError(f"event {number} of the stream cannot be read: it is no object")
    return data


class Collector(Protocol):
    """Puts together what a stream tells, an event after the other."""

    def take(self, event: StreamEvent) -> None:
        """Take the next event. Raises `CannotCollectError`."""

    def finish(self) -> bytes:
        """The body of the non-streaming answer. Raises `CannotCollectError`."""


def put_in_order(indices: Iterable[int]) -> list[int]:
    """Indices that an upstream gave to parts, in their order. Raises `CannotCollectError` where they have none."""
    try:
        return sorted(indices)
    except TypeError:
        raise CannotCollectError("the indices that the stream gives to its parts have no order") from None


def say_unlike(error: Exception) -> str:
    """What is wrong with an event that looking into it by its format ended with this error."""
    match error:
        case KeyError(args=(str() as name,)) if name.isidentifier() and len(name) < 40:
            return f"`{name}` is missing"
        case KeyError():
            return "it goes on with what was not begun"
    return "a member has another type than its format gives it"


class Counted:
    """How many parts a message is of, up to a limit: each takes a hundred times the memory of its text."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MOST_PARTS

    def add(self, parts: int = 1) -> None:
        """Count parts that are kept. Raises `CannotCollectError` past the limit."""
        self._left -= parts
        if self._left < 0:
            raise CannotCollectError(f"the stream tells of more than {MOST_PARTS} blocks, citations and counts")


class MessageCollector:
    """A message of the Anthropic format; see `Collector`."""

    def __init__(self) -> None:
        self._message: dict[str, Any] | None = None
        self._blocks: dict[int, dict[str, Any]] = {}
        # What is appended waits in pieces: joined one by one, each would copy all that came before.
        self._texts: dict[int, dict[str, list[str]]] = {}
        self._inputs: dict[int, list[str]] = {}
        self._open: set[int] = set()
        self._complete = False
        self._number = 0
        self._parts = Counted()

    def take(self, event: StreamEvent) -> None:
        """See `Collector`."""
        number, self._number = self._number, self._number + 1
        if event.data == b"[DONE]":
            return  # the end of another format's streams, which some gateways append to every one
        data = read_event(number, event)
        if event.type == "error" or data.get("type") == "error":
            raise CannotCollectError.told_by(event)
        try:
            self._take(data)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, CannotCollectError):
                raise
            raise CannotCollectError(f"event {number} of the stream cannot be read: {say_unlike(error)}") from None

    def finish(self) -> bytes:
        """See `Collector`."""
        if self._message is None or not self._complete:
            raise CannotCollectError("the stream ended before its message did")
        content = [self._finish(index) for index in put_in_order(self._blocks)]
        return write_json({**self._message, "content": content})

    def _take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "message_start":
                self._message = dict(event["message"])
            case "content_block_start":
                index = event["index"]
                self._parts.add()
                self._blocks[index] = dict(event["content_block"])
                self._texts.pop(index, None)
                self._open.add(index)
            case "content_block_delta":
                self._append(event["index"], event["delta"])
            case "content_block_stop":
                self._open.discard(event["index"])
            case "message_delta":
                self._update(self._begun(), event)
            case "message_stop":
                self._complete = True

    def _update(self, message: dict[str, Any], event: dict[str, Any]) -> None:
        told = {k: v for k, v in event.items() if k not in ("type", "delta", "usage")}
        usage = event.get("usage") or {}
        message.update(event["delta"])
        # Counts are totals so far: those that are told again take the place of those before.
        counts = message.get("usage") or {}
        before = len(message) + len(counts)
        counts.update(usage)
        message["usage"] = counts
        message.update(told)
        self._parts.add(max(0, len(message) + len(counts) - before))
        # Some gateways leave message_stop out: nothing is missing where each block and the message have an end.
        self._complete = message.get("stop_reason") is not None and not self._open

    def _begun(self) -> dict[str, Any]:
        if self._message is None:
            raise CannotCollectError("the stream does not begin with its message")
        return self._message

    def _append(self, index: int, delta: dict[str, Any]) -> None:
        block = self._blocks[index]
        kind = delta["type"]
        if kind == "input_json_delta":
            self._inputs.setdefault(index, []).append(_text(delta["partial_json"]))
        elif kind == "citations_delta":
            self._parts.add()
            if not block.get("citations"):
                block["citations"] = []
            block["citations"].append(delta["citation"])
        elif kind in _APPENDED:
            name = _APPENDED[kind]
            pieces = self._texts.setdefault(index, {})
            if name not in pieces:
                pieces[name] = [_text(block.get(name) or "")]
            pieces[name].append(_text(delta[name]))
        elif kind in _REPLACING:
            block.update({name: value for name, value in delta.items() if name != "type"})
        else:
            raise CannotCollectError(f"a delta of the unknown type {kind!r}")

    def _finish(self, index: int) -> dict[str, Any]:
        block = self._blocks[index]
        for name, pieces in self._texts.get(index, {}).items():
            block[name] = "".join(pieces)
        text = "".join(self._inputs.get(index, ()))
        if text:
            try:
                return {**block, "input": msgspec.Raw(compact_json(text))}
            except ValueError as error:
                if index == max(self._blocks) and self._begun().get("stop_reason") in REASONS_OF_CUTS:
                    return {**block, "input": msgspec.Raw(compact_json(close_json(text)))}
                raise CannotCollectError(f"the input of content.{index} is not JSON: {error}") from None
        return block


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError("a piece of text is none")
