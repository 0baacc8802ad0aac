"""The lists that a verb goes through: looked at as they are, opened as nodes only where one is edited."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ruleproxy.messages.nodes import ListNode, Node
from ruleproxy.messages.values import Value

Judge = Callable[[list[Value]], list[bool]]
"""A condition on the elements of a list: its value for each."""

PICTURE = Node()
"""Stands for plain data that is only looked at: its lists are never opened."""


class Lists:
    """What stands at the places that a path names.

    `found` has a value for each place, `NIL` where nothing stands; a header is there as its place. With `plain`, a
    node that is plain data, the values are what is found in that data (see `Node.plain_data`).
    """

    __slots__ = ("found", "plain")

    def __init__(self, found: Sequence[Value], plain: Node | None = None) -> None:
        self.found = found
        self.plain = plain

    def elements(self, value: Value) -> list[Value] | None:
        """The elements of a value of `found`, for a condition; None for what is no list of a message."""
        if type(value) is list:
            return value if self.plain is not None else None
        return value.values() if isinstance(value, ListNode) else None

    def open(self, value: Value) -> ListNode:
        """A list of `found` as a node."""
        node: ListNode = value if self.plain is None else self.plain.reopen(value)
        return node

    def is_object(self, value: Value) -> bool:
        """Whether a value of `found` is an object of a message."""
        return type(value) is dict if self.plain is not None else isinstance(value, Node)
