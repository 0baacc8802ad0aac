"""Did you mean."""

import pytest

from ruleproxy.language.suggestions import count_slips, find_nearest


@pytest.mark.parametrize(
    ("word", "expected"),
    [("rewirte", "rewrite"), ("stirp", "strip"), ("REWRITE", "rewrite"), ("obliterate", None), ("x" * 9999, None)],
)
def test_nearest(word: str, expected: str | None) -> None:
    """A slip or two is recognised, another word is not."""
    assert find_nearest(word, ["rewrite", "strip", "respond"]) == expected


def test_slips() -> None:
    """Letters left out, put in, replaced, and swapped with their neighbour count one each."""
    assert [count_slips("abcd", other) for other in ("abcd", "abc", "abxd", "acbd", "dcba")] == [0, 1, 1, 1, 3]
