"""One event of a stream on its way through the rules."""

from __future__ import annotations

from ruleproxy.messages.body import Body
from ruleproxy.messages.journal import Journal
from ruleproxy.messages.values import NIL, EditRefused, Nil


class EditedEvent:
    """An event; `body` is its data, NIL to rules where it is no JSON; `type` is NIL where no line names it."""

    __slots__ = ("_journal", "body", "type")

    def __init__(self, kind: str, data: bytes, journal: Journal) -> None:
        self.type: str | Nil = kind or NIL
        self.body = Body(data, journal)
        self._journal = journal

    def write_type(self, kind: str) -> bool:
        """Write the type: one line of text."""
        if not isinstance(kind, str) or not kind or "\n" in kind or "\r" in kind or "\0" in kind:
            raise EditRefused("the type of an event is one line of text")
        if kind == self.type:
            return False
        self._journal.add(setattr, self, "type", self.type)
        if self._journal.detailed:
            self._journal.describe("+" if self.type is NIL else "~", "type", str(self.type or "") or None, kind)
        self.type = kind
        return True
