"""Put the message together that a stream of events tells: the way back from `fake_stream`.

What the events mean is described at https://docs.anthropic.com/en/docs/build-with-claude/streaming; deltas are
appended as the SDKs append them. Values are the upstream's own, spelled as compact JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ruleproxy.wire.cut_json import close_json
from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.half_characters import compact_json, read_json, write_json
from ruleproxy.wire.repair_stream_envelope import REASONS_OF_CUTS

_APPENDED = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}

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


def collect_stream(events: Iterable[StreamEvent]) -> bytes:
    """The body of the non-streaming answer that these events tell. Raises `CannotCollectError`."""
    return write_json(_Collected().read(events))


class _Collected:
    def __init__(self) -> None:
        self.message: dict[str, Any] | None = None
        self.blocks: dict[int, dict[str, Any]] = {}
        self.inputs: dict[int, str] = {}
        self.open: set[int] = set()
        self.complete = False

    def read(self, events: Iterable[StreamEvent]) -> dict[str, Any]:
        for number, event in enumerate(events):
            if event.data == b"[DONE]":
                continue  # the end of another format's streams, which some gateways append to every one
            data = read_event(number, event)
            if event.type == "error" or data.get("type") == "error":
                raise CannotCollectError.told_by(event)
            try:
                self._take(data)
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                if isinstance(error, CannotCollectError):
                    raise
                raise CannotCollectError(f"event {number} of the stream cannot be read: {error}") from None
        if self.message is None or not self.complete:
            raise CannotCollectError("the stream ended before its message did")
        return {**self.message, "content": [self._finish(index) for index in sorted(self.blocks)]}

    def _take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "message_start":
                self.message = dict(event["message"])
            case "content_block_start":
                self.blocks[event["index"]] = dict(event["content_block"])
                self.open.add(event["index"])
            case "content_block_delta":
                self._append(event["index"], event["delta"])
            case "content_block_stop":
                self.open.discard(event["index"])
            case "message_delta":
                message = self._message()
                message.update(event["delta"])
                # Counts are totals so far: those that are told again take the place of those before.
                message["usage"] = {**(message.get("usage") or {}), **(event.get("usage") or {})}
                message.update({k: v for k, v in event.items() if k not in ("type", "delta", "usage")})
                # Some gateways leave message_stop out: nothing is missing where each block and the message have an end.
                self.complete = message.get("stop_reason") is not None and not self.open
            case "message_stop":
                self.complete = True

    def _message(self) -> dict[str, Any]:
        if self.message is None:
            raise CannotCollectError("the stream does not begin with its message")
        return self.message

    def _append(self, index: int, delta: dict[str, Any]) -> None:
        block = self.blocks[index]
        kind = delta["type"]
        if kind == "input_json_delta":
            self.inputs[index] = self.inputs.get(index, "") + delta["partial_json"]
        elif kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta["citation"]]
        elif kind in _APPENDED:
            name = _APPENDED[kind]
            block[name] = (block.get(name) or "") + delta[name]
        elif kind in _REPLACING:
            block.update({name: value for name, value in delta.items() if name != "type"})
        else:
            raise CannotCollectError(f"a delta of the unknown type {kind!r}")

    def _finish(self, index: int) -> dict[str, Any]:
        block = self.blocks[index]
        text = self.inputs.get(index, "")
        if text:
            try:
                return {**block, "input": msgspec.Raw(compact_json(text))}
            except ValueError as error:
                if index == max(self.blocks) and self._message().get("stop_reason") in REASONS_OF_CUTS:
                    return {**block, "input": msgspec.Raw(compact_json(close_json(text)))}
                raise CannotCollectError(f"the input of content.{index} is not JSON: {error}") from None
        return block
