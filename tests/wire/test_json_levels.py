"""One level of a JSON text opened, every value as it stood there."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleproxy.wire.json_levels import (
    BadJsonError,
    open_list,
    open_object,
    read_string,
    write_object,
    write_string,
)


def test_values_keep_their_bytes() -> None:
    """Numbers, escapes and spacing inside a value come out as they went in."""
    text = rb'{ "a" : 1e5, "b": 123456789012345678901234567890, "c": "\u003c\/", "d": {"x" :  1.50} }'
    expected = {
        "a": b"1e5",
        "b": b"123456789012345678901234567890",
        "c": rb'"\u003c\/"',
        "d": b'{"x" :  1.50}',
    }
    assert open_object(text) == expected
    assert open_list(b"[ 1e5 ,[ ]]") == [b"1e5", b"[ ]"]


def test_half_a_surrogate_pair_is_kept_as_its_escape() -> None:
    """JSON allows it and real bodies have it; a whole pair and a spelled-out backslash are not mistaken for it."""
    text = rb'{"a": "\ud83d", "b": "\ud83d\ude00", "c": "\\ud83d", "d": "\uDC00\ue000\ue001"}'
    expected = {"a": rb'"\ud83d"', "b": rb'"\ud83d\ude00"', "c": rb'"\\ud83d"', "d": rb'"\uDC00\ue000\ue001"'}
    assert open_object(text) == expected
    assert open_list(rb'["\ud800", {"\ud801": 1}]') == [rb'"\ud800"', rb'{"\ud801": 1}']
    assert read_string(expected["a"]) == "\ud83d"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        b'{"a":1',
        b'{"a":01}',
        b'{"a":1} x',
        b'{"a":NaN}',
        rb'{"\ud800": 1}',
        rb'{"a":"\ud800}',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_object_is_an_error(text: bytes) -> None:
    """Also what only a lenient parser takes, half a pair in a key of the level, and bottomless nesting."""
    with pytest.raises(BadJsonError):
        open_object(text)


def test_what_is_no_list_is_an_error() -> None:
    """An object is none."""
    with pytest.raises(BadJsonError):
        open_list(b"{}")


def test_a_text_that_uses_up_all_stand_ins_is_an_error() -> None:
    """There is nothing left that could mark the place; the text is refused, not altered."""
    taken = b"".join(b"\\u%04x" % code for code in range(0xE000, 0xF900))
    with pytest.raises(BadJsonError):
        open_object(b'{"a":"' + taken + rb'\ud800"}')


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.recursive(st.none() | st.text(st.characters()), st.lists)))
def test_opening_and_writing_an_object_loses_nothing(value: dict[str, object]) -> None:
    """Through both, any object means the same; lone surrogates in values included."""
    members = open_object(json.dumps(value).encode())
    assert json.loads(write_object(members)) == value


@settings(deadline=None)
@given(st.text())
def test_strings_are_written_and_read(value: str) -> None:
    """And what is no string reads as None."""
    assert read_string(write_string(value)) == value
    assert read_string(b"1") is None
    assert read_string(None) is None
