"""`ruleproxy list`: the rules in the order in which they run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ruleproxy.commands._loading import load_or_stop
from ruleproxy.commands._where import read_where
from ruleproxy.language.counts import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ruleproxy.engine.compiling import CompiledRule


@click.command(name="list", short_help="List rules in the order in which they run.")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text", help="How rules are written.")
def command(paths: tuple[Path, ...], shape: str) -> None:
    """List rules in files and folders (./rules) in the order in which they run, those of packs where they are used.

    Exit codes: 0 listed, 1 something is wrong with the rules, 2 usage, or a path that cannot be read.
    """
    rules = load_or_stop(read_where(paths, (), None).paths, "nothing was listed", None).rules
    if shape == "json":
        click.echo(json.dumps([to_json(rule) for rule in rules], indent=2, ensure_ascii=False))
        return
    for line in align(rules):
        click.echo(line)
    files = len({rule.source.name for rule in rules})
    click.echo(f"{count(len(rules), 'rule')} in {count(files, 'file')}")


def align(rules: Sequence[CompiledRule]) -> list[str]:
    """A line a rule: side, flags, place, name."""
    rows = [(rule.side, ", ".join(flags_of(rule)), rule.place) for rule in rules]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return [
        "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True) if width) + f"  {rule.name}"
        for row, rule in zip(rows, rules, strict=True)
    ]


def flags_of(rule: CompiledRule) -> list[str]:
    """The flags of a rule as they are written."""
    return [name for name, there in (("required", rule.required), ("shadow", rule.shadow)) if there]


def to_json(rule: CompiledRule) -> dict[str, object]:
    """A rule as data, `line` and `column` counted from 1."""
    return {
        "name": rule.name,
        "side": rule.side,
        "flags": flags_of(rule),
        "file": rule.source.name,
        "line": rule.position.line,
        "column": rule.position.column,
    }
