"""Whether two answers are of one kind: models never say the same twice, but a gateway answers in the same shape."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from ruleproxy.captures.capture import CapturedResponse
from ruleproxy.messages.journal import Edit
from ruleproxy.messages.nodes import escape_step
from ruleproxy.rehearsal.differences import compare_bodies
from ruleproxy.rehearsal.driving import ClientAnswer
from ruleproxy.wire.eventstream import begins_frame

_TELLING = frozenset({"type", "role", "object", "stop_reason", "finish_reason"})
"""Members whose very values say what kind of answer it is."""

_STREAMED = "a stream of events"


def compare_answers(recorded: CapturedResponse, got: ClientAnswer, *, exact: bool = False) -> list[Edit]:
    """Status, media type and shape: which members there are, of which types, and the order of a stream's events.

    `exact` compares the values of whole bodies instead.
    """
    edits: list[Edit] = []
    if recorded.status != got.status:
        edits.append(Edit("~", "status", str(recorded.status), str(got.status)))
    if got.cut and not recorded.cut:
        edits.append(Edit("~", "end", "complete", "cut"))
    before = _events_of(recorded)
    if (before is not None) != got.streamed:
        forms = [_STREAMED if streamed else "a whole body" for streamed in (before is not None, got.streamed)]
        return [*edits, Edit("~", "form", *forms)]
    if before is None:
        if exact:
            return [*edits, *compare_bodies(recorded.content, got.body)]
        return [*edits, *_compare_shapes(_shape_of(recorded.content), _shape_of(got.body))]
    after = [(event.type, event.data) for event in got.events()]
    return [*edits, *_compare_order(before, after), *_compare_shapes(_shapes_of(before), _shapes_of(after))]


def _events_of(recorded: CapturedResponse) -> list[tuple[str, bytes]] | None:
    if recorded.events is not None:
        return [(event.type, event.data) for event in recorded.events if event.data is not None]
    if not begins_frame(recorded.body):
        return None
    answer = ClientAnswer(recorded.status, recorded.headers, [recorded.body])
    return [(event.type, event.data) for event in answer.events()]


def _compare_order(before: Iterable[tuple[str, bytes]], after: Iterable[tuple[str, bytes]]) -> Iterator[Edit]:
    # Pings come when they come, and a text comes in more or fewer pieces.
    old, new = (
        " ".join(kind or "event" for kind, _ in groupby(name for name, _ in events if name != "ping"))
        for events in (before, after)
    )
    if old != new:
        yield Edit("~", "events", old, new)


def _shapes_of(events: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, data in events:
        if name != "ping":
            found |= _shape_of(data, f"{name or 'event'} ")
    return found


def _shape_of(body: bytes, where: str = "") -> dict[str, str]:
    if not body:
        return {where: "nothing"}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {where: "no JSON"}
    return dict(_walk(value, where))


def _walk(value: Any, where: str) -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            yield where, "object"
            for name, member in value.items():
                place = f"{where}/{escape_step(name)}"
                if name in _TELLING and isinstance(member, str):
                    yield place, json.dumps(member)
                else:
                    yield from _walk(member, place)
        case list():
            yield where, "list"
            for item in value:
                kind = item.get("type") if isinstance(item, dict) else None
                yield from _walk(item, f"{where}/*" + (f"[{kind}]" if isinstance(kind, str) else ""))
        case bool():
            yield where, "bool"
        case int() | float():
            yield where, "number"
        case str():
            yield where, "text"
        case _:
            yield where, "null"


def _compare_shapes(before: dict[str, str], after: dict[str, str]) -> Iterator[Edit]:
    told: list[str] = []
    for place in dict.fromkeys((*before, *after)):
        old, new = before.get(place), after.get(place)
        if old == new or any(place.startswith((f"{above}/", f"{above}[")) for above in told):
            continue
        if old is None or new is None:
            told.append(place)  # what lies within it is not told as well
        yield Edit("+" if old is None else "-" if new is None else "~", place, old, new)
