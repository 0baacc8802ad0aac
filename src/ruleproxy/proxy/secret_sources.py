"""Where the settings say that secrets come from: a variable, a file, or a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ruleproxy.engine.secret_texts import SecretUnreadable, read_secret, read_secret_file


@dataclass(frozen=True, slots=True)
class SecretSource:
    """A `[secrets.NAME]` table: exactly one of `command`, `file` and `variable`.

    What a command or a file gave is used for `lifetime` seconds; a command has `timeout` seconds to give it.
    """

    name: str
    command: tuple[str, ...] | None = None
    file: Path | None = None
    variable: str | None = None
    lifetime: float = 300.0
    timeout: float = 10.0


SecretSources = Mapping[str, SecretSource]
"""By the secret's name."""


def read_secret_now(name: str, environment: Mapping[str, str], sources: SecretSources) -> str:
    """A secret that is needed at the start: any but one that a command gives. Raises `SecretUnreadable`."""
    source = sources.get(name)
    if source is None:
        return read_secret(name, environment)
    if source.file is not None:
        return read_secret_file(name, source.file)
    if source.variable is None:
        raise SecretUnreadable(f"secret {name} comes from a command, and is needed before any is run")
    value = environment.get(source.variable)
    if not value:
        raise SecretUnreadable(f"secret {name} is not there: the variable {source.variable} is not set")
    return value
