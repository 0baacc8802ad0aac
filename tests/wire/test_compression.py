"""Content codings undone: every coding and stack, in any pieces, with bounds, and told apart from damage."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleproxy.wire.compression import PIECE, CodingError, Decoder, TooLarge, decode_whole, find_codings
from support.packing import Packer, pack

CODINGS = ["gzip", "x-gzip", "deflate", "br", "zstd"]
TEXT = b'{"model": "m", "text": "' + b"the same again and again, " * 5000 + b'"}'


@pytest.mark.parametrize("coding", CODINGS)
def test_each_coding_is_undone(coding: str) -> None:
    """Whole, and byte by byte."""
    packed = pack(TEXT, coding)
    assert decode_whole([coding], packed, len(TEXT)) == TEXT
    decoder = Decoder([coding])
    pieces = [piece for at in range(len(packed)) for piece in decoder.feed(packed[at : at + 1])]
    decoder.finish()
    assert b"".join(pieces) == TEXT


@pytest.mark.parametrize("stack", [*itertools.product(["gzip", "deflate", "br", "zstd"], repeat=2)], ids=",".join)
def test_stacks_are_undone_from_the_last(stack: tuple[str, ...]) -> None:
    """The header names codings in the order in which they were applied (RFC 9110 8.4)."""
    assert decode_whole(stack, pack(TEXT, *stack), len(TEXT)) == TEXT


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "bare", "br", "zstd"]), st.data())
def test_any_data_comes_back_however_it_is_cut(data: bytes, coding: str, draws: st.DataObject) -> None:
    """What was packed is what is unpacked."""
    packed = pack(data, coding)
    cuts = sorted(draws.draw(st.lists(st.integers(0, len(packed)), max_size=4)))
    decoder = Decoder(["deflate" if coding == "bare" else coding])
    parts = [packed[a:b] for a, b in itertools.pairwise([0, *cuts, len(packed)])]
    out = b"".join(piece for part in parts for piece in decoder.feed(part))
    decoder.finish()
    assert out == data


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_members_one_after_the_other_are_one_body(coding: str) -> None:
    """As concatenated files and some servers give them (RFC 1952 2.2, RFC 8878 3)."""
    assert decode_whole([coding], pack(b"one", coding) + pack(b"two", coding), 6) == b"onetwo"


@pytest.mark.parametrize("more", [b"\0" * 16, b"garbage"])
def test_what_stands_behind_a_whole_gzip_member_is_passed_over(more: bytes) -> None:
    """As gzip(1), browsers and HTTP clients do; in any pieces."""
    packed = pack(TEXT, "gzip") + more
    assert decode_whole(["gzip"], packed, len(TEXT)) == TEXT
    decoder = Decoder(["gzip"])
    pieces = [piece for at in range(len(packed)) for piece in decoder.feed(packed[at : at + 1])]
    decoder.finish()
    assert b"".join(pieces) == TEXT


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_what_a_server_flushed_is_there_at_once(coding: str) -> None:
    """An event of a compressed stream is not held until the next one comes."""
    packer, decoder = Packer(coding), Decoder([coding])
    for number in range(50):
        event = b'data: {"number": %d}\n\n' % number
        assert b"".join(decoder.feed(packer.feed(event))) == event
    assert b"".join(decoder.feed(packer.feed(b"end", last=True))) == b"end"
    decoder.finish()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_costs_no_more_than_its_limit(coding: str) -> None:
    """Pieces are small, and who has enough stops asking."""
    packed = pack(bytes(50_000_000), coding)
    assert len(packed) < 100_000
    with pytest.raises(TooLarge):
        decode_whole([coding], packed, 1_000_000)
    pieces = list(itertools.islice(Decoder([coding]).feed(packed), 10))
    assert len(pieces) == 10
    assert max(map(len, pieces)) <= 2 * PIECE


def test_a_bomb_in_a_bomb_costs_no_more_either() -> None:
    """Layers pull from each other."""
    packed = pack(bytes(50_000_000), "gzip", "gzip", "br")
    with pytest.raises(TooLarge):
        decode_whole(["gzip", "gzip", "br"], packed, 1_000_000)


@pytest.mark.parametrize(
    ("damage", "coding"),
    [
        *itertools.product(["cut", "cut short", "flipped", "none of it"], ["gzip", "deflate", "br", "zstd"]),
        *itertools.product(["followed"], ["deflate", "br", "zstd"]),
    ],
)
def test_damage_is_told(coding: str, damage: str) -> None:
    """Never less, more or other data than was packed."""
    packed = pack(TEXT[:400], coding)
    damaged = {
        "cut": packed[: len(packed) // 2],
        "cut short": packed[:-1],
        "flipped": packed[:4] + bytes(byte ^ 0xFF for byte in packed[4:24]) + packed[24:],
        "followed": packed + b"GET / HTTP/1.1",
        "none of it": b"{}" + packed,
    }[damage]
    with pytest.raises(CodingError, match=coding):
        decode_whole([coding], damaged, 10_000)


def test_no_data_is_no_damage() -> None:
    """Some servers name a coding for an empty body."""
    assert [decode_whole([coding], b"", 1) for coding in CODINGS] == [b""] * len(CODINGS)


def test_codings_that_are_not_known_are_named() -> None:
    """And a stack that is too high is refused."""
    with pytest.raises(CodingError, match="'compress' is not known"):
        Decoder(["gzip", "compress"])
    with pytest.raises(CodingError, match="more than 4 codings"):
        Decoder(["gzip"] * 5)


def test_codings_are_found_over_all_lines() -> None:
    """A list, repeated lines, any case, and identity for none."""
    headers = [(b"Content-Encoding", b" GZIP , identity"), (b"x", b"br"), (b"content-encoding", b"br")]
    assert find_codings(headers) == ("gzip", "br")
    assert find_codings([(b"Content-Encoding", b"identity")]) == ()


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_body_of_tiny_members_is_refused(coding: str) -> None:
    """Each costs as much as kilobytes do, and a copy of all that follows it is not made for each either."""
    with pytest.raises(CodingError, match="more than 10000 tiny members"):
        decode_whole([coding], pack(b"", coding) * 400_000, 1_000)
    many = pack(b"x" * 50, coding)
    assert decode_whole([coding], many * 9_000, 450_000) == b"x" * 450_000
