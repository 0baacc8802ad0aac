"""What was made of a text, kept for the next time: as long as each time asks for it again."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Generations(Generic[Key, Value]):
    """Values by their keys; those that were not asked for between two calls of `turn` are forgotten."""

    def __init__(self) -> None:
        self._old: dict[Key, Value] = {}
        self._new: dict[Key, Value] = {}

    def find(self, key: Key) -> Value | None:
        """The value kept now or the last time, or None."""
        found = self._new.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self._new[key] = found
        return found

    def keep(self, key: Key, value: Value) -> None:
        """Keep a value for now and the next time."""
        self._new[key] = value

    def turn(self, *, forget: bool = True) -> None:
        """Begin anew; without `forget` everything stays, for what was done last did not come to its end."""
        self._old = self._new if forget else self._old | self._new
        self._new = {}

    def __len__(self) -> int:
        return len(self._old.keys() | self._new.keys())
