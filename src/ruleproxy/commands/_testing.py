"""One run of `ruleproxy test`: tests and captures found, tried and reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from ruleproxy.commands._loading import load_or_stop
from ruleproxy.commands._progress import Bar
from ruleproxy.commands._where import Where, stop

if TYPE_CHECKING:
    from ruleproxy.captures.source import Source
    from ruleproxy.engine.ruleset import Ruleset
    from ruleproxy.rehearsal.report import CaptureEntry, TestEntry, Totals


@dataclass(frozen=True, slots=True)
class Selection:
    """What is run: tests, and captures where there are some, with this text in their names.

    With `accept` what comes of them is written; `jobs` is in how many processes, None for as many as there are cores.
    """

    captures: Path | None = None
    text: str = ""
    accept: bool = False
    jobs: int | None = None

    def holds(self, name: str) -> bool:
        """Whether something of this name is selected."""
        return self.text.lower() in name.lower()


class ReportWriter(Protocol):
    """A format. Tests come first and all together, captures one by one."""

    def add_tests(self, entries: Sequence[TestEntry]) -> None:
        """All tests."""

    def add_capture(self, entry: CaptureEntry) -> None:
        """One capture more."""

    def finish(self, totals: Totals) -> None:
        """Nothing comes any more."""


def run_all(where: Where, selection: Selection, shape: str) -> int:
    """Run everything that is selected and report it; gives the exit code. Ends the program where nothing can be run."""
    from ruleproxy.rehearsal.report import TestEntry, Totals
    from ruleproxy.rehearsal.testing import run_test

    if selection.captures is not None and not selection.captures.exists():
        stop(2, f"{selection.captures}: no such file or directory")
    groups = group_paths(where.paths)
    if selection.accept and selection.captures is not None and len(groups) > 1:
        stop(2, "--accept takes the outcomes of one set of rules, and packs that are named are sets of their own")
    rulesets = [load_or_stop(group, "nothing was tested", None, to_stderr=shape != "text") for group in groups]
    writer = open_report(shape, rulesets, selection)
    totals = Totals()
    tests = [
        TestEntry.from_result(run_test(test, ruleset, accept=selection.accept))
        for ruleset in rulesets
        for test in ruleset.tests
        if selection.holds(test.node.name)
    ]
    for entry in tests:
        totals.count_test(entry)
    writer.add_tests(tests)
    for tried in try_captures(groups, rulesets, where, selection):
        totals.count_capture(tried)
        writer.add_capture(tried)
    writer.finish(totals)
    if totals.empty:
        stop(1, explain_emptiness(where, selection))
    return totals.code


def group_paths(paths: Sequence[Path]) -> list[list[Path]]:
    """Paths whose rules run together: each pack by itself, all others as they would be served."""
    from ruleproxy.packs.folders import MANIFEST

    packs = [path for path in paths if ((path if path.is_dir() else path.parent) / MANIFEST).is_file()]
    others = [path for path in paths if path not in packs]
    return [*([others] if others else []), *([path] for path in packs)]


def open_report(shape: str, rulesets: Sequence[Ruleset], selection: Selection) -> ReportWriter:
    """The report to write on standard output."""
    match shape:
        case "json":
            from ruleproxy.rehearsal.json_report import Heading, JsonReport

            return JsonReport(click.echo, Heading(tuple(ruleset.digest for ruleset in rulesets), selection.text))
        case "junit":
            from ruleproxy.rehearsal.junit import JunitReport

            return JunitReport(click.echo)
        case "github":
            from ruleproxy.rehearsal.annotations import GithubReport

            return GithubReport(click.echo)
        case _:
            from ruleproxy.rehearsal.text import TextReport

            return TextReport(click.echo, lambda text: click.echo(f"ruleproxy: {text}", err=True))


def try_captures(
    groups: Sequence[Sequence[Path]], rulesets: Sequence[Ruleset], where: Where, selection: Selection
) -> Iterator[CaptureEntry]:
    """The captures that are selected, in order, each tried on the rules. Ends the program where none can be."""
    from ruleproxy.rehearsal.processes import CannotTry, try_all
    from ruleproxy.rehearsal.rules import RulesAt
    from ruleproxy.rehearsal.trying import Trial, TrialWork

    if selection.captures is None:
        return
    rules = [RulesAt(paths, ruleset.digest) for paths, ruleset in zip(groups, rulesets, strict=True)]
    work = TrialWork(rules, where.upstreams, selection.accept)
    attempt = Trial(rulesets, where.upstreams, selection.accept)
    with Bar("captures", count_captures(selection)) as bar:
        try:
            for entry in try_all(work, attempt, select_captures(selection), selection.jobs):
                yield entry
                bar.advance()
        except CannotTry as error:
            stop(2, str(error))


def select_captures(selection: Selection) -> Iterator[Source]:
    """The captures that are selected, in order."""
    from ruleproxy.captures.finding import find_captures

    if selection.captures is None:
        return
    for source in find_captures(selection.captures):
        if selection.holds(source.key):
            yield source


def count_captures(selection: Selection) -> int | None:
    """How many captures there are to try, None where that would have to be found out by reading them."""
    from ruleproxy.captures.finding import find_files
    from ruleproxy.captures.source import is_capture_name

    if selection.captures is None or not selection.captures.is_dir():
        return None
    files = [file.relative_to(selection.captures).as_posix() for file in find_files(selection.captures)]
    return sum(map(selection.holds, files)) if all(map(is_capture_name, files)) else None


def explain_emptiness(where: Where, selection: Selection) -> str:
    """Why nothing was tested."""
    chosen = f' with "{selection.text}" in its name' if selection.text else ""
    nothing = f"nothing was tested: no test{chosen} in {', '.join(map(str, where.paths))}"
    return nothing if selection.captures is None else f"{nothing}, no capture{chosen} in {selection.captures}"
