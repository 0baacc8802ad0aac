"""A report for a GitHub workflow: what failed as annotations at the line where it stands (its "workflow commands")."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ruleproxy.language.exporting import annotate
from ruleproxy.rehearsal.coverage import Coverage, format_per_cent
from ruleproxy.rehearsal.report import CaptureEntry, TestEntry, Totals
from ruleproxy.rehearsal.text import describe_failure, describe_shortcoming


class GithubReport:
    """An annotation for each test and capture with something wrong, and the closing line."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def add_tests(self, entries: Sequence[TestEntry]) -> None:
        """One annotation each test that failed: at the first expectation that was not met, or at the test."""
        for entry in entries:
            if not entry.passed:
                line = entry.missed[0].place.rpartition(":")[2] if entry.missed else entry.line
                place = {"file": entry.file, "line": line, "title": f'failed "{entry.name}"'}
                self._write(annotate("error", place, "\n".join(describe_failure(entry))))

    def add_capture(self, entry: CaptureEntry) -> None:
        """One annotation each capture that something is wrong with."""
        if not entry.passed:
            place = {"file": entry.file, "line": entry.line or 1, "title": _title(entry)}
            self._write(annotate("error", place, describe_shortcoming(entry)))

    def finish(self, totals: Totals, coverage: Coverage | None) -> None:
        """A warning at each rule that is not covered, and the closing line."""
        for rule in coverage.rules if coverage is not None else ():
            missing = [f"never {word}: {leg.text}" for leg in rule.legs
                       for word, seen in (("true", leg.true), ("false", leg.false)) if not seen]  # fmt: skip
            if missing or not rule.covered:
                file, _, line = rule.place.rpartition(":")
                place = {"file": file, "line": line, "title": f'"{rule.name}" is not covered'}
                self._write(
                    annotate("warning", place, "\n".join([*([] if rule.covered else ["never acted"]), *missing]))
                )
        if coverage is not None:
            self._write(f"{format_per_cent(coverage)} covered")
        if not totals.empty:
            self._write(str(totals))


def _title(entry: CaptureEntry) -> str:
    if entry.lost:
        return "an accepted outcome without its capture"
    if entry.unreadable:
        return f"{entry.name} cannot be read"
    return f"a rule failed on {entry.name}" if entry.failed else f"{entry.name} is unlike what was accepted"
