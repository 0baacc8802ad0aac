"""Every edit that rules make on a message, in order, with what undoes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["~", "+", "-", ">"]
"""Replaced, added, removed, moved."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit: where (`/model` in the body, `header x`, `path`, …), and JSON or plain text before and after."""

    kind: Kind
    where: str
    before: str | None
    after: str | None


class Journal:
    """The edits of one message.

    A journal that is not `detailed` counts edits and can undo them; a detailed one also says what they were,
    at the price of rendering pointers and values at every edit.
    """

    __slots__ = ("_settled", "_undo", "detailed", "edits")

    def __init__(self, *, detailed: bool = False) -> None:
        self.detailed = detailed
        self.edits: list[Edit] = []
        self._undo: list[tuple[Callable[..., None], tuple[object, ...]]] = []
        self._settled = 0

    def __len__(self) -> int:
        return self._settled + len(self._undo)

    def add(self, undo: Callable[..., None], *arguments: object) -> None:
        """Note one edit by what takes it back: `undo(*arguments)`."""
        self._undo.append((undo, arguments))

    def describe(self, kind: Kind, where: str, before: str | None, after: str | None) -> None:
        """Say what the edit was; call it only where the journal is detailed."""
        self.edits.append(Edit(kind, where, before, after))

    def mark(self) -> tuple[int, int]:
        """A point to go back to."""
        return len(self), len(self.edits)

    def settle(self) -> None:
        """Nothing before this point will be taken back: forget how to."""
        self._settled += len(self._undo)
        self._undo.clear()

    def undo_to(self, mark: tuple[int, int]) -> list[Edit]:
        """Take back everything since a mark, newest first; returns the descriptions of what was taken back."""
        undone = self.edits[mark[1] :]
        del self.edits[mark[1] :]
        while len(self) > mark[0]:
            undo, arguments = self._undo.pop()
            undo(*arguments)
        return undone
