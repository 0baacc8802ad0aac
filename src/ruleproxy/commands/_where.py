"""What `check` and `test` look at: the paths that are named or set, and the upstreams that are declared."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

import click

if TYPE_CHECKING:
    from ruleproxy.messages.upstreams import Upstream

# An upstream of the reader's own, so that settings without any can be read: there is none to be asked here.
_NONE = "ruleproxy-no-upstream"


@dataclass(frozen=True, slots=True)
class Where:
    """Paths of rules, and the declared upstreams, None where none is declared."""

    paths: tuple[Path, ...]
    upstreams: tuple[Upstream, ...] | None


def read_where(paths: Sequence[Path], upstreams: Sequence[str], config: Path | None) -> Where:
    """Paths and upstreams from the command line, the environment and `ruleproxy.toml`; ends the program with 2."""
    from ruleproxy.proxy.settings import BadSetting, read_settings

    flags: dict[str, object] = {"upstreams": (*upstreams, f"{_NONE}=http://none.invalid")}
    if paths:
        flags["rules"] = tuple(paths)
    try:
        settings = read_settings(flags, os.environ, config)
    except (BadSetting, OSError) as error:
        stop(2, str(error))
    declared = tuple(upstream for name, upstream in settings.upstreams.items() if name != _NONE)
    return Where(settings.rules, declared or None)


def shows_colour(stream: TextIO | None = None) -> bool:
    """Whether standard output, or this stream, is a terminal that may be coloured (https://no-color.org)."""
    return (stream or sys.stdout).isatty() and not os.environ.get("NO_COLOR")


def stop(code: int, message: str) -> NoReturn:
    """Say on standard error why nothing was done, and end."""
    click.echo(f"ruleproxy: {message}", err=True)
    sys.exit(code)
