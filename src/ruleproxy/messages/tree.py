"""The fast way to read a document: a plain tree of dicts and lists, where that cannot alter a byte.

Theory of operation. Text is *canonical* where decoding and encoding all of it gives the very same bytes: no space, no
other escape, number or repeated key than the encoder would write. Then the tree is as good as the text: what no rule
changed is spelled again as it was, and reading a value needs no look at its spelling. One comparison proves it; what it
does not hold for, a detailed journal included, takes the other way (`levels`). Most clients write canonical text.

Edits are made in the dicts and lists themselves; the journal keeps what they held before. Nodes (`Branch`) are made
when a rule asks for one and thrown away: two of the same container are as good as one. What a rule writes becomes
part of the tree where it is canonical too, else it is kept as text: a scalar with its token, a container as a root of
levels. From then on the tree is not `pure`, and plain data is looked at no more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
import orjson

from ruleproxy.messages.journal import Journal
from ruleproxy.messages.lists import Arranged
from ruleproxy.messages.nodes import ListNode, Node, ObjectNode, escape_step, find_near
from ruleproxy.messages.values import NIL, EditRefused, Value, encode

_decode: Final = msgspec.json.Decoder().decode
_FOREIGN_ESCAPE: Final = re.compile(rb"\\u(?!00[01])")


class _Handle:
    """Stands for an element that is a scalar."""

    __slots__ = ()


class Tree:
    """One canonical JSON text as plain data. `edited`: it may not be that text any more."""

    __slots__ = ("_handles", "_read_text", "data", "edited", "journal", "pure")

    def __init__(self, data: Any, journal: Journal, read_text: Any) -> None:
        self.data = data
        self.journal = journal
        self.pure = True
        self.edited = False
        self._read_text = read_text
        self._handles: dict[int, tuple[list[Value], list[Any]]] = {}

    def branch(self, value: Value, above: Branch | None = None, near: int = 0) -> Value:
        """A value of the tree as rules see it, the root or an element of a list."""
        kind = type(value)
        if kind is dict:
            return ObjectBranch(self, value, above, None, near)
        return ListBranch(self, value, above, None, near) if kind is list else value

    def adopt(self, data: bytes, above: Branch, key: str | None) -> Value:
        """JSON text written by a rule as a part of the tree that stands in `above`."""
        found = read_canonical(data)
        if found is NIL:
            found = self._read_text(data, self.journal, above, key)
            self.pure = self.pure and not isinstance(found, Node)
        return found

    def begin(self, *objects: dict[str, Value]) -> None:
        """Be told that objects are about to change."""
        self.journal.add(_restore_objects, [(members, members.copy()) for members in objects])
        self.edited = True

    def arrange(self, changes: Sequence[Arranged]) -> None:
        """Arrange lists. What is left out of an order goes."""
        before = [(items, items.copy()) for items, _ in changes]
        self.journal.add(self._restore_lists, before)
        self.edited = True
        for (items, order), (_, kept) in zip(changes, before, strict=True):
            items[:] = map(kept.__getitem__, order)
            if self._handles and (known := self._handles.get(id(items))) is not None:
                known[1][:] = map(known[1].copy().__getitem__, order)

    def splice(self, items: list[Value], at: int, count: int, *fresh: Value) -> None:
        """Put values in the place of so many elements."""
        self.journal.add(self._unsplice, items, at, len(fresh), items[at : at + count])
        self.edited = True
        items[at : at + count] = fresh
        if self._handles and (known := self._handles.get(id(items))) is not None:
            known[1][at : at + count] = map(_handle_for, fresh)

    def _unsplice(self, items: list[Value], at: int, count: int, before: list[Value]) -> None:
        items[at : at + count] = before
        self._handles.pop(id(items), None)

    def _restore_lists(self, lists: list[tuple[list[Value], list[Value]]]) -> None:
        for items, before in lists:
            items[:] = before
            # Whoever had handles is undone as well.
            self._handles.pop(id(items), None)

    def handles(self, items: list[Value]) -> list[Any]:
        """A handle for each element: a container is its own, scalars get one once somebody asks."""
        known = self._handles.get(id(items))
        if known is None:
            made = [_handle_for(item) for item in items]
            if all(map(_is_container, items)):
                return made
            known = self._handles[id(items)] = (items, made)
        return known[1]

    def handle_at(self, items: list[Value], index: int) -> Any:
        """The handle of one element."""
        known = self._handles.get(id(items)) if self._handles else None
        if known is None and _is_container(items[index]):
            return items[index]
        return self.handles(items)[index]

    def known_handles(self, items: list[Value]) -> list[Any]:
        """The handles as far as anybody may have one."""
        known = self._handles.get(id(items)) if self._handles else None
        return items if known is None else known[1]


class Branch(Node):
    """A container of a tree: its plain data, and the node it was read from."""

    __slots__ = ("above", "data", "key", "near", "tree")

    def __init__(self, tree: Tree, data: Any, above: Branch | None, key: str | None, near: int = 0) -> None:
        self.tree = tree
        self.near = near
        self.data = data
        self.above = above
        self.key = key

    def __len__(self) -> int:
        return len(self.data)

    @property
    def journal(self) -> Journal:
        """See `Node`."""
        return self.tree.journal

    @property
    def parent(self) -> Node | None:
        """See `Node`."""
        return self.above

    def is_same(self, other: Value) -> bool:
        """See `Node`."""
        return isinstance(other, Branch) and other.data is self.data

    def holds_at_most(self, name: str, count: int) -> bool:
        """See `Node`: a tree is open already."""
        del name, count
        return False

    def to_json(self) -> bytes:
        """See `Node`."""
        return encode(self.data)


class ObjectBranch(Branch, ObjectNode):
    """An object of a tree."""

    __slots__ = ()
    data: dict[str, Value]

    def get(self, name: str) -> Value:
        """See `ObjectNode`."""
        value = self.data.get(name, NIL)
        kind = type(value)
        if kind is dict:
            return ObjectBranch(self.tree, value, self, name)
        return ListBranch(self.tree, value, self, name) if kind is list else value

    def has(self, name: str) -> bool:
        """See `ObjectNode`."""
        return name in self.data

    def names(self) -> list[str]:
        """See `ObjectNode`."""
        return list(self.data)

    def text_of(self, name: str) -> bytes:
        """See `ObjectNode`."""
        return encode(self.data[name])

    def put(self, name: str, value: Value) -> bool:
        """See `ObjectNode`."""
        data = encode(value)
        before = self.data.get(name, NIL)
        if before is not NIL and encode(before) == data:
            return False
        adopted = self.tree.adopt(data, self, name)
        self.tree.begin(self.data)
        self.data[name] = adopted
        return True

    def remove(self, name: str) -> bool:
        """See `ObjectNode`."""
        if name not in self.data:
            return False
        self.tree.begin(self.data)
        del self.data[name]
        return True

    def remove_all(self, names: Collection[str]) -> None:
        """See `ObjectNode`."""
        gone = [name for name in dict.fromkeys(names) if name in self.data]
        if gone:
            self.tree.begin(self.data)
            for name in gone:
                del self.data[name]

    def remove_within(self, name: str, choose: Callable[[Value], Sequence[Any]]) -> None:
        """See `ObjectNode`."""
        if not self.tree.pure:
            super().remove_within(name, choose)
        elif chosen := choose(self.data):
            self.tree.begin(*chosen)
            for members in chosen:
                del members[name]

    def rename(self, name: str, other: str) -> bool:
        """See `ObjectNode`."""
        if name not in self.data or name == other:
            return False
        if other in self.data:
            raise EditRefused(f"{self.pointer()}/{escape_step(other)} is there already")
        self.tree.begin(self.data)
        members = {other if key == name else key: item for key, item in self.data.items()}
        self.data.clear()
        self.data.update(members)
        return True

    def extend(self, members: Mapping[str, bytes]) -> None:
        """See `ObjectNode`."""
        self.tree.edited = True
        self.data |= {name: self.tree.adopt(data, self, name) for name, data in members.items()}

    def drop(self, name: str) -> None:
        """See `ObjectNode`."""
        del self.data[name]

    def key_of(self, child: Node) -> str:
        """See `Node`."""
        kept = _kept(child)
        return next((name for name, item in self.data.items() if item is kept), "-")


class ListBranch(Branch, ListNode):
    """A list of a tree."""

    __slots__ = ()
    data: list[Value]

    def values(self) -> list[Value]:
        """See `ListNode`."""
        branch = self.tree.branch
        return [branch(item, self, index) for index, item in enumerate(self.data)]

    def handles(self) -> Sequence[Any]:
        """See `ListNode`."""
        return self.tree.handles(self.data).copy()

    def handle_of(self, child: Node) -> Any:
        """See `ListNode`."""
        return _kept(child)

    def find(self, handle: Any, near: int = 0) -> int:
        """See `ListNode`."""
        return find_near(self.tree.known_handles(self.data), handle, near)

    def value_at(self, index: int) -> Value:
        """See `ListNode`."""
        return self.tree.branch(self.data[index], self, index)

    def replace(self, handle: Any, value: Value, near: int = 0) -> Any:
        """See `ListNode`."""
        index = self.find(handle, near)
        if index < 0:
            raise EditRefused(f"an element of {self.pointer() or '/'} that was removed cannot be rewritten")
        self.tree.splice(self.data, index, 1, self.tree.adopt(encode(value), self, None))
        return self.tree.handle_at(self.data, index)

    def insert(self, at: int, value: Value) -> None:
        """See `ListNode`."""
        self.tree.splice(self.data, at, 0, self.tree.adopt(encode(value), self, None))

    def take_one(self, at: int) -> None:
        """See `ListNode`."""
        self.tree.splice(self.data, at, 1)

    def arrange(self, order: Sequence[int]) -> None:
        """See `ListNode`."""
        self.tree.arrange(((self.data, order),))

    def key_of(self, child: Node) -> str:
        """See `Node`."""
        index = self.index(child)
        return str(index) if index >= 0 else "-"


def read_canonical(source: bytes) -> Value:
    """The plain data of a canonical text; `NIL` where the text is not canonical, or no JSON."""
    if source.isascii() and _FOREIGN_ESCAPE.search(source) is not None:
        return NIL  # the text of clients that escape everything: told sooner than by decoding it
    try:
        data = _decode(source)
        return data if orjson.dumps(data) == source else NIL
    except (msgspec.DecodeError, orjson.JSONEncodeError, RecursionError, UnicodeDecodeError):
        return NIL


def _restore_objects(objects: list[tuple[dict[str, Value], dict[str, Value]]]) -> None:
    for members, before in objects:
        members.clear()
        members.update(before)


def _is_container(value: Value) -> bool:
    return isinstance(value, dict | list | Node)


def _handle_for(item: Value) -> Any:
    return item if _is_container(item) else _Handle()


def _kept(node: Node) -> Any:
    return node.data if isinstance(node, Branch) else node
