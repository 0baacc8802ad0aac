# ruff: noqa: D102  (the production of the same name in the grammar documents a method of the builder)
"""From what the grammar recognised to nodes of the syntax tree, while the parser runs.

Every method is named after a production or a form (`-> name`) of `rules.lark` and receives its parts in order:
tokens as they were written (every token is kept) and the nodes already built. The parser calls them itself, so no
tree of its own is ever made.
"""

from __future__ import annotations

from typing import Any, cast

from lark import Token

from ruleproxy.language import constants, foreign, syntax
from ruleproxy.language.problems import Problem, move_problem
from ruleproxy.language.source import Span

Parts = list[Any]
"""Tokens and nodes: what the parser has typed already, Python cannot."""


class Builder:
    """Builds the nodes of one chunk, as they stand in the file.

    `problems` gathers what is wrong inside of tokens that fit the grammar.
    """

    def __init__(self) -> None:
        self.text = ""
        self.offset = 0
        self.problems: list[Problem] = []

    def begin(self, text: str, offset: int) -> None:
        """A new chunk comes, which begins that many characters further on in its file."""
        self.text = text
        self.offset = offset
        self.problems = []

    def chunk_problems(self) -> list[Problem]:
        """The problems, counted from the beginning of the chunk."""
        return [move_problem(problem, -self.offset) for problem in self.problems]

    def span_of(self, part: Any) -> Span:
        """Where a token or a node stands."""
        if isinstance(part, Token):
            return Span(cast(int, part.start_pos) + self.offset, cast(int, part.end_pos) + self.offset)
        return cast(syntax.Node, part).span

    def span_between(self, first: Any, last: Any) -> Span:
        """From the beginning of one part to the end of another."""
        return Span(self.span_of(first).start, self.span_of(last).end)

    def word(self, token: Token) -> syntax.Word:
        """A token that is a word of its form."""
        return syntax.Word(self.span_of(token), str(token))

    def string_value(self, token: Token) -> str:
        """The value of a string token."""
        return constants.read_string(str(token), self.span_of(token).start, self.problems)

    def action(self, parts: Parts, form: str, **arguments: syntax.Argument) -> syntax.Action:
        """A statement that begins with its verb."""
        verb = parts[0]
        return syntax.Action(self.span_between(verb, parts[-1]), str(verb), self.span_of(verb), form, arguments)

    # Items of a file

    def file(self, parts: Parts) -> tuple[syntax.Item, ...]:
        return tuple(parts)

    def edition(self, parts: Parts) -> syntax.Edition:
        number = constants.read_int(str(parts[1]), self.span_of(parts[1]).start, self.problems)
        return syntax.Edition(self.span_between(parts[0], parts[1]), number)

    def use(self, parts: Parts) -> syntax.Use:
        parameters = parts[3] if len(parts) > 2 else None
        return syntax.Use(
            self.span_between(parts[0], parts[-1]), self.string_value(parts[1]), self.span_of(parts[1]), parameters
        )

    def rule(self, parts: Parts) -> syntax.Rule:
        then = next(at for at, part in enumerate(parts) if isinstance(part, Token) and part.type == "THEN")
        condition = parts[then - 1] if isinstance(parts[then - 1], syntax.Node) else None
        header = parts[3 : then if condition is None else then - 2]
        side, *flags = [self.word(token) for token in header if token.type == "NAME"]
        return syntax.Rule(
            self.span_between(parts[0], parts[-1]),
            self.string_value(parts[1]),
            self.span_of(parts[1]),
            side,
            tuple(flags),
            condition,
            tuple(parts[then + 1 : -1]),
            self.span_of(parts[then]),
        )

    # Statements

    def local(self, parts: Parts) -> syntax.Local:
        return syntax.Local(self.span_between(parts[0], parts[3]), str(parts[1]), self.span_of(parts[1]), parts[3])

    def rewrite(self, parts: Parts) -> syntax.Action:
        return self.action(parts, "rewrite", place=parts[1], value=parts[3])

    def inject(self, parts: Parts) -> syntax.Action:
        return self.action(parts, "inject", object=parts[1], place=parts[3])

    def inject_default(self, parts: Parts) -> syntax.Action:
        return self.action(parts, "inject_default", object=parts[2], place=parts[4])

    def strip(self, parts: Parts) -> syntax.Action:
        return self.action(parts, "strip", place=parts[1])

    def strip_at(self, parts: Parts) -> syntax.Action:
        return self.action(parts, "strip_at", place=parts[1], location=parts[3])

    def strip_from(self, parts: Parts) -> syntax.Action:
        return self.action(parts, "strip_from", value=parts[1], place=parts[3])

    def strip_where(self, parts: Parts) -> syntax.Action:
        return self.action(parts, "strip_where", binding=self.word(parts[1]), place=parts[3], condition=parts[5])

    def add(self, parts: Parts) -> syntax.Action:
        position = {"position": self.word(parts[4])} if len(parts) > 4 else {}
        return self.action(parts, "add", value=parts[1], place=parts[3], **position)

    def add_beside(self, parts: Parts) -> syntax.Action:
        return self.action(parts, "add_beside", value=parts[1], side=self.word(parts[2]), neighbour=parts[3])

    def keep(self, parts: Parts) -> syntax.Action:
        return self.action(parts, "keep", names=parts[1], place=parts[3])

    def merge(self, parts: Parts) -> syntax.Action:
        return self.action(parts, "merge", place=parts[1], key=parts[3])

    def rename(self, parts: Parts) -> syntax.Action:
        return self.action(parts, "rename", place=parts[1], name=parts[3])

    def move(self, parts: Parts) -> syntax.Action:
        binding, position = self.word(parts[1]), self.word(parts[7])
        return self.action(parts, "move", binding=binding, place=parts[3], condition=parts[5], position=position)

    def limit(self, parts: Parts) -> syntax.Action:
        policy = {"policy": self.word(parts[8])} if len(parts) > 6 else {}
        return self.action(parts, "limit", what=self.word(parts[1]), place=parts[3], count=parts[5], **policy)

    def fake_stream(self, parts: Parts) -> syntax.Action:
        options = {"options": parts[1]} if len(parts) > 1 else {}
        return self.action(parts, "fake_stream", **options)

    def bare(self, parts: Parts) -> syntax.Action:
        return self.action(parts, str(parts[0]))

    def respond(self, parts: Parts) -> syntax.Action:
        return self.action(parts, "respond", answer=parts[1])

    def note(self, parts: Parts) -> syntax.Action:
        return self.action(parts, "note", message=parts[1])

    def emit(self, parts: Parts) -> syntax.Action:
        return self.action(parts, "emit", event=parts[1], side=self.word(parts[2]))

    def loop(self, parts: Parts) -> syntax.For:
        span = self.span_between(parts[0], parts[-1])
        return syntax.For(span, str(parts[1]), self.span_of(parts[1]), parts[3], tuple(parts[5:-1]))

    def conditional(self, parts: Parts) -> syntax.If:
        inner, branches, otherwise = parts[3:-1], [], None
        if inner and isinstance(inner[-1], tuple):
            otherwise = inner.pop()
        while inner and isinstance(inner[-1], syntax.Branch):
            branches.append(inner.pop())
        end = self.span_of(inner[-1] if inner else parts[2]).end
        first = syntax.Branch(Span(self.span_of(parts[0]).start, end), parts[1], tuple(inner))
        return syntax.If(self.span_between(parts[0], parts[-1]), (first, *reversed(branches)), cast(Any, otherwise))

    def elseif(self, parts: Parts) -> syntax.Branch:
        return syntax.Branch(self.span_between(parts[0], parts[-1]), parts[1], tuple(parts[3:]))

    def otherwise(self, parts: Parts) -> tuple[syntax.Statement, ...]:
        return tuple(parts[1:])

    # Tests

    def test(self, parts: Parts) -> syntax.Test:
        givens = tuple(part for part in parts if isinstance(part, syntax.Given))
        expectations = tuple(part for part in parts if isinstance(part, syntax.Expect))
        span = self.span_between(parts[0], parts[-1])
        return syntax.Test(span, self.string_value(parts[1]), self.span_of(parts[1]), givens, expectations)

    def given_table(self, parts: Parts) -> syntax.Given:
        return syntax.Given(self.span_between(parts[0], parts[2]), self.word(parts[1]), parts[2], None)

    def given_capture(self, parts: Parts) -> syntax.Given:
        return syntax.Given(
            self.span_between(parts[0], parts[3]), self.word(parts[1]), None, self.string_value(parts[3])
        )

    def expect_condition(self, parts: Parts) -> syntax.Expect:
        return syntax.Expect(self.span_between(parts[0], parts[-1]), parts[-1], None, None, self._attempt(parts))

    def expect_verdict(self, parts: Parts) -> syntax.Expect:
        return syntax.Expect(self.span_between(parts[0], parts[2]), None, str(parts[1]), self.string_value(parts[2]))

    def expect_stopped(self, parts: Parts) -> syntax.Expect:
        return syntax.Expect(self.span_between(parts[0], parts[3]), None, "stopped_by", self.string_value(parts[3]))

    def expect_unchanged(self, parts: Parts) -> syntax.Expect:
        span, attempt = self.span_between(parts[0], parts[-1]), self._attempt(parts)
        return syntax.Expect(span, None, "unchanged", parts[-1], attempt)

    def _attempt(self, parts: Parts) -> int | None:
        if getattr(parts[1], "type", None) != "ATTEMPT":
            return None
        return constants.read_int(str(parts[2]), self.span_of(parts[2]).start, self.problems)

    def expect_retried(self, parts: Parts) -> syntax.Expect:
        count = None
        if len(parts) > 2:
            count = constants.read_int(str(parts[2]), self.span_of(parts[2]).start, self.problems)
        return syntax.Expect(self.span_between(parts[0], parts[-1]), None, "retried", count)

    # Expressions

    def chain(self, parts: Parts) -> syntax.Expression:
        """`a + b - c`, read from the left: also what every level of binding strength is."""
        left = cast(syntax.Expression, parts[0])
        for at in range(1, len(parts), 2):
            operator, right = parts[at], cast(syntax.Expression, parts[at + 1])
            span = Span(left.span.start, right.span.end)
            left = syntax.Binary(span, cast(Any, str(operator)), self.span_of(operator), left, right)
        return left

    def unary(self, parts: Parts) -> syntax.Unary:
        return syntax.Unary(self.span_between(parts[0], parts[1]), cast(Any, str(parts[0])), parts[1])

    def group(self, parts: Parts) -> syntax.Group:
        return syntax.Group(self.span_between(parts[0], parts[2]), parts[1])

    def string(self, parts: Parts) -> syntax.Literal:
        return syntax.Literal(self.span_of(parts[0]), "string", self.string_value(parts[0]))

    def whole(self, parts: Parts) -> syntax.Literal:
        span = self.span_of(parts[0])
        return syntax.Literal(span, "int", constants.read_int(str(parts[0]), span.start, self.problems))

    def decimal(self, parts: Parts) -> syntax.Literal:
        span = self.span_of(parts[0])
        return syntax.Literal(span, "float", constants.read_float(str(parts[0]), span.start, self.problems))

    def duration(self, parts: Parts) -> syntax.Literal:
        span = self.span_of(parts[0])
        seconds = constants.read_duration(str(parts[0]), span.start, self.problems)
        return syntax.Literal(span, "duration", seconds)

    def size(self, parts: Parts) -> syntax.Literal:
        span = self.span_of(parts[0])
        return syntax.Literal(span, "size", constants.read_size(str(parts[0]), span.start, self.problems))

    def true(self, parts: Parts) -> syntax.Literal:
        return syntax.Literal(self.span_of(parts[0]), "bool", True)

    def false(self, parts: Parts) -> syntax.Literal:
        return syntax.Literal(self.span_of(parts[0]), "bool", False)

    def null(self, parts: Parts) -> syntax.Literal:
        return syntax.Literal(self.span_of(parts[0]), "null", None)

    def nil(self, parts: Parts) -> syntax.Literal:
        return syntax.Literal(self.span_of(parts[0]), "nil", None)

    def name_path(self, parts: Parts) -> syntax.Path:
        if len(parts) == 1 and parts[0] in foreign.CONSTANTS:
            self.problems.append(foreign.explain_constant(str(parts[0]), self.span_of(parts[0])))
        name = syntax.Name(self.span_of(parts[0]), str(parts[0]))
        return syntax.Path(self.span_between(parts[0], parts[-1]), name, tuple(parts[1:]))

    def call_path(self, parts: Parts) -> syntax.Path:
        return syntax.Path(self.span_between(parts[0], parts[-1]), parts[0], tuple(parts[1:]))

    def call(self, parts: Parts) -> syntax.Call:
        arguments = tuple(part for part in parts[2:] if not isinstance(part, Token))
        span = self.span_between(parts[0], parts[-1])
        if parts[0] in foreign.ITERATORS:
            inner = self.text[cast(int, parts[1].end_pos) : cast(int, parts[-1].start_pos)]
            self.problems.append(foreign.explain_iterator(str(parts[0]), span, inner))
        return syntax.Call(span, str(parts[0]), self.span_of(parts[0]), arguments)

    def member(self, parts: Parts) -> syntax.Member:
        return syntax.Member(self.span_between(parts[0], parts[1]), str(parts[1]))

    def index(self, parts: Parts) -> syntax.Index:
        return syntax.Index(self.span_between(parts[0], parts[2]), parts[1])

    def every(self, parts: Parts) -> syntax.Every:
        return syntax.Every(self.span_of(parts[0]))

    def any_depth(self, parts: Parts) -> syntax.AnyDepth:
        return syntax.AnyDepth(self.span_of(parts[0]))

    def table(self, parts: Parts) -> syntax.Table:
        fields = tuple(part for part in parts if isinstance(part, syntax.Field))
        return syntax.Table(self.span_between(parts[0], parts[-1]), fields)

    def named_field(self, parts: Parts) -> syntax.Field:
        key = syntax.Literal(self.span_of(parts[0]), "string", str(parts[0]))
        return syntax.Field(self.span_between(parts[0], parts[2]), key, parts[2])

    def keyed_field(self, parts: Parts) -> syntax.Field:
        return syntax.Field(self.span_between(parts[0], parts[4]), parts[1], parts[4])

    def item_field(self, parts: Parts) -> syntax.Field:
        return syntax.Field(self.span_of(parts[0]), None, parts[0])

    expression = conjunction = comparison = coalesce = concatenation = sum = chain
