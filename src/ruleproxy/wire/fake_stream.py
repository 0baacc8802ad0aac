"""Turn a whole message into the events that a stream of it would have been.

For upstreams that cannot stream, or that answer a stream request with JSON. What clients insist on was
measured with Claude Code 2.1.197, the Anthropic SDKs for Python (2.11, 0.125) and TypeScript (1.11):

- a type on every event (the `event:` line), or nothing at all is seen;
- `usage` with both counts in `message_start` and `output_tokens` in `message_delta`, or the SDKs' helpers
  fail;
- blocks that start empty and get their content by deltas, or Claude Code loses text without a word and
  calls tools with `{}`; a `content_block_stop` for each;
- `message_stop` at the end, or the TypeScript helper fails.

Nothing the upstream wrote is read and written again, so numbers, escapes and key order inside tool inputs
stay.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from ruleproxy.wire.anthropic import WholeMessage, read_message
from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.json_levels import (
    BadJsonError,
    cut_string,
    open_list,
    open_object,
    read_string,
    write_object,
    write_string,
)
from ruleproxy.wire.sse import write_in_one_line

DELTA_SIZE = 4096
"""Characters of one delta (an escape counts as one)."""

_INPUT_BEARING = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})

# What a stream tells at its end. `context_management` stands beside `delta`, not in it.
_TOLD_LAST = ("stop_reason", "stop_sequence", "stop_details", "container")

# What the one delta of a compaction says; a client that reads it there takes nothing from the start.
_COMPACTED = ("content", "encrypted_content")

_NUMBER = re.compile(rb"-?[0-9]")


def fake_stream(body: bytes, *, model: str = "", delta_size: int = DELTA_SIZE) -> list[StreamEvent]:
    """The events of a message given as the JSON body of a non-streaming answer.

    `model` stands in where the message names none. A missing id is made from the body, missing counts are 0. A
    stop reason that is null stays null: nothing here knows how the message ended. Raises NotAMessageError.
    """
    return list(tell_message(body, model=model, delta_size=delta_size))


def tell_message(body: bytes, *, model: str = "", delta_size: int = DELTA_SIZE) -> Iterator[StreamEvent]:
    """`fake_stream`, each event made when it is asked for; that it is no message shows at once."""
    return _tell(read_message(body), body, model, delta_size)


def _tell(message: WholeMessage, body: bytes, model: str, delta_size: int) -> Iterator[StreamEvent]:
    usage = _read_usage(message)
    yield _message_start(message, usage, body, model)
    for index, block in enumerate(message.blocks):
        yield from _block_events(index, block, delta_size)
    yield _message_delta(message, usage)
    yield _event({"type": b'"message_stop"'})


def _event(data: dict[str, bytes]) -> StreamEvent:
    kind = read_string(data["type"])
    assert kind is not None
    # Values keep the upstream's spacing; a line end in it would take several `data:` lines to say.
    return StreamEvent(kind, write_in_one_line(write_object(data)))


def _read_usage(message: WholeMessage) -> dict[str, bytes]:
    try:
        usage = open_object(message.fields.get("usage", b"{}"))
    except BadJsonError:
        usage = {}  # null, mostly: the upstream did not count
    for name in ("input_tokens", "output_tokens"):
        if not _NUMBER.match(usage.get(name, b"")):
            usage[name] = b"0"
    return usage


def _message_start(message: WholeMessage, usage: dict[str, bytes], body: bytes, model: str) -> StreamEvent:
    fields = dict(message.fields)
    defaults = {
        "id": b'"msg_' + hashlib.sha256(body).hexdigest()[:24].encode() + b'"',
        "type": b'"message"',
        "role": b'"assistant"',
        "model": write_string(model),
    }
    for name, value in defaults.items():
        if not read_string(fields.get(name)):
            fields[name] = value
    fields["content"] = b"[]"
    fields["stop_reason"] = fields["stop_sequence"] = b"null"
    for name in (*_TOLD_LAST, "context_management"):
        if name in fields:
            fields[name] = b"null"
    # The counts of a stream are running totals, and nothing has been put out yet.
    fields["usage"] = write_object(usage | {"output_tokens": b"0"})
    return _event({"type": b'"message_start"', "message": write_object(fields)})


def _message_delta(message: WholeMessage, usage: dict[str, bytes]) -> StreamEvent:
    fields = message.fields
    delta = {"stop_reason": b"null", "stop_sequence": b"null"}
    delta |= {name: fields[name] for name in _TOLD_LAST if name in fields}
    data = {"type": b'"message_delta"', "delta": write_object(delta), "usage": write_object(usage)}
    if "context_management" in fields:
        data["context_management"] = fields["context_management"]
    return _event(data)


def _block_events(index: int, block: dict[str, bytes], delta_size: int) -> Iterator[StreamEvent]:
    start, deltas = _split_block(block, delta_size)
    at = b"%d" % index
    yield _event({"type": b'"content_block_start"', "index": at, "content_block": write_object(start)})
    for delta in deltas:
        yield _event({"type": b'"content_block_delta"', "index": at, "delta": write_object(delta)})
    yield _event({"type": b'"content_block_stop"', "index": at})


def _split_block(block: dict[str, bytes], delta_size: int) -> tuple[dict[str, bytes], list[dict[str, bytes]]]:
    """The block as it starts, and the deltas that fill it. A kind that has no deltas starts whole."""
    match read_string(block["type"]):
        case "text":
            deltas = _string_deltas(block, "text", "text_delta", delta_size)
            citations = _read_citations(block)
            start = block | {"text": b'""'}
            if citations:
                del start["citations"]
            return start, deltas + [{"type": b'"citations_delta"', "citation": each} for each in citations]
        case "thinking":
            deltas = _string_deltas(block, "thinking", "thinking_delta", delta_size)
            start = block | {"thinking": b'""'}
            if read_string(block.get("signature")) is not None:
                start["signature"] = b'""'
                deltas.append({"type": b'"signature_delta"', "signature": block["signature"]})
            return start, deltas
        case kind if kind in _INPUT_BEARING:
            text = block.get("input", b"{}").decode()
            pieces = [text[at : at + delta_size] for at in range(0, len(text), delta_size)]
            start = block | {"input": b"{}"}
            return start, [{"type": b'"input_json_delta"', "partial_json": write_string(piece)} for piece in pieces]
        case "compaction":
            told = {name: block[name] for name in _COMPACTED if name in block}
            return block | dict.fromkeys(told, b"null"), [{"type": b'"compaction_delta"'} | told]
        case _:
            return block, []


def _string_deltas(block: dict[str, bytes], name: str, kind: str, delta_size: int) -> list[dict[str, bytes]]:
    """A string member in pieces, at least one; its spelling is kept, and no escape or character is cut."""
    text = block.get(name, b'""')
    pieces = cut_string(text if text.startswith(b'"') else b'""', delta_size)
    return [{"type": write_string(kind), name: piece} for piece in pieces]


def _read_citations(block: dict[str, bytes]) -> list[bytes]:
    try:
        return open_list(block.get("citations", b"null"))
    except BadJsonError:
        return []  # null: this text cites nothing
