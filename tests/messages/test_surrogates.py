"""Lone surrogates are masked and come back, whatever stands around them and however many there are."""

from __future__ import annotations

import itertools
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleproxy.messages.journal import Journal
from ruleproxy.messages.json_bytes import Document, NotEditable
from ruleproxy.messages.surrogates import Masking, mask_lone_surrogates

PIECES = st.sampled_from(
    ["\\ud83d", "\\uDE00", "\\uD800", "\\udc00", "\\\\", "\\n", "u", "d83d", "\\ue000", "\\uE001", "\ue002", "x", "é"]
)
INSIDES = st.lists(PIECES, max_size=12).map("".join)


def lone(text: str) -> int:
    """How many halves a JSON string has, by the standard library."""
    value: str = json.loads(text)
    return sum(0xD800 <= ord(character) <= 0xDFFF for character in value)


def spell(code: int) -> set[str]:
    """Every way to write an escape."""
    return {"".join(digits) for digits in itertools.product(*({d.lower(), d.upper()} for d in f"{code:04x}"))}


@given(inside=INSIDES)
def test_masked_text_is_strict_and_comes_back(inside: str) -> None:
    """What is masked has the same length, is read by a strict decoder, and unmasks to the very same bytes."""
    text = f'"{inside}"'
    data = text.encode()
    masked, masking = mask_lone_surrogates(data, data, None)
    assert (masking is not None) == (lone(text) > 0)
    assert len(masked) == len(data)
    value = orjson.loads(masked)
    if masking is not None:
        assert masking.unmask(masked) == data
        shown = masking.reveal(value)
        assert shown.count("\ufffd") == lone(text)
        assert json.loads(shown.token) == json.loads(text)  # type: ignore[attr-defined]


@pytest.mark.parametrize("count", [2_000, 6_000])
def test_thousands_of_different_halves(count: int) -> None:
    """Each comes back as it was spelled, in many strings as in one."""
    spellings = [way for code in range(0xD800, 0xE000) for way in sorted(spell(code))][:count]
    text = b'{"a":[%s]}' % b",".join(b'"\\u%s"' % way.encode() for way in spellings)
    document = Document(text, Journal())
    assert len(document.root.get("a").values()) == count
    document.root.put("b", 1)
    assert document.to_json()[0] == text[:-1] + b',"b":1}'


def test_more_halves_than_there_are_masks() -> None:
    """A body of that kind passes as it came, and why is said."""
    text = b'{"a":"%s"}' % b"x".join(
        b"\\u%s" % way.encode() for code in range(0xD800, 0xE000) for way in sorted(spell(code))
    )
    with pytest.raises(NotEditable, match="too many different halves"):
        Document(text, Journal())


def test_masks_are_not_in_the_text() -> None:
    """A private-use character or escape of the text is never taken for a mask, however it is spelled."""
    used = "".join(f"\\u{code:04X}" for code in range(0xE000, 0xE100)) + "".join(map(chr, range(0xE100, 0xF8FF)))
    masking = Masking(used.encode())
    assert masking.mask(b"\\ud83d") == b"\\uf8ff"
