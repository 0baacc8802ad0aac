"""What a comparison or a test makes sure of, where it holds and where it does not."""

from __future__ import annotations

from collections.abc import Callable

from ruleproxy.language import syntax
from ruleproxy.language.checking.kinds import ABSENT
from ruleproxy.language.checking.paths import quiet_type
from ruleproxy.language.checking.scope import Facts, Key, Scope, bare, is_stable, literal_string
from ruleproxy.language.types import ANY, Kind, Type

Outcome = tuple[Facts, Facts]
"""What is known where a condition holds, and where it does not."""

TESTS: dict[str, frozenset[Kind]] = {
    "is_string": frozenset(("string",)),
    "is_list": frozenset(("list",)),
    "is_object": frozenset(("object",)),
    "is_number": frozenset(("int", "float")),
}
"""Functions that ask for a kind: what they say is exact both ways."""

STRING_TESTS = frozenset({"matches", "glob", "contains", "starts_with", "ends_with"})
"""Functions that are false for anything but a string."""


def narrow(scope: Scope, node: syntax.Expression) -> Outcome:
    """What a condition without `and`, `or` and `not` makes sure of."""
    inner = bare(node)
    match inner:
        case syntax.Binary(operator="==" | "~=" as operator, left=left, right=right):
            same, other = narrow_equality(scope, left, right)
            return (same, other) if operator == "==" else (other, same)
        case syntax.Binary(operator="in", left=left, right=right):
            return narrow_membership(scope, left, right), scope.facts
        case syntax.Path(base=syntax.Call() as call, steps=()):
            return narrow_call(scope, call)
        case syntax.Path():
            return (
                assume(scope, scope.facts, inner, lambda known: with_bool(known, "true")),
                assume(scope, scope.facts, inner, lambda known: with_bool(known, "false")),
            )
    return scope.facts, scope.facts


def assume(scope: Scope, facts: Facts, node: syntax.Expression, change: Callable[[Type], Type]) -> Facts:
    """The facts with a path's type changed; the same facts for what is no path to one place."""
    inner = bare(node)
    if not isinstance(inner, syntax.Path) or not isinstance(inner.base, syntax.Name):
        return facts
    key = scope.key_of(inner)
    if key is None or not is_stable(key):
        return facts
    known = quiet_type(scope, inner, facts)
    changed = change(known)
    if known == ANY or changed == known or not changed.kinds:
        return facts
    return {**facts, key: changed}


def assume_there(scope: Scope, facts: Facts, node: syntax.Expression, change: Callable[[Type], Type]) -> Facts:
    """`assume` of a value that is there: then so is all that it stands in."""
    inner = bare(node)
    if not isinstance(inner, syntax.Path) or not isinstance(inner.base, syntax.Name):
        return facts
    for length in range(1, len(inner.steps)):
        parent = syntax.Path(inner.span, inner.base, inner.steps[:length])
        if length > 1 or inner.base.name in scope.variables:
            facts = assume(scope, facts, parent, lambda known: as_holder(known))
    return assume(scope, facts, inner, change)


def as_holder(known: Type) -> Type:
    """What holds a value that is there: an object."""
    kinds = known.kinds & {"object"}
    return Type(kinds, known.shape) if kinds and known.kinds - {"object"} else known


def with_bool(known: Type, choice: str) -> Type:
    """A bool of which the value is known."""
    return Type(frozenset(("bool",)), choices=frozenset((choice,))) if "bool" in known.kinds else known


def present(known: Type) -> Type:
    """What is there."""
    return known.without("nil")


def narrow_equality(scope: Scope, left: syntax.Expression, right: syntax.Expression) -> Outcome:
    """What is known where two values are equal, and where they are not."""
    same, other = scope.facts, scope.facts
    for operand, reference in ((left, right), (right, left)):
        literal = bare(reference)
        if isinstance(literal, syntax.Literal):
            same_of, other_of = choose_changes(literal)
            there = literal.kind != "nil"
            same = (assume_there if there else assume)(scope, same, operand, same_of)
            other = (assume if there else assume_there)(scope, other, operand, other_of)
        elif isinstance(literal, syntax.Path):
            wanted = quiet_type(scope, literal, scope.facts)
            if wanted != ANY and not wanted.kinds & ABSENT:
                same = assume_there(scope, same, operand, lambda known, wanted=wanted: meet(known, wanted))  # type: ignore[misc]
    return same, other


def choose_changes(literal: syntax.Literal) -> tuple[Callable[[Type], Type], Callable[[Type], Type]]:
    """What a comparison with a constant makes of a type, where it is equal and where it is not."""
    match literal.kind:
        case "nil":
            return (lambda known: Type(known.kinds & {"nil"})), present
        case "null":
            return (lambda _: Type(frozenset(("null",)))), (lambda known: known.without("null"))
        case "string":
            text = str(literal.value)
            return (lambda known: meet_text(known, frozenset((text,)))), (lambda known: without_choice(known, text))
        case "bool":
            yes, no = ("true", "false") if literal.value else ("false", "true")
            # `x ~= true` is true of nil as well: only where x is a bool is the other value known.
            return (lambda known: with_bool(known, yes)), (
                lambda known: with_bool(known, no) if known.kinds == {"bool"} else known
            )
        case "duration":
            return (lambda known: meet(known, Type(frozenset(("duration",))))), (lambda known: known)
        case _:
            return (lambda known: meet(known, Type(frozenset(("int", "float"))))), (lambda known: known)


def meet(known: Type, wanted: Type) -> Type:
    """A type after a comparison with one of these kinds held."""
    kinds = known.kinds & (wanted.kinds | ({"version"} if "string" in wanted.kinds else set()))
    return Type(kinds, known.shape, known.item, known.choices) if kinds else known


def meet_text(known: Type, texts: frozenset[str]) -> Type:
    """A type after a comparison with one of these texts held."""
    if "version" in known.kinds:
        return present(known)
    if "string" not in known.kinds:
        return known
    choices = texts & known.choices if known.choices is not None else texts
    return Type(frozenset(("string",)), choices=choices or texts)


def without_choice(known: Type, text: str) -> Type:
    """A type after a comparison with a text did not hold."""
    if known.choices is None or text not in known.choices or len(known.choices) == 1:
        return known
    return Type(known.kinds, known.shape, known.item, known.choices - {text})


def narrow_membership(scope: Scope, left: syntax.Expression, right: syntax.Expression) -> Facts:
    """What is known where a value is in a list or is a key of an object."""
    holder = bare(right)
    texts = [literal_string(field.value) for field in holder.fields] if isinstance(holder, syntax.Table) else [None]
    if texts and None not in texts:
        choices = frozenset(text for text in texts if text is not None)
        return assume_there(scope, scope.facts, left, lambda known: meet_text(known, choices))
    kinds: frozenset[Kind] = Type(frozenset()).kinds
    if isinstance(holder, syntax.Path):
        known_holder = quiet_type(scope, holder, scope.facts)
        if known_holder.kinds - ABSENT == {"object"}:
            kinds = frozenset(("string",))
        elif known_holder.item is not None:
            kinds = known_holder.item.kinds - ABSENT
    elif isinstance(holder, syntax.Table):
        kinds = frozenset()
    facts = assume_there(
        scope, scope.facts, left, lambda known: meet(present(known), Type(kinds)) if kinds else present(known)
    )
    return assume_member(scope, facts, left, holder)


def assume_member(scope: Scope, facts: Facts, left: syntax.Expression, holder: syntax.Expression) -> Facts:
    """Where `x in t` holds, `t[x]` is there."""
    index = bare(left)
    if not isinstance(holder, syntax.Path) or not isinstance(index, syntax.Path):
        return facts
    inner: Key | None = scope.key_of(index)
    if inner is None or not is_stable(inner) or not isinstance(holder.base, syntax.Name):
        return facts
    member = syntax.Path(holder.span, holder.base, (*holder.steps, syntax.Index(index.span, index)))
    return assume(scope, facts, member, present)


def narrow_call(scope: Scope, call: syntax.Call) -> Outcome:
    """What a function that answers a question makes sure of."""
    if not call.arguments:
        return scope.facts, scope.facts
    asked = call.arguments[0]
    if call.function in TESTS:
        kinds = TESTS[call.function]
        return (
            assume_there(scope, scope.facts, asked, lambda known: keep_kinds(known, kinds)),
            assume(scope, scope.facts, asked, lambda known: known.without(*kinds)),
        )
    if call.function in STRING_TESTS:
        return assume_there(scope, scope.facts, asked, lambda known: keep_kinds(known, TESTS["is_string"])), scope.facts
    if call.function == "blank":
        return scope.facts, assume_there(scope, scope.facts, asked, lambda known: known.without("nil", "null"))
    return scope.facts, scope.facts


def keep_kinds(known: Type, kinds: frozenset[Kind]) -> Type:
    """A type of which only these kinds are left; of a kind that no schema expects, the kind itself."""
    return Type(known.kinds & kinds or kinds, known.shape, known.item, known.choices)
