"""What one part of a condition asks of one place, and which parts exclude or imply one another.

A constraint says of a place what its value has to be for a part to hold. Where a part asks for more than that, its
constraint is not exact: it excludes what it excludes, but nothing implies it, and its opposite is not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from ruleproxy.language import syntax
from ruleproxy.language.checking.narrowing import STRING_TESTS, TESTS
from ruleproxy.language.checking.scope import Key, Scope, bare, is_stable
from ruleproxy.language.source import Span

Constant: TypeAlias = tuple[str, object]
"""A value that is written out, and what kind of value it is: `1` and `true` are two values."""

FAMILIES = {"string": "string", "int": "number", "float": "number", "size": "number", "bool": "bool", "null": "null"}
KINDS = {"string": {"string"}, "number": {"int", "float"}, "bool": {"bool"}, "null": {"null"}}
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a part of a condition asks of a place; `span` is that part.

    `values` are those of "one of" and "none of", `kinds` those of "kind", `bound` that of "above" and "below".
    """

    key: Key
    span: Span
    relation: Literal["one of", "none of", "above", "below", "kind", "absent", "present"]
    values: frozenset[Constant] = frozenset()
    kinds: frozenset[str] = frozenset()
    bound: float = 0
    inclusive: bool = False
    exact: bool = True


def split_parts(node: syntax.Expression, operator: str) -> Iterator[syntax.Expression]:
    """The operands of a chain of `and` or of `or`, without parentheses, from left to right."""
    inner = bare(node)
    if isinstance(inner, syntax.Binary) and inner.operator == operator:
        yield from split_parts(inner.left, operator)
        yield from split_parts(inner.right, operator)
    else:
        yield inner


def find_constraint(scope: Scope, part: syntax.Expression) -> Constraint | None:
    """What a part of a condition asks of one place; None where that cannot be said."""
    match bare(part):
        case syntax.Unary(operator="not", operand=operand, span=span):
            asked = find_constraint(scope, operand)
            opposite = None if asked is None else negate(asked)
            return None if opposite is None else replace(opposite, span=span)
        case syntax.Binary(operator="==" | "~=" as operator, left=left, right=right, span=span):
            asked = equal_to(scope, left, right, span) or equal_to(scope, right, left, span)
            return asked if asked is None or operator == "==" else negate(asked)
        case syntax.Binary(operator="<" | "<=" | ">" | ">=" as operator, left=left, right=right, span=span):
            return ordered(scope, operator, left, right, span) or ordered(scope, MIRRORED[operator], right, left, span)
        case syntax.Binary(operator="in", left=left, right=right, span=span):
            table = bare(right)
            if not isinstance(table, syntax.Table):
                return None
            values = [constant_of(field.value) if field.key is None else None for field in table.fields]
            key = find_key(scope, left)
            known = frozenset(value for value in values if value is not None)
            return Constraint(key, span, "one of", known) if key and values and None not in values else None
        case syntax.Path(base=syntax.Call(function=function, arguments=arguments), steps=(), span=span):
            kinds = TESTS["is_string"] if function in STRING_TESTS else TESTS.get(function)
            key = find_key(scope, arguments[0]) if arguments else None
            exact = function in TESTS
            return Constraint(key, span, "kind", kinds=frozenset(kinds), exact=exact) if kinds and key else None
        case syntax.Path(base=syntax.Name(), span=span) as path:
            key = find_key(scope, path)
            return Constraint(key, span, "one of", frozenset((("bool", True),))) if key else None
    return None


def equal_to(scope: Scope, place: syntax.Expression, value: syntax.Expression, span: Span) -> Constraint | None:
    """The constraint of a place that has to be a constant."""
    key, constant = find_key(scope, place), constant_of(value)
    literal = bare(value)
    if key is None:
        return None
    if isinstance(literal, syntax.Literal) and literal.kind == "nil":
        return Constraint(key, span, "absent")
    return None if constant is None else Constraint(key, span, "one of", frozenset((constant,)))


def ordered(
    scope: Scope, operator: str, place: syntax.Expression, value: syntax.Expression, span: Span
) -> Constraint | None:
    """The constraint of a place that has to be above or below a number."""
    key, constant = find_key(scope, place), constant_of(value)
    if key is None or constant is None or constant[0] != "number":
        return None
    relation: Literal["above", "below"] = "above" if operator in (">", ">=") else "below"
    assert isinstance(constant[1], int | float)
    return Constraint(key, span, relation, bound=constant[1], inclusive=operator.endswith("="))


def find_key(scope: Scope, node: syntax.Expression) -> Key | None:
    """The one place that an expression names."""
    inner = bare(node)
    if not isinstance(inner, syntax.Path) or not isinstance(inner.base, syntax.Name) or not inner.steps:
        return None
    key = scope.key_of(inner)
    return key if key is not None and is_stable(key) else None


def constant_of(node: syntax.Expression) -> Constant | None:
    """A value that is written out; not nil, which is none."""
    inner = bare(node)
    if isinstance(inner, syntax.Literal) and inner.kind in FAMILIES:
        return FAMILIES[inner.kind], inner.value
    return None


def negate(asked: Constraint) -> Constraint | None:
    """What holds where a constraint does not."""
    match asked.relation:
        case "one of" if asked.values <= {("bool", True)}:
            return None  # a place that is no bool is neither
        case "one of":
            return replace(asked, relation="none of")
        case "none of":
            return replace(asked, relation="one of")
        case "absent":
            return replace(asked, relation="present")
        case "present":
            return replace(asked, relation="absent")
        case "above":
            return replace(asked, relation="below", inclusive=not asked.inclusive)
        case "below":
            return replace(asked, relation="above", inclusive=not asked.inclusive)
    return None


def admits(asked: Constraint, value: Constant) -> bool:
    """Whether a value that is there meets a constraint."""
    family, content = value
    match asked.relation:
        case "one of":
            return value in asked.values
        case "none of":
            return value not in asked.values
        case "above" | "below":
            if family != "number" or not isinstance(content, int | float):
                return False
            if content == asked.bound:
                return asked.inclusive
            return content > asked.bound if asked.relation == "above" else content < asked.bound
        case "kind":
            return bool(KINDS[family] & asked.kinds)
        case "absent":
            return False
    return True


def excludes(one: Constraint, other: Constraint) -> bool:
    """Whether no value of their place meets both constraints."""
    for mine, theirs in ((one, other), (other, one)):
        if mine.relation == "one of" and not any(admits(theirs, value) for value in mine.values):
            return True
        if mine.relation == "absent" and theirs.relation in ("one of", "above", "below", "kind", "present"):
            return True
    if one.relation == other.relation == "kind":
        return not one.kinds & other.kinds
    if {one.relation, other.relation} == {"above", "below"}:
        low, high = (one, other) if one.relation == "above" else (other, one)
        return low.bound > high.bound or (low.bound == high.bound and not (low.inclusive and high.inclusive))
    return False


def implies(one: Constraint, other: Constraint) -> bool:
    """Whether every value that meets the first constraint meets the second as well."""
    if not other.exact:
        return False
    if one.relation == "one of":
        return all(admits(other, value) for value in one.values)
    if one.relation == other.relation:
        match one.relation:
            case "none of":
                return other.values <= one.values
            case "kind":
                return one.kinds <= other.kinds
            case "above":
                return one.bound > other.bound or (one.bound == other.bound and other.inclusive >= one.inclusive)
            case "below":
                return one.bound < other.bound or (one.bound == other.bound and other.inclusive >= one.inclusive)
        return True
    if one.relation == "absent":
        return other.relation == "none of"
    return other.relation == "present" and one.relation in ("above", "below", "kind")
