"""A strict reader of streams: whatever a client might stumble over is a problem, told with the place.

Written from https://docs.anthropic.com/en/docs/build-with-claude/streaming and
https://platform.openai.com/docs/api-reference/chat/streaming, and from what real clients were seen to insist on.
"""

from __future__ import annotations

import json
import re
from typing import Any

_LINE = re.compile(rb"\r\n|\n|\r")
_INPUT = {"tool_use", "server_tool_use", "mcp_tool_use"}
_FILLS = {
    "text_delta": ({"text"}, "text", str),
    "citations_delta": ({"text"}, "citation", dict),
    "thinking_delta": ({"thinking"}, "thinking", str),
    "signature_delta": ({"thinking"}, "signature", str),
    "input_json_delta": (_INPUT, "partial_json", str),
}
_KNOWN_BLOCKS = _INPUT | {"text", "thinking", "redacted_thinking"}


class Problem(AssertionError):
    """What is wrong with a stream."""


def read_blocks(stream: bytes) -> list[tuple[str, bytes]]:
    """Name and data of every event, read as the SDKs do: any block that names an event or has data is one."""
    _check(stream == b"" or stream.endswith((b"\n", b"\r")), "the stream ends within a line")
    lines = _LINE.split(stream.decode("utf-8").encode())
    _check(lines[-1] == b"", "the stream ends within a line")
    found: list[tuple[str, bytes]] = []
    name, data, open_block = "", list[bytes](), False
    for line in lines[:-1]:
        if not line:
            if name or data:
                found.append((name, b"\n".join(data)))
            name, data, open_block = "", [], False
        elif not line.startswith(b":"):
            open_block = True
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"event":
                name = value.decode()
            elif field == b"data":
                data.append(value)
    _check(not open_block, "the stream ends within an event")
    return found


def check_messages_stream(stream: bytes) -> dict[str, Any]:
    """The message, or the error event, that a stream in the Anthropic format tells. Raises Problem."""
    return check_message_events(read_blocks(stream))


def check_message_events(events: list[tuple[str, bytes]]) -> dict[str, Any]:
    """The same of events that have been taken out of their framing."""
    reader = _MessageReader()
    for number, (name, data) in enumerate(events):
        try:
            value = json.loads(data)
        except ValueError as error:
            raise Problem(f"event {number} is not JSON: {data[:80]!r}") from error
        _check(isinstance(value, dict), f"event {number} is no object")
        _check(value.get("type") == name, f"event {number} is named {name!r} and is a {value.get('type')!r}")
        try:
            reader.take(name, value)
        except Problem as problem:
            raise Problem(f"event {number} ({name}): {problem}") from None
    return reader.finish()


class _MessageReader:
    def __init__(self) -> None:
        self.message: dict[str, Any] | None = None
        self.error: dict[str, Any] | None = None
        self.block: dict[str, Any] | None = None
        self.content: list[dict[str, Any]] = []
        self.partial = ""
        self.told = self.stopped = False

    def take(self, name: str, value: dict[str, Any]) -> None:
        _check(self.error is None, "something follows an error")
        _check(not self.stopped, "something follows the end")
        if name == "ping":
            return
        if name == "error":
            error = value.get("error")
            _check(isinstance(error, dict) and isinstance(error.get("type"), str), "an error without a type")
            _check(isinstance(error, dict) and isinstance(error.get("message"), str), "an error without a message")
            self.error = value
            return
        if name == "message_start":
            self._start(value.get("message"))
            return
        _check(self.message is not None, "it stands before message_start")
        match name:
            case "content_block_start":
                self._open(value)
            case "content_block_delta":
                self._fill(value)
            case "content_block_stop":
                self._close(value)
            case "message_delta":
                self._tell(value)
            case "message_stop":
                _check(self.told, "no message_delta before it")
                self.stopped = True

    def finish(self) -> dict[str, Any]:
        if self.error is not None:
            return self.error
        _check(self.stopped, "the stream has no end")
        assert self.message is not None
        return {**self.message, "content": self.content}

    def _start(self, message: Any) -> None:
        _check(self.message is None, "a second message_start")
        _check(isinstance(message, dict), "no message")
        for name, wanted in (("type", "message"), ("role", "assistant"), ("content", []), ("stop_reason", None)):
            _check(name in message and message[name] == wanted, f"{name} is {message.get(name)!r}")
        for name in ("id", "model"):
            _check(isinstance(message.get(name), str), f"{name} is {message.get(name)!r}")
        _check(bool(message["id"]), "the id is empty")
        _check_usage(message.get("usage"), "input_tokens", "output_tokens")
        self.message = message

    def _open(self, value: dict[str, Any]) -> None:
        _check(self.block is None, "a block is open")
        assert self.message is not None
        _check(self.message["stop_reason"] is None, "content after the stop reason")
        _check(_is_count(value.get("index")), "no index")
        _check(value.get("index") == len(self.content), f"index {value.get('index')} in place of {len(self.content)}")
        block = value.get("content_block")
        _check(isinstance(block, dict), "no content_block")
        assert isinstance(block, dict)
        kind = block.get("type")
        _check(isinstance(kind, str) and bool(kind), "a block without a type")
        if kind in ("text", "thinking"):
            _check(block.get(kind) == "", f"{kind} stands in the start")
        if kind == "thinking":
            _check(not block.get("signature"), "the signature stands in the start")
        if kind in _INPUT:
            _check(block.get("input") == {}, "the input stands in the start")
            _check(bool(block.get("id")) and isinstance(block["id"], str), "a call without an id")
            _check(bool(block.get("name")) and isinstance(block["name"], str), "a call without a name")
        self.block, self.partial = dict(block), ""

    def _fill(self, value: dict[str, Any]) -> None:
        _check(self.block is not None, "no block is open")
        assert self.block is not None
        _check(value.get("index") == len(self.content), f"index {value.get('index')} in place of {len(self.content)}")
        delta = value.get("delta")
        _check(isinstance(delta, dict) and isinstance(delta.get("type"), str), "a delta without a type")
        assert isinstance(delta, dict)
        if delta["type"] not in _FILLS:
            return
        blocks, name, of = _FILLS[delta["type"]]
        kind = self.block["type"]
        _check(kind in blocks or kind not in _KNOWN_BLOCKS, f"a {delta['type']} in a {kind} block")
        _check(isinstance(delta.get(name), of), f"{name} is {delta.get(name)!r}")
        if name == "partial_json":
            self.partial += delta[name]
        elif name != "citation":
            self.block[name] = self.block.get(name, "") + delta[name]

    def _close(self, value: dict[str, Any]) -> None:
        _check(self.block is not None, "no block is open")
        assert self.block is not None
        _check(value.get("index") == len(self.content), f"index {value.get('index')} in place of {len(self.content)}")
        if self.partial:
            try:
                self.block["input"] = json.loads(self.partial)
            except ValueError:
                self.block["input"] = self.partial  # cut by max_tokens: clients bear that
        self.content.append(self.block)
        self.block = None

    def _tell(self, value: dict[str, Any]) -> None:
        assert self.message is not None
        _check(self.block is None, "a block is open")
        delta = value.get("delta")
        _check(isinstance(delta, dict) and "stop_reason" in delta, "no stop_reason")
        assert isinstance(delta, dict)
        reason = delta["stop_reason"]
        _check(reason is None or (isinstance(reason, str) and reason != ""), f"stop_reason is {reason!r}")
        _check(reason is not None or self.message["stop_reason"] is None, "the stop reason is taken back")
        _check_usage(value.get("usage"), "output_tokens")
        self.message = self.message | delta | {"usage": self.message["usage"] | value["usage"]}
        self.told = True


def check_chunk_stream(stream: bytes) -> dict[str, Any]:
    """Message and reason of each choice by its index, or the error, that a stream in the OpenAI format tells."""
    choices: dict[int, dict[str, Any]] = {}
    ids: set[str] = set()
    error: dict[str, Any] | None = None
    done = False
    for number, (name, data) in enumerate(read_blocks(stream)):
        _check(name == "", f"chunk {number} has a name: {name!r}")
        _check(not done, f"chunk {number} follows the end")
        _check(error is None, f"chunk {number} follows an error")
        if data == b"[DONE]":
            done = True
            continue
        value = json.loads(data)
        if "error" in value:
            _check(isinstance(value["error"].get("message"), str), "an error without a message")
            error = value
            continue
        _check(value.get("object") == "chat.completion.chunk", f"object is {value.get('object')!r}")
        _check(isinstance(value.get("id"), str) and value["id"] != "", "a chunk without an id")
        _check(isinstance(value.get("model"), str), "a chunk without a model")
        _check(_is_count(value.get("created")), "a chunk without its time")
        ids.add(value["id"])
        for choice in value["choices"]:
            _add_choice(choices, choice)
    if error is not None:
        return error
    _check(done, "the stream has no end")
    _check(bool(choices), "the stream has no choice")
    return {"choices": choices}


def _add_choice(choices: dict[int, dict[str, Any]], choice: dict[str, Any]) -> None:
    _check(_is_count(choice.get("index")), "a choice without its index")
    delta, reason = choice.get("delta"), choice.get("finish_reason")
    _check(isinstance(delta, dict), "a choice without a delta")
    assert isinstance(delta, dict)
    if choice["index"] not in choices:
        _check(isinstance(delta.get("role"), str), "a choice that does not begin with its role")
        choices[choice["index"]] = {"content": "", "calls": {}, "finish_reason": None}
    found = choices[choice["index"]]
    found["content"] += delta.get("content") or ""
    for call in delta.get("tool_calls") or []:
        _check(_is_count(call.get("index")), "a call without its index")
        function = call.get("function") or {}
        if call["index"] not in found["calls"]:
            _check(isinstance(call.get("id"), str), "a call without its id")
            _check(call.get("type") == "function", "a call without its type")
            found["calls"][call["index"]] = {"name": function.get("name"), "arguments": ""}
        arguments = function.get("arguments") or ""
        _check(isinstance(arguments, str), "arguments that are no text")
        found["calls"][call["index"]]["arguments"] += arguments
    _check(reason is None or (isinstance(reason, str) and reason != ""), f"finish_reason is {reason!r}")
    found["finish_reason"] = reason or found["finish_reason"]


def _check_usage(usage: Any, *names: str) -> None:
    _check(isinstance(usage, dict), f"usage is {usage!r}")
    for name in names:
        _check(_is_count(usage.get(name)), f"{name} is {usage.get(name)!r}")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _check(holds: bool, problem: str) -> None:
    if not holds:
        raise Problem(problem)
