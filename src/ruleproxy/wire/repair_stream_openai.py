"""The chunks of a chat completion in the OpenAI format, put into the shape that its clients insist on.

A stream is `data:` lines with a `chat.completion.chunk` each and `data: [DONE]` at the end; see
https://platform.openai.com/docs/api-reference/chat/streaming. Every choice begins with its role and ends with its
`finish_reason`; tool calls are told apart by their `index` alone. An error is `data: {"error": …}`, and no `[DONE]`
follows it: a client that sees one takes what it has for the whole answer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.formats import error_body
from ruleproxy.wire.json_levels import open_list, write_list, write_object, write_string
from ruleproxy.wire.repair_stream import Asked, StreamRepairer, UnrepairableError
from ruleproxy.wire.repair_stream_blocks import InputProgress
from ruleproxy.wire.repair_stream_data import edit_members, is_count, is_json, open_members, read_data

_DONE = b"[DONE]"
MOST_CHOICES = 128
"""So many choices, and tool calls of one choice, a stream may have."""

_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "tool_use": "tool_calls",
    "tool-calls": "tool_calls",
    "refusal": "content_filter",
    "safety": "content_filter",
}


@dataclass(slots=True)
class _Choice:
    begun: bool = False
    finished: bool = False
    calls: dict[str, int] = field(default_factory=dict)  # by id
    arguments: dict[int, InputProgress] = field(default_factory=dict)  # by index
    last_call: int | None = None


class ChunkRepairer(StreamRepairer):
    """See the module's text, and `StreamRepairer`."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        self._id: str | None = None
        self._model: str | None = None
        self._created = 0
        self._choices: dict[int, _Choice] = {}

    @property
    def settled(self) -> bool:
        """Whether every choice that began has said why it stops."""
        return not self.ended and bool(self._choices) and all(choice.finished for choice in self._choices.values())

    def _take_event(self, event: StreamEvent) -> None:
        text = event.data.strip()
        if text == _DONE:
            self._take_done(event)
            return
        if not text.startswith(b"{"):
            if event.type == "error":
                self._take_error(event, {"error": text.decode("utf-8", "replace")})
            else:
                self.repairs.note("data that is no chunk")
            return
        data = read_data(event.data)
        if data.get("error") or event.type == "error":
            self._take_error(event, data)
        elif not isinstance(data.get("choices"), list) and not isinstance(data.get("usage"), dict):
            self.repairs.note("data that is no chunk")
        else:
            self._take_chunk(event, data)

    def _take_chunk(self, event: StreamEvent, data: dict[str, Any]) -> None:
        changes: dict[str, bytes] = {}
        if data.get("object") != "chat.completion.chunk":
            changes["object"] = b'"chat.completion.chunk"'
        told = data.get("id")
        if self._id is None:
            made = "chatcmpl-" + hashlib.sha256(self.asked.seed.encode() + b" " + event.data).hexdigest()[:24]
            self._id = told if isinstance(told, str) and told else made
        if not isinstance(told, str) or not told:
            changes["id"] = write_string(self._id, ascii_only=True)
        model = data.get("model")
        self._model = self._model or (model if isinstance(model, str) else None) or self.asked.model
        if not isinstance(model, str) or (not model and self._model):
            changes["model"] = write_string(self._model, ascii_only=True)
        if is_count(data.get("created")):
            self._created = data["created"]
        else:
            changes["created"] = b"%d" % self._created
        if changes:
            self.repairs.note("incomplete chunk")
        choices = data.get("choices")
        members = open_members(event.data)
        if not isinstance(choices, list):
            changes["choices"] = b"[]"
            self.repairs.note("incomplete chunk")
        else:
            texts = open_list(members["choices"])
            changed = [
                self._repair_choice(at, value, text)
                for at, (value, text) in enumerate(zip(choices, texts, strict=True))
            ]
            if changed != texts:
                changes["choices"] = write_list(changed)
        if event.type:
            self.repairs.note("event line")
        self._give(event.edit("", edit_members(event.data, changes) if changes else event.data))

    def _repair_choice(self, at: int, value: Any, text: bytes) -> bytes:
        if not isinstance(value, dict):
            raise UnrepairableError("has a choice that is no object")
        changes: dict[str, bytes] = {}
        members = open_members(text)
        index = value.get("index")
        if not is_count(index):
            index = at
            self.repairs.note("choice without its index")
            changes["index"] = b"%d" % at
        if index not in self._choices and len(self._choices) >= MOST_CHOICES:
            raise UnrepairableError(f"begins more than {MOST_CHOICES} choices")
        choice = self._choices.setdefault(index, _Choice())
        delta, told = value.get("delta"), members.get("delta", b"{}")
        if not isinstance(delta, dict):
            # A whole message where a piece of one belongs.
            message = value.get("message")
            delta, told = (message, members["message"]) if isinstance(message, dict) else ({}, b"{}")
            self.repairs.note("choice without its delta")
            changes["delta"] = told
            members.pop("message", None)
        repaired = self._repair_delta(choice, delta, told)
        if repaired != told:
            changes["delta"] = repaired
        changes |= self._repair_reason(choice, value)
        return write_object(members | changes) if changes else text

    def _repair_reason(self, choice: _Choice, value: dict[str, Any]) -> dict[str, bytes]:
        reason = value.get("finish_reason")
        if reason is None:
            return {}
        if not isinstance(reason, str) or not reason:
            self.repairs.note("finish reason")
            return {"finish_reason": b"null"}
        choice.finished = True
        named = _REASONS.get(reason.lower(), reason)
        if named == reason:
            return {}
        self.repairs.note("finish reason")
        return {"finish_reason": write_string(named)}

    def _repair_delta(self, choice: _Choice, delta: dict[str, Any], text: bytes) -> bytes:
        changes: dict[str, bytes] = {}
        if not choice.begun:
            choice.begun = True
            if not isinstance(delta.get("role"), str) or not delta["role"]:
                self.repairs.note("no role")
                changes["role"] = b'"assistant"'
        calls = delta.get("tool_calls")
        if isinstance(calls, list) and calls:
            texts = open_list(open_members(text)["tool_calls"])
            changed = [self._repair_call(choice, call, told) for call, told in zip(calls, texts, strict=True)]
            if changed != texts:
                changes["tool_calls"] = write_list(changed)
        return edit_members(text, changes) if changes else text

    def _repair_call(self, choice: _Choice, call: Any, text: bytes) -> bytes:
        if not isinstance(call, dict):
            raise UnrepairableError("has a tool call that is no object")
        changes: dict[str, bytes] = {}
        told, index = call.get("id"), call.get("index")
        made = False
        if not is_count(index):
            self.repairs.note("tool call without its index")
            index = self._find_call(choice, call)
            changes["index"] = b"%d" % index
        if index not in choice.arguments:
            if len(choice.arguments) >= MOST_CHOICES:
                raise UnrepairableError(f"begins more than {MOST_CHOICES} tool calls")
            choice.arguments[index] = InputProgress()
            made = True
        choice.last_call = index
        if isinstance(told, str) and told:
            if len(choice.calls) < MOST_CHOICES:
                choice.calls.setdefault(told, index)
        elif made:
            self.repairs.note("tool call without its id")
            digest = hashlib.sha256(f"{self.asked.seed} {index}".encode()).hexdigest()[:24]
            changes["id"] = write_string(f"call_{digest}")
        if made and call.get("type") != "function":
            changes["type"] = b'"function"'
        function = call.get("function")
        arguments = function.get("arguments") if isinstance(function, dict) else None
        if not isinstance(function, dict | None) or not isinstance(arguments, str | dict | None):
            raise UnrepairableError("has a tool call that cannot be read")
        if isinstance(arguments, str):
            choice.arguments[index].feed(arguments)
        if isinstance(arguments, dict):
            self.repairs.note("arguments that are no text")
            inner = open_members(open_members(text)["function"])
            inner["arguments"] = write_string(inner["arguments"].decode(), ascii_only=True)
            changes["function"] = write_object(inner)
        return edit_members(text, changes) if changes else text

    def _find_call(self, choice: _Choice, call: dict[str, Any]) -> int:
        """The index that a piece of a call has to mean: by its id, as a new one by its name, else the last one."""
        told = call.get("id")
        if isinstance(told, str) and told in choice.calls:
            return choice.calls[told]
        function = call.get("function")
        named = isinstance(function, dict) and function.get("name")
        if choice.last_call is not None and not told and not named:
            return choice.last_call
        return max(choice.arguments, default=-1) + 1

    def _take_done(self, event: StreamEvent) -> None:
        if not self._choices:
            raise UnrepairableError("ends the stream before anything of an answer came")
        for index, choice in self._choices.items():
            if not choice.finished and choice.arguments:
                if any(told.started and not told.complete for told in choice.arguments.values()):
                    raise UnrepairableError("ends the stream within a tool call")
                self.repairs.note("finish reason")
                last = {"index": b"%d" % index, "delta": b"{}", "finish_reason": b'"tool_calls"'}
                self._give_chunk(write_list([write_object(last)]))
        self._give(event)
        self.ended = True

    def _give_chunk(self, choices: bytes) -> None:
        data = {
            "id": write_string(self._id or "", ascii_only=True),
            "object": b'"chat.completion.chunk"',
            "created": b"%d" % self._created,
            "model": write_string(self._model or "", ascii_only=True),
            "choices": choices,
        }
        self._give(StreamEvent("", write_object(data)))

    def _take_error(self, event: StreamEvent, data: dict[str, Any]) -> None:
        error = data.get("error")
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            self._give(event.edit("", event.data))
        else:
            self.repairs.note("shape of the error")
            told = error if isinstance(error, str) and error else data.get("message")
            words = told if isinstance(told, str) and told else "the upstream's stream told of an error"
            self._give(event.edit("", error_body("openai.chat", "api_error", words)))
        self.ended = self.failed = True

    def _end(self, problem: str | None) -> None:
        if not self.settled:
            told = "ended without an event" if not self.events else "ended before it said why"
            raise UnrepairableError(problem or f"the upstream's stream {told}")
        self.repairs.note("no [DONE]")
        self._give(StreamEvent("", _DONE))

    def _give_error(self, kind: str, message: str) -> None:
        self._give(StreamEvent("", error_body("openai.chat", kind, message)))
        self.ended = self.failed = True

    def _is_whole(self, data: bytes) -> bool:
        return data.strip() == _DONE or (data.rstrip().endswith(b"}") and is_json(data))
