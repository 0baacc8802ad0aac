"""What a run of tests and captures found, as plain data: written as JSON, read back, joined, shown in every format."""

from __future__ import annotations

from dataclasses import dataclass

from ruleproxy.engine.trace_text import render_trace
from ruleproxy.language.counts import count, group
from ruleproxy.rehearsal.accepted import Comparison
from ruleproxy.rehearsal.expectations import Missed
from ruleproxy.rehearsal.rehearsing import Rehearsal
from ruleproxy.rehearsal.testing import TestResult


@dataclass(frozen=True, slots=True)
class TestEntry:
    """One test of a rules file. `problem` is why it could not be run, `trace` a text, there where it failed.

    `number` is its place among all tests.
    """

    __test__ = False  # pytest: not a test class of ours

    file: str
    line: int
    name: str
    missed: tuple[Missed, ...] = ()
    problem: str | None = None
    trace: str = ""
    accepted: tuple[str, ...] = ()
    number: int = 0

    @property
    def key(self) -> str:
        """What it is called among all tests."""
        return f"{self.file}:{self.name}"

    @property
    def passed(self) -> bool:
        """Whether everything that the test expects is so."""
        return self.problem is None and not self.missed

    @classmethod
    def from_result(cls, result: TestResult, number: int) -> TestEntry:
        """The entry of a test that was run."""
        shown = render_trace(result.trace) if result.trace is not None and not result.passed else ""
        accepted = tuple(map(str, result.accepted))
        return cls(result.file, result.line, result.name, result.missed, result.problem, shown, accepted, number)


@dataclass(frozen=True, slots=True)
class Tried:
    """A capture under one set of rules; `accepted` is None where outcomes are not compared."""

    rehearsal: Rehearsal
    accepted: Comparison | None = None


@dataclass(frozen=True, slots=True)
class CaptureEntry:
    """One capture. `problem` is why it could not be tried (at `place`, a JSON pointer, where there is one); `tried`
    has it under each set of rules, in their order.

    `name` says where it stands, `key` what it is called within what was given, `line` the line in its file, `number`
    its place among all captures. `lost`: it is not there, only its accepted outcome is.
    """

    key: str
    name: str
    file: str
    line: int | None = None
    method: str = ""
    path: str = ""
    tried: tuple[Tried, ...] = ()
    problem: str | None = None
    place: str = ""
    number: int = 0
    lost: bool = False

    @property
    def changed(self) -> bool:
        """Whether rules change anything of it."""
        return any(tried.rehearsal.changed for tried in self.tried)

    @property
    def failed(self) -> bool:
        """Whether a rule failed."""
        return any(tried.rehearsal.failed for tried in self.tried)

    @property
    def unlike(self) -> bool:
        """Whether the outcome is not the accepted one."""
        return any(tried.accepted is not None and tried.accepted.state == "differs" for tried in self.tried)

    @property
    def unreadable(self) -> bool:
        """Whether it, or its accepted outcome, cannot be read or written."""
        states = (tried.accepted.state for tried in self.tried if tried.accepted is not None)
        return (self.problem is not None and not self.lost) or "unreadable" in states

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong with it."""
        return not (self.failed or self.unlike or self.unreadable or self.lost)


@dataclass(slots=True)
class Totals:
    """Everything counted."""

    passed: int = 0
    failed: int = 0
    captures: int = 0
    changed: int = 0
    failing: int = 0
    unlike: int = 0
    written: int = 0
    unreadable: int = 0
    lost: int = 0
    compared: int = 0
    uncompared: int = 0
    below: bool = False
    """Less is covered than was asked for."""
    none_here: bool = False
    """What is selected fell to other shards."""
    no_captures: bool = False
    """Captures were to be tried, and there are none."""

    def count_test(self, entry: TestEntry) -> None:
        """One test more."""
        self.passed += entry.passed
        self.failed += not entry.passed

    def count_capture(self, entry: CaptureEntry) -> None:
        """One capture more; what could not be tried counts as unreadable alone."""
        self.captures += entry.problem is None
        self.changed += entry.changed
        self.failing += entry.failed
        self.unlike += entry.unlike
        self.unreadable += entry.unreadable
        self.lost += entry.lost
        states = [tried.accepted.state for tried in entry.tried if tried.accepted is not None]
        self.written += "written" in states
        self.compared += "same" in states or "differs" in states
        self.uncompared += "none" in states

    @property
    def code(self) -> int:
        """The exit code: 2 where something cannot be read, 1 where something failed or nothing was there."""
        if self.unreadable:
            return 2
        nothing = self.no_captures or (self.empty and not self.none_here)
        return 1 if self.failed or self.failing or self.unlike or self.lost or self.below or nothing else 0

    @property
    def empty(self) -> bool:
        """Whether there was nothing."""
        return not (self.passed or self.failed or self.captures or self.unreadable or self.lost)

    def __str__(self) -> str:
        parts: list[str] = []
        if self.passed or self.failed:
            parts.append(f"{group(self.passed)} passed, {group(self.failed)} failed")
        if self.captures or self.unreadable or self.lost:
            said = f"{count(self.captures, 'capture')}: {group(self.changed)} changed"
            for number, what in (
                (self.failing, "with a failed rule"),
                (self.unlike, "unlike what was accepted"),
                (self.written, "accepted"),
                (self.uncompared if self.compared else 0, "without an accepted outcome"),
                (self.lost, "lost"),
                (self.unreadable, "that cannot be read"),
            ):
                said += f", {group(number)} {what}" if number else ""
            parts.append(said)
        return "; ".join(parts)
