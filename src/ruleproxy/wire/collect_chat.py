"""Put the chat completion together that a stream of chunks tells: the way back from `fake_chat`.

Deltas are appended as the SDKs append them: strings are joined, calls found by their index, anything else told last
counts. The stream is over with `[DONE]`, or where every choice has said why it stopped (some gateways leave `[DONE]`
out).
"""

from __future__ import annotations

from typing import Any

from ruleproxy.wire.collect_stream import (
    CannotCollectError,
    Counted,
    put_in_order,
    read_event,
    say_unlike,
)
from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.half_characters import write_json

# Strings that are told whole, and in every chunk the same.
_NOT_JOINED = frozenset({"role", "id", "type", "name", "model"})


class _Pieces(list[str]):
    """A text that is appended to: joined one by one, each piece would copy all that came before."""


class ChatCollector:
    """A chat completion of the OpenAI format; see `Collector`."""

    def __init__(self) -> None:
        self._completion: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._done = False
        self._number = 0
        self._parts = Counted()

    def take(self, event: StreamEvent) -> None:
        """See `Collector`."""
        number, self._number = self._number, self._number + 1
        if self._done:
            return
        if event.data == b"[DONE]":
            self._done = True
            return
        chunk = read_event(number, event)
        if "error" in chunk and "choices" not in chunk:
            raise CannotCollectError.told_by(event)
        completion = self._completion
        try:
            told = {name: value for name, value in chunk.items() if value is not None or name not in completion}
            before = len(completion)
            completion.update(told)
            self._parts.add(len(completion) - before)
            for choice in chunk.get("choices") or []:
                index = choice["index"]
                if index not in self._choices:
                    self._parts.add()
                    self._choices[index] = {"index": index, "message": {}}
                self._take(self._choices[index], choice)
        except (KeyError, TypeError, AttributeError) as error:
            raise CannotCollectError(f"event {number} of the stream cannot be read: {say_unlike(error)}") from None

    def finish(self) -> bytes:
        """See `Collector`."""
        choices = self._choices
        if not choices or not (self._done or all(choice.get("finish_reason") for choice in choices.values())):
            raise CannotCollectError("the stream ended before its completion did")
        whole = self._completion | {
            "object": "chat.completion",
            "choices": [_finish(_join(choices[index])) for index in put_in_order(choices)],
        }
        if whole.get("usage", 0) is None:
            del whole["usage"]
        return write_json(whole)

    def _take(self, choice: dict[str, Any], told: dict[str, Any]) -> None:
        self._append(choice["message"], told.get("delta") or {})
        for name, value in told.items():
            if name in ("index", "delta"):
                continue
            if name == "logprobs" and isinstance(value, dict):
                kept = choice[name] = choice.get(name) or {}
                for key, more in value.items():
                    self._parts.add(len(more or ()))
                    if not kept.get(key):
                        kept[key] = []
                    kept[key] += more or []
            elif value is not None or name not in choice:
                choice[name] = value

    def _append(self, place: dict[str, Any], delta: dict[str, Any]) -> None:
        for name, value in delta.items():
            before = place.get(name)
            if isinstance(value, list) and value and all(isinstance(item, dict) and "index" in item for item in value):
                items: dict[int, dict[str, Any]] = place.setdefault(name, {})
                for item in value:
                    if item["index"] not in items:
                        self._parts.add()
                    told = {key: v for key, v in item.items() if key != "index"}
                    self._append(items.setdefault(item["index"], {}), told)
            elif isinstance(value, dict) and isinstance(before, dict):
                self._append(before, value)
            elif isinstance(value, str) and isinstance(before, str | _Pieces) and name not in _NOT_JOINED:
                if isinstance(before, str):
                    before = place[name] = _Pieces((before,))
                before.append(value)
            elif value is not None or name not in place:
                self._parts.add(name not in place)
                place[name] = dict(value) if isinstance(value, dict) else value


def _join(value: Any) -> Any:
    match value:
        case _Pieces():
            return "".join(value)
        case dict():
            return {name: _join(member) for name, member in value.items()}
    return value


def _finish(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice["message"]
    calls = message.get("tool_calls")
    if isinstance(calls, dict):
        message = message | {"tool_calls": [calls[index] for index in put_in_order(calls)]}
    message = {"role": "assistant", "content": None} | message
    if calls and not message["content"]:
        message["content"] = None
    return {"index": choice["index"], "message": message, "finish_reason": None} | {
        name: value for name, value in choice.items() if name not in ("index", "message")
    }
