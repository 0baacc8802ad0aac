"""A message body that becomes a document only when somebody looks inside."""

from __future__ import annotations

from ruleproxy.messages.journal import Journal
from ruleproxy.messages.json_bytes import Document, NotEditable
from ruleproxy.messages.nodes import ListNode, ObjectNode, show
from ruleproxy.messages.values import NIL, EditRefused, Value, encode


class Body:
    """The bytes of a body and, once opened, its document. `problem` says why it cannot be opened, for people."""

    __slots__ = ("_journal", "_opened", "_source", "document", "problem", "replaced")

    def __init__(self, source: bytes, journal: Journal, problem: str | None = None) -> None:
        self._source = source
        self._journal = journal
        self.document: Document | None = None
        self.problem = problem
        self.replaced: bytes | None = None
        self._opened = not source or problem is not None

    @property
    def source(self) -> bytes:
        """The bytes as they came."""
        return self._source

    @property
    def root(self) -> Value:
        """The value of the whole body; `NIL` where there is none or where it is not JSON (see `problem`)."""
        if self.document is None:
            if self._opened:
                return NIL
            self._opened = True
            try:
                self.document = Document(self._source, self._journal)
            except NotEditable as error:
                self.problem = str(error)
                return NIL
        return self.document.root

    def become(self, value: Value) -> None:
        """Replace the whole of a body that is there by another JSON value. Raises `EditRefused` where there is none."""
        if not self._source:
            raise EditRefused("there is no body, and no rule makes one")
        before = self.document
        root = before.root if before is not None else NIL
        shown = show(root) if isinstance(root, ObjectNode | ListNode) else f"{len(self._source)} bytes"
        data = encode(value)
        self._journal.add(self._restore, before, self.replaced, self._opened)
        if self._journal.detailed:
            self._journal.describe("~", "", shown, data.decode("utf-8", "replace"))
        self.document, self.replaced, self._opened = Document(data, self._journal), data, True

    def _restore(self, document: Document | None, replaced: bytes | None, opened: bool) -> None:
        self.document, self.replaced, self._opened = document, replaced, opened

    def to_bytes(self) -> tuple[bytes, int]:
        """The body as it is now, and how many of its bytes are the ones that came."""
        if self.document is None:
            return self._source, len(self._source)
        data, reused = self.document.to_json()
        return data, 0 if self.replaced is not None else reused
