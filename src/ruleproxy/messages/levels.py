"""The careful way to read a document: levels of JSON text, each opened when a rule looks and put back as it was.

A container is decoded one level at a time into `Raw` slices: what is not opened stays bytes. An edit replaces a
level's member table by a changed copy (so that undoing is putting the old table back) and marks the way up to the root
as touched. Putting back walks down the touched way only: each touched level is laid out, that is, the exact places of
its members in the source text are found and *proved* (every byte between two members is accounted for), then unchanged
runs are copied as slices and changed values are written between them. A level that cannot be laid out without doubt
(a repeated key) refuses its edits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Raw

from ruleproxy.messages.journal import Journal
from ruleproxy.messages.layout import Entry, Output
from ruleproxy.messages.nodes import Node

if TYPE_CHECKING:
    from ruleproxy.messages.json_text import JsonText

# A list of objects is what bodies are made of: one call opens two levels. What is no such list is decoded again.
decode_value: Final = msgspec.json.Decoder(
    str | int | float | bool | None | list[dict[str, Raw]] | dict[str, Raw]
).decode
write_level: Final = msgspec.json.Encoder().encode


class Level(Node):
    """A container in a text: what it was opened from, and whether anything in it changed."""

    # Parents are held weakly and nodes know the text, not the document: without cycles a whole body is freed at once
    # when its exchange ends, and the garbage collector has nothing to look for.
    __slots__ = (
        "__weakref__",
        "_compact",
        "_entries",
        "_parent",
        "_place",
        "key",
        "near",
        "raw",
        "text",
        "touched",
    )

    text: JsonText
    _parent: Callable[[], Node | None] | None
    key: str | None
    raw: Raw | None
    touched: bool
    _compact: bool | None
    _entries: list[Entry] | None
    _place: tuple[bytes, int] | None

    @property
    def journal(self) -> Journal:
        """See `Node`."""
        return self.text.journal

    @property
    def parent(self) -> Node | None:
        """See `Node`."""
        return None if self._parent is None else self._parent()

    def touch(self) -> None:
        """Mark the way up to the root as changed."""
        node: Node | None = self
        while isinstance(node, Level) and not node.touched:
            node.touched = True
            node = node.parent

    def source(self) -> bytes:
        """The bytes this node was opened from."""
        if self.raw is not None:
            return bytes(self.raw)
        if not isinstance(parent := self.parent, Level):
            return self.text.text.strip(b" \t\r\n")
        parent.locate(self)
        assert self.raw is not None
        return bytes(self.raw)

    def place(self) -> tuple[bytes, int]:
        """The buffer that holds this node's source, and where in it the node starts."""
        if self._place is None:
            if not isinstance(parent := self.parent, Level):
                text = self.text.text
                self._place = text, len(text) - len(text.lstrip(b" \t\r\n"))
                return self._place
            parent.locate(self)
            if self._place is None:  # written by a rule: a text of its own
                self._place = self.source(), 0
        return self._place

    def settle(self, buffer: bytes, start: int, raw: Raw | None = None) -> None:
        """Be told by the parent where the source stands."""
        self._place = buffer, start
        if raw is not None:
            self.raw = raw

    def hang_below(self, node: Node, text: bytes) -> None:
        """Stand, as the root of a text of one's own, in a node that is no level."""
        self._parent = lambda: node
        self.raw = Raw(text)

    def locate(self, child: Level) -> None:
        """Tell a child where its source stands (`settle`); one that a rule put here is told nothing."""
        raise NotImplementedError

    @property
    def compact(self) -> bool:
        """Whether writing this level as it was opened gives the very bytes that it was opened from.

        Then it is put back by one call of the encoder; every other level is laid out and copied run by run.
        """
        if self._compact is None:
            self._compact = self._is_compact()
        return self._compact

    def _is_compact(self) -> bool:
        raise NotImplementedError

    def render(self) -> tuple[bytes, int]:
        """This node's text as it is now, lone surrogates still masked, and how many of its bytes are new."""
        if not self.touched:
            return self.source(), 0
        if self.compact:
            level, fresh = self.level()
            return write_level(level), fresh
        output = Output(self.text.text)
        self.write(output)
        text = output.join()
        return text, len(text) - output.reused

    def level(self) -> tuple[Any, int]:
        """The members of a compact node as the encoder takes them, and how many bytes of them are new."""
        raise NotImplementedError

    def write(self, output: Output) -> None:
        """Put this node's current text into the output."""
        if self.touched and self.compact:
            output.mixed(*self.render())
        elif self.touched:
            self._write_runs(output)
        else:
            buffer, start = self.place()
            output.copy(buffer, start, start + len(self.source()))

    def _write_runs(self, output: Output) -> None:
        raise NotImplementedError

    def holds_at_most(self, name: str, count: int) -> bool:
        """See `Node`."""
        return not self.touched and self.text.names_at_most(name, count)

    def to_json(self) -> bytes:
        """See `Node`."""
        return self.text.unmask(self.render()[0])
