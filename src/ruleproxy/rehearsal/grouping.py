"""Identical differences of many captures as one, counted, in the order in which they were first seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ruleproxy.messages.journal import Kind
from ruleproxy.rehearsal.comparing import Compared, Difference, Part

PARTS: tuple[Part, ...] = ("request", "answer", "rules")


@dataclass(slots=True)
class Group:
    """One difference: on how many captures, at how many places; `example` is the first capture that has it.

    `before` and `after` are those of its first place, `alike` whether all others have the same.
    """

    part: Part
    kind: Kind
    where: str
    rules: tuple[str, ...]
    before: str | None
    after: str | None
    example: str
    captures: int = 0
    places: int = 0
    alike: bool = True

    def add(self, difference: Difference) -> None:
        """The same on one more capture."""
        self.captures += 1
        self.places += difference.places
        same = (difference.before, difference.after) == (self.before, self.after)
        self.alike = self.alike and difference.alike and same


@dataclass(slots=True)
class Summary:
    """All captures together; `unreadable` are the names of those that could not be compared, and why."""

    captures: int = 0
    differing: int = 0
    unreadable: int = 0
    groups: dict[tuple[Part, Kind, str, tuple[str, ...]], Group] = field(default_factory=dict)

    def add(self, compared: Compared) -> None:
        """One capture more."""
        if compared.problem is not None:
            self.unreadable += 1
            return
        self.captures += 1
        self.differing += bool(compared.differences)
        for found in compared.differences:
            key = (found.part, found.kind, found.where, found.rules)
            if key not in self.groups:
                self.groups[key] = Group(*key, found.before, found.after, compared.name)
            self.groups[key].add(found)

    def of_part(self, part: Part) -> Iterator[Group]:
        """The differences of a part, those on most captures first."""
        yield from sorted((g for g in self.groups.values() if g.part == part), key=lambda group: -group.captures)

    @property
    def code(self) -> int:
        """The exit code: 2 where a capture cannot be read, 1 where anything differs."""
        return 2 if self.unreadable else 1 if self.differing else 0
