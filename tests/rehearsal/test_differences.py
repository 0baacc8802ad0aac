"""Structural differences of JSON values and requests."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleproxy.messages.journal import Edit
from ruleproxy.rehearsal.differences import compare_bodies, compare_headers, compare_values


def shown(before: Any, after: Any) -> list[str]:
    return [f"{e.kind} {e.where} {e.before} {e.after}" for e in compare_values(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a": 1}, {"a": True}, ["~ /a 1 true"]),
        ({"a": {"b/c": 1}}, {"a": {}}, ["- /a/b~1c 1 None"]),
        ([1, 2, 3], [1, 3], ["- /1 2 None"]),
        ([1, 3], [1, 2, 3], ["+ /1 None 2"]),
        ([1, 2, 3], [3, 1, 2], ["> /  0, 1, 2 2, 0, 1".replace("/  ", " ")]),
        (
            [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
            [{"role": "assistant", "content": "c"}],
            ['- /0 {"role":"user","content":"a"} None', '~ /1/content "b" "c"'],
        ),
        ([{"type": "text", "text": "a"}], [{"type": "text", "text": "b"}], ['~ /0/text "a" "b"']),
    ],
)
def test_differences(before: Any, after: Any, said: list[str]) -> None:
    """Each difference is one edit with its JSON pointer, as small as it can be."""
    assert shown(before, after) == said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, JSON)
def test_silent_only_on_equal_values(before: Any, after: Any) -> None:
    """Nothing is said of equal values, and something of all others."""
    same = json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert (not list(compare_values(before, after))) == same


def test_long_values_are_cut() -> None:
    """A long value is shown by its beginning and its length."""
    (edit,) = compare_values({"a": "x" * 1000}, {})
    assert edit.before is not None
    assert len(edit.before) < 300
    assert edit.before.endswith("… (1002 characters)")


def test_bodies_that_are_no_json() -> None:
    """Bytes that cannot be compared by value are counted; another spelling of the same value is said to be one."""
    assert compare_bodies(b"a", b"a") == []
    assert compare_bodies(b"abc", b"{}") == [Edit("~", "", "3 bytes", "2 bytes")]
    assert compare_bodies(b"{ }", b"{}") == [Edit("~", "", "the same value", "spelled otherwise")]


def test_headers_by_name_and_masked() -> None:
    """Lines of a name are compared as one, whatever its case; credentials are masked."""
    came = [(b"X-Api-Key", b"sk-1"), (b"A", b"1"), (b"a", b"2"), (b"same", b"s")]
    went = [(b"authorization", b"Bearer sk-1"), (b"a", b"1, 2"), (b"Same", b"s")]
    gone, come = compare_headers(came, went)
    assert (gone.kind, gone.where, gone.after) == ("-", "header x-api-key", None)
    assert (come.kind, come.where, come.before) == ("+", "header authorization", None)
    assert "sk-1" not in f"{gone.before} {come.after}"
    assert str(come.after).startswith("Bearer *masked-")
