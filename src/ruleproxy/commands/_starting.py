"""What every command that starts a proxy does first: the rules have to be right."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, TextIO

from ruleproxy.language.counts import count

if TYPE_CHECKING:
    from pathlib import Path

    from ruleproxy.proxy.reloading import RulesInForce
    from ruleproxy.proxy.settings import Settings


class CannotStart(Exception):
    """The rules cannot be used; `code` is the exit code that says so. The text has every diagnostic."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def load_in_force(settings: Settings, *, named: bool) -> RulesInForce:
    """The rules of the settings, loaded. A folder that was not named by the user may be missing.

    Raises `CannotStart`.
    """
    return _load(settings, settings.rules, "the rules", named=named)


def load_shadow(settings: Settings) -> RulesInForce | None:
    """The rules that are compared with those in force, loaded; None where there are none. Raises `CannotStart`."""
    return _load(settings, settings.shadow, "the shadow rules", named=True) if settings.shadow else None


def _load(settings: Settings, folders: tuple[Path, ...], what: str, *, named: bool) -> RulesInForce:
    from ruleproxy.proxy.assembly import declared_upstreams
    from ruleproxy.proxy.live_secrets import rules_environment
    from ruleproxy.proxy.reloading import RulesInForce, describe_problems

    missing = [folder for folder in folders if not folder.exists()]
    if missing and named:
        raise CannotStart(2, f"no rules at {missing[0]}: no such file or folder")
    environment = rules_environment(settings.secrets, os.environ)
    in_force = RulesInForce(folders, declared_upstreams(settings), environment)
    if missing:
        return in_force
    loaded = in_force.load_first()
    if loaded.ruleset is None:
        problems = describe_problems(loaded, colour=sys.stderr.isatty())
        raise CannotStart(1, f"{what} are broken: {count(loaded.errors, 'error')}\n{problems}")
    return in_force


def log_to(stream: TextIO, level: int = logging.INFO) -> None:
    """Write the log to a stream, one plain line a record; what libraries say only from warnings on."""
    logging.basicConfig(stream=stream, level=logging.WARNING, format="%(message)s")
    logging.getLogger("ruleproxy").setLevel(level)
