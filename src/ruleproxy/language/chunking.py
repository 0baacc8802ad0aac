"""Cutting a file into pieces that parse on their own.

A piece begins at `edition`, `use`, `local`, `rule` or `test` where it begins a line, but never inside a string or a
comment. The same walk over the text finds the comments, brackets that never close and nesting without measure, so
that the parser meets only text it can handle. Each character is looked at a bounded number of times: a closing
bracket that was once not found is not looked for again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ruleproxy.language.problems import Problem
from ruleproxy.language.source import Span

MAXIMUM_NESTING = 100
"""Levels of brackets, blocks and operands in each other; the tree is walked recursively, a stack has its end."""

PIECE = re.compile(
    r"""
      --\[(?P<comment_level>=*)\[              # a long comment begins
    | (?P<comment>--[^\n]*+)
    | \[(?P<string_level>=*)\[                 # a long string begins
    | (?P<string>"(?:[^"\\\n]|\\.)*+(?P<string_end>"?))
    | (?P<foreign_string>'(?:[^'\\\n]|\\.)*+')
    | (?P<opening>[(\[{])
    | (?P<closing>[)\]}])
    | ^(?P<item>edition|use|local|rule|test)\b(?!\s*=)
    """,
    re.VERBOSE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file from `start`; `problem` is what the parser would not see or not survive."""

    start: int
    text: str
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class Chunks:
    """A whole file in pieces, without gaps, and the places of its comments."""

    chunks: tuple[Chunk, ...]
    comments: tuple[Span, ...]


@dataclass(slots=True)
class Walk:
    """Where a walk over a text is."""

    text: str
    starts: list[int] = field(default_factory=lambda: [0])
    problems: list[Problem | None] = field(default_factory=lambda: [None])
    comments: list[Span] = field(default_factory=list)
    depth: int = 0
    missing: set[str] = field(default_factory=set)

    def report(self, problem: Problem) -> None:
        """Keep the first problem of the current piece."""
        if self.problems[-1] is None:
            self.problems[-1] = problem

    def begin_piece(self, start: int) -> None:
        """A new piece begins: what the old one left open does not concern it."""
        self.starts.append(start)
        self.problems.append(None)
        self.depth = 0

    def find_closing(self, closing: str, start: int) -> int:
        """The end of the first `closing` after `start`, or -1."""
        if closing in self.missing:
            return -1
        found = self.text.find(closing, start)
        if found < 0:
            self.missing.add(closing)
            return -1
        return found + len(closing)

    def open_bracket(self, start: int) -> None:
        """Go one level deeper."""
        self.depth += 1
        if self.depth == MAXIMUM_NESTING + 1:
            offset = start - self.starts[-1]
            self.report(explain_nesting(Span(offset, offset + 1)))

    def pass_long(self, match: re.Match[str], level: str, what: str) -> int:
        """Pass a long string or comment; returns where it ends, or the end of its first line if it never does."""
        end = self.find_closing(f"]{level}]", match.end())
        if end >= 0:
            if what == "comment":
                self.comments.append(Span(match.start(), end))
            return end
        self.report(explain_unclosed(match, self.starts[-1], what, f"]{level}]"))
        line_end = self.text.find("\n", match.end())
        return len(self.text) if line_end < 0 else line_end


def split_text(text: str) -> Chunks:
    """The pieces of a text; an empty text is one empty piece."""
    walk = Walk(text)
    position = 0
    while (match := PIECE.search(text, position)) is not None:
        position = match.end()
        match match.lastgroup:
            case "comment_level":
                position = walk.pass_long(match, match["comment_level"], "comment")
            case "string_level":
                position = walk.pass_long(match, match["string_level"], "string")
            case "comment":
                walk.comments.append(Span(match.start(), match.end()))
            case "string" if not match["string_end"]:
                walk.report(explain_unclosed(match, walk.starts[-1], "string", '"'))
            case "opening":
                walk.open_bracket(match.start())
            case "closing":
                walk.depth = max(0, walk.depth - 1)
            case "item" if match.start() > 0:
                walk.begin_piece(match.start())
            case _:
                pass
    ends = [*walk.starts[1:], len(text)]
    pieces = zip(walk.starts, ends, walk.problems, strict=True)
    chunks = tuple(Chunk(start, text[start:end], problem) for start, end, problem in pieces)
    return Chunks(chunks, tuple(walk.comments))


def explain_unclosed(match: re.Match[str], chunk_start: int, what: str, closing: str) -> Problem:
    """The problem of a string or comment that begins and never ends."""
    start = match.start() - chunk_start
    width = match.end() - match.start() if closing != '"' else 1
    kind = what if closing == '"' else f"long {what}"
    where = "on this line" if closing == '"' else "before the end of the file"
    label = f"it begins here, and no `{closing}` follows {where}"
    return Problem("RP101", f"this {kind} never ends", Span(start, start + width), label)


def explain_nesting(span: Span) -> Problem:
    """The problem of text that is nested too deeply."""
    return Problem(
        "RP104",
        f"nested deeper than {MAXIMUM_NESTING} levels",
        span,
        f"level {MAXIMUM_NESTING + 1}",
        help=("give the inner part a name with `local`",),
    )
