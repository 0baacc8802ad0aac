"""What encloses the content of a streamed message: how it starts, why it stops, what it cost."""

from __future__ import annotations

from typing import Any

from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.json_levels import write_object, write_string
from ruleproxy.wire.repair_stream import Asked, Repairs
from ruleproxy.wire.repair_stream_data import edit_members, is_count, open_members, read_data

REASONS_OF_CUTS = frozenset({"max_tokens", "model_context_window_exceeded", "refusal", "pause_turn"})
"""Reasons for which a message may end within a tool call."""

# Reasons in the words of other formats, each of which means one thing.
_REASONS = {
    **{name: name for name in ("end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal")},
    "stop": "end_turn",
    "completed": "end_turn",
    "eos": "end_turn",
    "length": "max_tokens",
    "max_output_tokens": "max_tokens",
    "tool_calls": "tool_use",
    "tool-calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
    "content_filtered": "refusal",
    "safety": "refusal",
}


def name_reason(reason: str | None, *, called: bool) -> str | None:
    """The format's own word for a reason; one that nobody knows stays. `called`: the message calls a tool.

    Where another format's word says no more than that the message is complete, a call says more.
    """
    named = _REASONS.get((reason or "").lower(), reason)
    return "tool_use" if named == "end_turn" != reason and called else named


def write_reason(reason: str | None) -> bytes:
    """A reason as JSON."""
    return b"null" if reason is None else write_string(reason, ascii_only=True)


def complete_message(value: dict[str, Any], members: dict[str, bytes], asked: Asked, made_id: str) -> dict[str, bytes]:
    """The members of a message, given read and as JSON, that its start lacks or that only its end can tell."""
    changes: dict[str, bytes] = {}
    if not value.get("id") or not isinstance(value["id"], str):
        changes["id"] = write_string(f"msg_{made_id}")
    if value.get("type") != "message":
        changes["type"] = b'"message"'
    if value.get("role") != "assistant":
        changes["role"] = b'"assistant"'
    if not isinstance(value.get("model"), str) or not (value["model"] or not asked.model):
        changes["model"] = write_string(asked.model, ascii_only=True)
    if value.get("content") != []:
        changes["content"] = b"[]"
    for name in ("stop_reason", "stop_sequence"):
        if value.get(name) is not None or name not in value:
            changes[name] = b"null"
    usage = value.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    missing = [name for name in ("input_tokens", "output_tokens") if not is_count(counts.get(name))]
    if missing:
        told = open_members(members["usage"]) if counts else {}
        changes["usage"] = write_object(told | dict.fromkeys(missing, b"0"))
    return changes


def complete_delta(event: StreamEvent, reason: str | None, output_tokens: int, repairs: Repairs) -> StreamEvent:
    """A message_delta with its reason, and with the count that the SDKs insist on."""
    members, data = open_members(event.data), read_data(event.data)
    changes: dict[str, bytes] = {}
    delta, usage = data.get("delta"), data.get("usage")
    if not isinstance(delta, dict) or "stop_reason" not in delta or delta["stop_reason"] != reason:
        repairs.note("incomplete message_delta" if reason is None else "stop reason")
        told = open_members(members["delta"]) if isinstance(delta, dict) else {"stop_sequence": b"null"}
        changes["delta"] = write_object(told | {"stop_reason": write_reason(reason)})
    if not isinstance(usage, dict) or not is_count(usage.get("output_tokens")):
        repairs.note("usage of message_delta")
        counts = open_members(members["usage"]) if isinstance(usage, dict) else {}
        changes["usage"] = write_object(counts | {"output_tokens": b"%d" % output_tokens})
    return event.edit(event.type, edit_members(event.data, changes)) if changes else event
