"""Numbers of things."""

import pytest

from ruleproxy.language.counts import count


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 bytes"), (1, "1 byte"), (2, "2 bytes"), (218114, "218 114 bytes")],
)
def test_one_is_one(number: int, text: str) -> None:
    """One of a thing is no several, and long numbers are grouped."""
    assert count(number, "byte") == text
