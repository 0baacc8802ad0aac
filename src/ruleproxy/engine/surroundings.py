"""What rules may take from where they are loaded: tables beside their file, secrets of the process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from ruleproxy.engine.secret_texts import SecretUnreadable, read_secret
from ruleproxy.messages.secrets import Secret
from ruleproxy.messages.values import EditRefused
from ruleproxy.packs.folders import read_file

TABLE_LIMIT = 4 * 1024 * 1024
"""Bytes of one table."""


def _ignore(_: bytes) -> None:
    return None


def _pass_over(_: Path) -> None:
    return None


def _forget(_: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The folder that tables lie in (None: there is none) and the environment that secrets come from.

    Without an environment a secret's value is what it is printed as, so that rules can be checked and tested where
    their secrets are not. `count` is told every byte that the rules depend on, `note` every table that is
    looked for, `keep` the value of every secret; `refusal` is why none can be had here.
    """

    folder: Path | None = None
    environment: Mapping[str, str] | None = None
    count: Callable[[bytes], None] = _ignore
    refusal: str | None = None
    keep: Callable[[str], None] = _forget
    note: Callable[[Path], None] = _pass_over

    def read_table(self, name: str) -> Any:
        """The value of a JSON file in the folder or below. Raises `EditRefused`."""
        path = PurePosixPath(name)
        if self.folder is None:
            raise EditRefused("there is no folder here that a table could lie in")
        if path.is_absolute() or ".." in path.parts or "\0" in name or not name.endswith(".json"):
            raise EditRefused(f'table("{name}"): the name of a .json file beside the rules or in a folder there')
        file = self.folder / path
        self.note(file)
        try:
            if not file.resolve().is_relative_to(self.folder.resolve()):
                raise EditRefused(f'table("{name}") leads out of its folder')
            data = read_file(file, TABLE_LIMIT + 1)
        except (OSError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise EditRefused(f'table("{name}") cannot be read: {(reason or str(error)).lower()}') from None
        if len(data) > TABLE_LIMIT:
            raise EditRefused(f'table("{name}") has more than {TABLE_LIMIT} bytes')
        self.count(b"%s\0%d\0" % (name.encode(errors="surrogateescape"), len(data)) + data)
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise EditRefused(f'table("{name}") is not JSON: {error}') from None

    def read_secret(self, name: str) -> Secret:
        """The secret that the variable NAME holds, or the file that NAME_FILE names. Raises `EditRefused`."""
        if self.refusal is not None:
            raise EditRefused(self.refusal)
        if not name.isascii() or not name.isidentifier():
            raise EditRefused(f"{name!r} is not the name of a variable")
        if self.environment is None:
            return Secret.of(name, f"secret:{name}")
        try:
            value = read_secret(name, self.environment)
        except SecretUnreadable as error:
            raise EditRefused(str(error)) from None
        if value == f"secret:{name}":
            raise EditRefused(f"secret {name} is its own name, which stands for a secret that is not there")
        self.keep(value)
        return Secret.of(name, value)


NOWHERE = Surroundings()
"""No folder; secrets read as they are printed."""
