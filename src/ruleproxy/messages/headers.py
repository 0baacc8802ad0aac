"""Header lines as rules see them: names without case, values as one string or as a list over all lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ruleproxy.messages.journal import Journal, Kind
from ruleproxy.messages.message import Headers
from ruleproxy.messages.secrets import Secret, Written, join_all, reveal
from ruleproxy.messages.values import NIL, EditRefused, Nil

_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f]|%00")

FRAMING: Final = frozenset(
    (b"connection", b"content-length", b"host", b"keep-alive", b"proxy-connection", b"te", b"trailer",
     b"transfer-encoding", b"upgrade")
)  # fmt: skip
"""Headers that say how a message is framed or where it goes: the proxy's own, never a rule's."""


class HeaderFields:
    """The header lines of one message. What no rule writes keeps its spelling, order and repetition.

    `outgoing`: they go to an upstream, so secrets may stand in them.
    """

    __slots__ = ("_journal", "_secrets", "lines")

    def __init__(self, lines: Headers, journal: Journal, *, outgoing: bool = False) -> None:
        self.lines = lines
        self._journal = journal
        self._secrets = Written() if outgoing else None

    def get(self, name: str) -> str | Secret | Nil:
        """The lines of a header joined with `, `; `NIL` where there is none."""
        if not isinstance(name, str):
            return NIL
        wanted = name.lower().encode("latin-1", "replace")
        found = [value for key, value in self.lines if key.lower() == wanted]
        if not found:
            return NIL
        text = b", ".join(found).decode("latin-1") if len(found) > 1 else found[0].decode("latin-1")
        return text if self._secrets is None else self._secrets.wrap(text)

    def read_all(self) -> dict[str, str | Secret]:
        """Every header by its name in lower case, with the value that `get` gives."""
        found: dict[str, list[bytes]] = {}
        for key, value in self.lines:
            found.setdefault(key.lower().decode("latin-1"), []).append(value)
        texts = {name: b", ".join(values).decode("latin-1") for name, values in found.items()}
        return dict(texts) if self._secrets is None else {n: self._secrets.wrap(text) for n, text in texts.items()}

    def values(self, name: str) -> list[str | Secret]:
        """The trimmed, non-empty members of a comma list over all lines."""
        text = self.get(name)
        if isinstance(text, Secret):
            return text.split_list()
        return [*split_list(text)] if isinstance(text, str) else []

    def names(self) -> list[str]:
        """The names that are there, in lower case, each once, in order."""
        return list(dict.fromkeys(key.lower().decode("latin-1") for key, _ in self.lines))

    def write(self, name: str, value: str | Secret) -> bool:
        """Make a header one line with this value, at the place of its first line; False where it is that already."""
        return self._replace(name, [value])

    def write_values(self, name: str, values: Sequence[str | Secret]) -> bool:
        """Make a header one comma list (`a,b`); an empty one goes."""
        if values == self.values(name):
            return False
        return self._replace(name, [join_all(values, ",")] if values else [])

    def remove(self, name: str) -> bool:
        """Take all lines of a header away."""
        return self._replace(name, [])

    def _replace(self, name: str, values: Sequence[str | Secret]) -> bool:
        key = _checked_name(name)
        fresh = [_checked_value(name, value, secrets=self._secrets is not None) for value in values]
        wanted = key.lower()
        before = [value for other, value in self.lines if other.lower() == wanted]
        if before == fresh:
            return False
        lines = [line for line in self.lines if line[0].lower() != wanted]
        at = next((index for index, (other, _) in enumerate(self.lines) if other.lower() == wanted), len(lines))
        spelling = self.lines[at][0] if before else key
        lines[at:at] = [(spelling, value) for value in fresh]
        self._journal.add(setattr, self, "lines", self.lines)
        if self._secrets is not None:
            self._secrets.add(values)
        if self._journal.detailed:
            shown = [self._show(lines) if lines else None for lines in (before, fresh)]
            kind: Kind = "~" if before and fresh else "+" if fresh else "-"
            self._journal.describe(kind, f"header {name.lower()}", *shown)
        self.lines = lines
        return True

    def _show(self, lines: list[bytes]) -> str:
        text = b", ".join(lines).decode("latin-1")
        return text if self._secrets is None else self._secrets.mask(text)


def split_list(text: str) -> list[str]:
    """The trimmed, non-empty members of a comma list."""
    return [member for part in text.split(",") if (member := part.strip(" \t"))]


def _checked_name(name: str) -> bytes:
    if not isinstance(name, str):
        raise EditRefused("a header is named by a string")
    key = name.encode("latin-1", "replace")
    if _NAME.fullmatch(key) is None:
        raise EditRefused(f"{name!r} is not a header name")
    if key.lower() in FRAMING:
        raise EditRefused(f"header {name.lower()} frames the message: the proxy writes it")
    return key


def _checked_value(name: str, value: str | Secret, *, secrets: bool) -> bytes:
    if isinstance(value, Secret):
        if not secrets:
            raise EditRefused(f"{value} goes to the upstream or nowhere: header {name.lower()} goes to the client")
        value = reveal(value)
        if _FORBIDDEN.search(value) is not None or not value.isascii():
            raise EditRefused(f"header {name.lower()} cannot hold this secret: it has control or other characters")
    if not isinstance(value, str):
        raise EditRefused(f"header {name.lower()} takes a string")
    if (match := _FORBIDDEN.search(value)) is not None:
        what = {"\r": "a line break", "\n": "a line break", "\x00": "a NUL", "%00": "%00"}.get(match.group())
        raise EditRefused(f"header {name.lower()} cannot hold {what or 'a control character'}")
    try:
        return value.encode("latin-1").strip(b" \t")
    except UnicodeEncodeError:
        raise EditRefused(f"header {name.lower()} cannot hold {value[:40]!r}: not Latin-1") from None
