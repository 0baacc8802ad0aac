"""Locations in a document as validators print them: `tools.0.custom.eager_input_streaming`.

Such a location names the members of unions by their tag, which the document does not have as a level: a segment that
is the object's own `type`, or a tag that is written nowhere (`custom`, `ephemeral`), is passed over. An index stands
for every element: what one has too much, its neighbours have as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ruleproxy.messages.nodes import ListNode, ObjectNode
from ruleproxy.messages.values import NIL, EditRefused, Value

_INDEX: Final = re.compile(r"\[(\d+|\*)\]")
_UNWRITTEN_TAGS: Final = frozenset({"custom", "ephemeral"})
MOST_VISITED: Final = 100_000
"""So many values are looked at for one location."""

_FIRST_SEGMENTS: Final = frozenset({"body", "request", "$"})


def read_location(text: str) -> list[str]:
    """The segments of a location: dots or brackets between them."""
    return [segment for segment in _INDEX.sub(r".\1", text).split(".") if segment]


def find_members(root: Value, text: str, spend: Callable[[int], None] | None = None) -> list[tuple[Value, str]]:
    """The members that a location names: each the object that holds it and its name. None where nothing is there.

    `spend` is told of every value that was looked at. Raises `EditRefused` where the location leads to too many.
    """
    search = _Search(read_location(text), spend)
    found = list(search.find(root, 0))
    if not found and search.segments and search.segments[0] in _FIRST_SEGMENTS:
        found = list(search.find(root, 1))
    return found


def is_index(segment: str) -> bool:
    """Whether a segment stands for the elements of a list."""
    return segment == "*" or segment.isdigit()


class _Search:
    """Looks for what some segments name, from the `at`th on. Raises `EditRefused` where they lead everywhere."""

    __slots__ = ("_left", "_spend", "segments")

    def __init__(self, segments: Sequence[str], spend: Callable[[int], None] | None) -> None:
        self._spend = spend
        self.segments = segments
        self._left = MOST_VISITED

    def find(self, value: Value, at: int) -> Iterator[tuple[Value, str]]:
        if at == len(self.segments):
            return
        # What is a member and a tag at once may be either, at each level: the ways double with every segment.
        self._left -= 1
        if self._left < 0:
            raise EditRefused(f"this location leads to more than {MOST_VISITED} places")
        if self._spend is not None:
            self._spend(1)
        first = self.segments[at]
        if isinstance(value, ListNode | list):
            if is_index(first):
                for item in value:
                    yield from self.find(item, at + 1)
            return
        if not isinstance(value, ObjectNode | dict):
            return
        member = value.get(first) if isinstance(value, ObjectNode) else value.get(first, NIL)
        if member is not NIL:
            if at + 1 == len(self.segments):
                yield value, first
                return
            found = list(self.find(member, at + 1))
            if found:
                yield from found
                return
        # Only what leads nowhere as a member is a tag: a text block has a `text` and is tagged `text`.
        kind = value.get("type") if isinstance(value, ObjectNode) else value.get("type", NIL)
        if first == kind or first in _UNWRITTEN_TAGS:
            yield from self.find(value, at + 1)
