"""Rules for the commands that look at them: all of them right, or the reasons why not and the end of the program."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from ruleproxy.commands._where import shows_colour, stop
from ruleproxy.language.counts import count

if TYPE_CHECKING:
    from ruleproxy.engine.ruleset import Ruleset
    from ruleproxy.messages.upstreams import Upstream


def load_or_stop(
    paths: Sequence[Path],
    undone: str,
    parameters: Mapping[str, Any] | None = MappingProxyType({}),
    *,
    upstreams: Sequence[Upstream] | None = None,
    environment: Mapping[str, str] | None = None,
    to_stderr: bool = False,
) -> Ruleset:
    """The rules of these paths; `parameters`, `upstreams` and `environment` as in `load_rules`.

    Ends the program where something is wrong with them, with 1, or with 2 if they cannot be read; `undone` says what
    was not done: `nothing was listed`; `to_stderr`: standard output is for something else.
    """
    from ruleproxy.engine.loading import load_rules
    from ruleproxy.engine.masking import render_diagnostics
    from ruleproxy.language.diagnostics import Severity

    loaded = load_rules(paths, upstreams, parameters, environment=environment)
    for item in loaded.unreadable:
        click.echo(f"ruleproxy: {item.shown}: {item.reason}", err=True)
    if loaded.ruleset is None:
        if loaded.unreadable:
            sys.exit(2)
        errors = [found for found in loaded.diagnostics if found.severity is Severity.ERROR]
        stream = sys.stderr if to_stderr else sys.stdout
        click.echo(render_diagnostics(errors, colour=shows_colour(stream)), stream, color=True)
        stop(1, f"{undone}: {count(loaded.errors, 'error')} in the rules")
    return loaded.ruleset
