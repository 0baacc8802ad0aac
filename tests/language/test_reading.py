"""From bytes to a source."""

import pytest

from ruleproxy.language.diagnostics import Diagnostic
from ruleproxy.language.reading import MAXIMUM_BYTES, source_from_bytes
from ruleproxy.language.source import Source


def test_line_ends_and_byte_order_mark() -> None:
    """Whatever an editor wrote, lines end in one way."""
    source = source_from_bytes("a", b"\xef\xbb\xbfedition 1\r\n-- a\rlocal x = 1\n")
    assert isinstance(source, Source)
    assert source.text == "edition 1\n-- a\nlocal x = 1\n"


@pytest.mark.parametrize(
    ("data", "message", "place"),
    [
        (b"-- a\r\n-- \xc3\xa9 \xff\n", "this is not UTF-8", (2, 6)),
        (b"-- a\n-- \x00\n", "a NUL byte", (2, 4)),
        (b"\xff\xfee\x00d\x00", "this file is UTF-16", (1, 1)),
        (b"-" * (MAXIMUM_BYTES + 1), "this file has 1048577 bytes, more than 1048576", (1, 1)),
    ],
)
def test_what_is_no_text(data: bytes, message: str, place: tuple[int, int]) -> None:
    """Bytes that are no rules file are refused with the reason and its place."""
    found = source_from_bytes("a", data)
    assert isinstance(found, Diagnostic)
    assert (found.code, found.message) == ("RP104", message)
    assert found.primary.source.position(found.primary.span.start) == place


def test_largest_file() -> None:
    """The limit itself is allowed."""
    assert isinstance(source_from_bytes("a", b"-" * MAXIMUM_BYTES), Source)
