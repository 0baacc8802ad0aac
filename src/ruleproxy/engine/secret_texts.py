"""The text of a secret: out of a variable, out of a file, or as a program gave it, and what it may be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

SECRET_LIMIT: Final = 64 * 1024
"""Bytes of one secret."""


class SecretUnreadable(Exception):
    """A secret that cannot be had; the text names it and says why, and never what was read."""


def read_secret(name: str, environment: Mapping[str, str]) -> str:
    """The secret that the variable NAME holds, or the file that NAME_FILE names. Raises `SecretUnreadable`."""
    value = environment.get(name)
    if value is None and (file := environment.get(f"{name}_FILE")) is not None:
        return read_secret_file(name, Path(file))
    if not value:
        raise SecretUnreadable(f"secret {name} is not there: neither {name} nor {name}_FILE is set")
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
