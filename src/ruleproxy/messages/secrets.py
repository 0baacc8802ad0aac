"""Secrets: text that may travel to an upstream and is printed nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn
from urllib.parse import quote, unquote_plus

from ruleproxy.messages.values import EditRefused


class Secret:
    """A text that is, or holds, the value of a secret. Everywhere it is printed it reads `secret:NAME`.

    `named` are the secrets in it: the value of each and how it is printed.
    """

    __slots__ = ("_value", "named", "shown")

    def __init__(self, value: str, shown: str, named: tuple[tuple[str, str], ...]) -> None:
        self._value = value
        self.shown = shown
        self.named = named

    @classmethod
    def of(cls, name: str, value: str) -> Secret:
        """The secret of this name."""
        return cls(value, f"secret:{name}", ((value, f"secret:{name}"),))

    def reveal(self) -> str:
        """The value, for what is sent upstream and for nothing else."""
        return self._value

    def split_list(self) -> list[str | Secret]:
        """The members of a comma list; one member where a comma stands in a secret."""
        if any("," in text for text, _ in self.named):
            return [self]
        written = Written()
        written.add((self,))
        return [written.wrap(member) for part in self._value.split(",") if (member := part.strip(" \t"))]

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
        raise EditRefused(f"{self.shown} goes into headers, the query or upstream: it has no place in a body")


def join(left: str | Secret, right: str | Secret) -> str | Secret:
    """`..`: with a secret on one side a secret."""
    return join_all((left, right), "")


def join_all(parts: Sequence[str | Secret], between: str) -> str | Secret:
    """Texts one after the other; with a secret among them a secret."""
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) == len(parts):
        return between.join(texts)
    named = tuple(part for side in parts if isinstance(side, Secret) for part in side.named)
    return Secret(between.join(map(reveal, parts)), between.join(map(str, parts)), named)


def reveal(value: str | Secret) -> str:
    """The text itself, whether it is a secret or not."""
    return value.reveal() if isinstance(value, Secret) else value


class Written:
    """The secrets that were written into one part of a message, so that what is read back is one again."""

    __slots__ = ("_spelled",)

    def __init__(self) -> None:
        self._spelled: dict[str, str] = {}

    def add(self, values: Iterable[object]) -> None:
        """Remember the secrets among values, in each spelling that a URL may give them."""
        for text, shown in (part for value in values if isinstance(value, Secret) for part in value.named):
            for spelling in (
                text,
                text.strip(" \t"),
                unquote_plus(text),
                quote(text, safe="-._~:,"),
                quote(text, safe="-._~"),
            ):
                if spelling:
                    self._spelled.setdefault(spelling, shown)

    def wrap(self, text: str) -> str | Secret:
        """A text as a secret where it holds one."""
        if not self._spelled:
            return text
        found = tuple((spelling, shown) for spelling, shown in self._spelled.items() if spelling in text)
        return Secret(text, self.mask(text), found) if found else text

    def mask(self, text: str) -> str:
        """A text as it may be printed."""
        for spelling in sorted(self._spelled, key=len, reverse=True):
            text = text.replace(spelling, self._spelled[spelling])
        return text


def url_text(value: object, what: str) -> str:
    """The text of a URL or of a part of one. Raises `EditRefused` for a secret that a URL would not keep whole."""
    if isinstance(value, Secret):
        if any(not text.isascii() or not text.isprintable() or set(text) & set(" ?#&") for text, _ in value.named):
            raise EditRefused(f"{what} cannot hold {value} as it is spelled: write it as a member of request.query")
        return value.reveal()
    if not isinstance(value, str):
        raise EditRefused(f"{what} takes a string")
    return value
