"""Put the chat completion together that a stream of chunks tells: the way back from `fake_chat`.

Deltas are appended as the SDKs append them: strings are joined, calls found by their index, anything else told last
counts. The stream is over with `[DONE]`, or where every choice has said why it stopped (some gateways leave `[DONE]`
out).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ruleproxy.wire.collect_stream import CannotCollectError, read_event
from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.half_characters import write_json

# Strings that are told whole, and in every chunk the same.
_NOT_JOINED = frozenset({"role", "id", "type", "name", "model"})


def collect_chat(events: Iterable[StreamEvent]) -> bytes:
    """The body of the non-streaming answer that these events tell. Raises `CannotCollectError`."""
    completion: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    done = False
    for number, event in enumerate(events):
        if event.data == b"[DONE]":
            done = True
            break
        chunk = read_event(number, event)
        if "error" in chunk and "choices" not in chunk:
            raise CannotCollectError.told_by(event)
        try:
            told = {name: value for name, value in chunk.items() if value is not None or name not in completion}
            completion.update(told)
            for choice in chunk.get("choices") or []:
                _take(choices.setdefault(choice["index"], {"index": choice["index"], "message": {}}), choice)
        except (KeyError, TypeError, AttributeError) as error:
            raise CannotCollectError(f"event {number} of the stream cannot be read: {error}") from None
    if not choices or not (done or all(choice.get("finish_reason") for choice in choices.values())):
        raise CannotCollectError("the stream ended before its completion did")
    whole = completion | {
        "object": "chat.completion",
        "choices": [_finish(choices[index]) for index in sorted(choices)],
    }
    if whole.get("usage", 0) is None:
        del whole["usage"]
    return write_json(whole)


def _take(choice: dict[str, Any], told: dict[str, Any]) -> None:
    _append(choice["message"], told.get("delta") or {})
    for name, value in told.items():
        if name in ("index", "delta"):
            continue
        if name == "logprobs" and isinstance(value, dict):
            kept = choice.get(name) or {}
            choice[name] = {key: [*(kept.get(key) or []), *(more or [])] for key, more in value.items()}
        elif value is not None or name not in choice:
            choice[name] = value


def _append(place: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        before = place.get(name)
        if isinstance(value, list) and value and all(isinstance(item, dict) and "index" in item for item in value):
            items: dict[int, dict[str, Any]] = place.setdefault(name, {})
            for item in value:
                _append(items.setdefault(item["index"], {}), {key: v for key, v in item.items() if key != "index"})
        elif isinstance(value, dict) and isinstance(before, dict):
            _append(before, value)
        elif isinstance(value, str) and isinstance(before, str) and name not in _NOT_JOINED:
            place[name] = before + value
        elif value is not None or name not in place:
            place[name] = dict(value) if isinstance(value, dict) else value


def _finish(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice["message"]
    calls = message.get("tool_calls")
    if isinstance(calls, dict):
        message = message | {"tool_calls": [calls[index] for index in sorted(calls)]}
    message = {"role": "assistant", "content": None} | message
    if calls and not message["content"]:
        message["content"] = None
    return {"index": choice["index"], "message": message, "finish_reason": None} | {
        name: value for name, value in choice.items() if name not in ("index", "message")
    }
