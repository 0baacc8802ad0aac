"""Shards of a run: which tests and captures fall to which, by their names alone, and their reports joined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ruleproxy.rehearsal.coverage import Coverage
from ruleproxy.rehearsal.json_report import BadReport, Report


@dataclass(frozen=True, slots=True)
class Shard:
    """The `number`th of so many, from 1 on."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """`K/N`. Raises ValueError."""
        number, slash, of = text.partition("/")
        if not slash or not (number.isdecimal() and of.isdecimal()) or not 1 <= int(number) <= int(of):
            raise ValueError(f"{text!r} is not K/N with K from 1 to N")
        return cls(int(number), int(of))

    def holds(self, name: str) -> bool:
        """Whether something of this name falls to it. A name that is added moves no other."""
        return int.from_bytes(sha256(name.encode("utf-8", "surrogatepass")).digest()[:8]) % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def join_reports(reports: Sequence[tuple[Path, Report]]) -> Report:
    """One report of all shards of a run. Raises `BadReport` where they are not that."""
    (first_file, first), *others = reports
    for file, report in others:
        for what, one, other in _compare_headings(first.heading, report.heading):
            raise BadReport(f"{file}: a run {what} {_show(other)}, and {first_file} one {what} {_show(one)}")
    _check_shards(reports)
    known: dict[str, Path] = {}
    for file, report in reports:
        for name in (*(entry.key for entry in report.tests), *(f"capture {entry.key}" for entry in report.captures)):
            if known.setdefault(name, file) is not file:
                raise BadReport(f"{file}: {name} is in {known[name]} too")
    coverage = Coverage()
    for _, report in reports:
        coverage.add(report.coverage or ())
    return Report(
        first.report,
        first.heading,
        tuple(sorted((entry for _, report in reports for entry in report.tests), key=lambda entry: entry.number)),
        tuple(sorted((entry for _, report in reports for entry in report.captures), key=lambda entry: entry.number)),
        None if first.coverage is None else tuple(coverage.rules),
    )


def _compare_headings(one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    for name, what in (("rules", "of the rules"), ("text", "with -k"), ("captures", "with captures"),
                       ("coverage", "with coverage")):  # fmt: skip
        if getattr(one, name) != getattr(other, name):
            yield what, getattr(one, name), getattr(other, name)


def _show(value: Any) -> str:
    match value:
        case tuple():
            return ", ".join(str(digest)[:7] for digest in value)
        case str():
            return f'"{value}"'
        case _:
            return str(value).lower()


def _check_shards(reports: Sequence[tuple[Path, Report]]) -> None:
    taken: dict[int, Path] = {}
    numbers = {report.heading.of for _, report in reports}
    if len(numbers) > 1:
        said = ", ".join(f"{file} is shard {report.heading.number} of {report.heading.of}" for file, report in reports)
        raise BadReport(f"shards of different runs: {said}")
    for file, report in reports:
        number = report.heading.number
        if number in taken:
            raise BadReport(f"{taken[number]} and {file} are both shard {number} of {report.heading.of}")
        taken[number] = file
    missing = sorted(set(range(1, numbers.pop() + 1)) - taken.keys())
    if missing:
        raise BadReport(f"missing: shard {', '.join(map(str, missing))} of {reports[0][1].heading.of}")
