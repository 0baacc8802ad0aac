"""Text of a rules file, and places in it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple


class Span(NamedTuple):
    """A half-open range of characters `[start, end)` in one source."""

    start: int
    end: int


class Position(NamedTuple):
    """A line and a column as an editor counts them: both begin at 1, columns count characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Source:
    """One rules file: the name to print for it and its whole text, line ends as `\\n`."""

    name: str
    text: str
    line_starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = [0]
        starts.extend(index + 1 for index, character in enumerate(self.text) if character == "\n")
        object.__setattr__(self, "line_starts", tuple(starts))

    def position(self, offset: int) -> Position:
        """The line and column of a character offset; an offset past the end is the end."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(self.line_starts, offset)
        return Position(line, offset - self.line_starts[line - 1] + 1)

    def line(self, number: int) -> str:
        """The text of a line, counted from 1, without its line end."""
        start = self.line_starts[number - 1]
        end = self.line_starts[number] - 1 if number < len(self.line_starts) else len(self.text)
        return self.text[start:end]

    def slice(self, span: Span) -> str:
        """The characters of a span."""
        return self.text[span.start : span.end]
