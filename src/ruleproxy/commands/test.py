"""`ruleproxy test`: the tests in rules files, and rules tried on captured traffic."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ruleproxy.commands._loading import load_or_stop
from ruleproxy.commands._where import Where, read_where, stop
from ruleproxy.language.counts import count

if TYPE_CHECKING:
    from ruleproxy.captures.capture import Capture, CapturedRequest
    from ruleproxy.engine.ruleset import Ruleset
    from ruleproxy.messages.upstreams import Upstream
    from ruleproxy.rehearsal.rehearsing import Rehearsal
    from ruleproxy.rehearsal.testing import TestResult


@click.command(name="test")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("-k", "text", default="", metavar="TEXT", help="Only tests, or captures, with this in their name.")
@click.option("--captures", type=click.Path(path_type=Path), metavar="DIR", help="Try the rules on these captures.")
@click.option("--accept", is_flag=True, help="Write the snapshots that tests compare with.")
@click.option("--upstream", multiple=True, metavar="[NAME=]URL", help="An upstream for captures; the first is theirs.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings (ruleproxy.toml, if there is one).")
def command(
    paths: tuple[Path, ...],
    text: str,
    captures: Path | None,
    accept: bool,
    upstream: tuple[str, ...],
    config: Path | None,
) -> None:
    """Run the tests in files and folders of rules (./rules), and in packs; try the rules on captured traffic.

    Nothing is sent anywhere.

    Exit codes: 0 all passed, 1 a test or a rule failed, or nothing was selected, 2 usage, or something that cannot
    be read.
    """
    where = read_where(paths, upstream, config)
    rulesets = [load_or_stop(group, "nothing was tested", None) for group in group_paths(where.paths)]
    closing: list[str] = []
    code = 0
    results = [result for ruleset in rulesets for result in run(ruleset, text, accept=accept)]
    if results:
        report_tests(results)
        failed = sum(not result.passed for result in results)
        closing.append(f"{len(results) - failed} passed, {failed} failed")
        code = 1 if failed else 0
    if captures is not None:
        said, found = report_captures(captures, rulesets, where, text)
        closing += said
        code = max(code, found)
    if not closing:
        chosen = f' with "{text}" in its name' if text else ""
        stop(code or 1, f"nothing was tested: no test{chosen} in {', '.join(map(str, where.paths))}")
    click.echo("; ".join(closing))
    sys.exit(code)


def group_paths(paths: Sequence[Path]) -> list[list[Path]]:
    """Paths whose rules run together: each pack by itself, all others as they would be served."""
    from ruleproxy.packs.folders import MANIFEST

    packs = [path for path in paths if ((path if path.is_dir() else path.parent) / MANIFEST).is_file()]
    others = [path for path in paths if path not in packs]
    return [*([others] if others else []), *([path] for path in packs)]


def run(ruleset: Ruleset, text: str, *, accept: bool) -> Iterable[TestResult]:
    """The results of the tests that are selected."""
    from ruleproxy.rehearsal.testing import run_test, select_tests

    return [run_test(test, ruleset, accept=accept) for test in select_tests(ruleset.tests, text)]


def report_tests(results: Sequence[TestResult]) -> None:
    """A line a file, and under it what is wrong with each test that failed."""
    from ruleproxy.engine.trace_text import render_trace

    for file in dict.fromkeys(result.file for result in results):
        here = [result for result in results if result.file == file]
        failed = [result for result in here if not result.passed]
        passed = f"{len(here) - len(failed)} passed"
        click.echo(f"{file}  {passed}, {len(failed)} failed" if failed else f"{file}  {passed}")
        for result in here:
            for path in result.accepted:
                click.echo(f"  accepted {path}")
        for result in failed:
            click.echo(f'\n  failed "{result.name}" at {result.file}:{result.line}')
            if result.problem is not None:
                click.echo(f"    {result.problem}")
            for missed in result.missed:
                click.echo(f"    {missed.place}: {missed.text}")
                for reason in missed.reasons:
                    click.echo(f"      {reason}")
            if result.trace is not None:
                click.echo("")
                for line in render_trace(result.trace).splitlines():
                    click.echo(f"    {line}".rstrip())
        if failed:
            click.echo("")


def report_captures(folder: Path, rulesets: Sequence[Ruleset], where: Where, text: str) -> tuple[list[str], int]:
    """A paragraph a capture; gives what to say at the end, and the exit code that this alone would have."""
    from ruleproxy.captures.reading import BadCapture, find_captures, read_capture
    from ruleproxy.rehearsal.driving import Unanswered
    from ruleproxy.rehearsal.givens import declare
    from ruleproxy.rehearsal.rehearsing import rehearse

    if not folder.exists():
        stop(2, f"{folder}: no such file or directory")
    found = find_captures(folder)
    if not found:
        click.echo(f"ruleproxy: no captures in {folder}", err=True)
        return [], 1
    files = [file for file in found if text.lower() in file.name.lower()]
    if not files:
        return [], 0
    changed = failed = unreadable = 0
    for file in files:
        try:
            capture = read_capture(file)
            known = where.upstreams or asked(capture)
            done = [rehearse(capture, ruleset, declare(known, ruleset.origins)) for ruleset in rulesets]
        except (BadCapture, Unanswered) as error:
            click.echo(f"ruleproxy: {error if isinstance(error, BadCapture) else f'{file}: {error}'}", err=True)
            unreadable += 1
            continue
        for rehearsal in done:
            click.echo("\n".join(describe(file, capture.request, rehearsal)) + "\n")
        changed += any(rehearsal.changed for rehearsal in done)
        failed += any(rehearsal.failed for rehearsal in done)
    said = f"{count(len(files) - unreadable, 'capture')}: {changed} changed"
    for number, what in ((failed, "with a failed rule"), (unreadable, "that cannot be read")):
        said += f", {number} {what}" if number else ""
    return [said], 2 if unreadable else 1 if failed else 0


def describe(file: Path, request: CapturedRequest, rehearsal: Rehearsal) -> list[str]:
    """Which rules acted on a capture, and what came of it."""
    from ruleproxy.engine.trace_text import render_edits, render_trace

    to = f" to {rehearsal.sent.origin}" if rehearsal.sent is not None else ""
    lines = [f"{file}  {request.method} {request.path.decode('latin-1')}{to}"]
    acted = [rule for side in rehearsal.trace.sides for rule in side.rules if rule.verdict in _SHOWN]
    width = max((len(rule.name) for rule in acted), default=0)
    for rule in acted:
        reason = f"  {rule.failure}" if rule.failure is not None else ""
        lines.append(f"  {rule.verdict:<9}  {rule.name:<{width}}  {rule.place}{reason}")
    if rehearsal.sent is None:
        lines.append(f"  answered here with {rehearsal.answered}, nothing would be sent")
    elif not rehearsal.differences:
        lines.append("  goes out as it came")
    lines += (f"  {line}" for line in render_edits(rehearsal.differences))
    if rehearsal.answer_differences:
        lines.append("  the answer:")
        lines += (f"  {line}" for line in render_edits(rehearsal.answer_differences))
    if rehearsal.failed:
        lines.append("")
        lines += (f"  {line}".rstrip() for line in render_trace(rehearsal.trace).splitlines())
    return lines


_SHOWN = ("changed", "shadowed", "failed")


def asked(capture: Capture) -> tuple[Upstream, ...]:
    """The upstream that a captured exchange went to, where it was recorded."""
    from ruleproxy.messages.upstreams import Upstream

    origin = capture.sent.origin if capture.sent is not None else None
    return () if origin is None else (Upstream("default", origin),)
