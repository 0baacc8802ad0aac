"""Which block has no `end`: found by how far its lines are indented."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from ruleproxy.language.tokens import Place, RawToken

OPENERS = ("rule", "test", "if", "for")


class OpenBlock(NamedTuple):
    """A block that is never closed, and the token before which its `end` was expected (None: the text ends)."""

    opener: RawToken
    before: RawToken | None


def find_unclosed_block(place: Place) -> OpenBlock | None:
    """The block that lacks its `end` before the offending token.

    With everything closed by count, the innermost open one; but an `end` that is indented less than the block it
    would close shows that this block's own `end` is what is missing.
    """
    open_blocks: list[RawToken] = []
    suspect: OpenBlock | None = None
    for distance in range(-place.at, 0):
        token = place.look(distance)
        if token is None or token.kind != "name" or is_member_or_key(place, distance):
            continue
        if token.text in OPENERS:
            open_blocks.append(token)
        elif token.text == "end" and open_blocks:
            inner = open_blocks.pop()
            if suspect is None and indentation(place, token) < indentation(place, inner):
                suspect = OpenBlock(inner, token)
    if not open_blocks:
        return None
    block = suspect or OpenBlock(open_blocks[-1], place.found)
    return OpenBlock(block.opener, find_outdented(place, block.opener) or block.before)


def find_outdented(place: Place, opener: RawToken) -> RawToken | None:
    """The first token after a block's opener that begins a line and is indented no more than the opener."""
    if opener.text in ("rule", "test"):
        return None
    limit = indentation(place, opener)
    for left, right in pairwise(place.tokens[: place.at]):
        if left.start >= opener.start and not place.same_line(left, right):
            if right.text not in ("else", "elseif") and indentation(place, right) <= limit:
                return right
    return None


def is_member_or_key(place: Place, distance: int) -> bool:
    """Whether a word is a name because of where it stands: after a dot, or before `=` in a table."""
    return place.text_at(distance - 1) == "." or place.text_at(distance + 1) == "="


def indentation(place: Place, token: RawToken) -> int:
    """How far the line of a token is indented."""
    start = place.text.rfind("\n", 0, token.start) + 1
    line = place.text[start : token.end]
    return len(line) - len(line.lstrip())
