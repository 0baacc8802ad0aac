"""A plain tree and levels of text are two ways to read a document that nobody can tell apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleproxy.messages.journal import Journal
from ruleproxy.messages.json_bytes import Document
from ruleproxy.messages.levels import Level
from ruleproxy.messages.nodes import ListNode, Node, ObjectNode, plain
from ruleproxy.messages.tree import Branch, read_canonical
from ruleproxy.messages.values import EditRefused

SCALAR = st.sampled_from(
    [None, True, False, 0, 1, 7, -3, 2.5, 1.0, 1e22, 2**63, "", "a", "é", "\n\u001b", '"\\', "\u2028", "\U0001f600"]
)
NAME = st.sampled_from(["a", "b", "c/~", "é", "", "fresh"])
JSON = st.recursive(
    SCALAR,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(NAME, values, max_size=4),
    max_leaves=14,
)
CONTAINER = st.lists(JSON, max_size=4) | st.dictionaries(NAME, JSON, max_size=4)

# What no tree can hold as plain data: it comes out of other documents, or out of a rule.
FOREIGN = Document(
    rb'{"number":1e400,"text":"\ud83dx","spaced":{ "a" : [1e5, 2 ], "b":{}},"twice":{"k":1,"k":[2]},"long":[ "x",3 ]}',
    Journal(detailed=True),
).root
NEW_VALUE = st.one_of(
    SCALAR,
    st.sampled_from([{"a": [1, {"b": 2}]}, [], {}, 10**30, [1, 1, "a"]]),
    st.sampled_from(FOREIGN.names()).map(FOREIGN.get),
)


def containers_of(node: Any) -> list[Node]:
    found: list[Node] = []
    if isinstance(node, ObjectNode):
        found.append(node)
        for name in node.names():
            found += containers_of(node.get(name))
    elif isinstance(node, ListNode):
        found.append(node)
        for item in node.values():
            found += containers_of(item)
    return found


@dataclass(frozen=True)
class Refusal:
    text: str


class Twins:
    """One text read both ways, edited in step; what was looked at once can be looked at and edited again."""

    def __init__(self, text: bytes) -> None:
        self.documents = Document(text, Journal()), Document(text, Journal(detailed=True))
        self.nodes: list[tuple[Node, Node]] = []
        self.handles: list[tuple[tuple[ListNode, Any], tuple[ListNode, Any]]] = []
        assert self.documents[0].tree is not None
        assert self.documents[1].tree is None

    def look(self) -> None:
        """Take hold of every container, and of every element, as they are now."""
        pairs = list(zip(*(containers_of(document.root) for document in self.documents), strict=True))
        self.nodes += pairs
        for one, other in pairs:
            if isinstance(one, ListNode) and isinstance(other, ListNode):
                elements = zip(one.handles(), other.handles(), strict=True)
                self.handles += [((one, first), (other, second)) for first, second in elements]

    def edit(self, data: st.DataObject) -> None:
        """The same edit on both; they agree on whether it changed something, or on why it is refused."""
        by_handle: bool = data.draw(st.booleans())
        if self.handles and by_handle:
            both = data.draw(st.sampled_from(self.handles))
            assert both[0][0].find(both[0][1]) == both[1][0].find(both[1][1])
            value = data.draw(NEW_VALUE)
            outcomes = [_attempt(holder.replace, handle, value) for holder, handle in both]
            refusals = [outcome.text for outcome in outcomes if isinstance(outcome, Refusal)]
            if refusals:
                assert refusals == [refusals[0]] * 2
            else:
                self.handles.append(((both[0][0], outcomes[0]), (both[1][0], outcomes[1])))
            return
        one, other = data.draw(st.sampled_from(self.nodes))
        assert len(one) == len(other)  # type: ignore[arg-type]
        arguments = _draw_edit(data, one)
        results = [_attempt(getattr(node, arguments[0]), *arguments[1:]) for node in (one, other)]
        assert results[0] == results[1]

    def compare(self) -> None:
        """They are the same text and read the same, also those containers that were looked at before."""
        texts = [document.to_json()[0] for document in self.documents]
        assert texts[0] == texts[1]
        assert plain(self.documents[0].root) == plain(self.documents[1].root)
        for one, other in self.nodes:
            assert plain(one) == plain(other)
            assert one.pointer() == other.pointer()


def _attempt(call: Any, *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except EditRefused as refused:
        return Refusal(str(refused))


def _draw_edit(data: st.DataObject, node: Node) -> tuple[Any, ...]:
    if isinstance(node, ObjectNode):
        name = data.draw(st.sampled_from([*node.names(), "fresh"]))
        match data.draw(st.sampled_from(["put", "put", "remove", "rename"])):
            case "put":
                return "put", name, data.draw(NEW_VALUE)
            case "remove":
                return "remove", name
            case _:
                return "rename", name, data.draw(NAME)
    assert isinstance(node, ListNode)
    count = len(node)
    match data.draw(st.sampled_from(["insert", "take_away", "arrange"])):
        case "take_away" if count:
            return "take_away", sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=1)))
        case "arrange":
            return "arrange", data.draw(st.permutations(range(count)))
        case _:
            return "insert", data.draw(st.integers(0, count)), data.draw(NEW_VALUE)


@settings(max_examples=400, deadline=None)
@given(value=CONTAINER, data=st.data())
def test_any_edits_give_the_same_text_either_way(value: Any, data: st.DataObject) -> None:
    """Put, removed, renamed, rearranged, replaced, held on to, copied from odd texts: the same bytes and refusals."""
    twins = Twins(orjson.dumps(value))
    for _ in range(data.draw(st.integers(1, 8))):
        twins.look()
        twins.edit(data)
        twins.compare()


@settings(max_examples=300, deadline=None)
@given(value=CONTAINER, data=st.data())
def test_edits_are_undone_the_same_either_way(value: Any, data: st.DataObject) -> None:
    """Undone to any point the text is what it was then, and edits go on from there."""
    twins = Twins(orjson.dumps(value))
    for _ in range(3):
        twins.look()
        twins.edit(data)
        marks = [document.journal.mark() for document in twins.documents]
        texts = [document.to_json()[0] for document in twins.documents]
        for _ in range(data.draw(st.integers(0, 4))):
            twins.look()
            twins.edit(data)
        for document, mark, text in zip(twins.documents, marks, texts, strict=True):
            document.journal.undo_to(mark)
            assert document.to_json()[0] == text
        twins.handles.clear()
        twins.nodes.clear()
        twins.compare()


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": 1}',
        b' {"a":1}',
        b'{"a":1}\n',
        b'{"a":1e5}',
        b'{"a":1e400}',
        b'{"a":-0}',
        b'{"a":123456789012345678901234567890}',
        b'{"a":0.1000000000000000055}',
        b'{"a":1,"a":1}',
        rb'{"a":"\u00e9"}',
        rb'{"a":"\/"}',
        rb'{"a":"\ud83d"}',
        rb'{"a":"\u000a"}',
        rb'{"\u0061":1}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":NaN}',
        b'{"a":1}}',
        b'{"a":1',
        b"",
        b"[" * 5_000 + b"]" * 5_000,
    ],
)
def test_what_a_tree_would_spell_anew_is_not_read_as_one(text: bytes) -> None:
    """Spacing, odd numbers and escapes, repeated keys, what is no JSON: none of it is plain data."""
    assert not read_canonical(text)


def test_ordinary_text_is_read_as_a_tree() -> None:
    """What clients write, control characters and characters beyond ASCII included, takes the fast way."""
    text = '{"a":"\\u001b[0m\\n é 😀","b":[1,-2.5,1.0,18446744073709551615,true,null],"c":{}}'.encode()
    assert isinstance(Document(text, Journal()).root, Branch)
    assert isinstance(Document(text, Journal(detailed=True)).root, Level)


def test_what_was_edited_within_survives_an_undone_replacement() -> None:
    """A container that was edited, replaced and looked at again is the edited one after the replacement is undone."""
    for detailed in (False, True):
        document = Document(b'{"a":{"b":1},"c":2}', Journal(detailed=detailed))
        document.root.get("a").put("b", 5)
        mark = document.journal.mark()
        document.root.put("a", {"d": 1})
        assert document.root.get("a").get("d") == 1
        document.journal.undo_to(mark)
        assert document.to_json()[0] == b'{"a":{"b":5},"c":2}'


def test_text_of_another_document_stays_as_it_is_written() -> None:
    """Copied into a tree, a number, a string and a container keep their spelling; the copy is edited as text."""
    document = Document(b'{"a":{}}', Journal())
    target = document.root.get("a")
    for name in FOREIGN.names():
        target.put(name, FOREIGN.get(name))
    target.get("spaced").get("b").put("x", 1)
    assert target.get("spaced").get("b").pointer() == "/a/spaced/b"
    with pytest.raises(EditRefused, match="/a/twice/k stands there more than once"):
        target.get("twice").put("k", 5)
    assert document.to_json()[0] == (
        rb'{"a":{"number":1e400,"text":"\ud83dx","spaced":{ "a" : [1e5, 2 ], "b":{"x":1}},'
        rb'"twice":{"k":1,"k":[2]},"long":[ "x",3 ]}}'
    )
