"""From the text of a rules file to its syntax tree, and to everything that is wrong with how it is written.

The file is cut into chunks, each chunk is parsed by Lark (LALR) and built on the way, and what came of a chunk is
remembered by its text: after a save only the chunks that changed are parsed again. Where a chunk stands elsewhere
than the last time, its nodes are moved.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from threading import Lock
from typing import Any, cast

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from ruleproxy.language import syntax
from ruleproxy.language.building import Builder
from ruleproxy.language.chunking import MAXIMUM_NESTING, Chunk, explain_nesting, split_text
from ruleproxy.language.diagnostics import Diagnostic
from ruleproxy.language.mistakes import explain_failure
from ruleproxy.language.parser_cache import make_parser
from ruleproxy.language.problems import Problem, place_problem
from ruleproxy.language.source import Source, Span
from ruleproxy.language.walking import find_deeper, move_node
from ruleproxy.language.words import END_OF_TEXT
from ruleproxy.resources import grammar_text

REMEMBERED_CHUNKS = 8192


@dataclass(frozen=True, slots=True)
class ParsedChunk:
    """What stands in a chunk and what is wrong with it; nodes count from `offset`, problems from the chunk."""

    offset: int
    items: tuple[syntax.Item, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Parser:
    """The parser made from the grammar, the builder it calls, and how its fixed tokens are written."""

    lark: Lark
    builder: Builder
    words: dict[str, str]


@cache
def load_parser() -> Parser:
    """The parser, made once in a process."""
    builder = Builder()
    lark = make_parser(grammar_text(), builder)
    words = {}
    for terminal in lark.terminals:
        written = terminal.pattern.value.removesuffix(r"\b")
        if terminal.pattern.type == "str" or written.replace("_", "").isalpha():
            words[terminal.name] = written
    return Parser(lark, builder, words)


NAMED = re.compile(r'rule\s+"(?P<rule>[^"\n]+)"|local\s+(?P<local>[A-Za-z_]\w*)')
"""How a chunk begins that gives something a name."""

PARSING = Lock()
"""Held while a chunk is parsed or looked up: there is one builder, and one memory."""

MEMORY: OrderedDict[str, ParsedChunk] = OrderedDict()
"""The chunks parsed last, by their text, the most recently used at the end."""


def parse(source: Source) -> tuple[syntax.RulesFile, list[Diagnostic]]:
    """The tree of everything in a file that parses, and the diagnostics of what does not; never raises."""
    cut = split_text(source.text)
    items: list[syntax.Item] = []
    lost: set[str] = set()
    diagnostics: list[Diagnostic] = []
    with PARSING:
        for chunk, parsed in parse_chunks(cut.chunks):
            items += parsed.items
            if parsed.problems and (named := NAMED.match(chunk.text)) is not None:
                lost.add(named["rule"] or named["local"])
            diagnostics += [place_problem(problem, source, chunk.start) for problem in parsed.problems]
    whole = not diagnostics
    comments = tuple(syntax.Comment(span, source.slice(span)) for span in cut.comments)
    diagnostics += [place_problem(problem, source, 0) for problem in check_editions(items)]
    diagnostics.sort(key=lambda diagnostic: diagnostic.primary.span)
    return syntax.RulesFile(source, tuple(items), comments, whole, frozenset(lost)), diagnostics


def parse_expression(text: str) -> syntax.Expression:
    """The tree of one expression; raises `ValueError` saying what is wrong with it."""
    with PARSING:
        value, problems = run_parser(text, "expression")
    if problems or value is None:
        raise ValueError(problems[0].message)
    return cast(syntax.Expression, value)


def parse_chunks(chunks: Sequence[Chunk]) -> Iterator[tuple[Chunk, ParsedChunk]]:
    """Each chunk and what came of it.

    A rule that lacks its `end` and is followed by a `local` that may just not be indented: if the two make sense
    together, or all but what the `local` begins, they are one.
    """
    at = 0
    while at < len(chunks):
        chunk, following = chunks[at], at + 1
        parsed = recall_chunk(chunk)
        if any(problem.code == "RP102" for problem in parsed.problems):
            while following < len(chunks) and chunks[following].text.startswith("local"):
                following += 1
            text = "".join(part.text for part in chunks[at:following])
            joined = recall_chunk(Chunk(chunk.start, text, None))
            if all(problem.code != "RP102" and problem.span.start >= len(chunk.text) for problem in joined.problems):
                parsed = joined
            else:
                following = at + 1
        yield chunk, parsed
        at = following


def recall_chunk(chunk: Chunk) -> ParsedChunk:
    """A chunk parsed now or earlier, with its nodes where the chunk stands."""
    parsed = MEMORY.pop(chunk.text, None)
    if parsed is None:
        parsed = parse_chunk(chunk)
    if parsed.offset != chunk.start:
        distance = chunk.start - parsed.offset
        items = tuple(move_node(item, distance) for item in parsed.items)
        parsed = replace(parsed, offset=chunk.start, items=items)
    MEMORY[chunk.text] = parsed
    if len(MEMORY) > REMEMBERED_CHUNKS:
        MEMORY.popitem(last=False)
    return parsed


def parse_chunk(chunk: Chunk) -> ParsedChunk:
    """What stands in a chunk: all of it, or what comes before the first mistake as far as it is complete."""
    if chunk.problem is not None and chunk.problem.code == "RP104":
        return ParsedChunk(chunk.start, (), (chunk.problem,))
    items, problems = run_parser(chunk.text, "file", chunk.start)
    if chunk.problem is not None:
        earlier = [problem for problem in problems if problem.span.start < chunk.problem.span.start]
        problems = (*earlier, chunk.problem)
    return ParsedChunk(chunk.start, items or (), problems)


def run_parser(text: str, start: str, position: int = 0) -> tuple[Any, tuple[Problem, ...]]:
    """What the text stands for, read as a `file` or an `expression`, and its problems; None if it does not parse.

    Nodes count from the beginning of the file, in which the text stands at `position`; problems from that of the text.
    """
    parser = load_parser()
    parser.builder.begin(text, position)
    try:
        value = parser.lark.parse(text, start=start)
    except UnexpectedInput as failure:
        offset = failure_offset(failure, text)
        expected = expected_tokens(parser.lark, failure)
        found = [*parser.builder.chunk_problems(), explain_failure(text, offset, expected, parser.words)]
        whole_items = start == "file" and END_OF_TEXT in expected and 0 < offset < len(text)
        return run_parser(text[:offset], start, position)[0] if whole_items else None, tuple(found)
    nodes = cast(tuple[syntax.Node, ...], value if isinstance(value, tuple) else (value,))
    if may_nest(text):
        deep = next((deep for node in nodes if (deep := find_deeper(node, MAXIMUM_NESTING)) is not None), None)
        if deep is not None:
            first = deep.span.start - position
            return None, (explain_nesting(Span(first, first + min(deep.span.end - deep.span.start, 1))),)
    return value, tuple(parser.builder.chunk_problems())


def may_nest(text: str) -> bool:
    """Whether there are enough signs and words in a text that go one level deeper, or one step further, at all."""
    return sum(1 for _ in DEEPER.finditer(text)) > MAXIMUM_NESTING


DEEPER = re.compile(r"[(\[{.<>=~?+-]|\b(?:if|elseif|for|and|or|not|in)\b")


def failure_offset(failure: UnexpectedInput, text: str) -> int:
    """Where the parser stopped."""
    if isinstance(failure, UnexpectedToken):
        token = cast(Token, failure.token)
        return len(text) if token.type == END_OF_TEXT else cast(int, token.start_pos)
    assert isinstance(failure, UnexpectedCharacters), failure
    return cast(int, failure.pos_in_stream)


def expected_tokens(lark: Lark, failure: UnexpectedInput) -> frozenset[str]:
    """The names of the tokens that could have stood where the parser stopped."""
    state = cast(Any, failure).state
    interactive: Any = InteractiveParser(cast(Any, lark.parser).parser.parser, state, state.lexer)
    return frozenset(interactive.accepts())


def check_editions(items: Sequence[syntax.Item]) -> Iterator[Problem]:
    """The problems of an `edition` that does not stand first, or stands twice."""
    editions = [item for item in items if isinstance(item, syntax.Edition)]
    for at, edition in enumerate(editions):
        if at > 0:
            second = editions[0].span
            yield Problem("RP101", "a file has one `edition`", edition.span, "", second, "the first one")
        elif edition is not items[0]:
            yield Problem("RP101", "`edition` stands first in a file", edition.span, help=("move it to the top",))
