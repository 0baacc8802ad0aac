"""One run of `ruleproxy test`: tests and captures found, tried and reported."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ruleproxy.commands._loading import load_or_stop
from ruleproxy.commands._progress import Bar
from ruleproxy.commands._reporting import Output, Writers, open_writers
from ruleproxy.commands._where import Where, stop

if TYPE_CHECKING:
    from ruleproxy.captures.source import Source
    from ruleproxy.engine.ruleset import Ruleset
    from ruleproxy.rehearsal.coverage import Coverage
    from ruleproxy.rehearsal.report import CaptureEntry, TestEntry, Totals
    from ruleproxy.rehearsal.shards import Shard

__all__ = ["Output", "Selection", "merge_all", "run_all", "watch_all"]


@dataclass(frozen=True, slots=True)
class Selection:
    """What is run: tests, and captures where there are some, with this text in their names, of this shard.

    With `accept` what comes of them is written; `jobs` is in how many processes, None for as many as there are cores.
    """

    captures: Path | None = None
    text: str = ""
    accept: bool = False
    jobs: int | None = None
    shard: Shard | None = None
    covering: bool = False

    def holds(self, name: str) -> bool:
        """Whether something of this name is selected, in this shard or another one."""
        return self.text.lower() in name.lower()

    def takes(self, name: str) -> bool:
        """Whether something of this name, being selected, falls to this shard."""
        return self.shard is None or self.shard.holds(name)


def run_all(where: Where, selection: Selection, output: Output) -> int:
    """Run everything that is selected and report it; gives the exit code. Ends the program where nothing can be run."""
    from ruleproxy.rehearsal.coverage import Coverage
    from ruleproxy.rehearsal.json_report import Heading
    from ruleproxy.rehearsal.report import Totals

    if selection.captures is not None and not selection.captures.exists():
        stop(2, f"{selection.captures}: no such file or directory")
    groups = group_paths(where.paths)
    if selection.accept and selection.captures is not None and len(groups) > 1:
        stop(2, "--accept takes the outcomes of one set of rules, and packs that are named are sets of their own")
    rulesets = [load_or_stop(group, "nothing was tested", None, to_stderr=output.shape != "text") for group in groups]
    coverage = Coverage() if selection.covering else None
    if coverage is not None:
        for ruleset in rulesets:
            coverage.watch(ruleset)
    digests = tuple(ruleset.digest for ruleset in rulesets)
    heading = Heading(digests, selection.text, selection.captures is not None, selection.covering)
    if selection.shard is not None:
        heading = replace(heading, number=selection.shard.number, of=selection.shard.of)
    totals, found = Totals(), Found()
    with open_writers(output, heading) as writers:
        tests = run_tests(rulesets, selection, coverage, found)
        for entry in tests:
            totals.count_test(entry)
        writers.add_tests(tests)
        for tried in try_captures(groups, rulesets, where, selection, coverage, found):
            totals.count_capture(tried)
            writers.add_capture(tried)
        totals.none_here = bool(found.selected) and selection.shard is not None
        totals.no_captures = selection.captures is not None and not found.captures
        return finish(writers, totals, coverage, output, explain_emptiness(where, selection))


@dataclass(slots=True)
class Found:
    """How many tests and captures are selected, in this shard or another one; how many captures there are at all, and
    where their accepted outcomes would lie.
    """

    selected: int = 0
    captures: int = 0
    outcomes: set[Path] = field(default_factory=set)


def finish(writers: Writers, totals: Totals, coverage: Coverage | None, output: Output, nothing: str) -> int:
    """Close the report and give the exit code."""
    from ruleproxy.rehearsal.coverage import format_per_cent

    covered = None if coverage is None else coverage.per_cent
    totals.below = covered is not None and output.fail_under is not None and covered < output.fail_under
    writers.finish(totals, coverage)
    if totals.empty and not totals.none_here:
        click.echo(f"ruleproxy: {nothing}", err=True)
    elif totals.no_captures:
        click.echo("ruleproxy: --captures: there is no capture", err=True)
    if totals.below and coverage is not None:
        said = f"{format_per_cent(coverage)} covered, and {output.fail_under:g} % are asked for"
        click.echo(f"ruleproxy: {said}", err=True)
    return totals.code


def merge_all(files: Sequence[Path], output: Output) -> int:
    """Join the reports of shards and report that; gives the exit code. Ends the program where they do not fit."""
    from ruleproxy.rehearsal.coverage import Coverage
    from ruleproxy.rehearsal.json_report import BadReport, read_report
    from ruleproxy.rehearsal.report import Totals
    from ruleproxy.rehearsal.shards import join_reports

    try:
        joined = join_reports([(file, read_report(file)) for file in files])
    except BadReport as error:
        stop(2, str(error))
    if output.fail_under is not None and joined.coverage is None:
        stop(2, f"--fail-under: no coverage was counted for {files[0]}")
    totals = Totals()
    coverage = None if joined.coverage is None else Coverage(joined.coverage)
    with open_writers(output, replace(joined.heading, number=1, of=1)) as writers:
        for test in joined.tests:
            totals.count_test(test)
        writers.add_tests(joined.tests)
        for capture in joined.captures:
            totals.count_capture(capture)
            writers.add_capture(capture)
        return finish(writers, totals, coverage, output, "nothing was tested in any shard")


def watch_all(where: Where, selection: Selection, output: Output) -> None:
    """Run everything, and again whenever something changes, until Ctrl-C."""
    from ruleproxy.commands._changes import wait_for_changes

    try:
        for _ in wait_for_changes(where.paths, selection.captures):
            with suppress(SystemExit):  # what is wrong was said; the next change may mend it
                run_all(where, selection, output)
            click.echo(f"\nwatching {', '.join(map(str, where.paths))}; Ctrl-C ends")
    except KeyboardInterrupt:
        click.echo("")


def group_paths(paths: Sequence[Path]) -> list[list[Path]]:
    """Paths whose rules run together: each pack by itself, all others as they would be served."""
    from ruleproxy.packs.folders import MANIFEST

    packs = [path for path in paths if ((path if path.is_dir() else path.parent) / MANIFEST).is_file()]
    others = [path for path in paths if path not in packs]
    return [*([others] if others else []), *([path] for path in packs)]


def run_tests(
    rulesets: Sequence[Ruleset], selection: Selection, coverage: Coverage | None, found: Found
) -> list[TestEntry]:
    """The tests that are selected."""
    from ruleproxy.rehearsal.report import TestEntry
    from ruleproxy.rehearsal.testing import run_test

    entries: list[TestEntry] = []
    for ruleset in rulesets:
        for test in ruleset.tests:
            if not selection.holds(test.node.name):
                continue
            found.selected += 1
            if selection.takes(f"{test.source.name}:{test.node.name}"):
                result = run_test(test, ruleset, accept=selection.accept, coverage=coverage)
                entries.append(TestEntry.from_result(result, found.selected))
    return entries


def try_captures(
    groups: Sequence[Sequence[Path]],
    rulesets: Sequence[Ruleset],
    where: Where,
    selection: Selection,
    coverage: Coverage | None,
    found: Found,
) -> Iterator[CaptureEntry]:
    """The captures that are selected, in order, each tried on the rules. Ends the program where none can be."""
    from ruleproxy.rehearsal.processes import CannotTry, try_all
    from ruleproxy.rehearsal.rules import RulesAt
    from ruleproxy.rehearsal.trying import Trial, TrialWork

    if selection.captures is None:
        return
    rules = [RulesAt(paths, ruleset.digest) for paths, ruleset in zip(groups, rulesets, strict=True)]
    work = TrialWork(rules, where.upstreams, selection.accept, coverage is not None)
    attempt = Trial(rulesets, where.upstreams, selection.accept, coverage)
    collect = None if coverage is None else coverage.add
    sources = select_captures(selection.captures, selection, found)
    with Bar("captures", count_captures(selection)) as bar:
        try:
            for entry in try_all(work, attempt, sources, selection.jobs, collect):
                yield entry
                bar.advance()
        except CannotTry as error:
            stop(2, str(error))
    if len(groups) == 1:
        yield from name_lost(selection.captures, selection, found)


def name_lost(path: Path, selection: Selection, found: Found) -> Iterator[CaptureEntry]:
    """The accepted outcomes whose capture is gone, once all captures were found."""
    from ruleproxy.captures.finding import find_accepted
    from ruleproxy.rehearsal.report import CaptureEntry

    for number, file in enumerate(find_accepted(path), found.captures):
        key, said = str(file.relative_to(path)), "its capture is not there: renamed, or removed? Then remove this, too"
        # Of an archive that is broken nobody knows what was in it.
        if not {file, *file.parents} & found.outcomes and selection.holds(key) and selection.takes(key):
            yield CaptureEntry(key, str(file), str(file), problem=said, number=number, lost=True)


def select_captures(path: Path, selection: Selection, found: Found) -> Iterator[Source]:
    """The captures that are selected, in order and numbered."""
    from ruleproxy.captures.finding import find_captures
    from ruleproxy.captures.source import ACCEPTED_FOLDER

    for number, source in enumerate(find_captures(path)):
        found.captures += 1
        found.outcomes.add(
            source.file.with_name(source.file.name + ACCEPTED_FOLDER) if source.problem else source.accepted
        )
        if selection.holds(source.key):
            found.selected += 1
            if selection.takes(source.key):
                yield replace(source, number=number)


def count_captures(selection: Selection) -> int | None:
    """How many captures there are to try, None where that would have to be found out by reading them.

    Only a bar wants to know.
    """
    from ruleproxy.captures.finding import find_files
    from ruleproxy.captures.source import is_capture_name

    if selection.captures is None or not selection.captures.is_dir() or not sys.stderr.isatty():
        return None
    files = [file.relative_to(selection.captures).as_posix() for file in find_files(selection.captures)]
    if not all(map(is_capture_name, files)):
        return None
    return sum(selection.holds(name) and selection.takes(name) for name in files)


def explain_emptiness(where: Where, selection: Selection) -> str:
    """Why nothing was tested."""
    chosen = f' with "{selection.text}" in its name' if selection.text else ""
    nothing = f"nothing was tested: no test{chosen} in {', '.join(map(str, where.paths))}"
    return nothing if selection.captures is None else f"{nothing}, no capture{chosen} in {selection.captures}"
