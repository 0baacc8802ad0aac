"""Whether a value fits where it stands: the wrong kind (RP302), or perhaps nil (RP305)."""

from __future__ import annotations

from ruleproxy.language import syntax
from ruleproxy.language.checking.scope import Scope, bare
from ruleproxy.language.source import Span
from ruleproxy.language.types import ANY, JSON, Kind, Type

ABSENT: frozenset[Kind] = frozenset(("nil", "null"))
UNKNOWN = JSON.kinds - ABSENT
"""The kinds of a value of which nothing is known: such a value fits everywhere until it runs."""

DEFAULTS: dict[Kind, str] = {
    "string": '""',
    "int": "0",
    "float": "0",
    "version": '"0"',
    "list": "list()",
    "object": "{}",
}


def needs(
    scope: Scope,
    node: syntax.Expression,
    known: Type,
    wanted: frozenset[Kind],
    what: str,
    *,
    operand: bool = False,
    best: frozenset[Kind] | None = None,
) -> bool:
    """Report a value that is not, or may not be, of the wanted kinds; `what` says who wants what.

    An `operand` is offered a default in parentheses, of a kind that is `best`. True where nothing was wrong.
    """
    if known == ANY:
        return True
    if known.kinds <= {"nil"}:
        scope.findings.add("RP305", "this value is always nil", node.span, what)
        return False
    there = known.kinds - ABSENT
    fitting = widen(wanted)
    if there and not there & fitting:
        offer = offer_conversion(scope, node, known, wanted, operand=operand)
        scope.findings.add("RP302", what, node.span, str(known), help=offer)
        return False
    if there - fitting and not there >= UNKNOWN:
        others = Type(there - fitting)
        scope.findings.add("RP302", f"{what}: this may be {with_article(others)}", node.span, str(known),
                           help=offer_test(scope, node, wanted))  # fmt: skip
        return False
    if "nil" in known.kinds and "nil" not in wanted:
        report_nil(scope, node, known, best or wanted, operand=operand)
        return False
    if known.kinds & {"null"} and "null" not in wanted and not there >= UNKNOWN:
        scope.findings.add("RP302", f"{what}: this may be null", node.span, str(known))
        return False
    return True


def widen(wanted: frozenset[Kind]) -> frozenset[Kind]:
    """The kinds that pass where these are wanted: a whole number is a number, and the other way round at run time."""
    return wanted | {"int", "float"} if "int" in wanted or "float" in wanted else wanted


def with_article(known: Type) -> str:
    """A type as a phrase: `a string`, `an object or a list`."""
    words = str(known).replace(", ", " or ").split(" or ")
    return " or ".join(word if word.startswith(("nil", "null", "any value")) else put_article(word) for word in words)


def put_article(word: str) -> str:
    """A noun with its article."""
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def offer_conversion(
    scope: Scope, node: syntax.Expression, known: Type, wanted: frozenset[Kind], *, operand: bool
) -> tuple[str, ...] | str:
    """How a value of another kind becomes one that is wanted."""
    text = scope.findings.text(node.span)
    inner = bare(node)
    if "string" in wanted and known.kinds & {"int", "float", "bool"}:
        return f"text({text})"
    if "int" in wanted and known.kinds & {"string"}:
        if isinstance(inner, syntax.Literal):
            return str(inner.value) if str(inner.value).isdecimal() else ()
        return f"(number({text}) ?? 0)" if operand else f"number({text}) ?? 0"
    if "list" in wanted and known.kinds & {"string"}:
        return f"values({text})"
    if "duration" in wanted and isinstance(inner, syntax.Literal) and inner.kind == "int":
        return f"{inner.value}s"
    return ()


def offer_test(scope: Scope, node: syntax.Expression, wanted: frozenset[Kind]) -> tuple[str, ...]:
    """The test that makes sure of a kind."""
    tests = {"string": "is_string", "list": "is_list", "object": "is_object", "int": "is_number"}
    found = [test for kind, test in tests.items() if kind in wanted and test in scope.setting.vocabulary.functions]
    if not found or not isinstance(bare(node), syntax.Path):
        return ()
    return (f"if {found[0]}({scope.findings.text(node.span)}) then",)


def report_nil(
    scope: Scope, node: syntax.Expression, known: Type, wanted: frozenset[Kind], *, operand: bool = False
) -> None:
    """A value that may be nil where none may be."""
    text = scope.findings.text(node.span)
    inner = bare(node)
    second: Span | None = None
    fitting = known.kinds & wanted or known.kinds
    default = next((DEFAULTS[kind] for kind in DEFAULTS if kind in fitting), None)
    offer: tuple[str, ...] = ()
    if default is not None:
        offer = (f"({text} ?? {default})" if operand else f"{text} ?? {default}",)
    label, second_label = str(known), ""
    if isinstance(inner, syntax.Path) and isinstance(inner.base, syntax.Name) and not scope.in_condition and scope.rule:
        variable = scope.variables.get(inner.base.name)
        condition = scope.rule.condition
        if variable is not None:
            second, second_label = variable.span, "nothing after this makes sure it exists"
            offer = (f"if {text} ~= nil then",)
        elif condition is not None and f"{text} ~= nil" in scope.findings.source.slice(condition.span):
            label, offer = f"{known}: it may have changed since `when`", (f"if {text} ~= nil then",)
        else:
            second, second_label = scope.rule.then_span, "nothing before this makes sure it exists"
            offer = (offer_guard(scope, scope.rule, text),)
    scope.findings.add(
        "RP305", "this value may be nil", node.span, label, second=second, second_label=second_label, help=offer
    )


def offer_guard(scope: Scope, rule: syntax.Rule, text: str) -> str:
    """The `when` that makes sure of a value, beside what is asked there already."""
    if rule.condition is None:
        return f"when {text} ~= nil then"
    asked = scope.findings.text(rule.condition.span)
    if "…" in asked:
        return f"if {text} ~= nil then"
    inner = bare(rule.condition)
    loose = isinstance(rule.condition, syntax.Binary) and isinstance(inner, syntax.Binary) and inner.operator == "or"
    return f"when ({asked}) and {text} ~= nil then" if loose else f"when {asked} and {text} ~= nil then"
