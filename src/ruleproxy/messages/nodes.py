"""Objects and arrays of a document as rules see them: views on levels of JSON text (see `json_bytes`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Union
from weakref import ref

import msgspec
from msgspec import Raw

from ruleproxy.messages.journal import Kind
from ruleproxy.messages.layout import Entry, Output, lay_out_list, lay_out_object
from ruleproxy.messages.values import NIL, EditRefused, Value, encode

if TYPE_CHECKING:
    from ruleproxy.messages.json_bytes import JsonText

# A list of objects is what bodies are made of: one call opens two levels. What is no such list is decoded again.
decode_value: Final = msgspec.json.Decoder(
    str | int | float | bool | None | list[dict[str, Raw]] | dict[str, Raw]
).decode
_items: Final = msgspec.json.Decoder(list[Raw])
_write_level: Final = msgspec.json.Encoder().encode
_SHOWN: Final = 200

Shown = Union[Raw, "Node", str, None]
"""What a journal can be told of a value: its text, or what has one."""


class Node:
    """A container in a document: what it was opened from, and whether anything in it changed."""

    # Parents are held weakly and nodes know the text, not the document: without cycles a whole body is freed at once
    # when its exchange ends, and the garbage collector has nothing to look for.
    __slots__ = (
        "__weakref__",
        "_compact",
        "_entries",
        "_parent",
        "_place",
        "children",
        "key",
        "raw",
        "text",
        "touched",
    )

    text: JsonText
    _parent: ref[Node] | None
    key: str | None
    raw: Raw | None
    touched: bool
    children: dict[str, tuple[Raw, Value]] | None
    _compact: bool | None
    _entries: list[Entry] | None
    _place: tuple[bytes, int] | None

    @property
    def parent(self) -> Node | None:
        """The container that this one was opened in; None for the root."""
        return None if self._parent is None else self._parent()

    def touch(self) -> None:
        """Mark the way up to the root as changed."""
        node: Node | None = self
        while node is not None and not node.touched:
            node.touched = True
            node = node.parent

    def source(self) -> bytes:
        """The bytes this node was opened from."""
        if self.raw is not None:
            return bytes(self.raw)
        if self.parent is None:
            return self.text.text.strip(b" \t\r\n")
        self.parent.locate(self)
        assert self.raw is not None
        return bytes(self.raw)

    def place(self) -> tuple[bytes, int]:
        """The buffer that holds this node's source, and where in it the node starts."""
        if self._place is None:
            if self.parent is None:
                text = self.text.text
                self._place = text, len(text) - len(text.lstrip(b" \t\r\n"))
                return self._place
            self.parent.locate(self)
            if self._place is None:  # written by a rule: a text of its own
                self._place = self.source(), 0
        return self._place

    def settle(self, buffer: bytes, start: int, raw: Raw | None = None) -> None:
        """Be told by the parent where the source stands."""
        self._place = buffer, start
        if raw is not None:
            self.raw = raw

    def locate(self, child: Node) -> None:
        """Tell a child where its source stands (`settle`); one that a rule put here is told nothing."""
        raise NotImplementedError

    @property
    def compact(self) -> bool:
        """Whether writing this level as it was opened gives the very bytes that it was opened from.

        Then it is put back by one call of the encoder; every other level is laid out and copied run by run.
        """
        if self._compact is None:
            self._compact = self._is_compact()
        return self._compact

    def _is_compact(self) -> bool:
        raise NotImplementedError

    def render(self) -> tuple[bytes, int]:
        """This node's text as it is now, lone surrogates still masked, and how many of its bytes are new."""
        if not self.touched:
            return self.source(), 0
        if self.compact:
            level, fresh = self.level()
            return _write_level(level), fresh
        output = Output(self.text.text)
        self.write(output)
        text = output.join()
        return text, len(text) - output.reused

    def level(self) -> tuple[Any, int]:
        """The members of a compact node as the encoder takes them, and how many bytes of them are new."""
        raise NotImplementedError

    def write(self, output: Output) -> None:
        """Put this node's current text into the output."""
        if self.touched and self.compact:
            output.mixed(*self.render())
        elif self.touched:
            self._write_runs(output)
        else:
            buffer, start = self.place()
            output.copy(buffer, start, start + len(self.source()))

    def _write_runs(self, output: Output) -> None:
        raise NotImplementedError

    def key_of(self, child: Node) -> str:
        """The child's step in a pointer, as it is now."""
        raise NotImplementedError

    def pointer(self) -> str:
        """Where this node is now, as a JSON pointer (RFC 6901)."""
        steps: list[str] = []
        node: Node = self
        while node.parent is not None:
            steps.append(escape_step(node.parent.key_of(node)))
            node = node.parent
        return "".join("/" + step for step in reversed(steps))

    def holds_at_most(self, name: str, count: int) -> bool:
        """Whether the text proves, without being opened further, that at most `count` members have this name.

        False proves nothing: the name may stand in a string, or an edit or an escape may hide one.
        """
        return not self.touched and self.text.names_at_most(name, count)

    def to_json(self) -> bytes:
        """This node's text as it is now."""
        text, _ = self.render()
        return self.text.masking.unmask(text) if self.text.masking else text

    def describe(self, kind: Kind, step: str | None, before: Shown, after: Shown) -> None:
        """Tell a detailed journal of an edit of the member `step`, or of the whole node."""
        if self.text.journal.detailed:
            where = self.pointer() if step is None else f"{self.pointer()}/{escape_step(step)}"
            self.text.journal.describe(kind, where, show(before), show(after))


class ObjectNode(Node):
    """A JSON object. Members are read with `get`, changed with `put`, `remove` and `rename`."""

    __slots__ = ("members", "original")

    def __init__(
        self, text: JsonText, parent: ref[Node] | None, key: str | None, raw: Raw | None, members: dict[str, Raw]
    ) -> None:
        # One of these is made for every object that a rule looks at: no call of a base class.
        self.text = text
        self._parent = parent
        self.key = key
        self.raw = raw
        self.touched = False
        self.children = self._compact = self._entries = self._place = None
        self.members = self.original = members

    def __len__(self) -> int:
        return len(self.members)

    def get(self, name: str) -> Value:
        """The member's value, a node for a container; `NIL` where there is none."""
        raw = self.members.get(name)
        if raw is None:
            return NIL
        # What was read once stays the same value, a container the same node, while the same slice stands there.
        children = self.children
        if children is None:
            children = self.children = {}
        elif (known := children.get(name)) is not None and known[0] is raw:
            return known[1]
        text = self.text
        try:
            value = decode_value(raw)
        except msgspec.ValidationError:
            value = text.decode_unusual(raw)
        # Most of what is read is short strings: they take no further call.
        if type(value) is not str or text.masking is not None:
            value = text.settle(value, raw, ref(self), name)
        children[name] = (raw, value)
        return value

    def names(self) -> list[str]:
        """The names of the members, in order."""
        return list(self.members)

    def changed(self, name: str) -> bool:
        """Whether a member is another one than came, or was edited within."""
        raw = self.members.get(name)
        if raw is not self.original.get(name):
            return True
        known = self.children.get(name) if self.children else None
        return known is not None and isinstance(known[1], Node) and known[1].touched

    def put(self, name: str, value: Value) -> bool:
        """Write a member, at its place or as the last one; False where that changes nothing."""
        data = self.text.adopt(encode(value))
        before = self.members.get(name)
        if before is not None and self._text_of(name, before) == data:
            return False
        self._refuse_repeated(name)
        raw = Raw(data)
        self._change({**self.members, name: raw}, "~" if before is not None else "+", name, before, raw)
        return True

    def remove(self, name: str) -> bool:
        """Take a member away; False where there is none."""
        before = self.members.get(name)
        if before is None:
            return False
        self._refuse_repeated(name)
        members = self.members.copy()
        del members[name]
        self._change(members, "-", name, before, None)
        return True

    def rename(self, name: str, other: str) -> bool:
        """Give a member another name at the same place; False where there is none. Refuses a name that is taken."""
        before = self.members.get(name)
        if before is None or name == other:
            return False
        if other in self.members:
            raise EditRefused(f"{self.pointer()}/{escape_step(other)} is there already")
        self._refuse_repeated(name)
        raw = Raw(self._text_of(name, before))
        members = {other if key == name else key: raw if key == name else item for key, item in self.members.items()}
        self._change(members, "-", name, before, None)
        self.describe("+", other, None, raw)
        return True

    def _change(self, members: dict[str, Raw], kind: Kind, name: str, before: Raw | None, after: Raw | None) -> None:
        shown = self._current(name, before) if before is not None and self.text.journal.detailed else before
        self.text.journal.add(setattr, self, "members", self.members)
        self.describe(kind, name, shown, after)
        self.members = members
        self.touch()

    def _current(self, name: str, raw: Raw) -> Raw | Node:
        known = self.children.get(name) if self.children else None
        return known[1] if known is not None and known[0] is raw and isinstance(known[1], Node) else raw

    def _text_of(self, name: str, raw: Raw) -> bytes:
        current = self._current(name, raw)
        return current.render()[0] if isinstance(current, Node) else bytes(current)

    def _refuse_repeated(self, name: str) -> None:
        if not self.compact and sum(entry.name == name for entry in self._layout()[0]) > 1:
            raise EditRefused(f"{self.pointer()}/{escape_step(name)} stands there more than once")

    def _layout(self) -> tuple[list[Entry], bytes, int]:
        buffer, start = self.place()
        if self._entries is None:
            self._entries, _ = lay_out_object(buffer, start, self.original)
        return self._entries, buffer, start

    def locate(self, child: Node) -> None:
        """See `Node.locate`."""
        assert child.raw is not None
        if child.key is not None and self.original.get(child.key) is child.raw:
            entries, buffer, _ = self._layout()
            entry = next(entry for entry in reversed(entries) if entry.name == child.key)
            child.settle(buffer, entry.value_start)

    def key_of(self, child: Node) -> str:
        """See `Node.key_of`."""
        return child.key or ""

    def _is_compact(self) -> bool:
        if self.raw is None and self.parent is not None:
            return self.parent.compact  # opened together with its list
        return _write_level(self.original) == self.source()

    def level(self) -> tuple[dict[str, Raw], int]:
        """See `Node.level`."""
        if not self.touched:
            return self.original, 0
        members = self.members.copy()
        fresh = 0
        if members is not self.original:
            for name, raw in members.items():
                if self.original.get(name) is not raw:
                    fresh += len(memoryview(raw))
                    if name not in self.original:
                        fresh += len(encode(name)) + (2 if len(members) > 1 else 1)
        for name, (raw, child) in (self.children or {}).items():
            if isinstance(child, Node) and child.touched and members.get(name) is raw:
                text, new = child.render()
                members[name] = Raw(text)
                fresh += new if self.original.get(name) is raw else len(text) - len(memoryview(raw))
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
        if entry is None:
            output.added(encode(name), self._text_of(name, raw))
        elif self.original[name] is not raw:
            output.replaced(entry, self._text_of(name, raw))
        elif isinstance(current := self._current(name, raw), Node) and current.touched:
            output.edited(entry, current.write)
        else:
            output.original(entry)


class ListNode(Node):
    """A JSON array. Elements are nodes for containers and raw slices for scalars; `read` gives their values."""

    __slots__ = ("_opened", "items", "original")

    def __init__(
        self, text: JsonText, parent: ref[Node] | None, key: str | None, raw: Raw | None, items: list[Any]
    ) -> None:
        self.text = text
        self._parent = parent
        self.key = key
        self.raw = raw
        self.touched = False
        self.children = self._compact = self._entries = self._place = None
        self._opened = items
        me: ref[Node] = ref(self)
        if items and type(items[0]) is dict:
            opened: list[Raw | Node] = [ObjectNode(text, me, None, None, members) for members in items]
        else:
            opened = [self._element(item) for item in items]
        self.items = self.original = opened

    def _element(self, raw: Raw) -> Raw | Node:
        value = self.text.decode(raw, ref(self), None)
        return value if isinstance(value, Node) else raw

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Value]:
        return map(self.read, self.items)

    def read(self, item: Raw | Node) -> Value:
        """The value of an element."""
        return self.text.decode(item, ref(self), None) if type(item) is Raw else item

    def make(self, value: Value) -> Raw | Node:
        """A value of a rule as an element for `arrange`."""
        return self._element(Raw(self.text.adopt(encode(value))))

    def arrange(
        self, items: list[Raw | Node], kind: Kind, step: str | None, before: Shown = None, after: Shown = None
    ) -> None:
        """Make these the elements: the ones that were there, in any order or choice, and new ones from `make`.

        `kind`, `step`, `before` and `after` are what a detailed journal says of it.
        """
        self.text.journal.add(setattr, self, "items", self.items)
        self.describe(kind, step, before, after)
        self.items = items
        self.touch()

    def index(self, item: Raw | Node) -> int:
        """Where an element is now; -1 where it is no more."""
        return next((index for index, other in enumerate(self.items) if other is item), -1)

    def replace(self, item: Raw | Node, value: Value) -> Raw | Node:
        """Put a value in the place of an element; gives the new element."""
        index = self.index(item)
        if index < 0:
            raise EditRefused(f"an element of {self.pointer() or '/'} that was removed cannot be rewritten")
        element = self.make(value)
        items = self.items.copy()
        items[index] = element
        self.arrange(items, "~", str(index), item, element)
        return element

    def _layout(self) -> tuple[list[Entry], bytes, int]:
        buffer, start = self.place()
        if self._entries is None:
            # The one-call opening of a list of objects has no slices of its elements: they are read here.
            raws = _items.decode(self.source())
            self._entries, _ = lay_out_list(buffer, start, raws)
            for item, raw, entry in zip(self.original, raws, self._entries, strict=True):
                if isinstance(item, Node):
                    item.settle(buffer, entry.value_start, raw)
        return self._entries, buffer, start

    def locate(self, child: Node) -> None:
        """See `Node.locate`."""
        if child.raw is None or any(item is child for item in self.original):
            self._layout()

    def key_of(self, child: Node) -> str:
        """See `Node.key_of`."""
        index = self.index(child)
        return str(index) if index >= 0 else "-"

    def _is_compact(self) -> bool:
        return _write_level(self._opened) == self.source()

    def level(self) -> tuple[list[Any], int]:
        """See `Node.level`."""
        known = {id(item) for item in self.original}
        parts: list[Any] = []
        fresh = 0
        for item in self.items:
            part: Any = item
            if type(item) is ObjectNode and not item.touched and item.raw is None:
                part = item.original
            elif isinstance(item, Node):
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
                fresh += len(_write_level(part)) + 1
            parts.append(part)
        return parts, fresh

    def _write_runs(self, output: Output) -> None:
        entries, buffer, start = self._layout()
        places = {id(item): entry for item, entry in zip(self.original, entries, strict=True)}
        output.begin(buffer, start, entries)
        for item in self.items:
            entry = places.get(id(item))
            if entry is None:
                output.added(None, item.render()[0] if isinstance(item, Node) else bytes(item))
            elif isinstance(item, Node) and item.touched:
                output.edited(entry, item.write)
            else:
                output.original(entry)
        output.finish()


def escape_step(step: str) -> str:
    """A member name as a step of a JSON pointer (RFC 6901, section 3)."""
    return step.replace("~", "~0").replace("/", "~1")


def show(value: Shown) -> str | None:
    """JSON text for people, cut to a length that fits a terminal; a string is shown as it is."""
    if value is None or isinstance(value, str):
        return value
    text = (value.to_json() if isinstance(value, Node) else bytes(value)).decode("utf-8", "replace")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def plain(value: Value) -> Value:
    """A node as Python lists and dicts (scalars stay what they are)."""
    match value:
        case ObjectNode():
            return {name: plain(value.get(name)) for name in value.names()}
        case ListNode():
            return [plain(item) for item in value]
        case _:
            return value
