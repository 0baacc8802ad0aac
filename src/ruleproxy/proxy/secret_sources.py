"""Where secrets come from: a variable, a file, or a command; what each may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SECRET_LIMIT: Final = 64 * 1024
"""Bytes of one secret."""


class SecretUnreadable(Exception):
    """A secret that cannot be had; the text names it and says why, and never what was read."""


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
        file = environment.get(f"{name}_FILE")
        source = (
            SecretSource(name, variable=name)
            if name in environment or file is None
            else SecretSource(name, file=Path(file))
        )
    if source.file is not None:
        return read_secret_file(name, source.file)
    if source.variable is None:
        raise SecretUnreadable(f"secret {name} comes from a command, and is needed before any is run")
    value = environment.get(source.variable)
    if not value:
        raise SecretUnreadable(f"secret {name} is not there: the variable {source.variable} is not set")
    return value


def read_secret_file(name: str, file: Path) -> str:
    """The secret that a file holds. Raises `SecretUnreadable`."""
    try:
        with file.open("rb") as stream:
            data = stream.read(SECRET_LIMIT + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SecretUnreadable(f"secret {name}: its file {file} cannot be read: {reason}") from None
    return check_secret(name, data, f"its file {file}")


def check_secret(name: str, data: bytes, origin: str) -> str:
    """What `origin` gave, as one line of text without its end. Raises `SecretUnreadable`."""
    if len(data) > SECRET_LIMIT:
        raise SecretUnreadable(f"secret {name}: {origin} gave more than {SECRET_LIMIT} bytes")
    try:
        text = data.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise SecretUnreadable(f"secret {name}: {origin} gave bytes that are not UTF-8") from None
    if not text:
        raise SecretUnreadable(f"secret {name}: {origin} gave nothing")
    if not text.isprintable():
        raise SecretUnreadable(f"secret {name}: {origin} gave more than one line, or control characters")
    return text
