"""What differs between two requests, or two answers, as edits that a person can read. Credentials are masked.

Framing is the proxy's own affair: `content-length` is no difference.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

import msgspec
import orjson

from ruleproxy.engine.masking import mask_at, mask_header, mask_path
from ruleproxy.language.counts import count
from ruleproxy.messages.journal import Edit, Kind
from ruleproxy.messages.message import Headers
from ruleproxy.messages.nodes import escape_step
from ruleproxy.wire.events import BadStreamError, StreamEvent
from ruleproxy.wire.framing import Framing, claimed_framing

_LONGEST: Final = 200
"""Characters of a value that an edit keeps; its length is said of a longer one."""
_FRAMING: Final = "content-length"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it is compared; `origin` is empty where it is not known."""

    method: str
    target: bytes
    headers: Headers
    body: bytes
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it is compared; `cut`: it broke off."""

    status: int
    headers: Headers
    body: bytes
    cut: bool = False


def compare_requests(before: Outgoing, after: Outgoing) -> list[Edit]:
    """Method, origin (where both are known), path, headers and body."""
    edits: list[Edit] = []
    if before.method != after.method:
        edits.append(Edit("~", "method", before.method, after.method))
    if before.origin and after.origin and before.origin != after.origin:
        edits.append(Edit("~", "origin", before.origin, after.origin))
    if before.target != after.target:
        shown = (mask_path(target.decode("latin-1")) for target in (before.target, after.target))
        edits.append(Edit("~", "path", *shown))
    edits += compare_headers(before.headers, after.headers)
    edits += compare_bodies(before.body, after.body)
    return edits


def compare_answers(before: Answer, after: Answer) -> list[Edit]:
    """Status, headers, and the body or, of a stream, its events (`event/3/data/…`)."""
    edits: list[Edit] = []
    if before.status != after.status:
        edits.append(Edit("~", "status", str(before.status), str(after.status)))
    edits += compare_headers(before.headers, after.headers)
    if before.cut != after.cut:
        edits.append(Edit("~", "end", *("breaks off" if cut else "complete" for cut in (before.cut, after.cut))))
    if before.body == after.body:
        return edits
    framings = [claimed_framing(answer.headers) for answer in (before, after)]
    if framings[0] is not None and framings[1] is not None:
        return edits + _compare_streams(before, after)
    if any(framings):
        shown = map(_describe, (before.body, after.body), framings)
        return [*edits, Edit("~", "", *shown)]
    return edits + compare_bodies(before.body, after.body)


def _describe(body: bytes, framing: Framing | None) -> str:
    return f"a {'stream' if framing else 'whole answer'} of {count(len(body), 'byte')}"


def _compare_streams(before: Answer, after: Answer) -> list[Edit]:
    try:
        edits = list(compare_values(read_events(before), read_events(after), "event"))
    except (BadStreamError, RecursionError):
        return [Edit("~", "", count(len(before.body), "byte"), count(len(after.body), "byte"))]
    return edits or [Edit("~", "", "the same events", "spelled otherwise")]


def read_events(answer: Answer) -> list[Any]:
    """The events of a stream as JSON values, `{"type": …, "data": …}`. Raises `BadStreamError`."""
    framing = claimed_framing(answer.headers)
    items = [] if framing is None else framing.decode(answer.body)
    events = (item for item in items if isinstance(item, StreamEvent))
    return [{"type": event.type, "data": _read_data(event.data)} for event in events]


def _read_data(data: bytes) -> Any:
    try:
        return parse_json(data)
    except (ValueError, RecursionError):
        return data.decode("utf-8", "replace")


def compare_headers(before: Headers, after: Headers) -> list[Edit]:
    """One edit for each name whose lines differ, but for framing."""
    if before == after:
        return []
    old, new = _join_lines(before), _join_lines(after)
    edits: list[Edit] = []
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) == new.get(name) or name == _FRAMING:
            continue
        shown = [None if value is None else mask_header(name, value) for value in (old.get(name), new.get(name))]
        kind: Kind = "~" if None not in shown else "-" if shown[1] is None else "+"
        edits.append(Edit(kind, f"header {name}", *shown))
    return edits


def _join_lines(headers: Headers) -> dict[str, str]:
    lines: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.lower().decode("latin-1"), raw_value.decode("latin-1")
        lines[name] = f"{lines[name]}, {value}" if name in lines else value
    return lines


def compare_bodies(before: bytes, after: bytes) -> list[Edit]:
    """The values that differ, by JSON pointer; one edit of the whole where one of them is no JSON."""
    if before == after:
        return []
    try:
        edits = list(compare_values(parse_json(before), parse_json(after)))
    except (ValueError, RecursionError):
        return [Edit("~", "", count(len(before), "byte"), count(len(after), "byte"))]
    return edits or [Edit("~", "", "the same value", "spelled otherwise")]


def parse_json(text: bytes) -> Any:
    """A JSON value with its numbers as they are. Raises ValueError or RecursionError."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return json.loads(text)  # half a surrogate pair, which clients send, and numbers beyond a float's


def compare_values(before: Any, after: Any, pointer: str = "") -> Iterator[Edit]:
    """The differences of two JSON values, those in objects in the order of their members."""
    if before == after and _write_all([before]) == _write_all([after]):  # `1 == True` in Python
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            where = f"{pointer}/{escape_step(name)}"
            if name not in after:
                yield Edit("-", where, _show(before[name], where), None)
            elif name not in before:
                yield Edit("+", where, None, _show(after[name], where))
            else:
                yield from compare_values(before[name], after[name], where)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _compare_lists(before, after, pointer)
    elif before != after or isinstance(before, bool) != isinstance(after, bool):
        yield Edit("~", pointer, _show(before, pointer), _show(after, pointer))


def _write_all(values: Sequence[Any]) -> list[bytes]:
    """Each value as one text, the same for equal values."""
    try:
        return [orjson.dumps(value, option=orjson.OPT_SORT_KEYS) for value in values]
    except orjson.JSONEncodeError:  # integers past 64 bits, half a surrogate pair
        return [json.dumps(value, sort_keys=True).encode() for value in values]


def _compare_lists(before: list[Any], after: list[Any], pointer: str) -> Iterator[Edit]:
    texts = _write_all([*before, *after])
    old, new = texts[: len(before)], texts[len(before) :]
    if old == new:
        return
    if len(set(old)) == len(old) and sorted(old) == sorted(new):
        order = ", ".join(str(old.index(text)) for text in new)
        yield Edit(">", pointer, ", ".join(map(str, range(len(old)))), order)
        return
    for kind, start, end, other_start, other_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        yield from _compare_runs(before, after, range(start, end), range(other_start, other_end), pointer)


def _compare_runs(before: list[Any], after: list[Any], old: range, new: range, pointer: str) -> Iterator[Edit]:
    """Two runs of elements that have no element in common: those that say they are the same thing are compared."""
    keys = SequenceMatcher(
        None, [_identity(before[i]) for i in old], [_identity(after[i]) for i in new], autojunk=False
    )
    for kind, start, end, other_start, other_end in keys.get_opcodes():
        gone, come = old[start:end], new[other_start:other_end]
        pairs = len(gone) if kind == "equal" or len(gone) == len(come) else 0
        for one, other in zip(gone[:pairs], come[:pairs], strict=True):
            yield from compare_values(before[one], after[other], f"{pointer}/{one}")
        for index in gone[pairs:]:
            yield Edit("-", f"{pointer}/{index}", _show(before[index], pointer), None)
        for index in come[pairs:]:
            yield Edit("+", f"{pointer}/{index}", None, _show(after[index], pointer))


def _identity(value: Any) -> str:
    if not isinstance(value, dict):
        return type(value).__name__
    return json.dumps([value.get(name) for name in ("role", "type", "id", "name", "tool_use_id")])


def _show(value: Any, pointer: str) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace").decode()
    length = len(text)
    text = mask_at(pointer, text[: 10 * _LONGEST])
    return text if length <= _LONGEST else f"{text[:_LONGEST]}… ({length} characters)"
