"""`ruleproxy effects`: what rules may do, read off their text."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ruleproxy.commands._loading import load_or_stop
from ruleproxy.commands._where import read_where
from ruleproxy.commands.list import flags_of, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ruleproxy.engine.compiling import CompiledRule

WIDTH = 110
LABEL = 10
"""Columns of the names before what they name."""


@click.command(name="effects", short_help="Say what rules may read, write and decide.")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text", help="How they are written.")
def command(paths: tuple[Path, ...], shape: str) -> None:
    """Say what the rules in files and folders (./rules), and in packs, may read, write and do, and at what cost.

    It is read off the rules, and never less than what they do.

    Exit codes: 0 said, 1 something is wrong with the rules, 2 usage, or a path that cannot be read.
    """
    rules = load_or_stop(read_where(paths, (), None).paths, "nothing was looked at", None).rules
    if shape == "json":
        click.echo(json.dumps([to_data(rule) for rule in rules], indent=2, ensure_ascii=False))
        return
    click.echo("\n\n".join("\n".join(describe(rule)) for rule in rules))


def describe(rule: CompiledRule) -> Iterator[str]:
    """The paragraph of a rule."""
    from ruleproxy.language.costs import COSTS, find_cost

    effects = rule.effects
    yield f"{rule.name}  {rule.place}"
    yield from row("side", [rule.side, *flags_of(rule)])
    methods, paths = (sorted(asked or ()) for asked in (effects.methods, effects.paths))
    if methods or paths:
        yield from row("asks for", [" or ".join(part) for part in (methods, paths) if part], " ")
    yield from row("reads", sorted(effects.reads - effects.writes))
    yield from row("writes", sorted(effects.writes))
    yield from row("needs", [f"the body of the {side}" for side in bodies_of(rule)])
    yield from row("can", can_do(rule))
    cost = find_cost(rule.node, effects)
    yield from row("cost", [f"{cost}: {COSTS[cost]}"])


def row(label: str, parts: Iterable[str], between: str = ", ") -> Iterator[str]:
    """The lines of one thing that is said of a rule; none where there is nothing to say."""
    text = between.join(parts)
    start = f"  {label:<{LABEL}}"
    if text:
        yield from textwrap.wrap(
            text,
            WIDTH,
            initial_indent=start,
            subsequent_indent=" " * len(start),
            break_long_words=False,
            break_on_hyphens=False,
        )


def bodies_of(rule: CompiledRule) -> list[str]:
    """The messages whose body a rule opens."""
    needed = (("request", rule.effects.needs_request_body), ("response", rule.effects.needs_response_body))
    return [side for side, there in needed if there]


def can_do(rule: CompiledRule) -> list[str]:
    """What a rule may decide for the whole message."""
    effects = rule.effects
    decisions = {
        "stop": effects.can_stop,
        "respond": effects.can_respond,
        "retry": effects.can_retry,
        "fake_stream": effects.can_fake,
        **{name: name in effects.verbs for name in ("collect_stream", "repair_stream")},
        "drop": effects.can_drop,
        "refuse": rule.required,
    }
    return [name for name, there in decisions.items() if there]


def to_data(rule: CompiledRule) -> dict[str, object]:
    """A rule's effects as JSON values; `methods` and `paths` are null where any will do."""
    from ruleproxy.language.costs import find_cost

    effects = rule.effects
    return {
        **to_json(rule),
        "methods": None if effects.methods is None else sorted(effects.methods),
        "paths": None if effects.paths is None else sorted(effects.paths),
        "reads": sorted(effects.reads),
        "writes": sorted(effects.writes),
        "verbs": sorted(effects.verbs),
        "needs_body": bodies_of(rule),
        "can": can_do(rule),
        "cost": find_cost(rule.node, effects),
    }
