"""Compressed bodies, opened piece by piece."""

from __future__ import annotations

import gzip
import zlib

import pytest

from ruleproxy.wire.content_coding import Inflater, content_coding
from ruleproxy.wire.events import BadStreamError

TEXT = b"data: x\n\n" * 1000


@pytest.mark.parametrize(("coding", "data"), [(b"gzip", gzip.compress(TEXT)), (b"deflate", zlib.compress(TEXT))])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_pieces_do_not_matter(coding: bytes, data: bytes, size: int) -> None:
    """All of it comes out, however it is cut."""
    inflater = Inflater(coding)
    assert b"".join(inflater.feed(data[at : at + size]) for at in range(0, len(data), size)) == TEXT
    inflater.finish()


def test_a_coding_by_its_headers() -> None:
    """In any case, over several lines; none and `identity` are the same."""
    assert content_coding([(b"Content-Encoding", b" GZIP ")]) == b"gzip"
    assert content_coding([(b"content-encoding", b"gzip"), (b"content-encoding", b"br")]) == b"gzip,br"
    assert content_coding([(b"content-encoding", b"identity")]) == content_coding([]) == b""


def test_what_cannot_be_opened() -> None:
    """An unknown coding, other bytes, an end that is missing, more than anybody should keep."""
    with pytest.raises(BadStreamError, match="content-encoding br"):
        Inflater(b"br")
    with pytest.raises(BadStreamError, match="damaged"):
        Inflater(b"gzip").feed(TEXT)
    cut = Inflater(b"gzip")
    cut.feed(gzip.compress(TEXT)[:-9])
    with pytest.raises(BadStreamError, match="its end is missing"):
        cut.finish()
    with pytest.raises(BadStreamError, match="inflates to more than 100 bytes"):
        Inflater(b"gzip", 100).feed(gzip.compress(TEXT))
