"""Locations in a document as validators print them: `tools.0.custom.eager_input_streaming`.

Such a location names the members of unions by their tag, which the document does not have as a level: a segment that
is the object's own `type`, or a tag that is written nowhere (`custom`, `ephemeral`), is passed over. An index stands
for every element: what one has too much, its neighbours have as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ruleproxy.messages.nodes import ListNode, ObjectNode
from ruleproxy.messages.values import NIL, Value

_INDEX: Final = re.compile(r"\[(\d+|\*)\]")
_UNWRITTEN_TAGS: Final = frozenset({"custom", "ephemeral"})
_FIRST_SEGMENTS: Final = frozenset({"body", "request", "$"})


def read_location(text: str) -> list[str]:
    """The segments of a location: dots or brackets between them."""
    return [segment for segment in _INDEX.sub(r".\1", text).split(".") if segment]


def find_members(root: Value, text: str) -> list[tuple[Value, str]]:
    """The members that a location names: each the object that holds it and its name. None where nothing is there."""
    segments = read_location(text)
    found = list(_find(root, segments))
    if not found and segments and segments[0] in _FIRST_SEGMENTS:
        found = list(_find(root, segments[1:]))
    return found


def is_index(segment: str) -> bool:
    """Whether a segment stands for the elements of a list."""
    return segment == "*" or segment.isdigit()


def _find(value: Value, segments: Sequence[str]) -> Iterator[tuple[Value, str]]:
    if not segments:
        return
    first, rest = segments[0], segments[1:]
    if isinstance(value, ListNode | list):
        if is_index(first):
            for item in value:
                yield from _find(item, rest)
        return
    if not isinstance(value, ObjectNode | dict):
        return
    member = value.get(first) if isinstance(value, ObjectNode) else value.get(first, NIL)
    if member is not NIL:
        if not rest:
            yield value, first
            return
        found = list(_find(member, rest))
        if found:
            yield from found
            return
    # Only what leads nowhere as a member is a tag: a text block has a `text` and is tagged `text`.
    kind = value.get("type") if isinstance(value, ObjectNode) else value.get("type", NIL)
    if first == kind or first in _UNWRITTEN_TAGS:
        yield from _find(value, rest)
