"""Where a report of `ruleproxy test` goes: standard output in its format, and a file as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from ruleproxy.commands._progress import echo
from ruleproxy.commands._where import stop

if TYPE_CHECKING:
    from ruleproxy.rehearsal.coverage import Coverage
    from ruleproxy.rehearsal.json_report import Heading
    from ruleproxy.rehearsal.report import CaptureEntry, TestEntry, Totals


@dataclass(frozen=True, slots=True)
class Output:
    """The format, the file for JSON if there is one, and how many per cent have to be covered."""

    shape: str = "text"
    file: Path | None = None
    fail_under: float | None = None


class Writer(Protocol):
    """A format. Tests come first and all together, captures one by one."""

    def add_tests(self, entries: Sequence[TestEntry]) -> None:
        """All tests."""

    def add_capture(self, entry: CaptureEntry) -> None:
        """One capture more."""

    def finish(self, totals: Totals, coverage: Coverage | None) -> None:
        """Nothing comes any more."""


class Writers:
    """Several at once."""

    def __init__(self, writers: Sequence[Writer]) -> None:
        self._writers = writers

    def add_tests(self, entries: Sequence[TestEntry]) -> None:
        """All tests."""
        for writer in self._writers:
            writer.add_tests(entries)

    def add_capture(self, entry: CaptureEntry) -> None:
        """One capture more."""
        for writer in self._writers:
            writer.add_capture(entry)

    def finish(self, totals: Totals, coverage: Coverage | None) -> None:
        """Nothing comes any more."""
        for writer in self._writers:
            writer.finish(totals, coverage)


@contextmanager
def open_writers(output: Output, heading: Heading) -> Iterator[Writers]:
    """Every place that a report goes to; ends the program where the file cannot be written."""
    if output.file is None:
        yield Writers([_open(output.shape, heading)])
        return
    from ruleproxy.rehearsal.json_report import JsonReport

    try:
        stream = output.file.open("w", encoding="utf-8")
    except OSError as error:
        stop(2, f"{output.file}: cannot be written: {(error.strerror or str(error)).lower()}")
    with stream:
        in_file = JsonReport(lambda text: stream.write(f"{text}\n"), heading)
        yield Writers([in_file, _open(output.shape, heading)])


def _open(shape: str, heading: Heading) -> Writer:
    match shape:
        case "json":
            from ruleproxy.rehearsal.json_report import JsonReport

            return JsonReport(echo, heading)
        case "junit":
            from ruleproxy.rehearsal.junit import JunitReport

            return JunitReport(echo)
        case "github":
            from ruleproxy.rehearsal.annotations import GithubReport

            return GithubReport(echo)
        case _:
            from ruleproxy.rehearsal.text import TextReport

            return TextReport(echo, lambda text: click.echo(f"ruleproxy: {text}", err=True))
