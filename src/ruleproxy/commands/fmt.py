"""`ruleproxy fmt`: rules files written in the one way there is."""

from __future__ import annotations

import difflib
import os
import re
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ruleproxy.commands._where import read_where, shows_colour, stop

if TYPE_CHECKING:
    from ruleproxy.language.diagnostics import Diagnostic
    from ruleproxy.packs.folders import RulesText, Unreadable

STANDARD_INPUT = Path("-")


@dataclass(frozen=True, slots=True)
class Formatted:
    """A file as it should be: `text` is None where it cannot be read as rules, which `diagnostics` say."""

    text: bytes | None
    diagnostics: list[Diagnostic]


@click.command(name="fmt", short_help="Write rules files the one way there is.")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing: print the names of the files that would change.")
@click.option("--diff", is_flag=True, help="Write nothing: print what would change.")
def command(paths: tuple[Path, ...], check: bool, diff: bool) -> None:
    """Format files and folders of rules (./rules) in place, packs in them included; `-` is standard input.

    Prints the names of the files that changed. There is nothing to set. A file with mistakes in it is left as it is.

    Exit codes: 0 all is formatted, 1 a file has mistakes (with --check and --diff: or would change), 2 usage, or a
    path that cannot be read or written.
    """
    if STANDARD_INPUT in paths:
        if len(paths) > 1:
            stop(2, "standard input (-) goes with no other path")
        sys.exit(format_standard_input(check=check, diff=diff))
    texts, unreadable = read_files(paths or read_where((), (), None).paths)
    for item in unreadable:
        click.echo(f"ruleproxy: {item.shown}: {item.reason}", err=True)
    code = 2 if unreadable else 0
    for text in texts:
        made = format_bytes(text.shown, text.data)
        if made.text is None:
            show_mistakes(made.diagnostics)
            code = max(code, 1)
        elif made.text != text.data:
            if diff:
                show_difference(text.shown, text.data, made.text)
            elif check:
                click.echo(text.shown)
            code = max(code, 1 if check or diff else write_file(text, made.text))
    sys.exit(code)


def format_standard_input(*, check: bool, diff: bool) -> int:
    """Format standard input to standard output; gives the exit code."""
    data = sys.stdin.buffer.read()
    made = format_bytes("standard input", data)
    if made.text is None:
        show_mistakes(made.diagnostics)
        return 1
    if not check and not diff:
        sys.stdout.buffer.write(made.text)
        return 0
    if made.text == data:
        return 0
    if diff:
        show_difference("standard input", data, made.text)
    else:
        click.echo("standard input")
    return 1


def read_files(paths: tuple[Path, ...]) -> tuple[list[RulesText], list[Unreadable]]:
    """The rules files at these paths, each once; in a folder those of the packs in it, too."""
    from ruleproxy.packs.folders import MANIFEST, read_rules

    texts: dict[Path, RulesText] = {}
    unreadable: dict[str, Unreadable] = {}
    for path in paths:
        packs = sorted(file.parent for file in path.rglob(MANIFEST)) if path.is_dir() else []
        shown = [pack for pack in packs if not any(part.startswith(".") for part in pack.relative_to(path).parts)]
        for folder in (path, *(pack for pack in shown if pack != path)):
            found, problems = read_rules(folder)
            for text in found:
                texts.setdefault(text.path.resolve(), text)
            unreadable |= {problem.shown: problem for problem in problems}
    return list(texts.values()), list(unreadable.values())


def format_bytes(name: str, data: bytes) -> Formatted:
    """What the bytes of a file should be: UTF-8 without a byte order mark, lines ended by a line feed."""
    from ruleproxy.language.formatting import format_file
    from ruleproxy.language.parsing import parse
    from ruleproxy.language.reading import source_from_bytes
    from ruleproxy.language.source import Source

    source = source_from_bytes(name, data)
    if not isinstance(source, Source):
        return Formatted(None, [source])
    tree, diagnostics = parse(source)
    if diagnostics:
        return Formatted(None, diagnostics)
    return Formatted(format_file(tree).encode(), [])


def write_file(text: RulesText, data: bytes) -> int:
    """Put a file's new bytes in its place and print its name; gives the exit code."""
    try:
        replace_file(text.path.resolve(), data)
    except OSError as error:
        click.echo(f"ruleproxy: {text.shown}: {(error.strerror or str(error)).lower()}", err=True)
        return 2
    click.echo(text.shown)
    return 0


def replace_file(path: Path, data: bytes) -> None:
    """Give a file other bytes and the same mode, all at once: nobody ever reads half of it. Raises `OSError`."""
    # Hidden, and with an ending that a folder of rules is read without.
    descriptor, made = tempfile.mkstemp(prefix=".ruleproxy-", suffix=".tmp", dir=path.parent)
    temporary = Path(made)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def show_mistakes(diagnostics: list[Diagnostic]) -> None:
    """Say what is wrong with a file: on standard error, for standard output is the text or the difference."""
    from ruleproxy.engine.masking import render_diagnostics

    click.echo(render_diagnostics(diagnostics, colour=shows_colour(sys.stderr)), err=True, color=True)


def show_difference(name: str, before: bytes, after: bytes) -> None:
    """Print a unified difference."""
    old, new = (re.findall(r"[^\n]*\n|[^\n]+", data.decode("utf-8")) for data in (before, after))
    for line in difflib.unified_diff(old, new, name, name):
        click.echo(line, nl=not line.endswith("\n"))
        if not line.endswith("\n"):
            click.echo("\\ No newline at end of file")
