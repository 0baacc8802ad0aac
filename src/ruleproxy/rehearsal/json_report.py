"""A report as JSON: written piece by piece, read back to be shown in another format or joined with others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from ruleproxy.rehearsal.coverage import Coverage, RuleCoverage
from ruleproxy.rehearsal.report import CaptureEntry, TestEntry, Totals

VERSION: Final = 1
"""The version of the format that is written, and the newest that is read."""


class BadReport(Exception):
    """A report that cannot be read or used; the message names it."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What a report is of: the digests of the sets of rules, the text that names had to hold, whether captures were
    tried and coverage was counted, and which shard of how many it is.
    """

    rules: tuple[str, ...]
    text: str = ""
    captures: bool = False
    coverage: bool = False
    number: int = 1
    of: int = 1


@dataclass(frozen=True, slots=True)
class Report:
    """A report that was read."""

    report: int
    heading: Heading
    tests: tuple[TestEntry, ...]
    captures: tuple[CaptureEntry, ...]
    coverage: tuple[RuleCoverage, ...] | None = None


class JsonReport:
    """One object: `report` (the version), `heading`, `tests`, `captures`, `coverage`, `totals`, `code`.

    An entry is one line.
    """

    def __init__(self, write: Callable[[str], object], heading: Heading) -> None:
        self._write = write
        self._captures = 0
        self._tests: Sequence[TestEntry] = ()
        write(f'{{"report": {VERSION},\n"heading": {_encode(heading)},\n"tests": [')

    def add_tests(self, entries: Sequence[TestEntry]) -> None:
        """The tests, all together and before the captures."""
        self._write(",\n".join(map(_encode, entries)))
        self._write('],\n"captures": [')

    def add_capture(self, entry: CaptureEntry) -> None:
        """One capture more."""
        self._write(("," if self._captures else "") + _encode(entry))
        self._captures += 1

    def finish(self, totals: Totals, coverage: Coverage | None) -> None:
        """What is left."""
        rules = None if coverage is None else coverage.rules
        counts = {name: count for name, count in asdict(totals).items() if not isinstance(count, bool)}
        self._write(f'],\n"coverage": {_encode(rules)},\n"totals": {_encode(counts)},\n"code": {totals.code}}}')


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def read_report(file: Path) -> Report:
    """A report from its file. Raises `BadReport`."""
    try:
        data = file.read_bytes()
        report = msgspec.json.decode(data, type=Report)
    except OSError as error:
        raise BadReport(f"{file}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        reason = str(error)
        raise BadReport(f"{file}: not a report of ruleproxy test: {reason[:1].lower()}{reason[1:]}") from None
    if report.report != VERSION:
        raise BadReport(f"{file}: version {report.report} is not what is read here ({VERSION})")
    return report
