"""A message body that becomes a document only when somebody looks inside."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ruleproxy.messages.journal import Journal
from ruleproxy.messages.json_bytes import Document, NotEditable, find_bad_utf8
from ruleproxy.messages.nodes import Node, show
from ruleproxy.messages.object_level import ObjectLevel
from ruleproxy.messages.tree import Tree
from ruleproxy.messages.values import NIL, EditRefused, Value, encode

SMALL: Final = 2_048
"""Bodies of fewer bytes are read as trees whatever rules look at: it costs next to nothing."""

_WRITTEN_COMPACTLY: Final = re.compile(rb'\{"[^"\\]*":[^ \t\r\n]')


class Body:
    """The bytes of a body and, once opened, its document. `problem` says why it cannot be opened, for people.

    `absent` are names of top-level members of which somebody has proved, on the bytes as they came, that the body has
    none of them and is an object: such members can be put at its end without opening it. `deep`, until it is opened,
    says that rules will look at more than a few of its members.
    """

    __slots__ = ("_appended", "_journal", "_opened", "_source", "absent", "deep", "document", "problem", "replaced")

    def __init__(self, source: bytes, journal: Journal, problem: str | None = None) -> None:
        self._source = source
        self._journal = journal
        self.document: Document | None = None
        self.problem = problem
        self.replaced: bytes | None = None
        self.absent: frozenset[str] = frozenset()
        self.deep = len(source) < SMALL
        self._appended: dict[str, bytes] = {}
        self._opened = not source or problem is not None

    @property
    def source(self) -> bytes:
        """The bytes as they came."""
        return self._source

    def open(self) -> None:
        """Make a document of the body, where there is one to make."""
        if self.document is None and not self._opened:
            self._opened = True
            try:
                self.document = Document(self._source, self._journal, deep=self.deep)
            except NotEditable as error:
                self.problem = str(error)
                return
            if self._appended:
                self.document.root.extend(self._appended)

    @property
    def root(self) -> Value:
        """The value of the whole body; `NIL` where there is none or where it is not JSON (see `problem`)."""
        if self.document is None:
            self.open()
        return NIL if self.document is None else self.document.root

    @property
    def tree(self) -> Tree | None:
        """The plain data that an opened body stands on, where it does (see `tree`)."""
        return None if self.document is None else self.document.tree

    def untouched(self, names: Iterable[str]) -> bool:
        """Whether these top-level members are, surely, still as they came; a tree does not keep account of it."""
        if self.replaced is not None:
            return False
        if self.document is None:
            return self._appended.keys().isdisjoint(names)
        root = self.document.root
        return isinstance(root, ObjectLevel) and not any(root.changed(name) for name in names)

    def lacks(self, names: Iterable[str]) -> bool:
        """Whether all of these may be put at the end of the unopened bytes with `append`."""
        source = self._source
        return (
            self.document is None
            and self.absent.issuperset(names)
            and self._appended.keys().isdisjoint(names)
            and _WRITTEN_COMPACTLY.match(source) is not None
            and source.endswith(b"}")
            and source[-2] not in b" \t\r\n"
            and find_bad_utf8(source) < 0
        )

    def append(self, name: str, value: Value) -> None:
        """Put a member that the body `lacks` at its end."""
        data = encode(value)
        self._journal.add(self._take_back, name)
        self._appended[name] = data

    def _take_back(self, name: str) -> None:
        del self._appended[name]
        if self.document is not None:
            self.document.root.drop(name)

    def become(self, value: Value) -> None:
        """Replace the whole of a body that is there by another JSON value. Raises `EditRefused` where there is none."""
        if not self._source:
            raise EditRefused("there is no body, and no rule makes one")
        before = self.document
        root = before.root if before is not None else NIL
        shown = show(root) if isinstance(root, Node) else f"{len(self._source)} bytes"
        data = encode(value)
        self._journal.add(self._restore, before, self.replaced, self._opened)
        if self._journal.detailed:
            self._journal.describe("~", "", shown, data.decode("utf-8", "replace"))
        self.document, self.replaced, self._opened = Document(data, self._journal), data, True

    def _restore(self, document: Document | None, replaced: bytes | None, opened: bool) -> None:
        self.document, self.replaced, self._opened = document, replaced, opened

    def close(self, data: bytes) -> None:
        """Give up what was opened: these bytes, what `to_bytes` gave, are the body, and opened again if need be.

        The journal has to be settled. A document is several times the size of its text.
        """
        if self.document is not None or self._appended:
            self._source, self.document, self.replaced = data, None, None
            self._appended, self.absent = {}, frozenset()
            self._opened = self.problem is not None
            self.deep = len(data) < SMALL

    def to_bytes(self) -> tuple[bytes, int | None]:
        """The body as it is now, and how many of its bytes are the ones that came (None: nobody counted)."""
        if self.document is not None:
            data, reused = self.document.to_json()
            return data, 0 if self.replaced is not None else reused
        if not self._appended:
            return self._source, len(self._source)
        members = b"".join(b",%s:%s" % (encode(name), data) for name, data in self._appended.items())
        return b"".join((memoryview(self._source)[:-1], members, b"}")), len(self._source)
