"""Secrets: text that may travel to an upstream and is printed nowhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from ruleproxy.messages.values import EditRefused


class Secret:
    """A text that is, or holds, the value of a secret. Everywhere it is printed it reads `secret:NAME`."""

    __slots__ = ("_value", "shown")

    def __init__(self, value: str, shown: str) -> None:
        self._value = value
        self.shown = shown

    @classmethod
    def named(cls, name: str, value: str) -> Secret:
        """The secret of this name."""
        return cls(value, f"secret:{name}")

    def reveal(self) -> str:
        """The value, for what is sent upstream and for nothing else."""
        return self._value

    def __str__(self) -> str:
        return self.shown

    def __repr__(self) -> str:
        return self.shown

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Secret):
            return self._value == other._value
        return self._value == other if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._value)

    def to_json(self) -> NoReturn:
        """A secret has no place in a body. Raises `EditRefused`."""
        raise EditRefused(f"{self.shown} goes into headers, a query or nowhere: it has no place in a body")


def join(left: str | Secret, right: str | Secret) -> str | Secret:
    """`..`: with a secret on one side a secret."""
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    return Secret(reveal(left) + reveal(right), f"{left}{right}")


def reveal(value: str | Secret) -> str:
    """The text itself, whether it is a secret or not."""
    return value.reveal() if isinstance(value, Secret) else value


class Written:
    """The secrets that were written into one part of a message, so that what is read back is one again."""

    __slots__ = ("_secrets",)

    def __init__(self) -> None:
        self._secrets: tuple[Secret, ...] = ()

    def add(self, values: Iterable[object]) -> None:
        """Remember the secrets among values."""
        fresh = tuple(value for value in values if isinstance(value, Secret) and value.reveal())
        if fresh:
            self._secrets += fresh

    def wrap(self, text: str) -> str | Secret:
        """A text as a secret where it holds one."""
        shown = self.mask(text)
        return text if shown == text else Secret(text, shown)

    def mask(self, text: str) -> str:
        """A text as it may be printed."""
        for secret in self._secrets:
            text = text.replace(secret.reveal(), secret.shown)
        return text
