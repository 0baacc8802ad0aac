"""A report as people read it in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ruleproxy.engine.trace_text import render_edits
from ruleproxy.language.counts import group
from ruleproxy.rehearsal.coverage import Coverage, render_coverage
from ruleproxy.rehearsal.report import CaptureEntry, TestEntry, Totals, Tried


class TextReport:
    """A line a file of tests and a paragraph a capture, each written as it is known."""

    def __init__(self, write: Callable[[str], None], complain: Callable[[str], None]) -> None:
        self._write = write
        self._complain = complain

    def add_tests(self, entries: Sequence[TestEntry]) -> None:
        """A line a file, and under it what is wrong with each test that failed."""
        for file in dict.fromkeys(entry.file for entry in entries):
            here = [entry for entry in entries if entry.file == file]
            failed = sum(not entry.passed for entry in here)
            self._write(f"{file}  {group(len(here) - failed)} passed" + (f", {group(failed)} failed" if failed else ""))
            for line in (line for entry in here for line in describe_test(entry)):
                self._write(f"  {line}".rstrip())
            if failed:
                self._write("")

    def add_capture(self, entry: CaptureEntry) -> None:
        """A paragraph for each set of rules that a capture was tried on; a complaint about one that was not."""
        if entry.problem is not None:
            self._complain(describe_problem(entry))
        for line in describe_capture(entry):
            self._write(line.rstrip())

    def finish(self, totals: Totals, coverage: Coverage | None) -> None:
        """The table of coverage, and the closing line."""
        if coverage is not None and not totals.empty:
            for line in (*render_coverage(coverage), ""):
                self._write(line)
        if not totals.empty:
            self._write(str(totals))


def describe_test(entry: TestEntry) -> Iterator[str]:
    """The snapshots that a test wrote, and what is wrong with it."""
    for path in entry.accepted:
        yield f"accepted {path}"
    if entry.passed:
        return
    yield ""
    yield f'failed "{entry.name}" at {entry.file}:{entry.line}'
    yield from (f"  {line}" for line in describe_failure(entry))


def describe_failure(entry: TestEntry) -> Iterator[str]:
    """Why a test failed, and what the rules did."""
    if entry.problem is not None:
        yield entry.problem
    for missed in entry.missed:
        yield f"{missed.place}: {missed.text}"
        yield from (f"  {reason}" for reason in missed.reasons)
    if entry.trace:
        yield ""
        yield from entry.trace.splitlines()


def describe_problem(entry: CaptureEntry) -> str:
    """Why a capture could not be tried."""
    return f"{entry.name}{f' at {entry.place}' if entry.place else ''}: {entry.problem}"


def describe_shortcoming(entry: CaptureEntry) -> str:
    """What is wrong with a capture that did not pass, as one text."""
    return describe_problem(entry) if entry.problem is not None else "\n".join(describe_capture(entry)).rstrip()


def describe_capture(entry: CaptureEntry) -> Iterator[str]:
    """What became of a capture, each paragraph with an empty line behind it."""
    for tried in entry.tried:
        to = f" to {tried.rehearsal.origin}" if tried.rehearsal.origin is not None else ""
        yield f"{entry.name}  {entry.method} {entry.path}{to}"
        yield from (f"  {line}" for line in describe_tried(tried))
        yield ""


def describe_tried(tried: Tried) -> Iterator[str]:
    """Which rules acted on a capture, what came of it, and how that differs from what was accepted."""
    rehearsal = tried.rehearsal
    width = max((len(rule.name) for rule in rehearsal.acted), default=0)
    for rule in rehearsal.acted:
        reason = f"  {rule.failure}" if rule.failure is not None else ""
        yield f"{rule.verdict:<9}  {rule.name:<{width}}  {rule.place}{reason}"
    if rehearsal.origin is None:
        yield f"answered here with {rehearsal.answered}, nothing would be sent"
    elif not rehearsal.differences:
        yield "goes out as it came"
    yield from render_edits(rehearsal.differences)
    if rehearsal.answer_differences:
        yield "the answer:"
        yield from render_edits(rehearsal.answer_differences)
    if rehearsal.unanswered:
        yield f"what comes back is not known: {rehearsal.unanswered}"
    yield from _describe_accepted(tried)
    if rehearsal.trace:
        yield ""
        yield from rehearsal.trace.splitlines()


def _describe_accepted(tried: Tried) -> Iterator[str]:
    accepted = tried.accepted
    if accepted is None:
        return
    match accepted.state:
        case "differs":
            yield f"unlike {accepted.file}: ruleproxy test --accept takes what is here now"
            yield from (f"  {line}" for line in render_edits(accepted.differences))
        case "written":
            yield f"accepted {accepted.file}"
        case "unreadable":
            yield f"{accepted.file}: {accepted.problem}"
        case "same":
            yield "as accepted"
        case "none":
            return
