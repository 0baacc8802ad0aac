"""The words and signs of a text that does not parse, foreign ones included, to say what is wrong with it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from ruleproxy.language.source import Span

SHAPE = re.compile(
    r"""
      (?P<between>[ \t\n]+ | --\[(?P<comment_level>=*)\[[\s\S]*?\](?P=comment_level)\] | --[^\n]*)
    | (?P<string>"(?:[^"\\\n]|\\.)*+"?+ | \[(?P<string_level>=*)\[[\s\S]*?\](?P=string_level)\])
    | (?P<foreign_string>'(?:[^'\\\n]|\\.)*+'? | `[^`\n]*+`?)
    | (?P<number>[0-9](?:[0-9A-Za-z_]|\.(?=[0-9])|(?<=[eE])[+-](?=[0-9]))*+)
    | (?P<name>[^\W\d]\w*+)
    | (?P<sign>===|!==|==|~=|!=|<>|<=|>=|=>|&&|\|\||\+=|-=|\.\.=|\?\?=|\?\?|\?\.|\.\.\.|\.\.|::|//|/\*|\+\+|\S)
    """,
    re.VERBOSE,
)


MAXIMUM_TOKENS = 100_000
TOKENS_AHEAD = 400
"""Characters after an offending token in which its continuation is looked for."""


class RawToken(NamedTuple):
    """A word, number, string or sign as it stands in the text."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        """Where it stands."""
        return Span(self.start, self.end)


def split_tokens(text: str, start: int, end: int) -> list[RawToken]:
    """The tokens that begin in `[start, end)`, without what stands between them."""
    tokens: list[RawToken] = []
    position = start
    end = min(end, len(text))
    while position < end and len(tokens) < MAXIMUM_TOKENS and (match := SHAPE.match(text, position)) is not None:
        position = match.end()
        kind = next(kind for kind in ("between", "string", "foreign_string", "number", "name", "sign") if match[kind])
        if kind != "between":
            tokens.append(RawToken(kind, match[0], match.start(), match.end()))
    return tokens


class Place(NamedTuple):
    """Where a text stopped making sense: all its tokens, and which of them is the offending one."""

    text: str
    tokens: Sequence[RawToken]
    at: int

    @property
    def found(self) -> RawToken | None:
        """The offending token, or None at the end of the text."""
        return self.look(0)

    def look(self, distance: int) -> RawToken | None:
        """The token that many after the offending one (before it, if negative), or None."""
        at = self.at + distance
        return self.tokens[at] if 0 <= at < len(self.tokens) else None

    def text_at(self, distance: int) -> str:
        """The text of that token, empty where there is none."""
        token = self.look(distance)
        return "" if token is None else token.text

    def same_line(self, left: RawToken, right: RawToken) -> bool:
        """Whether no line ends between two tokens."""
        return "\n" not in self.text[left.end : right.start]


def find_place(text: str, offset: int) -> Place:
    """The place of an offset: the token that holds it, or the first after it.

    Of a text with very many tokens before the offset only those around it are kept.
    """
    tokens = split_tokens(text, 0, offset + TOKENS_AHEAD)
    if len(tokens) == MAXIMUM_TOKENS:
        tokens = split_tokens(text, offset, offset + TOKENS_AHEAD)
    at = bisect_right([token.end for token in tokens], offset)
    return Place(text, tokens, at)
