"""A JSON body that is opened only where a rule looks, and put back byte for byte where none wrote.

It is read in one of two ways. Where rules go deep, and decoding and encoding gives the very same bytes, as it does for
what most clients write, as a plain `tree`: a few passes over the whole text (0.4 ms for 280 kB), little for each edit.
As `levels` of text where rules look at few members (0.15 ms), where the text is spelled in any other way (odd spacing,
`1e400`, a repeated key, half a surrogate pair), and for everything that a trace wants to tell of. Both ways give the
same bytes, values and refusals.
"""

from __future__ import annotations

from ruleproxy.messages.journal import Journal
from ruleproxy.messages.json_text import JsonText, NotEditable, find_bad_utf8
from ruleproxy.messages.levels import Level
from ruleproxy.messages.nodes import Node
from ruleproxy.messages.tree import Tree, read_canonical
from ruleproxy.messages.values import NIL, Value, encode

__all__ = ["Document", "NotEditable", "find_bad_utf8"]


class Document:
    """One JSON text. `root` is a node, or a scalar where the text is one. Raises `NotEditable`.

    With `deep` it is read as a tree where it can be. `tree` is the text as plain data, None where it is read level by
    level: then `text` is what the levels share.
    """

    __slots__ = ("journal", "root", "source", "text", "tree")

    def __init__(self, source: bytes, journal: Journal, *, deep: bool = True) -> None:
        self.journal = journal
        self.source = source
        self.tree: Tree | None = None
        self.text: JsonText | None = None
        data = read_canonical(source) if deep and not journal.detailed else NIL
        if isinstance(data, dict | list):
            self.tree = Tree(data, journal, _read_text)
            self.root: Value = self.tree.branch(data)
        else:
            self.text = JsonText(source, journal)
            self.root = self.text.open()

    def to_json(self) -> tuple[bytes, int | None]:
        """The text as it is now, and how many of its bytes are the source's own (None: a tree does not count)."""
        if self.tree is not None:
            return encode(self.tree.data) if self.tree.edited else self.source, None
        root, text = self.root, self.text
        if not isinstance(root, Level) or text is None or not root.touched:
            return self.source, len(self.source)
        data, fresh = root.render()
        size = len(root.source())
        if len(text.text) > size:
            start = root.place()[1]
            data = b"".join((text.text[:start], data, text.text[start + size :]))
        return text.unmask(data), len(data) - fresh


def _read_text(data: bytes, journal: Journal, above: Node, key: str | None) -> Value:
    return JsonText(data, journal).open(above, key)
