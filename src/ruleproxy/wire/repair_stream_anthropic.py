"""The events of a message in the Anthropic Messages format, put into the order that its clients insist on.

    message_start  (content_block_start  content_block_delta*  content_block_stop)*  message_delta+  message_stop

as in https://docs.anthropic.com/en/docs/build-with-claude/streaming; `ping` and types newer than this file may stand
anywhere between, `error` ends it at any point. What each fault does to real clients was measured with Claude Code
2.1.197 and the Anthropic SDKs for Python (2.11, 0.125) and TypeScript (1.11):

- without `event:` lines nothing is seen; without `message_start` or `content_block_start` the stream fails;
- without usage in `message_start` and `message_delta` the helpers of the SDKs fail;
- a block that is not closed, or whose text stands in its start, is lost without a word; a tool whose input stands in
  its start is called with `{}`;
- an index used twice mixes two blocks; a delta that does not fit its block ends the stream.

Two things wait here. The start of an empty block waits for the next item, because a delta of another type may show
that another block is meant, and an empty block left behind is refused by providers in the next turn. And blocks that
begin before a tool call is complete wait until it is, up to a limit: a call cannot be told in two pieces.

Where nothing says why a message ended, nothing is made up: its `stop_reason` stays null, which all clients bear. Two
things do say it: a tool call that is complete, and as many tokens as the request allowed.
"""

from __future__ import annotations

import hashlib
from typing import Any

from ruleproxy.wire.events import Item, StreamEvent
from ruleproxy.wire.formats import error_body
from ruleproxy.wire.json_levels import open_list, write_object, write_string
from ruleproxy.wire.repair_stream import Asked, StreamRepairer, UnrepairableError
from ruleproxy.wire.repair_stream_content import ContentRepairer
from ruleproxy.wire.repair_stream_data import edit_members, is_count, is_json, open_members, read_data
from ruleproxy.wire.repair_stream_envelope import (
    REASONS_OF_CUTS,
    complete_delta,
    complete_message,
    name_reason,
    write_reason,
)

_KNOWN = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    }
)
_MOST_EARLY = 16


class MessageRepairer(StreamRepairer):
    """See the module's text, and `StreamRepairer`."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        self._content = ContentRepairer(self._give_content, self.repairs, asked.seed)
        self._started = False
        self._id: str | None = None  # as the upstream told it
        self._early: list[Item] = []  # events of unknown types that came before the start
        self._carried: list[bytes] = []  # the blocks of a message that was there from the start
        self._output_tokens = 0
        self._explained = False  # whether a message_delta came, with a reason or without
        self._reason: str | None = None

    @property
    def settled(self) -> bool:
        """Whether the stream said why it stops, so that an end is all that it lacks."""
        return self._reason is not None and not self.ended

    def _give(self, item: Item) -> None:
        self._content.settle()
        super()._give(item)

    def _give_content(self, event: StreamEvent) -> None:
        super()._give(event)

    def _take_event(self, event: StreamEvent) -> None:
        read = self._read(event)
        if read is None:
            return
        event, data = read
        match event.type:
            case "ping":
                self._give(event)
            case "error":
                self._take_error(event, data)
            case "message_start":
                self._take_start(event, data)
            case "content_block_start" | "content_block_delta" | "content_block_stop":
                self._take_content(event, data)
            case "message_delta":
                self._take_delta(event, data)
            case "message_stop":
                self._take_stop(event)
            case _ if self._started:
                self._give(event)
            case _ if len(self._early) < _MOST_EARLY:
                self._early.append(event)
            case _:
                self.repairs.note("event before the message")

    def _read(self, event: StreamEvent) -> tuple[StreamEvent, dict[str, Any]] | None:
        """The event under its right name, and its data; None for what says nothing."""
        text = event.data.strip()
        bare = not text and event.type == "message_stop"
        if bare or (event.type == "ping" and not text.startswith(b"{")):
            self.repairs.note("event without data")
            return event.edit(event.type, write_object({"type": write_string(event.type)})), {"type": event.type}
        if text == b"[DONE]" or (event.type not in _KNOWN and not text.startswith(b"{")):
            self.repairs.note("[DONE]" if text == b"[DONE]" else "data that is no event")
            return None
        if event.type == "error" and not text.startswith(b"{"):
            return event, {"error": text.decode("utf-8", "replace")}
        if not text:
            self.repairs.note("event without data")
            return None
        data = read_data(event.data)
        if not isinstance(data, dict):
            self.repairs.note("data that is no event")
            return None
        kind = data.get("type")
        if event.type == "error" and kind not in _KNOWN:
            return event, data
        if not isinstance(kind, str) or not kind or not kind.isprintable():
            if event.type in _KNOWN or data.get("error"):
                kind = event.type if event.type in _KNOWN else "error"
                self.repairs.note("data without its type")
                return event.edit(kind, edit_members(event.data, {"type": write_string(kind)})), data
            self.repairs.note("data that is no event")
            return None
        if event.type != kind:
            self.repairs.note("event line of another type" if event.type else "no event line")
        return event.edit(kind, event.data), data

    def _take_start(self, event: StreamEvent, data: dict[str, Any]) -> None:
        message = data.get("message")
        value: dict[str, Any] = message if isinstance(message, dict) else {}
        if self._started:
            told = value.get("id")
            if self._content.count and self._id is not None and isinstance(told, str) and told != self._id:
                raise UnrepairableError("begins another message")
            self.repairs.note("second message_start")
            return
        members = open_members(open_members(event.data)["message"]) if isinstance(message, dict) else {}
        changes = complete_message(value, members, self.asked, self._make_id(event.data))
        self._take_counts(value)
        content = value.get("content")
        if isinstance(content, list) and content:
            self._carried = open_list(members["content"])
        if changes:
            self.repairs.note("incomplete message_start")
            changed = write_object({"type": b'"message"'} | members | changes)
            event = event.edit("message_start", edit_members(event.data, {"message": changed}))
        if isinstance(value.get("id"), str):
            self._id = value["id"]
        self._start(event)

    def _take_counts(self, value: dict[str, Any]) -> None:
        usage = value.get("usage")
        if isinstance(usage, dict) and is_count(usage.get("output_tokens")):
            self._output_tokens = usage["output_tokens"]

    def _begin(self, event: StreamEvent) -> None:
        """Have the message begin before this event of it."""
        if self._started:
            return
        self.repairs.note("no message_start")
        message = complete_message({}, {}, self.asked, self._make_id(event.data))
        data = {"type": b'"message_start"', "message": write_object({"type": b'"message"'} | message)}
        self._start(StreamEvent("message_start", write_object(data)))

    def _start(self, event: StreamEvent) -> None:
        self._started = True
        self._give(event)
        for early in self._early:
            self._give(early)
        self._early.clear()

    def _make_id(self, seed: bytes) -> str:
        return hashlib.sha256(self.asked.seed.encode() + b" " + seed).hexdigest()[:24]

    def _take_content(self, event: StreamEvent, data: dict[str, Any]) -> None:
        self._begin(event)
        self._carried.clear()  # what is told now takes the place of what stood in the start
        if self._reason is not None:
            if event.type == "content_block_stop":
                self.repairs.note("stray content_block_stop")
                return
            raise UnrepairableError("brings content after the reason why the message stops")
        self._content.take(event, data)

    def _take_delta(self, event: StreamEvent, data: dict[str, Any]) -> None:
        self._begin(event)
        delta = data.get("delta")
        told = delta.get("stop_reason") if isinstance(delta, dict) else None
        reason = told if isinstance(told, str) and told else None
        self._take_counts(data)
        if reason is None and self._reason is None:
            if self._content.open:
                self.repairs.note("message_delta before the end")
                return
            self._give(complete_delta(event, None, self._output_tokens, self.repairs))
            self._explained = True
            return
        reason = name_reason(reason, called=self._content.called) or self._reason
        self._close_content(cut=reason in REASONS_OF_CUTS)
        self._reason = reason
        self._give(complete_delta(event, reason, self._output_tokens, self.repairs))

    def _close_content(self, *, cut: bool) -> None:
        for at, block in enumerate(self._carried):
            self.repairs.note("content in message_start")
            index = b"%d" % at
            start = {"type": b'"content_block_start"', "index": index, "content_block": block}
            stop = {"type": b'"content_block_stop"', "index": index}
            for data in (start, stop):
                text = write_object(data)
                value = read_data(text)
                self._content.take(StreamEvent(value["type"], text), value)
        self._carried.clear()
        self._content.close(cut=cut)

    def _take_stop(self, event: StreamEvent) -> None:
        self._begin(event)
        self._close_content(cut=False)
        if self._reason is None:
            reason = self._find_reason()
            if reason is not None or not self._explained:
                self.repairs.note("stop reason" if self._explained else "no message_delta")
                told = {"stop_reason": write_reason(reason), "stop_sequence": b"null"}
                usage = {"output_tokens": b"%d" % self._output_tokens}
                data = {"type": b'"message_delta"', "delta": write_object(told), "usage": write_object(usage)}
                self._give(StreamEvent("message_delta", write_object(data)))
        self._give(event)
        self.ended = True

    def _find_reason(self) -> str | None:
        """Why the message stops, where anything but the upstream's word for it says so."""
        if self.asked.max_tokens is not None and self._output_tokens >= self.asked.max_tokens:
            return "max_tokens"
        return "tool_use" if self._content.called else None

    def _take_error(self, event: StreamEvent, data: dict[str, Any]) -> None:
        error = data.get("error")
        told = error if isinstance(error, dict) else {"message": error} if error else data
        kind, message = told.get("type"), told.get("message")
        if data.get("type") == "error" and told is error and isinstance(kind, str) and isinstance(message, str):
            self._give(event)
        else:
            self.repairs.note("shape of the error")
            words = message if isinstance(message, str) and message else "the upstream's stream told of an error"
            kind = kind if isinstance(kind, str) and kind not in ("", "error") else "api_error"
            self._give(event.edit("error", error_body("anthropic.messages", kind, words)))
        self.ended = self.failed = True

    def _end(self, problem: str | None) -> None:
        if self._reason is None:
            raise UnrepairableError(problem or _describe_end(self.events))
        self.repairs.note("no message_stop")
        self._give(StreamEvent("message_stop", b'{"type":"message_stop"}'))

    def _give_error(self, kind: str, message: str) -> None:
        self._give(StreamEvent("error", error_body("anthropic.messages", kind, message)))
        self.ended = self.failed = True

    def _is_whole(self, data: bytes) -> bool:
        return data.rstrip().endswith(b"}") and is_json(data)


def _describe_end(events: int) -> str:
    if not events:
        return "the upstream's stream ended without an event"
    return "the upstream's stream ended before it said why"
