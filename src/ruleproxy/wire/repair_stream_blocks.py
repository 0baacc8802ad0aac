"""Content blocks of the Anthropic Messages format as a stream tells them: how they start, which deltas fill them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from ruleproxy.wire.json_levels import read_string, write_object, write_string
from ruleproxy.wire.repair_stream import UnrepairableError
from ruleproxy.wire.repair_stream_data import open_members

INPUT_BEARING = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_KNOWN = INPUT_BEARING | {"text", "thinking", "redacted_thinking"}

# The member that carries what a delta tells, and the kind of block that it fills; None: any that takes an input.
DELTAS: dict[str, tuple[str, str | None]] = {
    "text_delta": ("text", "text"),
    "citations_delta": ("citation", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "thinking"),
    "input_json_delta": ("partial_json", None),
}

_MARKS = re.compile(r'["\\{}\[\]]')


def fits(delta: str, block: str) -> bool:
    """Whether a delta of this type fills a block of this type. What is newer than this file may."""
    if delta not in DELTAS or block not in _KNOWN:
        return True
    kind = DELTAS[delta][1]
    return block in INPUT_BEARING if kind is None else kind == block


class InputProgress:
    """How far the JSON of a tool's input has come, told from its pieces without keeping them."""

    __slots__ = ("_depth", "_escaped", "_in_string", "_started")

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = self._escaped = self._started = False

    @property
    def started(self) -> bool:
        """Whether anything of it came."""
        return self._started

    @property
    def complete(self) -> bool:
        """Whether all of an object came."""
        return self._started and self._depth == 0 and not self._in_string

    def feed(self, piece: str) -> None:
        """Take the next piece."""
        if not self._started and piece.strip():
            self._started = True
        at = 0
        if self._escaped and piece:
            at, self._escaped = 1, False
        while (found := _MARKS.search(piece, at)) is not None:
            at, mark = found.end(), found[0]
            if self._in_string:
                if mark == '"':
                    self._in_string = False
                elif mark == "\\":
                    self._escaped = at == len(piece)
                    at += 1
            elif mark == '"':
                self._in_string = True
            elif mark in "{[":
                self._depth += 1
            elif mark in "}]":
                self._depth -= 1


@dataclass(frozen=True, slots=True)
class BlockStart:
    """How a block starts: `block` is its JSON, empty of what deltas tell; `carried` is what stood in it all the same.

    Each of `carried` is the JSON of a delta. `changed`: the block started otherwise.
    """

    kind: str
    block: bytes
    carried: tuple[bytes, ...]
    changed: bool


def start_block(text: bytes, value: Any, made_id: str) -> BlockStart | None:
    """Read the `content_block` of a start, given as JSON and as a value; None where it says nothing of a block.

    `made_id` stands in where a tool call has no id of its own. Raises UnrepairableError.
    """
    if not isinstance(value, dict):
        return None
    members = open_members(text)
    kind = value.get("type")
    changes: dict[str, bytes] = {}
    if not isinstance(kind, str) or not kind:
        kind = "text" if "text" in value else "thinking" if "thinking" in value else "tool_use"
        if kind == "tool_use" and not isinstance(value.get("name"), str):
            return None
        changes["type"] = write_string(kind)
    carried: list[bytes] = []
    if kind == "text":
        _empty_string("text", "text_delta", value, members, changes, carried)
    elif kind == "thinking":
        _empty_string("thinking", "thinking_delta", value, members, changes, carried)
        if value.get("signature"):
            _empty_string("signature", "signature_delta", value, members, changes, carried)
    elif kind in INPUT_BEARING:
        if not isinstance(value.get("name"), str) or not value["name"]:
            raise UnrepairableError("starts a tool call without a name")
        if not isinstance(value.get("id"), str) or not value["id"]:
            changes["id"] = write_string(made_id)
        carried += _empty_input(value.get("input"), members, changes)
    if not changes:
        return BlockStart(kind, text, (), changed=False)
    return BlockStart(kind, write_object(members | changes), tuple(carried), changed=True)


def empty_block(delta: str) -> tuple[str, bytes]:
    """Type and JSON of the block that a delta fills, where none was started. Raises UnrepairableError."""
    kind = DELTAS.get(delta, ("", None))[1]
    if kind is None:
        raise UnrepairableError(f"has a {delta} for a block that was never started")
    return kind, write_object({"type": write_string(kind), kind: b'""'})


def write_delta(kind: str, value: bytes) -> bytes:
    """A delta as JSON; `value` is the JSON of what it tells."""
    return write_object({"type": write_string(kind), DELTAS[kind][0]: value})


def _empty_string(
    name: str, delta: str, value: Any, members: dict[str, bytes], changes: dict[str, bytes], carried: list[bytes]
) -> None:
    found = value.get(name)
    if found == "":
        return
    if found is not None and not isinstance(found, str):
        raise UnrepairableError(f"starts a block whose {name} is no text")
    if found:
        carried.append(write_delta(delta, members[name]))
    changes[name] = b'""'


def _empty_input(value: Any, members: dict[str, bytes], changes: dict[str, bytes]) -> list[bytes]:
    if value == {} and isinstance(value, dict):
        return []
    changes["input"] = b"{}"
    if value is None or value == "":
        return []
    # An object, or the text of one as the OpenAI format has it.
    text = members["input"].decode() if not isinstance(value, str) else read_string(members["input"]) or ""
    if isinstance(value, list | bool | int | float) or not _is_object(text):
        raise UnrepairableError("starts a tool call whose input is no object")
    return [write_delta("input_json_delta", write_string(text, ascii_only=True))]


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except ValueError:
        return text.lstrip().startswith("{")
