"""Streams repaired without an exchange around them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ruleproxy.wire.events import Item, StreamEvent
from ruleproxy.wire.framing import SERVER_SENT_EVENTS
from ruleproxy.wire.repair_stream import Asked, StreamRepairer
from ruleproxy.wire.repair_stream_anthropic import MessageRepairer
from ruleproxy.wire.repair_stream_openai import ChunkRepairer
from ruleproxy.wire.sse import Decoder, encode_event
from support.strict_events import check_messages_stream

ASKED = Asked("asked-model", 64, "seed")


def spell(items: Iterable[Item]) -> bytes:
    """The bytes of items as a stream of server-sent events."""
    return b"".join(SERVER_SENT_EVENTS.encode(each) if isinstance(each, StreamEvent) else each.raw for each in items)


def run_repair(repairer: StreamRepairer, pieces: Sequence[bytes], problem: str | None = None) -> bytes:
    """What a client gets of a stream that arrives in these pieces; `problem` breaks it off."""
    decoder = Decoder()
    out = [repairer.take(item) for items in [*map(decoder.feed, pieces), decoder.finish()] for item in list(items)]
    return b"".join(map(spell, [*out, repairer.finish(problem)]))


def repair_messages(*pieces: bytes, problem: str | None = None, asked: Asked = ASKED) -> bytes:
    """A repaired stream in the Anthropic format."""
    return run_repair(MessageRepairer(asked), pieces, problem)


def repair_chunks(*pieces: bytes, problem: str | None = None, asked: Asked = ASKED) -> bytes:
    """A repaired stream in the OpenAI format."""
    return run_repair(ChunkRepairer(asked), pieces, problem)


def event(data: Any, name: str | None = None) -> bytes:
    """An event as bytes, named by its `type` unless said otherwise."""
    text = data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False).encode()
    return encode_event(data["type"] if name is None else name, text)


def message_start(**changes: Any) -> dict[str, Any]:
    """The event that begins a message."""
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 1},
    }
    return {"type": "message_start", "message": message | changes}


def block_start(index: int, block: dict[str, Any]) -> dict[str, Any]:
    """The event that starts a block."""
    return {"type": "content_block_start", "index": index, "content_block": block}


def text_start(index: int, text: str = "") -> dict[str, Any]:
    """The event that starts a block of text."""
    return block_start(index, {"type": "text", "text": text})


def tool_start(index: int, name: str = "Read", value: Any = None) -> dict[str, Any]:
    """The event that starts a tool call."""
    return block_start(index, {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": value or {}})


def delta(index: int, kind: str, value: Any) -> dict[str, Any]:
    """The event that fills a block."""
    member = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
    name = member.get(kind, "partial_json")
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, name: value}}


def text_delta(index: int, text: str) -> dict[str, Any]:
    """The event that adds text."""
    return delta(index, "text_delta", text)


def block_stop(index: int) -> dict[str, Any]:
    """The event that ends a block."""
    return {"type": "content_block_stop", "index": index}


def message_delta(reason: str | None = "end_turn", **usage: Any) -> dict[str, Any]:
    """The event that says why a message stops."""
    told = {"stop_reason": reason, "stop_sequence": None}
    return {"type": "message_delta", "delta": told, "usage": usage or {"output_tokens": 9}}


STOP = {"type": "message_stop"}
PING = {"type": "ping"}

TEXT = [text_start(0), text_delta(0, "hé"), text_delta(0, "llo"), block_stop(0)]
THINKING = [
    block_start(0, {"type": "thinking", "thinking": "", "signature": ""}),
    delta(0, "thinking_delta", "hm"),
    delta(0, "signature_delta", "c2ln"),
    block_stop(0),
]
TOOL = [
    tool_start(1),
    delta(1, "input_json_delta", '{"pa'),
    delta(1, "input_json_delta", 'th":"/a"}'),
    block_stop(1),
]
GOOD = [message_start(), PING, *TEXT, *TOOL, message_delta("tool_use"), STOP]
"""A stream that conforms: a text, and a tool call that ends it."""


def encode(events: list[dict[str, Any]]) -> bytes:
    """A stream of these events."""
    return b"".join(map(event, events))


def message_of(stream: bytes) -> dict[str, Any]:
    """The message that a repaired stream tells; it has to be one, and conform."""
    told = check_messages_stream(stream)
    assert told["type"] == "message", told
    return told
