"""What no rule changed stays byte for byte, whatever JSON text it stands in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleproxy.messages.journal import Journal
from ruleproxy.messages.json_bytes import Document, NotEditable
from ruleproxy.messages.nodes import ListNode, Node, ObjectNode, plain
from ruleproxy.messages.values import EditRefused

SPACE = st.text(" \t\r\n", max_size=3)
STRING = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.text(st.characters(codec="utf-8"), max_size=8).map(json.dumps),
    st.sampled_from(
        [
            r'"\ud83d"',
            r'"a\udc00b"',
            r'"😀"',
            r'"\/"',
            r'"\\ud83d"',
            r'"\ud83d\ud83d\ude00"',
            '"\U0001f600\\uDAAA"',
        ]
    ),
)
NUMBER = st.sampled_from(
    [
        "0",
        "-0",
        "1e5",
        "1E+2",
        "1e400",
        "-1.50",
        "123456789012345678901234567890123456789",
        "0.1000000000000000055",
    ]
)
KEY = st.sampled_from(['"a"', '"b"', r'"\u0061"', '"c/~"', '"é"', '""', '"cache_control"'])


def spaced(open_: str, close: str, members: Any) -> Any:
    return st.tuples(SPACE, members, SPACE).map(lambda p: open_ + p[0] + p[1] + p[2] + close)


def join_members(members: list[tuple[str, str]]) -> str:
    return "".join(("," if index else "") + space + member for index, (space, member) in enumerate(members))


def containers(values: Any) -> Any:
    items = st.lists(st.tuples(SPACE, values), max_size=4).map(join_members)
    pairs = st.tuples(KEY, SPACE, SPACE, values).map(lambda p: p[0] + p[1] + ":" + p[2] + p[3])
    members = st.lists(st.tuples(SPACE, pairs), max_size=4).map(join_members)
    return st.one_of(spaced("[", "]", items), spaced("{", "}", members))


JSON_TEXT = st.recursive(
    st.one_of(STRING, NUMBER, st.sampled_from(["true", "false", "null"])), containers, max_leaves=12
)
NEW_VALUE: st.SearchStrategy[Any] = st.sampled_from(["new", 7, None, True, 2.5, {"x": [1, "é"]}, [], {}, 10**30])


def opened(text: str, *, detailed: bool = True) -> Document:
    return Document(text.encode(), Journal(detailed=detailed))


def containers_of(node: Any) -> list[Node]:
    found: list[Node] = []
    if isinstance(node, ObjectNode):
        found.append(node)
        for name in node.names():
            found += containers_of(node.get(name))
    elif isinstance(node, ListNode):
        found.append(node)
        for item in node:
            found += containers_of(item)
    return found


def edit_somewhere(data: st.DataObject, node: Node) -> bool:
    """One edit of the kinds that verbs make; False where it changed nothing or was refused."""
    try:
        if isinstance(node, ObjectNode):
            names = [*node.names(), "fresh"]
            name = data.draw(st.sampled_from(names))
            match data.draw(st.sampled_from(["put", "remove", "rename"])):
                case "put":
                    return node.put(name, data.draw(NEW_VALUE))
                case "remove":
                    return node.remove(name)
                case _:
                    return node.rename(name, "renamed")
        assert isinstance(node, ListNode)
        handles = node.handles()
        match data.draw(st.sampled_from(["drop", "reverse", "append", "replace"])):
            case "drop":
                if not handles:
                    return False
                node.take_away((0,))
            case "reverse":
                node.arrange(range(len(node))[::-1])
            case "append":
                node.insert(len(node), data.draw(NEW_VALUE))
            case _:
                if not handles:
                    return False
                node.replace(data.draw(st.sampled_from(handles)), data.draw(NEW_VALUE))
    except EditRefused as refused:
        assert "more than once" in str(refused) or "is there already" in str(refused)  # noqa: PT017
        return False
    return True


@given(text=st.tuples(SPACE, JSON_TEXT, SPACE).map("".join))
def test_reading_everything_changes_nothing(text: str) -> None:
    """A document that was opened to its last leaf and not edited is the very same bytes."""
    document = opened(text)
    containers_of(document.root)
    assert document.to_json() == (text.encode(), len(text.encode()))


@given(text=JSON_TEXT, data=st.data())
def test_undone_edits_leave_the_same_bytes(text: str, data: st.DataObject) -> None:
    """Edits that are taken back leave no trace in the bytes, though the levels were put together again."""
    document = opened(text)
    for _ in range(data.draw(st.integers(1, 4))):
        nodes = containers_of(document.root)
        if nodes:
            edit_somewhere(data, data.draw(st.sampled_from(nodes)))
    document.journal.undo_to((0, 0))
    assert document.to_json()[0] == text.encode()


@settings(max_examples=400)
@given(text=JSON_TEXT, data=st.data())
def test_edited_text_means_what_the_nodes_say(text: str, data: st.DataObject) -> None:
    """After any edits the text is valid JSON and reads as the tree that the rules left behind."""
    document = opened(text)
    for _ in range(data.draw(st.integers(1, 4))):
        nodes = containers_of(document.root)
        if not nodes:
            return
        edit_somewhere(data, data.draw(st.sampled_from(nodes)))
    written, reused = document.to_json()
    assert reused is not None
    assert reused <= len(text.encode())
    assert opened(written.decode()).to_json()[0] == written
    again = opened(written.decode())
    assert plain(again.root) == plain(document.root)


@given(text=JSON_TEXT, data=st.data())
def test_one_new_member_leaves_every_other_byte(text: str, data: st.DataObject) -> None:
    """A member put into any object of any text adds one run of bytes and touches no other."""
    document = opened(text)
    objects = [node for node in containers_of(document.root) if isinstance(node, ObjectNode)]
    if not objects:
        return
    data.draw(st.sampled_from(objects)).put("zz", 1)
    written, reused = document.to_json()
    source = text.encode()
    head = next((i for i, (a, b) in enumerate(zip(source, written, strict=False)) if a != b), len(source))
    tail = len(source) - head
    assert written[:head] == source[:head]
    assert tail == 0 or written[-tail:] == source[-tail:]
    assert len(written) > len(source)
    assert reused == len(source)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON: invalid character (byte 0)"),
        (b'{"a":NaN}', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON: invalid character (byte 0)"),
        (b'{"a":"\xff"}', "not JSON: invalid UTF-8 at byte 6"),
        (b'{"a":01}', "not JSON: invalid number"),
        (b'{"a":1,}', "not JSON: trailing comma"),
        (b'{"a":1} x', "not JSON: trailing characters"),
        (b'{"a":"\xed\xa0\x80"}', "not JSON: invalid UTF-8"),
        (b"[" * 100_000 + b"]" * 100_000, "JSON nested too deeply"),
    ],
)
def test_what_is_not_json_is_refused_by_name(text: bytes, reason: str) -> None:
    """Bytes that are no JSON, or too deep to be walked, say why they are not edited."""
    with pytest.raises(NotEditable, match=reason.replace("(", r"\(").replace(")", r"\)")):
        Document(text, Journal())


def test_a_repeated_key_is_not_edited_and_its_neighbours_are() -> None:
    """Which of two equal keys counts is for the upstream to say: its edit is refused, others are made."""
    document = opened('{"a":1, "b" : [1,2],"a":2,"c":{"a":0,"a":1}}')
    root = document.root
    with pytest.raises(EditRefused, match="/a stands there more than once"):
        root.put("a", 3)
    root.put("b", "x")
    root.remove("c")
    root.put("d", None)
    assert document.to_json()[0] == b'{"a":1, "b" : "x","a":2, "d":null}'


def test_spacing_is_taken_over_by_new_members() -> None:
    """New members are spaced like the ones that are there."""
    document = opened('{\n  "a": 1,\n  "b": [1, 2]\n}')
    document.root.put("c", None)
    numbers = document.root.get("b")
    numbers.insert(2, 3)
    assert document.to_json()[0] == b'{\n  "a": 1,\n  "b": [1, 2, 3],\n  "c": null\n}'


def test_copied_values_keep_their_spelling() -> None:
    """A number or a string with half a surrogate pair that a rule copies elsewhere is not spelled anew."""
    document = opened(r'{"a":1e400,"b":"\ud83dx","c":12345678901234567890123,"d":{}}')
    root = document.root
    target = root.get("d")
    for name in "abc":
        target.put(name, root.get(name))
    assert document.to_json()[0] == (
        rb'{"a":1e400,"b":"\ud83dx","c":12345678901234567890123,'
        rb'"d":{"a":1e400,"b":"\ud83dx","c":12345678901234567890123}}'
    )
    assert root.get("b") == "\ufffdx"


def test_the_journal_says_where_and_what() -> None:
    """A detailed journal has pointers as they were when the edit was made, and both values."""
    document = opened('{"messages":[{"role":"user"},{"role":"x/y"}]}')
    messages = document.root.get("messages")
    _, second = messages.values()
    second.put("role", "assistant")
    messages.take_away((0,))
    second.put("a/b", 1)
    assert [(edit.kind, edit.where, edit.before, edit.after) for edit in document.journal.edits] == [
        ("~", "/messages/1/role", '"x/y"', '"assistant"'),
        ("-", "/messages/0", '{"role":"user"}', None),
        ("+", "/messages/0/a~1b", None, "1"),
    ]
