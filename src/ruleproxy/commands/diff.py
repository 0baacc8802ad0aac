"""`ruleproxy diff`: what changes on captured traffic from one set of rules to another."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ruleproxy.commands._progress import Bar
from ruleproxy.commands._revisions import PREFIX, BadRevision, read_revision
from ruleproxy.commands._where import Where, read_where, shows_colour, stop

if TYPE_CHECKING:
    from ruleproxy.engine.ruleset import Ruleset
    from ruleproxy.rehearsal.grouping import Summary


@click.command(name="diff", short_help="Show on captures what a change of rules changes.")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--captures", type=click.Path(path_type=Path), required=True, metavar="PATH", help="Compare on these: a "
              "folder, a file, a .jsonl, a .tar or .tar.gz.")  # fmt: skip
@click.option("-k", "text", default="", metavar="TEXT", help="Only captures with this in their name.")
@click.option(
    "--format", "shape", type=click.Choice(["text", "json", "markdown"]), default="text", help="How it is written."
)
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes (as many as there are cores).")
@click.option("--upstream", multiple=True, metavar="[NAME=]URL", help="An upstream; the first is the captures'.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings (ruleproxy.toml, if there is one).")
def command(
    old: str,
    new: str,
    captures: Path,
    text: str,
    shape: str,
    jobs: int | None,
    upstream: tuple[str, ...],
    config: Path | None,
) -> None:
    """Run captures through two sets of rules, OLD and NEW, and show where what goes out or comes back differs.

    OLD and NEW are folders or files of rules, packs, or git:REV[:PATH] (PATH as it was at a revision of the git
    repository here; ./rules where none is named). Nothing is sent anywhere.

    Exit codes: 0 no difference, 1 differences, 2 usage, or something that cannot be read or is wrong with the rules.
    """
    where = read_where((), upstream, config)
    if not captures.exists():
        stop(2, f"{captures}: no such file or directory")
    with open_rules(old, where) as before, open_rules(new, where) as after:
        summary = compare(before, after, where, captures, text, jobs)
        if not summary.captures and not summary.unreadable:
            chosen = f' with "{text}" in its name' if text else ""
            stop(2, f"nothing was compared: no capture{chosen} in {captures}")
        show(summary, before, after, shape)
    sys.exit(summary.code)


@dataclass(frozen=True, slots=True)
class Side:
    """One set of rules: as it was named, where it lies, what it is."""

    name: str
    paths: tuple[Path, ...]
    ruleset: Ruleset

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        return {"name": self.name, "digest": self.ruleset.digest, "rules": len(self.ruleset)}


@contextmanager
def open_rules(name: str, where: Where) -> Iterator[Side]:
    """The rules of this name; ends the program where they are not right."""
    if not name.startswith(PREFIX):
        yield Side(name, (Path(name),), load(name, (Path(name),)))
        return
    with tempfile.TemporaryDirectory(prefix="ruleproxy-diff-") as made:
        folder = Path(made)
        try:
            revision = read_revision(name, where.paths[0], folder)
        except BadRevision as error:
            stop(2, str(error))
        paths = (revision.path,)
        yield Side(name, paths, load(name, paths, (f"{folder}/", revision.shown)))


def load(name: str, paths: Sequence[Path], shown: tuple[str, str] = ("", "")) -> Ruleset:
    """The rules; `shown` is where they were put to be read, and what to say instead."""
    from ruleproxy.engine.loading import load_rules
    from ruleproxy.engine.masking import render_diagnostics
    from ruleproxy.language.counts import count
    from ruleproxy.language.diagnostics import Severity

    def tell(text: str) -> str:
        return text.replace(*shown) if shown[0] else text

    loaded = load_rules(paths, None, None)
    for item in loaded.unreadable:
        stop(2, f"{tell(item.shown)}: {item.reason}")
    if loaded.ruleset is None:
        errors = [found for found in loaded.diagnostics if found.severity is Severity.ERROR]
        click.echo(tell(render_diagnostics(errors, colour=shows_colour(sys.stderr))), err=True, color=True)
        stop(2, f"nothing was compared: {count(loaded.errors, 'error')} in {name}")
    return loaded.ruleset


def compare(old: Side, new: Side, where: Where, captures: Path, text: str, jobs: int | None) -> Summary:
    """Every capture under both; complains of those that cannot be read."""
    from ruleproxy.commands._testing import Found, Selection, count_captures, select_captures
    from ruleproxy.rehearsal.comparing import Comparer, ComparingWork
    from ruleproxy.rehearsal.grouping import Summary
    from ruleproxy.rehearsal.processes import CannotTry, try_all
    from ruleproxy.rehearsal.rules import RulesAt

    selection = Selection(captures, text)
    rules = [RulesAt(side.paths, side.ruleset.digest) for side in (old, new)]
    work = ComparingWork(rules[0], rules[1], where.upstreams)
    attempt = Comparer(old.ruleset, new.ruleset, where.upstreams)
    summary = Summary()
    with Bar("captures", count_captures(selection)) as bar:
        try:
            for compared in try_all(work, attempt, select_captures(captures, selection, Found()), jobs):
                summary.add(compared)
                if compared.problem is not None:
                    place = f" at {compared.place}" if compared.place else ""
                    click.echo(f"ruleproxy: {compared.name}{place}: {compared.problem}", err=True)
                bar.advance()
        except CannotTry as error:
            stop(2, str(error))
    return summary


def show(summary: Summary, old: Side, new: Side, shape: str) -> None:
    """Write it."""
    from ruleproxy.rehearsal.diff_text import render_json, render_markdown, render_text

    match shape:
        case "json":
            click.echo(render_json(summary, old.to_dict(), new.to_dict()))
        case "markdown":
            for line in render_markdown(summary, old.name, new.name):
                click.echo(line)
        case _:
            for line in render_text(summary):
                click.echo(line.rstrip())
