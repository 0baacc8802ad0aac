"""An object of a text that is read level by level (see `levels`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from ruleproxy.messages.journal import Kind
from ruleproxy.messages.layout import Entry, Output, lay_out_object
from ruleproxy.messages.levels import Level, decode_value, write_level
from ruleproxy.messages.nodes import Node, ObjectNode, escape_step
from ruleproxy.messages.values import NIL, EditRefused, Value, encode

if TYPE_CHECKING:
    from ruleproxy.messages.json_text import JsonText


class ObjectLevel(Level, ObjectNode):
    """An object whose members are slices of the text."""

    __slots__ = ("children", "members", "original")

    children: dict[int, tuple[Raw, Value]] | None
    """What was read of a slice, by its identity: the same value, a container the same node, wherever it stands."""

    def __init__(
        self,
        text: JsonText,
        parent: Callable[[], Node | None] | None,
        key: str | None,
        raw: Raw | None,
        members: dict[str, Raw],
    ) -> None:
        # One of these is made for every object that a rule looks at: no call of a base class.
        self.text = text
        self._parent = parent
        self.key = key
        self.raw = raw
        self.touched = False
        self.near = 0
        self.children = self._compact = self._entries = self._place = None
        self.members = self.original = members

    def __len__(self) -> int:
        return len(self.members)

    def get(self, name: str) -> Value:
        """See `ObjectNode`."""
        raw = self.members.get(name)
        if raw is None:
            return NIL
        children = self.children
        if children is None:
            children = self.children = {}
        elif (known := children.get(id(raw))) is not None:
            return known[1]
        text = self.text
        try:
            value = decode_value(raw)
        except msgspec.ValidationError:
            value = text.decode_unusual(raw)
        # Most of what is read is short strings: they take no further call.
        if type(value) is not str or text.masking is not None:
            value = text.settle(value, raw, self, name)
        children[id(raw)] = (raw, value)
        return value

    def has(self, name: str) -> bool:
        """See `ObjectNode`."""
        return name in self.members

    def names(self) -> list[str]:
        """See `ObjectNode`."""
        return list(self.members)

    def text_of(self, name: str) -> bytes:
        """See `ObjectNode`."""
        return self.text.unmask(self._render_member(self.members[name]))

    def changed(self, name: str) -> bool:
        """Whether a member is another one than came, or was edited within."""
        raw = self.members.get(name)
        if raw is None or raw is not self.original.get(name):
            return raw is not self.original.get(name)
        child = self._opened(raw)
        return child is not None and child.touched

    def put(self, name: str, value: Value) -> bool:
        """See `ObjectNode`."""
        data = self.text.adopt(encode(value))
        before = self.members.get(name)
        if before is not None and self._render_member(before) == data:
            return False
        self._refuse_repeated(name)
        raw = Raw(data)
        self._change({**self.members, name: raw}, "~" if before is not None else "+", name, before, raw)
        return True

    def remove(self, name: str) -> bool:
        """See `ObjectNode`."""
        before = self.members.get(name)
        if before is None:
            return False
        self._refuse_repeated(name)
        members = self.members.copy()
        del members[name]
        self._change(members, "-", name, before, None)
        return True

    def remove_all(self, names: Collection[str]) -> None:
        """See `ObjectNode`."""
        gone = {name: self.members[name] for name in names if name in self.members}
        if not gone:
            return
        if not self.compact:
            times = Counter(entry.name for entry in self._layout()[0])
            for name in gone:
                if times[name] > 1:
                    raise EditRefused(f"{self.pointer()}/{escape_step(name)} stands there more than once")
        if self.journal.detailed:
            for name, before in gone.items():
                self.describe("-", name, self._opened(before) or before, None)
        self.journal.add(setattr, self, "members", self.members)
        self.members = {name: raw for name, raw in self.members.items() if name not in gone}
        self.touch()

    def rename(self, name: str, other: str) -> bool:
        """See `ObjectNode`."""
        before = self.members.get(name)
        if before is None or name == other:
            return False
        if other in self.members:
            raise EditRefused(f"{self.pointer()}/{escape_step(other)} is there already")
        self._refuse_repeated(name)
        raw = Raw(self._render_member(before))
        members = {other if key == name else key: raw if key == name else item for key, item in self.members.items()}
        self._change(members, "-", name, before, None)
        self.describe("+", other, None, raw)
        if (child := self._opened(before)) is not None and self.children is not None:
            # Whoever has the container goes on editing it under its new name.
            self.journal.add(setattr, child, "key", child.key)
            child.key = other
            self.children[id(raw)] = (raw, child)
        return True

    def extend(self, members: Mapping[str, bytes]) -> None:
        """See `ObjectNode`."""
        self.members = self.members | {name: Raw(self.text.adopt(data)) for name, data in members.items()}
        self.touch()

    def drop(self, name: str) -> None:
        """See `ObjectNode`."""
        self.members = {other: raw for other, raw in self.members.items() if other != name}

    def _change(self, members: dict[str, Raw], kind: Kind, name: str, before: Raw | None, after: Raw | None) -> None:
        self.journal.add(setattr, self, "members", self.members)
        if self.journal.detailed:
            shown = None if before is None else self._opened(before) or before
            self.describe(kind, name, shown, after)
        self.members = members
        self.touch()

    def _opened(self, raw: Raw) -> Level | None:
        known = self.children.get(id(raw)) if self.children else None
        return known[1] if known is not None and isinstance(known[1], Level) else None

    def _render_member(self, raw: Raw) -> bytes:
        child = self._opened(raw)
        return bytes(raw) if child is None else child.render()[0]

    def _refuse_repeated(self, name: str) -> None:
        if not self.compact and sum(entry.name == name for entry in self._layout()[0]) > 1:
            raise EditRefused(f"{self.pointer()}/{escape_step(name)} stands there more than once")

    def _layout(self) -> tuple[list[Entry], bytes, int]:
        buffer, start = self.place()
        if self._entries is None:
            self._entries, _ = lay_out_object(buffer, start, self.original)
        return self._entries, buffer, start

    def locate(self, child: Level) -> None:
        """See `Level`."""
        assert child.raw is not None
        if child.key is not None and self.original.get(child.key) is child.raw:
            entries, buffer, _ = self._layout()
            entry = next(entry for entry in reversed(entries) if entry.name == child.key)
            child.settle(buffer, entry.value_start)

    def key_of(self, child: Node) -> str:
        """See `Node`."""
        name = child.key if isinstance(child, Level) else None
        raw = None if name is None else self.members.get(name)
        return name if name is not None and raw is not None and self._opened(raw) is child else "-"

    def _is_compact(self) -> bool:
        if self.raw is None and isinstance(parent := self.parent, Level):
            return parent.compact  # opened together with its list
        return write_level(self.original) == self.source()

    def level(self) -> tuple[dict[str, Raw], int]:
        """See `Level`."""
        if not self.touched:
            return self.original, 0
        members = self.members.copy()
        fresh = 0
        for name, raw in self.members.items():
            kept = self.original.get(name) is raw
            child = self._opened(raw)
            new = 0
            if child is not None and child.touched:
                text, new = child.render()
                members[name] = Raw(text)
                new = new if kept else len(text)
            elif not kept:
                new = len(memoryview(raw))
            if name not in self.original:
                new += len(encode(name)) + (2 if len(members) > 1 else 1)
            fresh += new
        return members, fresh

    def _write_runs(self, output: Output) -> None:
        entries, buffer, start = self._layout()
        by_name = {entry.name: entry for entry in entries}
        output.begin(buffer, start, entries)
        order = list(self.members)
        if len(by_name) < len(entries):  # a repeated key: all of its members as they came, the others in their order
            for entry in entries:
                if by_name[entry.name] is not entry:
                    output.original(entry)
                elif entry.name in self.members:
                    self._write_member(output, entry.name, entry)
            order = [name for name in order if name not in by_name]
        for name in order:
            self._write_member(output, name, by_name.get(name))
        output.finish()

    def _write_member(self, output: Output, name: str, entry: Entry | None) -> None:
        raw = self.members[name]
        child = self._opened(raw)
        if entry is None:
            output.added(encode(name), self._render_member(raw))
        elif self.original[name] is not raw:
            output.replaced(entry, self._render_member(raw))
        elif child is not None and child.touched:
            output.edited(entry, child.write)
        else:
            output.original(entry)
