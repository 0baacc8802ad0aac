"""The syntax tree of a rules file: frozen nodes, each with the span of the text it came from.

Verbs are not nodes of their own: every statement that begins with a verb is an `Action` whose `form` names the
way it was written and whose `arguments` are what stood in it, by role. What a form means is declared beside the
verb (`ruleproxy.verbs`) and handed to checker and compiler as data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal as OneOf

from ruleproxy.language.source import Source, Span


@dataclass(frozen=True, slots=True)
class Node:
    """Anything that stands in a rules file."""

    span: Span


# Expressions


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A constant. `nil` has the value `NIL`, `null` the value None; durations are seconds, sizes are bytes."""

    kind: OneOf["string", "int", "float", "bool", "null", "nil", "duration", "size"]
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A root (`request`), a `local`, a loop variable or a bound element."""

    name: str


@dataclass(frozen=True, slots=True)
class Member(Node):
    """The step `.name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Index(Node):
    """The step `[expression]`."""

    key: Expression


@dataclass(frozen=True, slots=True)
class Every(Node):
    """The step `[*]`: every member of a list."""


@dataclass(frozen=True, slots=True)
class AnyDepth(Node):
    """The step `[**]`: every object at any depth."""


Step = Member | Index | Every | AnyDepth


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`function(argument, …)`; `name_span` is the function's name alone."""

    function: str
    name_span: Span
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Path(Node):
    """A name or a call and the steps after it: `request.body.messages[*].content`, `first(x).id`."""

    base: Name | Call
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Field(Node):
    """One entry of `{…}`: `name = value` and `[key] = value` have a key, a list item has none."""

    key: Expression | None
    value: Expression


@dataclass(frozen=True, slots=True)
class Table(Node):
    """`{…}`: an object or a list (a mixture is an error that the checker reports). `{}` is the empty object."""

    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`not x`, `-x`."""

    operator: OneOf["not", "-", "+"]
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """Two operands and what stands between them; `operator_span` is the operator alone."""

    operator: OneOf["or", "and", "==", "~=", "<", "<=", ">", ">=", "in", "??", "..", "+", "-"]
    operator_span: Span
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Group(Node):
    """An expression in parentheses."""

    inner: Expression


Expression = Literal | Path | Table | Unary | Binary | Group
"""A bare name is a `Path` without steps, so is a bare call."""


# Statements


@dataclass(frozen=True, slots=True)
class Word(Node):
    """A word of a form that is not an expression: `first`, `newest`, `before`, the name an action binds or names."""

    text: str


Argument = Expression | Word


@dataclass(frozen=True, slots=True)
class Action(Node):
    """A statement that begins with a verb; `verb_span` is the verb alone."""

    verb: str
    verb_span: Span
    form: str
    arguments: Mapping[str, Argument]


@dataclass(frozen=True, slots=True)
class Local(Node):
    """`local name = value`, in a rule or at the level of the file."""

    name: str
    name_span: Span
    value: Expression


@dataclass(frozen=True, slots=True)
class For(Node):
    """`for variable in iterable do body end`."""

    variable: str
    variable_span: Span
    iterable: Expression
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Branch(Node):
    """One `if`/`elseif` with its condition."""

    condition: Expression
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class If(Node):
    """`if … then … elseif … else … end`; `otherwise` is None where no `else` stands."""

    branches: tuple[Branch, ...]
    otherwise: tuple[Statement, ...] | None


Statement = Action | Local | For | If


# Items of a file


@dataclass(frozen=True, slots=True)
class Edition(Node):
    """`edition 1`."""

    number: int


@dataclass(frozen=True, slots=True)
class Use(Node):
    """`use "owner/pack" with { … }`; `parameters` is None where no `with` stands."""

    pack: str
    pack_span: Span
    parameters: Table | None


@dataclass(frozen=True, slots=True)
class Rule(Node):
    """A rule. `side` and `flags` are words as written: the checker knows which exist."""

    name: str
    name_span: Span
    side: Word
    flags: tuple[Word, ...]
    condition: Expression | None
    body: tuple[Statement, ...]
    then_span: Span


@dataclass(frozen=True, slots=True)
class Given(Node):
    """`given request { … }` or `given request from "file"`: exactly one of `table` and `capture` is set."""

    subject: Word
    table: Table | None
    capture: str | None


@dataclass(frozen=True, slots=True)
class Expect(Node):
    """`expect <boolean>` has a condition; `expect changed "rule"` has a verdict and what it is said of.

    `attempt` is the number behind that word: which of the times that the request went out is meant.
    """

    condition: Expression | None
    verdict: str | None
    subject: str | int | Path | None
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class Test(Node):
    """A `test "name" … end` block."""

    __test__ = False  # pytest: not a test class of ours

    name: str
    name_span: Span
    givens: tuple[Given, ...]
    expectations: tuple[Expect, ...]


Item = Edition | Use | Local | Rule | Test


@dataclass(frozen=True, slots=True)
class Comment(Node):
    """A `-- …` or `--[[ … ]]` comment, kept for the formatter."""

    text: str


@dataclass(frozen=True, slots=True)
class RulesFile:
    """One parsed file: what stands in it in order, and its comments in order.

    `whole` where all of it could be read; `lost` are the names of the rules and locals that could not.
    """

    source: Source
    items: tuple[Item, ...]
    comments: tuple[Comment, ...]
    whole: bool = True
    lost: frozenset[str] = frozenset()
