"""Objects and arrays of a document as rules see them, whichever way the document is read.

There are two ways (see `json_bytes`): levels of text, which keep every byte, and a plain tree, for text that a tree
spells again byte for byte. Verbs and functions know only what is here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, Union

from msgspec import Raw

from ruleproxy.messages.journal import Journal, Kind
from ruleproxy.messages.values import Value

_SHOWN: Final = 200

Shown = Union[Raw, "Node", str, None]
"""What a journal can be told of a value: its text, or what has one."""


class Node:
    """A container in a document."""

    __slots__ = ()

    near: int
    """Of an element: where in its list it was when it was read."""

    @property
    def journal(self) -> Journal:
        """Where the edits of the document are noted."""
        raise NotImplementedError

    @property
    def parent(self) -> Node | None:
        """The container that this one was read from; None for the root."""
        raise NotImplementedError

    def is_same(self, other: Value) -> bool:
        """Whether another node stands for the very same container."""
        return self is other

    def key_of(self, child: Node) -> str:
        """The child's step in a pointer, as it is now; `-` for one that was taken away."""
        raise NotImplementedError

    def pointer(self) -> str:
        """Where this node is now, as a JSON pointer (RFC 6901)."""
        steps: list[str] = []
        node: Node = self
        while (parent := node.parent) is not None:
            steps.append(escape_step(parent.key_of(node)))
            node = parent
        return "".join("/" + step for step in reversed(steps))

    def holds_at_most(self, name: str, count: int) -> bool:
        """Whether the text proves, without being opened further, that at most `count` members have this name.

        False proves nothing: the name may stand in a string, or an edit or an escape may hide one.
        """
        raise NotImplementedError

    def to_json(self) -> bytes:
        """This node's text as it is now."""
        raise NotImplementedError

    def describe(self, kind: Kind, step: str | None, before: Shown, after: Shown) -> None:
        """Tell a detailed journal of an edit of the member `step`, or of the whole node."""
        if self.journal.detailed:
            where = self.pointer() if step is None else f"{self.pointer()}/{escape_step(step)}"
            self.journal.describe(kind, where, show(before), show(after))


class ObjectNode(Node):
    """A JSON object. Members are read with `get`, changed with `put`, `remove` and `rename`."""

    __slots__ = ()

    def __len__(self) -> int:
        raise NotImplementedError

    def get(self, name: str) -> Value:
        """The member's value, a node for a container; `NIL` where there is none."""
        raise NotImplementedError

    def has(self, name: str) -> bool:
        """Whether there is a member of this name."""
        raise NotImplementedError

    def names(self) -> list[str]:
        """The names of the members, in order."""
        raise NotImplementedError

    def text_of(self, name: str) -> bytes:
        """The JSON text of a member that is there, as it is now."""
        raise NotImplementedError

    def put(self, name: str, value: Value) -> bool:
        """Write a member, at its place or as the last one; False where that changes nothing."""
        raise NotImplementedError

    def remove(self, name: str) -> bool:
        """Take a member away; False where there is none."""
        raise NotImplementedError

    def remove_all(self, names: Collection[str]) -> None:
        """Take away what there is of these members."""
        raise NotImplementedError

    def remove_within(self, name: str, choose: Callable[[Value], Sequence[Any]]) -> None:
        """Remove a member from objects in this one that have it.

        `choose` gives them; it looks for them in this node, or in plain data that is the same.
        """
        for part in choose(self):
            part.remove(name)

    def rename(self, name: str, other: str) -> bool:
        """Give a member another name at the same place; False where there is none. Refuses a name that is taken."""
        raise NotImplementedError

    def extend(self, members: Mapping[str, bytes]) -> None:
        """Put these texts behind the members. They are in the journal already; `drop` takes one back."""
        raise NotImplementedError

    def drop(self, name: str) -> None:
        """Take back a member of `extend`."""
        raise NotImplementedError


class ListNode(Node):
    """A JSON array. A *handle* stands for an element wherever the element goes; two elements never share one."""

    __slots__ = ()

    def __len__(self) -> int:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Value]:
        return iter(self.values())

    def values(self) -> list[Value]:
        """The elements, nodes for containers."""
        raise NotImplementedError

    def handles(self) -> Sequence[Any]:
        """A handle for each element."""
        raise NotImplementedError

    def handle_of(self, child: Node) -> Any:
        """The handle of an element that is a container."""
        raise NotImplementedError

    def find(self, handle: Any, near: int = 0) -> int:
        """Where an element is now; -1 where it is no more. `near` is where it may well be."""
        raise NotImplementedError

    def value_at(self, index: int) -> Value:
        """The element at an index."""
        raise NotImplementedError

    def index(self, child: Node) -> int:
        """Where an element that is a container is now; -1 where it is no more."""
        return self.find(self.handle_of(child), child.near)

    def replace(self, handle: Any, value: Value, near: int = 0) -> Any:
        """Put a value in the place of an element; gives the new handle. Refuses where the element was removed."""
        raise NotImplementedError

    def insert(self, at: int, value: Value) -> None:
        """Put a value in front of the element at an index, or behind the last one."""
        raise NotImplementedError

    def take_one(self, at: int) -> None:
        """Take the element at an index away."""
        raise NotImplementedError

    def take_away(self, indexes: Collection[int]) -> None:
        """Take the elements at these indexes away."""
        gone = set(indexes)
        self.arrange([index for index in range(len(self)) if index not in gone])

    def arrange(self, order: Sequence[int]) -> None:
        """Leave the elements with these indexes, in this order; the others go."""
        raise NotImplementedError


def find_near(handles: Sequence[Any], handle: Any, near: int) -> int:
    """Where a handle is among others, -1 for nowhere: looked for from `near` on, to both sides."""
    count = len(handles)
    if near < count and handles[near] is handle:
        return near
    near = min(near, count)
    for distance in range(1, max(near, count - near) + 1):
        before, behind = near - distance, near + distance - 1
        if before >= 0 and handles[before] is handle:
            return before
        if behind < count and handles[behind] is handle:
            return behind
    return -1


def escape_step(step: str) -> str:
    """A member name as a step of a JSON pointer (RFC 6901, section 3)."""
    return step.replace("~", "~0").replace("/", "~1")


def show(value: Shown) -> str | None:
    """JSON text for people, cut to a length that fits a terminal; a string is shown as it is."""
    if value is None or isinstance(value, str):
        return value
    text = (value.to_json() if isinstance(value, Node) else bytes(value)).decode("utf-8", "replace")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def every(value: Value) -> list[Value]:
    """The elements of a list, be it a node or plain data; none for anything else."""
    if type(value) is list:
        return value
    return value.values() if isinstance(value, ListNode) else []


def plain(value: Value) -> Value:
    """A node as Python lists and dicts of its own (scalars stay what they are)."""
    match value:
        case ObjectNode():
            return {name: plain(value.get(name)) for name in value.names()}
        case ListNode():
            return [plain(item) for item in value.values()]
        case _:
            return value
