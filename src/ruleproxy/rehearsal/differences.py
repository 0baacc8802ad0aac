"""What differs between a request as it came and as it would go out, as edits that a person can read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

from ruleproxy.engine.events import Send
from ruleproxy.engine.masking import mask_header, mask_path, mask_text
from ruleproxy.language.counts import count
from ruleproxy.messages.headers import HeaderFields
from ruleproxy.messages.journal import Edit, Journal
from ruleproxy.messages.message import Headers, Request
from ruleproxy.messages.nodes import escape_step

_LONGEST = 200
"""Characters of a value that an edit keeps; its length is said of a longer one."""


def compare_requests(came: Request, went: Send) -> list[Edit]:
    """Method, path, headers and body; not the upstream, which a client's request does not name."""
    edits: list[Edit] = []
    if came.method != went.method:
        edits.append(Edit("~", "method", came.method, went.method))
    if came.target != went.target:
        edits.append(Edit("~", "path", *(mask_path(target.decode("latin-1")) for target in (came.target, went.target))))
    edits += compare_headers(came.headers, went.headers)
    edits += compare_bodies(came.body, went.body)
    return edits


def compare_headers(came: Headers, went: Headers) -> list[Edit]:
    """One edit for each name whose lines differ; credentials are masked."""
    before, after = HeaderFields(came, Journal()), HeaderFields(went, Journal())
    edits = []
    for name in dict.fromkeys((*before.names(), *after.names())):
        old, new = before.get(name), after.get(name)
        if old != new:
            edits.append(
                _edit(
                    f"header {name}",
                    mask_header(name, old) if isinstance(old, str) else None,
                    mask_header(name, new) if isinstance(new, str) else None,
                )
            )
    return edits


def compare_bodies(came: bytes, went: bytes) -> list[Edit]:
    """The values that differ, by JSON pointer; one edit of the whole where one of them is no JSON."""
    if came == went:
        return []
    try:
        before, after = json.loads(came), json.loads(went)
    except (ValueError, RecursionError):
        return [Edit("~", "", count(len(came), "byte"), count(len(went), "byte"))]
    return list(compare_values(before, after)) or [Edit("~", "", "the same value", "spelled otherwise")]


def compare_values(before: Any, after: Any, pointer: str = "") -> Iterator[Edit]:
    """The differences of two JSON values, those in objects in the order of their members."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            where = f"{pointer}/{escape_step(name)}"
            if name not in after:
                yield Edit("-", where, _show(before[name]), None)
            elif name not in before:
                yield Edit("+", where, None, _show(after[name]))
            else:
                yield from compare_values(before[name], after[name], where)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _compare_lists(before, after, pointer)
    elif before != after or isinstance(before, bool) != isinstance(after, bool):
        yield Edit("~", pointer, _show(before), _show(after))


def _compare_lists(before: list[Any], after: list[Any], pointer: str) -> Iterator[Edit]:
    old, new = ([json.dumps(item, sort_keys=True) for item in items] for items in (before, after))
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
            yield Edit("-", f"{pointer}/{index}", _show(before[index]), None)
        for index in come[pairs:]:
            yield Edit("+", f"{pointer}/{index}", None, _show(after[index]))


def _identity(value: Any) -> str:
    if not isinstance(value, dict):
        return type(value).__name__
    return json.dumps([value.get(name) for name in ("role", "type", "id", "name", "tool_use_id")])


def _edit(where: str, before: str | None, after: str | None) -> Edit:
    return Edit(
        "~" if before is not None and after is not None else "-" if after is None else "+", where, before, after
    )


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace").decode()
    length = len(text)
    text = mask_text(text[: 10 * _LONGEST])
    return text if length <= _LONGEST else f"{text[:_LONGEST]}… ({length} characters)"
