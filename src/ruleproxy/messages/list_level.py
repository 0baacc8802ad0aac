"""A list of a text that is read level by level (see `levels`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

import msgspec
from msgspec import Raw

from ruleproxy.messages.layout import Entry, Output, lay_out_list
from ruleproxy.messages.levels import Level, write_level
from ruleproxy.messages.nodes import ListNode, Node, find_near
from ruleproxy.messages.object_level import ObjectLevel
from ruleproxy.messages.values import EditRefused, Value, encode

if TYPE_CHECKING:
    from ruleproxy.messages.json_text import JsonText

_decode_items: Final = msgspec.json.Decoder(list[Raw]).decode

Item = Raw | Level
"""An element, and its own handle: a level for a container, a slice of the text for a scalar."""


class ListLevel(Level, ListNode):
    """A list whose elements are levels and slices of the text."""

    __slots__ = ("_source_items", "items", "original")

    def __init__(
        self,
        text: JsonText,
        parent: Callable[[], Node | None] | None,
        key: str | None,
        raw: Raw | None,
        items: list[Any],
    ) -> None:
        self.text = text
        self._parent = parent
        self.key = key
        self.raw = raw
        self.touched = False
        self.near = 0
        self._compact = self._entries = self._place = None
        self._source_items = items
        if items and type(items[0]) is dict:
            me = ref(self)
            opened: list[Item] = [ObjectLevel(text, me, None, None, members) for members in items]
        else:
            opened = [self._element(item) for item in items]
        self.items = self.original = opened

    def _element(self, raw: Raw) -> Item:
        value = self.text.decode(raw, self, None)
        return value if isinstance(value, Level) else raw

    def __len__(self) -> int:
        return len(self.items)

    def values(self) -> list[Value]:
        """See `ListNode`."""
        return [self._value(item, index) for index, item in enumerate(self.items)]

    def handles(self) -> Sequence[Item]:
        """See `ListNode`."""
        return self.items.copy()

    def handle_of(self, child: Node) -> Any:
        """See `ListNode`."""
        return child

    def find(self, handle: Any, near: int = 0) -> int:
        """See `ListNode`."""
        return find_near(self.items, handle, near)

    def value_at(self, index: int) -> Value:
        """See `ListNode`."""
        return self._value(self.items[index], index)

    def _value(self, item: Item, index: int) -> Value:
        if isinstance(item, Level):
            item.near = index
            return item
        return self.text.decode(item, self, None)

    def replace(self, handle: Any, value: Value, near: int = 0) -> Any:
        """See `ListNode`."""
        index = self.find(handle, near)
        if index < 0:
            raise EditRefused(f"an element of {self.pointer() or '/'} that was removed cannot be rewritten")
        element = self._make(value)
        self.describe("~", str(index), handle, element)
        self._splice(index, 1, element)
        return element

    def insert(self, at: int, value: Value) -> None:
        """See `ListNode`."""
        element = self._make(value)
        self.describe("+", str(at), None, element)
        self._splice(at, 0, element)

    def take_one(self, at: int) -> None:
        """See `ListNode`."""
        self.describe("-", str(at), self.items[at], None)
        self._splice(at, 1)

    def arrange(self, order: Sequence[int]) -> None:
        """See `ListNode`."""
        left = [self.items[index] for index in order]
        for index in sorted(set(range(len(self.items))).difference(order), reverse=True):
            self.take_one(index)
        if any(item is not other for item, other in zip(left, self.items, strict=True)):
            before = {id(item): str(index) for index, item in enumerate(self.items)}
            self.describe(">", None, ", ".join(before.values()), ", ".join(before[id(item)] for item in left))
            self._splice(0, len(left), *left)

    def _make(self, value: Value) -> Item:
        return self._element(Raw(self.text.adopt(encode(value))))

    def _splice(self, at: int, count: int, *fresh: Item) -> None:
        if self.items is self.original:
            self.items = self.original.copy()
        self.journal.add(self._unsplice, at, len(fresh), self.items[at : at + count])
        self.items[at : at + count] = fresh
        self.touch()

    def _unsplice(self, at: int, count: int, before: list[Item]) -> None:
        self.items[at : at + count] = before

    def _layout(self) -> tuple[list[Entry], bytes, int]:
        buffer, start = self.place()
        if self._entries is None:
            # The one-call opening of a list of objects has no slices of its elements: they are read here.
            raws = _decode_items(self.source())
            self._entries, _ = lay_out_list(buffer, start, raws)
            for item, raw, entry in zip(self.original, raws, self._entries, strict=True):
                if isinstance(item, Level):
                    item.settle(buffer, entry.value_start, raw)
        return self._entries, buffer, start

    def locate(self, child: Level) -> None:
        """See `Level`."""
        if child.raw is None or any(item is child for item in self.original):
            self._layout()

    def key_of(self, child: Node) -> str:
        """See `Node`."""
        index = self.find(child)
        return str(index) if index >= 0 else "-"

    def _is_compact(self) -> bool:
        return write_level(self._source_items) == self.source()

    def level(self) -> tuple[list[Any], int]:
        """See `Level`."""
        known = {id(item) for item in self.original}
        parts: list[Any] = []
        fresh = 0
        for item in self.items:
            part: Any = item
            if type(item) is ObjectLevel and not item.touched and item.raw is None:
                part = item.original
            elif isinstance(item, Level):
                if item.touched and item.compact:
                    part, new = item.level()
                    fresh += new
                elif item.touched:
                    text, new = item.render()
                    part = Raw(text)
                    fresh += new
                else:
                    part = item.raw if item.raw is not None else Raw(item.source())
            if id(item) not in known:
                fresh += len(write_level(part)) + 1
            parts.append(part)
        return parts, fresh

    def _write_runs(self, output: Output) -> None:
        entries, buffer, start = self._layout()
        places = {id(item): entry for item, entry in zip(self.original, entries, strict=True)}
        output.begin(buffer, start, entries)
        for item in self.items:
            entry = places.get(id(item))
            if entry is None:
                output.added(None, item.render()[0] if isinstance(item, Level) else bytes(item))
            elif isinstance(item, Level) and item.touched:
                output.edited(entry, item.write)
            else:
                output.original(entry)
        output.finish()
