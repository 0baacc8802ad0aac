"""A report as JUnit XML, as most systems that run tests read it.

The format has no standard; this is what `junitparser`, Jenkins and GitLab read: suites of cases, a case with its
file, line and what is wrong. Cases are kept in a temporary file until their number is known.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from ruleproxy.rehearsal.coverage import Coverage
from ruleproxy.rehearsal.report import CaptureEntry, TestEntry, Totals
from ruleproxy.rehearsal.text import describe_failure, describe_shortcoming

# https://www.w3.org/TR/xml/#charsets: what no XML can hold, not even escaped.
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Suite:
    """The cases of one suite so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tests = self.failures = self.errors = 0
        self._cases = tempfile.SpooledTemporaryFile(max_size=1 << 20, mode="w+", encoding="utf-8")  # noqa: SIM115

    def add(self, attributes: dict[str, object], kind: str = "", message: str = "", text: str = "") -> None:
        """A case; `kind` is `failure` or `error` where it did not pass."""
        self.tests += 1
        self.failures += kind == "failure"
        self.errors += kind == "error"
        inside = f"<{kind} message={_quote(message)}>{_escape(text)}</{kind}>" if kind else ""
        self._cases.write(f"<testcase {_write(attributes)}>{inside}</testcase>\n")

    def write(self, write: Callable[[str], None]) -> None:
        """The whole suite."""
        counts = {"name": self.name, "tests": self.tests, "failures": self.failures, "errors": self.errors}
        write(f"<testsuite {_write(counts)}>")
        self._cases.seek(0)
        for line in self._cases:
            write(line.rstrip("\n"))
        self._cases.close()
        write("</testsuite>")


class JunitReport:
    """A suite for each file of tests, and one for the captures. All of it is written at the end."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._suites: dict[str, _Suite] = {}

    def add_tests(self, entries: Sequence[TestEntry]) -> None:
        """A case each; a test that could not be run is an error."""
        for entry in entries:
            place: dict[str, object] = {
                "name": entry.name, "classname": entry.file, "file": entry.file, "line": entry.line
            }  # fmt: skip
            suite = self._open(entry.file)
            if entry.passed:
                suite.add(place)
            else:
                first = entry.problem or entry.missed[0].text
                kind = "failure" if entry.problem is None else "error"
                suite.add(place, kind, first, "\n".join(describe_failure(entry)))

    def add_capture(self, entry: CaptureEntry) -> None:
        """A case each; one that cannot be read is an error."""
        place = {"name": entry.name, "classname": "captures", "file": entry.file}
        if entry.line is not None:
            place["line"] = str(entry.line)
        suite = self._open("captures")
        if entry.passed:
            suite.add({**place})
        else:
            kind = "error" if entry.unreadable else "failure"
            failed = [name for tried in entry.tried for name in tried.rehearsal.failed]
            message = entry.problem or (f'"{failed[0]}" failed' if failed else "unlike what was accepted")
            suite.add({**place}, kind, message, describe_shortcoming(entry))

    def finish(self, totals: Totals, coverage: Coverage | None) -> None:  # noqa: ARG002 - as of every format
        """Everything."""
        suites = self._suites.values()
        self._write('<?xml version="1.0" encoding="UTF-8"?>')
        counts = {
            "name": "ruleproxy",
            "tests": sum(suite.tests for suite in suites),
            "failures": sum(suite.failures for suite in suites),
            "errors": sum(suite.errors for suite in suites),
        }
        self._write(f"<testsuites {_write(counts)}>")
        for suite in suites:
            suite.write(self._write)
        self._write("</testsuites>")

    def _open(self, name: str) -> _Suite:
        return self._suites.setdefault(name, _Suite(name)) if name not in self._suites else self._suites[name]


def _write(attributes: dict[str, object]) -> str:
    return " ".join(f"{name}={_quote(str(value))}" for name, value in attributes.items())


def _quote(text: str) -> str:
    return quoteattr(_FORBIDDEN.sub("\ufffd", text), {"\n": "&#10;", "\r": "&#13;"})


def _escape(text: str) -> str:
    return escape(_FORBIDDEN.sub("\ufffd", text), {"\r": "&#13;"})
