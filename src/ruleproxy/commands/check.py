"""`ruleproxy check`: everything that is wrong with rules, without running them."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ruleproxy.commands._where import read_where, shows_colour
from ruleproxy.language.counts import count

if TYPE_CHECKING:
    from ruleproxy.engine.loading import Loaded


@click.command(name="check", short_help="Find mistakes in rules before they run.")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Let warnings count as errors do.")
@click.option(
    "--format", "shape", type=click.Choice(["text", "json", "github"]), default="text", help="How findings are written."
)
@click.option("--upstream", multiple=True, metavar="[NAME=]URL", help="A declared upstream: rules may name no other.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings (ruleproxy.toml, if there is one).")
def command(paths: tuple[Path, ...], strict: bool, shape: str, upstream: tuple[str, ...], config: Path | None) -> None:
    """Check files and folders of rules (./rules), and packs.

    Where no upstream is declared (--upstream, ruleproxy.toml, RULEPROXY_UPSTREAMS), the origins that rules name are
    not checked.

    Exit codes: 0 nothing found that counts, 1 errors (with --strict warnings too), 2 usage, or a path that cannot
    be read.
    """
    from ruleproxy.engine.loading import load_rules

    gc.disable()  # the process ends with this: what becomes garbage on the way need not be looked for
    where = read_where(paths, upstream, config)
    loaded = load_rules(where.paths, where.upstreams, None)
    for item in loaded.unreadable:
        click.echo(f"ruleproxy: {item.shown}: {item.reason}", err=True)
    found = count_severities(loaded)
    match shape:
        case "json":
            click.echo(json.dumps(to_json(loaded, found), indent=2, ensure_ascii=False))
        case "github":
            from ruleproxy.language.exporting import to_annotation

            for diagnostic in loaded.diagnostics:
                click.echo(to_annotation(diagnostic))
            click.echo(summarise(loaded, found))
        case _:
            from ruleproxy.engine.masking import render_diagnostics

            if loaded.diagnostics:
                click.echo(render_diagnostics(loaded.diagnostics, colour=shows_colour()), color=True)
            click.echo(summarise(loaded, found))
    if loaded.unreadable:
        sys.exit(2)
    sys.exit(1 if found["error"] or (strict and found["warning"]) else 0)


def count_severities(loaded: Loaded) -> dict[str, int]:
    """How many findings there are of each severity."""
    found = {"error": 0, "warning": 0, "note": 0}
    for diagnostic in loaded.diagnostics:
        found[diagnostic.severity.value] += 1
    return found


def summarise(loaded: Loaded, found: dict[str, int]) -> str:
    """The closing line: `3 errors, 1 warning in 4 files`."""
    files = count(loaded.files, "file")
    said = ", ".join(count(number, severity) for severity, number in found.items() if number)
    if said:
        return f"{said} in {files}"
    if loaded.ruleset is None:
        return f"{files}: not all could be read"
    return f"{files}, {count(len(loaded.ruleset), 'rule')}: nothing found"


def to_json(loaded: Loaded, found: dict[str, int]) -> dict[str, object]:
    """Everything that was found, as data."""
    from ruleproxy.language.exporting import to_dict

    return {
        "files": loaded.files,
        "rules": None if loaded.ruleset is None else len(loaded.ruleset),
        "errors": found["error"],
        "warnings": found["warning"],
        "notes": found["note"],
        "unreadable": [{"path": item.shown, "reason": item.reason} for item in loaded.unreadable],
        "diagnostics": [to_dict(diagnostic) for diagnostic in loaded.diagnostics],
    }
