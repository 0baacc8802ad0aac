"""The lists that a verb goes through: looked at as they are, opened as nodes only where they have to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

from ruleproxy.messages.nodes import ListNode, Node
from ruleproxy.messages.values import Value

Judge = Callable[[Sequence[list[Value]]], list[bool]]
"""A condition on the elements of lists: its value for each element of the first, then of the second, …."""

Arrange = Callable[[list[Value], bytes], Sequence[int] | None]
"""What becomes of a list with an element for which the condition holds: see `ListNode.arrange`; None: it stays.

It gets the elements, and for each a byte that says whether the condition holds (1) or not (0).
"""

Arranged = tuple[Any, Sequence[int]]
"""A list, and the indexes of the elements that stay, in their new order."""


_SHORT: Final = 32


def keep_orders(find: Callable[[bytes], Sequence[int] | None]) -> Callable[[bytes], Sequence[int] | None]:
    """Remember what becomes of short lists: they are nearly all there is, and few patterns of what moves or goes occur.

    Long ones are not kept, because they are as long and as many as a client likes.
    """
    kept = lru_cache(1_024)(find)
    return lambda judged: kept(judged) if len(judged) <= _SHORT else find(judged)


class Arranger(Protocol):
    """What arranges the lists of plain data (a `Tree`)."""

    def arrange(self, changes: Sequence[Arranged]) -> None:
        """Arrange these lists."""


class Lists:
    """What stands at the places that a path names.

    Made of a value for each place, `NIL` where nothing stands; a header is there as its place. With an `arranger` the
    values are plain data of a tree, `picked` ones are of a picture that is only looked at (see `projection`). `apart`
    says that editing one list cannot change what a condition says of another.
    """

    __slots__ = ("_apart", "_arranger", "_found", "_lists", "_plain")

    def __init__(
        self, found: Sequence[Value], arranger: Arranger | None = None, *, picked: bool = False, apart: bool = False
    ) -> None:
        self._found = found
        self._arranger = arranger
        self._plain = picked or arranger is not None
        self._apart = apart and self._plain
        self._lists: list[Any] = (
            [value for value in found if type(value) is list]
            if self._plain
            else [value for value in found if isinstance(value, ListNode)]
        )

    def __len__(self) -> int:
        return len(self._found)

    def count(self) -> int:
        """How many elements there are in all."""
        return sum(map(len, self._lists))

    def others(self) -> Sequence[Value]:
        """What stands at the places and is no list."""
        if len(self._lists) == len(self._found):
            return ()
        return [value for value in self._found if type(value) is not list and not isinstance(value, ListNode)]

    def rearrange(self, condition: Judge, arrange: Arrange) -> None:
        """Arrange each list that has an element for which the condition holds."""
        changes = self._judge(condition, arrange)
        if self._arranger is None:
            for value, order in changes:
                value.arrange(order)
        elif self._apart:
            if together := [*changes]:
                self._arranger.arrange(together)
        else:
            for change in changes:
                self._arranger.arrange((change,))

    def is_arranged(self, condition: Judge, arrange: Arrange) -> bool:
        """Whether `rearrange` would change nothing."""
        return next(self._judge(condition, arrange), None) is None

    def has_objects(self) -> bool:
        """Whether objects of a message are among the values."""
        return any(type(value) is dict if self._plain else isinstance(value, Node) for value in self.others())

    def _judge(self, condition: Judge, arrange: Arrange) -> Iterator[Arranged]:
        lists = self._lists
        if not self._apart:
            # The next one is judged when its turn comes: it may be another list by then.
            for value in lists:
                elements = value if self._plain else value.values()
                judged = bytes(condition((elements,)))
                if 1 in judged and (order := arrange(elements, judged)) is not None:
                    yield value, order
            return
        judged = bytes(condition(lists))
        if 1 not in judged:
            return
        end = 0
        for value in lists:
            start, end = end, end + len(value)
            here = judged[start:end]
            if 1 in here and (order := arrange(value, here)) is not None:
                yield value, order
