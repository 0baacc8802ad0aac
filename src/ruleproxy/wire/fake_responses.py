"""Turn a whole OpenAI response into the events that a stream of it would have been.

The format is that of https://platform.openai.com/docs/api-reference/responses-streaming, as openai 3.54 for Python
types and accumulates it: items are told by their `output_index`, what they hold begins empty and grows by deltas, and
each is told once more when it is done. An item of a kind that is not known here begins and is done, without deltas.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.fake_stream import DELTA_SIZE
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
from ruleproxy.wire.whole import NotAMessageError, read_whole

ENDINGS: Final = frozenset({"completed", "incomplete", "failed"})
"""The statuses of a response that is over; the event that says so is `response.STATUS`."""

_EMPTY: Final = b'""'

Members = dict[str, bytes]
Told = tuple[str, Members]
"""An event: its type, and its members as JSON texts."""


def fake_responses(body: bytes, *, model: str = "", delta_size: int = DELTA_SIZE) -> list[StreamEvent]:
    """The events of a response given as the JSON body of a non-streaming answer.

    `model` stands in where the response names none, and a missing id is made from the body. Raises NotAMessageError,
    also for a response that is not over yet.
    """
    fields = read_whole(body, "output")
    status = read_string(fields.get("status")) or "completed"
    if status not in ENDINGS:
        raise NotAMessageError("other_shape", f"the response is {status}, so nothing of it can be told yet")
    made_id = b'"resp_' + hashlib.sha256(body).hexdigest()[:24].encode() + b'"'
    defaults = {"id": made_id, "object": b'"response"', "model": write_string(model)}
    whole = {name: value for name, value in defaults.items() if not read_string(fields.get(name))}
    whole = fields | whole | {"status": write_string(status)}
    begun = whole | {"status": b'"in_progress"', "output": b"[]"}
    begun |= dict.fromkeys(begun.keys() & {"usage", "completed_at", "error", "incomplete_details"}, b"null")
    told: list[Told] = [(f"response.{word}", {"response": write_object(begun)}) for word in ("created", "in_progress")]
    for index, item in enumerate(_open_all(whole.get("output"), "output")):
        told += _tell_item(item, index, delta_size)
    told.append((f"response.{status}", {"response": write_object(whole)}))
    return [_event(kind, members, number) for number, (kind, members) in enumerate(told)]


def _event(kind: str, members: Members, number: int) -> StreamEvent:
    data = write_object({"type": write_string(kind), **members, "sequence_number": b"%d" % number})
    return StreamEvent(kind, write_in_one_line(data))


def _open_all(texts: bytes | None, where: str) -> list[Members]:
    try:
        return [open_object(text) for text in open_list(texts or b"null")]
    except BadJsonError as error:
        raise NotAMessageError("other_shape", f"{where} is no list of objects") from error


def _tell_item(item: Members, index: int, size: int) -> Iterator[Told]:
    place = {"item_id": item.get("id", b'"item_%d"' % index), "output_index": b"%d" % index}
    kind = read_string(item.get("type")) or ""
    tell, empty = _ITEMS.get(kind, (None, {}))
    begun = item | {name: text for name, text in empty.items() if name in item}
    if "status" in item:
        begun["status"] = b'"in_progress"'
    yield "response.output_item.added", {"output_index": place["output_index"], "item": write_object(begun)}
    if tell is not None:
        yield from tell(item, place, size)
    yield "response.output_item.done", {"output_index": place["output_index"], "item": write_object(item)}


def _tell_text(
    kind: str, name: str, text: bytes, place: Members, size: int, /, *about: Told, **beside: bytes
) -> Iterator[Told]:
    """A text in pieces, what is told `about` it, and whole when it is done; `name` is what the whole one is called."""
    for piece in cut_string(text, size):
        if piece != _EMPTY:
            yield f"{kind}.delta", {**place, "delta": piece, **beside}
    yield from about
    yield f"{kind}.done", {**place, name: text, **beside}


def _tell_message(item: Members, place: Members, size: int) -> Iterator[Told]:
    for number, part in enumerate(_open_all(item.get("content"), f"output.{int(place['output_index'])}.content")):
        here = {**place, "content_index": b"%d" % number}
        begun = part | dict.fromkeys(part.keys() & {"text", "refusal"}, _EMPTY)
        begun |= dict.fromkeys(part.keys() & {"annotations", "logprobs"}, b"[]")
        yield "response.content_part.added", {**here, "part": write_object(begun)}
        match read_string(part.get("type")):
            case "output_text":
                text, about = part.get("text", _EMPTY), _tell_annotations(part, here)
                yield from _tell_text("response.output_text", "text", text, here, size, *about, logprobs=b"[]")
            case "refusal":
                yield from _tell_text("response.refusal", "refusal", part.get("refusal", _EMPTY), here, size)
        yield "response.content_part.done", {**here, "part": write_object(part)}


def _tell_annotations(part: Members, place: Members) -> Iterator[Told]:
    if part.get("annotations", b"null") == b"null":
        return
    for number, annotation in enumerate(_open_all(part["annotations"], "annotations")):
        at = {**place, "annotation_index": b"%d" % number}
        yield "response.output_text.annotation.added", {**at, "annotation": write_object(annotation)}


def _tell_reasoning(item: Members, place: Members, size: int) -> Iterator[Told]:
    for number, part in enumerate(_open_all(item.get("summary", b"[]"), "summary")):
        here = {**place, "summary_index": b"%d" % number}
        empty = part | {"text": _EMPTY}
        yield "response.reasoning_summary_part.added", {**here, "part": write_object(empty)}
        yield from _tell_text("response.reasoning_summary_text", "text", part.get("text", _EMPTY), here, size)
        yield "response.reasoning_summary_part.done", {**here, "part": write_object(part)}
    if item.get("content", b"null") == b"null":
        return
    for number, part in enumerate(_open_all(item["content"], "content")):
        here = {**place, "content_index": b"%d" % number}
        yield "response.content_part.added", {**here, "part": write_object(part | {"text": _EMPTY})}
        yield from _tell_text("response.reasoning_text", "text", part.get("text", _EMPTY), here, size)
        yield "response.content_part.done", {**here, "part": write_object(part)}


def _tell_call(kind: str, name: str) -> Callable[[Members, Members, int], Iterator[Told]]:
    """Calls whose input is a text."""

    def tell(item: Members, place: Members, size: int) -> Iterator[Told]:
        text = item.get(name, _EMPTY)
        # A string by the format; some gateways send the object itself.
        text = text if text.startswith(b'"') else write_string(text.decode())
        named = {"name": item["name"]} if kind == "response.function_call_arguments" and "name" in item else {}
        for event, members in _tell_text(kind, name, text, place, size):
            yield event, members | (named if event.endswith(".done") else {})

    return tell


_ITEMS: Final[Mapping[str, tuple[Callable[[Members, Members, int], Iterator[Told]], Members]]] = MappingProxyType(
    {
        "message": (_tell_message, {"content": b"[]"}),
        "reasoning": (_tell_reasoning, {"summary": b"[]", "content": b"[]"}),
        "function_call": (_tell_call("response.function_call_arguments", "arguments"), {"arguments": _EMPTY}),
        "custom_tool_call": (_tell_call("response.custom_tool_call_input", "input"), {"input": _EMPTY}),
        "mcp_call": (_tell_call("response.mcp_call_arguments", "arguments"), {"arguments": _EMPTY, "output": b"null"}),
    }
)
"""How each kind of item is told, and how what it holds begins."""
