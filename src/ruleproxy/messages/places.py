"""Places that verbs write: a member, an element, a header, a query member, an attribute of a message."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from ruleproxy.messages.body import Body
from ruleproxy.messages.headers import HeaderFields
from ruleproxy.messages.nodes import ListNode, Node, ObjectNode
from ruleproxy.messages.query import QueryFields
from ruleproxy.messages.secrets import Secret, reveal
from ruleproxy.messages.values import NIL, EditRefused, Value

_ELEMENTS_A_STEP: Final = 128
_ELEMENTS_READ_A_STEP: Final = 8


class Place(Protocol):
    """Somewhere in a message. Every call but `read` may raise `EditRefused`."""

    def read(self) -> Value:
        """What is there; `NIL` where nothing is."""

    def write(self, value: Value) -> bool:
        """Put a value there, making missing parents; False where that changes nothing."""

    def remove(self) -> bool:
        """Take away what is there; False where nothing is."""


class MemberPlace:
    """A member of an object; the object may not be there yet, then `parent` is the place to make it."""

    __slots__ = ("container", "name", "parent")

    def __init__(self, container: Value, name: str, parent: Place | None = None) -> None:
        self.container = container
        self.name = name
        self.parent = parent

    def read(self) -> Value:
        """See `Place`."""
        if isinstance(self.container, ObjectNode):
            return self.container.get(self.name)
        return self.container.get(self.name, NIL) if isinstance(self.container, dict) else NIL

    def write(self, value: Value) -> bool:
        """See `Place`."""
        if self.container is NIL and self.parent is not None:
            self.parent.write({self.name: value})
            return True
        if not isinstance(self.container, ObjectNode):
            raise EditRefused(f"cannot write .{self.name} into {kind_of(self.container)}")
        return self.container.put(self.name, value)

    def remove(self) -> bool:
        """See `Place`."""
        return isinstance(self.container, ObjectNode) and self.container.remove(self.name)


class ElementPlace:
    """An element of a list, held by a loop variable; `near` is where it stood when it was last seen."""

    __slots__ = ("element", "holder", "near")

    def __init__(self, holder: ListNode, element: Any, near: int = 0) -> None:
        self.holder = holder
        self.element = element
        self.near = near

    def find(self) -> int:
        """Where the element is now; -1 where it is no more."""
        index = self.holder.find(self.element, self.near)
        self.near = max(index, 0)
        return index

    def read(self) -> Value:
        """See `Place`."""
        index = self.find()
        return self.holder.value_at(index) if index >= 0 else NIL

    def write(self, value: Value) -> bool:
        """See `Place`."""
        self.element = self.holder.replace(self.element, value, self.near)
        return True

    def remove(self) -> bool:
        """See `Place`."""
        index = self.find()
        if index < 0:
            return False
        self.holder.take_one(index)
        return True


def steps_to_read(elements: int) -> int:
    """How many steps it takes to look at so many elements, or compare them with a value."""
    return elements // _ELEMENTS_READ_A_STEP


def steps_to_edit(places: Iterable[Place]) -> int:
    """How many steps it takes to edit these places: more in long lists, where elements have to be found again."""
    return sum(1 + len(place.holder) // _ELEMENTS_A_STEP if isinstance(place, ElementPlace) else 1 for place in places)


class BodyPlace:
    """The whole body."""

    __slots__ = ("body",)

    def __init__(self, body: Body) -> None:
        self.body = body

    def read(self) -> Value:
        """See `Place`."""
        return self.body.root

    def write(self, value: Value) -> bool:
        """See `Place`."""
        self.body.become(value)
        return True

    def remove(self) -> bool:
        """See `Place`."""
        raise EditRefused("a body cannot be taken away: that would change how the message is framed")


class HeaderPlace:
    """All lines of one header."""

    __slots__ = ("headers", "name")

    def __init__(self, headers: HeaderFields, name: str) -> None:
        self.headers = headers
        self.name = name

    def read(self) -> Value:
        """See `Place`."""
        return self.headers.get(self.name)

    def values(self) -> list[str | Secret]:
        """The members of the comma list."""
        return self.headers.values(self.name)

    def write(self, value: Value) -> bool:
        """See `Place`; a list of strings becomes a comma list."""
        if isinstance(value, list | ListNode):
            members = list(value)
            if not all(isinstance(member, str | Secret) for member in members):
                raise EditRefused(f"header {self.name} takes a list of strings")
            return self.headers.write_values(self.name, members)
        return self.headers.write(self.name, value)

    def remove(self) -> bool:
        """See `Place`."""
        return self.headers.remove(self.name)


class HeadersPlace:
    """All headers of a message."""

    __slots__ = ("headers",)

    def __init__(self, headers: HeaderFields) -> None:
        self.headers = headers

    def read(self) -> Value:
        """See `Place`."""
        return self.headers.read_all()

    def write(self, _: Value) -> bool:
        """See `Place`."""
        raise EditRefused("headers are written one by one: request.headers[…]")

    def remove(self) -> bool:
        """See `Place`."""
        raise EditRefused("headers are taken away one by one: strip request.headers[…]")

    def merge(self, members: dict[str, Value], *, replace: bool) -> None:
        """Write each of these headers; without `replace` only those that are absent."""
        for name, value in members.items():
            if replace or self.headers.get(name) is NIL:
                HeaderPlace(self.headers, name).write(value)


class QueryFieldsPlace:
    """The whole query."""

    __slots__ = ("query",)

    def __init__(self, query: QueryFields) -> None:
        self.query = query

    def read(self) -> Value:
        """See `Place`."""
        return self.query.read_all()

    def write(self, value: Value) -> bool:
        """See `Place`; takes the text behind the `?`."""
        if not isinstance(value, str | Secret) or not reveal(value).isascii():
            raise EditRefused("request.query takes a string of ASCII characters, or is written member by member")
        before = self.query.text
        self.query.become(value)
        return before != self.query.text

    def remove(self) -> bool:
        """See `Place`."""
        before = self.query.text
        self.query.become("")
        return bool(before)

    def merge(self, members: dict[str, Value], *, replace: bool) -> None:
        """Write each of these members; without `replace` only those that are absent."""
        for name, value in members.items():
            if replace or self.query.get(name) is NIL:
                self.query.put(name, value)


class QueryPlace:
    """One member of the query."""

    __slots__ = ("name", "query")

    def __init__(self, query: QueryFields, name: str) -> None:
        self.query = query
        self.name = name

    def read(self) -> Value:
        """See `Place`."""
        return self.query.get(self.name)

    def write(self, value: Value) -> bool:
        """See `Place`."""
        return self.query.put(self.name, value)

    def remove(self) -> bool:
        """See `Place`."""
        return self.query.remove(self.name)


class AttributePlace:
    """Something that a message always has: it can be read and written, never taken away."""

    __slots__ = ("_name", "_read", "_write")

    def __init__(self, name: str, read: Callable[[], Value], write: Callable[[Any], bool]) -> None:
        self._name = name
        self._read = read
        self._write = write

    def read(self) -> Value:
        """See `Place`."""
        return self._read()

    def write(self, value: Value) -> bool:
        """See `Place`."""
        if isinstance(value, Secret) and not self._name.startswith("upstream."):
            raise EditRefused(f"{value} goes into headers, the query or upstream: not into {self._name}")
        return self._write(value)

    def remove(self) -> bool:
        """See `Place`."""
        raise EditRefused(f"{self._name} cannot be taken away")


def kind_of(value: Value) -> str:
    """The kind of a value, for people: `a string`, `an object`, …."""
    match value:
        case bool():
            return "a bool"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case None:
            return "null"
        case ObjectNode() | dict():
            return "an object"
        case ListNode() | list():
            return "a list"
        case Node():
            raise TypeError("a node is an object or a list")
        case _:
            return "nil" if value is NIL else f"a {type(value).__name__.lower()}"
