"""The query of a URL as rules see it: decoded members, while what no rule writes stays as it was spelled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, unquote_plus

from ruleproxy.messages.journal import Journal
from ruleproxy.messages.secrets import Secret, Written, reveal, url_text
from ruleproxy.messages.values import NIL, EditRefused, Nil

_FORBIDDEN: Final = re.compile("[\x00-\x20\x7f#]")


class QueryFields:
    """`a=1&b=2` as segments. The first of a repeated name is the one that is read; writing replaces all."""

    __slots__ = ("_journal", "_secrets", "text")

    def __init__(self, text: bytes, journal: Journal, secrets: Written) -> None:
        self.text = text
        self._journal = journal
        self._secrets = secrets

    def get(self, name: str) -> str | Secret | Nil:
        """The decoded value of a member (empty without `=`); `NIL` where there is none."""
        for key, value in self._segments():
            if key == name:
                return self._secrets.wrap(unquote_plus(value))
        return NIL

    def read_all(self) -> dict[str, str | Secret]:
        """Every member by its decoded name, with the value that `get` gives."""
        found: dict[str, str] = {}
        for key, value in self._segments():
            found.setdefault(key, value)
        return {key: self._secrets.wrap(unquote_plus(value)) for key, value in found.items()}

    def names(self) -> list[str]:
        """The decoded names, each once, in order."""
        return list(dict.fromkeys(key for key, _ in self._segments()))

    def put(self, name: str, value: str | Secret) -> bool:
        """Write a member at the place of the first of its name, or as the last one."""
        if not isinstance(name, str):
            raise EditRefused("a query member is named by a string")
        if not isinstance(value, str | Secret):
            raise EditRefused(f"query member {name} takes a string")
        self._secrets.add((value,))
        value = reveal(value)
        if "\0" in name or "\0" in value:
            raise EditRefused(f"query member {name!r} cannot hold a NUL")
        fresh = f"{quote(name, safe='-._~')}={quote(value, safe='-._~:,')}".encode()
        return self._replace(name, fresh, value)

    def remove(self, name: str) -> bool:
        """Take a member away."""
        return self._replace(name, None, None)

    def become(self, value: str | Secret) -> None:
        """Be another query altogether."""
        text = url_text(value, "request.query").encode("latin-1")
        self._secrets.add((value,))
        if _FORBIDDEN.search(text.decode("latin-1")) is not None:
            raise EditRefused("a query cannot hold spaces, control characters or #")
        before, after = (self._show(state.decode("latin-1") or None) for state in (self.text, text))
        self._change(text, "query", before, after)

    def _segments(self) -> Iterator[tuple[str, str]]:
        """The decoded name and the value as it is spelled of each member."""
        for segment in self.text.decode("latin-1").split("&"):
            if segment:
                key, _, value = segment.partition("=")
                yield (unquote_plus(key) if "%" in key or "+" in key else key), value

    def _replace(self, name: str, fresh: bytes | None, value: str | None) -> bool:
        kept: list[bytes] = []
        before = self.get(name)
        if before is NIL and fresh is None:
            return False
        for segment in self.text.split(b"&") if self.text else []:
            if unquote_plus(segment.partition(b"=")[0].decode("latin-1")) != name:
                kept.append(segment)
            elif fresh is not None:
                kept.append(fresh)
                fresh = None
        if fresh is not None:
            kept.append(fresh)
        text = b"&".join(kept)
        if text == self.text or before == value:
            return False
        self._change(text, f"query {name}", None if before is NIL else str(before), self._show(value))
        return True

    def _show(self, value: str | None) -> str | None:
        return None if value is None else self._secrets.mask(value)

    def _change(self, text: bytes, where: str, before: str | None, after: str | None) -> None:
        if text == self.text:
            return
        self._journal.add(setattr, self, "text", self.text)
        if self._journal.detailed:
            self._journal.describe("~" if before and after else "+" if after else "-", where, before, after)
        self.text = text
