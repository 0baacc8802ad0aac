"""JSON of others in a shape: what cannot be read is no shape, and never an error."""

from __future__ import annotations

import msgspec
import pytest

from ruleproxy.wire.json_shapes import read_shape


class Shape(msgspec.Struct):
    type: str = ""


def test_a_shape_is_read_and_the_rest_passed_over() -> None:
    """Members that nobody asks for may be anything."""
    assert read_shape(b'{"more":[1,{}],"type":"x"}', Shape) == Shape("x")


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b'{"type":1}', b'{"type":"\xff"}', b"\xef\xbb\xbf{}", b'{"more":' + DEEP + b"}", DEEP],
)
def test_what_cannot_be_read_is_none(data: bytes) -> None:
    """No JSON, another shape, text that is not UTF-8, values that are nested without end."""
    assert read_shape(data, Shape) is None
