"""What is known at a point of a rule: its variables, and facts about paths that conditions have made sure of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from ruleproxy.language import syntax
from ruleproxy.language.checking.findings import Findings
from ruleproxy.language.roots import Stage, is_header_step
from ruleproxy.language.schemas import Shapes, join
from ruleproxy.language.signatures import Form, Function, Verb, Vocabulary
from ruleproxy.language.source import Span
from ruleproxy.language.types import Type

if TYPE_CHECKING:
    from ruleproxy.language.checking.writes import Write

KeyStep: TypeAlias = "str | tuple[KeyStep, ...]"
Key: TypeAlias = tuple[KeyStep, ...]
"""A path as data: a root or variable and its steps; a step that is itself a path is a tuple of its steps."""

EVERY, ANY_DEPTH, SOME = "[*]", "[**]", "[?]"
"""Steps that name more than one place, or one that is not known."""

Facts: TypeAlias = Mapping[Key, Type]

CheckLiteral: TypeAlias = Callable[[Function, list[str]], str | None]
"""What is wrong with the literal arguments of a function, for people."""


@dataclass(slots=True)
class Variable:
    """A `local`, a loop variable or an element that an action binds.

    `origin` is the path in the message that it stands for, if it stands for one; `value` what a `local` was given.
    """

    name: str
    span: Span
    type: Type
    kind: Literal["local", "loop", "element"]
    origin: Key | None = None
    value: syntax.Expression | None = None
    used: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """What one check of a set of files is given and shares."""

    vocabulary: Vocabulary
    forms: Mapping[str, tuple[Verb, Form]]
    upstreams: Mapping[str, str] | None
    parameters: Mapping[str, Type] | None
    check_literal: CheckLiteral | None
    shapes: Shapes = field(default_factory=Shapes)
    used_parameters: set[str] = field(default_factory=set)
    secret_parameters: frozenset[str] = frozenset()
    writes: list[Write] = field(default_factory=list)


@dataclass(slots=True)
class Scope:
    """A point on the way through a file. `facts` is replaced, never changed, so that it can be kept aside.

    `asked` are the conditions that hold here, outermost first; `outer` is how many variables are those of the file.
    """

    setting: Setting
    findings: Findings
    stage: Stage
    variables: dict[str, Variable] = field(default_factory=dict)
    facts: Facts = field(default_factory=dict)
    rule: syntax.Rule | None = None
    in_condition: bool = False
    asked: tuple[syntax.Expression, ...] = ()
    retry_follows: bool = False
    loops: int = 0
    said: set[object] = field(default_factory=set)
    later_locals: Set[str] = frozenset()
    outer: int = 0

    def key_of(self, path: syntax.Path) -> Key | None:
        """A path as data; None for the result of a function."""
        if isinstance(path.base, syntax.Call):
            return None
        key: Key = (path.base.name,)
        for step in path.steps:
            key = (*key, self.step_of(step, key))
        return key

    def step_of(self, step: syntax.Step, before: Key) -> KeyStep:
        """A step as data; names of headers are in lower case."""
        match step:
            case syntax.Every():
                return EVERY
            case syntax.AnyDepth():
                return ANY_DEPTH
            case syntax.Member(name=name):
                return name.lower() if is_header_step(before) else name
        literal = literal_string(step.key)
        if literal is not None:
            return literal.lower() if is_header_step(before) else literal
        inner = bare(step.key)
        key = self.key_of(inner) if isinstance(inner, syntax.Path) else None
        return key if key is not None and is_stable(key) else SOME

    def resolve(self, key: Key) -> Key | None:
        """The place in a message that a path stands for; None for a value that is in none."""
        variable = self.variables.get(key[0]) if isinstance(key[0], str) else None
        if variable is None:
            return key
        return None if variable.origin is None else (*variable.origin, *key[1:])

    def learn(self, fact: Key, known: Type) -> None:
        """Add a fact."""
        self.facts = {**self.facts, fact: known}

    def forget(self, written: Key) -> None:
        """Drop the facts that a write to a place may have made untrue; `written` is resolved."""
        kept = {key: known for key, known in self.facts.items() if not self.touches(written, key)}
        if len(kept) < len(self.facts):
            self.facts = kept

    def touches(self, written: Key, key: Key) -> bool:
        """Whether a write to a place may change what is known of a path."""
        resolved = self.resolve(key) or key
        if covers(written, resolved):
            return True
        return any(isinstance(step, tuple) and self.touches(written, step) for step in key)

    def forget_variable(self, name: str) -> None:
        """Drop the facts about a variable whose scope ends."""
        self.facts = {key: known for key, known in self.facts.items() if not mentions(key, name)}


def covers(written: Key, key: Key) -> bool:
    """Whether a place is the one of a path, or one above it."""
    if written[0] == "upstream" and key[0] == "upstream":
        return True  # url, base, name and host are four views of one thing
    if written[0] == key[0] == "request" and len(written) > 1 and len(key) > 1:
        if written[1] in ("path", "raw_path", "body") and key[1] in (
            "path",
            "raw_path",
            "api",
            "model",
            "wants_stream",
        ):
            return written[1] != "body" or key[1] in ("model", "wants_stream")
    for mine, other in zip(written, key, strict=False):
        if mine == ANY_DEPTH or other == ANY_DEPTH:
            return True
        if (
            mine != other
            and EVERY not in (mine, other)
            and not isinstance(mine, tuple)
            and not isinstance(other, tuple)
        ):
            if SOME not in (mine, other):
                return False
    return len(written) <= len(key)


def mentions(key: Key, name: str) -> bool:
    """Whether a path begins at a variable, or is indexed by one that does."""
    return key[0] == name or any(isinstance(step, tuple) and mentions(step, name) for step in key)


def is_stable(key: Key) -> bool:
    """Whether a path names one place."""
    return not any(step in (EVERY, ANY_DEPTH, SOME) for step in key)


def join_facts(ways: Sequence[Facts]) -> Facts:
    """What is known where several ways come together; without a way, nothing."""
    if not ways:
        return {}
    first, *others = ways
    known = dict(first)
    for other in others:
        known = {key: join(mine, other[key]) for key, mine in known.items() if key in other}
    return known


def bare(expression: syntax.Expression) -> syntax.Expression:
    """An expression without the parentheses around it."""
    while isinstance(expression, syntax.Group):
        expression = expression.inner
    return expression


def literal_string(expression: syntax.Expression) -> str | None:
    """The value of a string that is written out."""
    inner = bare(expression)
    if isinstance(inner, syntax.Literal) and inner.kind == "string" and isinstance(inner.value, str):
        return inner.value
    return None
