"""Constants written out are read back as what they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleproxy.language.constants import write_constant
from support.running import value_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)


@given(VALUES)
def test_what_is_written_is_read_back(value: object) -> None:
    """Any JSON value, whatever stands in its strings and keys; nothing in it ends the line that it stands on."""
    text = write_constant(value)
    assert text.isprintable()
    read = value_of(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("value", [object(), b"a", "\ud800", {1: 2}, [("a",)]])
def test_what_has_no_spelling_is_refused(value: object) -> None:
    """Nothing is written in its place."""
    with pytest.raises(ValueError, match=r"cannot be written out|named by a string"):
        write_constant(value)
