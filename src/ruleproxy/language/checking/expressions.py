"""The types of expressions, and what is wrong with them on the way."""

from __future__ import annotations

import re

from ruleproxy.language import syntax
from ruleproxy.language.checking.calls import check_call
from ruleproxy.language.checking.contradictions import check_parts
from ruleproxy.language.checking.kinds import needs
from ruleproxy.language.checking.narrowing import Outcome, narrow
from ruleproxy.language.checking.operators import COMPARISONS, NUMBERS, type_binary
from ruleproxy.language.checking.paths import quiet_type, report_numeric_index, type_path
from ruleproxy.language.checking.scope import Scope, bare, join_facts, literal_string
from ruleproxy.language.schemas import Shape, join, join_all
from ruleproxy.language.types import ANY, BOOL, NIL_TYPE, STRING, Type, of

DASHED = re.compile(r"(?P<headers>[a-z.]+\.headers)\.(?P<name>\w+(?:-\w+)+)")
"""A header's name that reads as a subtraction."""

LITERALS = {
    "int": of("int"),
    "float": of("float"),
    "bool": BOOL,
    "null": of("null"),
    "nil": NIL_TYPE,
    "duration": of("duration"),
    "size": of("int"),
}


def type_expression(scope: Scope, node: syntax.Expression) -> Type:
    """The type of an expression; everything that is wrong in it is reported once."""
    match node:
        case syntax.Group(inner=inner):
            return type_expression(scope, inner)
        case syntax.Literal(kind="string", value=value):
            return Type(STRING.kinds, choices=frozenset((str(value),)))
        case syntax.Literal(kind=kind):
            return LITERALS[kind]
        case syntax.Table():
            return type_table(scope, node)
        case syntax.Binary(operator="or") if is_default(scope, node):
            return type_mistaken_default(scope, node)
        case syntax.Unary(operator="not") | syntax.Binary(operator="and" | "or"):
            check_condition(scope, node)
            return BOOL
        case syntax.Unary():
            known = type_expression(scope, node.operand)
            needs(scope, node.operand, known, NUMBERS, f"`{node.operator}` takes a number", operand=True)
            return Type(known.kinds & NUMBERS) if known.kinds & NUMBERS else of("int", "float")
        case syntax.Binary(operator="-") if dashed := DASHED.fullmatch(scope.findings.source.slice(node.span)):
            message = "a header with a dash is named in brackets"
            scope.findings.add("RP202", message, node.span, help=f'{dashed["headers"]}["{dashed["name"]}"]')
            return ANY
        case syntax.Binary():
            left, right = type_expression(scope, node.left), type_expression(scope, node.right)
            if node.operator in COMPARISONS and is_constant(node.left) and is_constant(node.right):
                scope.findings.add("RP401", "this compares two constants: it is always the same", node.span)
                return BOOL
            return type_binary(scope, node, left, right)
        case syntax.Path():
            return type_steps(scope, node)


def is_default(scope: Scope, node: syntax.Binary) -> bool:
    """Whether an `or` is meant as other languages use it, for a default."""
    inner = bare(node.left)
    if not isinstance(inner, syntax.Path) or not isinstance(inner.base, syntax.Name):
        return False
    known = quiet_type(scope, inner, scope.facts)
    return known != ANY and "bool" not in known.kinds


def type_mistaken_default(scope: Scope, node: syntax.Binary) -> Type:
    """`a or b` that is meant as `a ?? b`."""
    left, right = type_expression(scope, node.left), type_expression(scope, node.right)
    offer = f"{scope.findings.text(node.left.span)} ?? {scope.findings.text(node.right.span)}"
    scope.findings.add("RP301", "`or` takes conditions, and gives no default", node.left.span, str(left), help=offer)
    return join(left.without("nil", "null"), right)


def is_constant(node: syntax.Expression) -> bool:
    """Whether a value is written out."""
    inner = bare(node)
    return isinstance(inner, syntax.Literal)


def type_steps(scope: Scope, path: syntax.Path, *, writing: bool = False, making: bool = False) -> Type:
    """The type of a path, its calls and indexes included."""
    base = None
    if isinstance(path.base, syntax.Call):
        base = check_call(scope, path.base, [type_expression(scope, node) for node in path.base.arguments])
    for step in path.steps:
        if isinstance(step, syntax.Index) and not is_constant(step.key):
            known = type_expression(scope, step.key)
            if known != ANY and not known.kinds & {"string", "nil"}:
                if known.kinds <= NUMBERS:
                    report_numeric_index(scope, path, step.span)
                    return ANY
                scope.findings.add("RP302", "a member is named by a string", step.key.span, str(known))
    if not path.steps and base is not None:
        return base
    return type_path(scope, path, base, writing=writing, making=making)


def type_table(scope: Scope, table: syntax.Table) -> Type:
    """The type of `{…}`: a list of its items, or an object with its fields."""
    items = [field for field in table.fields if field.key is None]
    named = [field for field in table.fields if field.key is not None]
    types = [type_member(scope, field) for field in table.fields]
    if items and named:
        odd = named[0] if len(items) >= len(named) else items[0]
        scope.findings.add("RP306", "a list and an object in one table", odd.span,
                           help="{ … } holds values, or name = value throughout")  # fmt: skip
        return ANY
    if items:
        return Type(frozenset(("list",)), item=join_all(types))
    fields: dict[str, Type] = {}
    written: dict[str, syntax.Expression] = {}
    growth = "closed"
    for field, known in zip(named, types, strict=True):
        assert field.key is not None
        name = literal_string(field.key)
        if name is None:
            check_key(scope, field.key)
            growth = "open"
            continue
        if name in written:
            scope.findings.add("RP203", f"`{name}` stands in this table twice", field.key.span,
                               second=written[name].span, second_label="the first one")  # fmt: skip
        written[name] = field.key
        fields[name] = Type(known.kinds, known.shape, known.item)
    shape = scope.setting.shapes.make(Shape(fields, "closed" if growth == "closed" else "open"))
    return Type(frozenset(("object",)), shape)


def type_member(scope: Scope, field: syntax.Field) -> Type:
    """The type of one entry of a table."""
    inner = bare(field.value)
    if isinstance(inner, syntax.Literal) and inner.kind == "nil":
        message = "nil is absence: nothing can hold it"
        offer = "leave it out, or write null" if field.key is not None else "null"
        scope.findings.add("RP306", message, field.value.span, help=offer)
        return ANY
    return type_expression(scope, field.value)


def check_key(scope: Scope, key: syntax.Expression) -> None:
    """A key that is computed, or a constant that is no string."""
    known = type_expression(scope, key)
    if known != ANY and known.kinds <= NUMBERS:
        scope.findings.add(
            "RP306", "there are no numeric indexes", key.span, help=f'["{scope.findings.text(key.span)}"]'
        )
    else:
        needs(scope, key, known, STRING.kinds, "a key is a string")


def check_condition(scope: Scope, node: syntax.Expression) -> Outcome:
    """Check an expression that has to be a bool; what it makes sure of where it holds, and where it does not."""
    inner = bare(node)
    match inner:
        case syntax.Unary(operator="not", operand=operand):
            check_negation(scope, inner)
            holds, fails = check_condition(scope, operand)
            return fails, holds
        case syntax.Binary(operator="and" | "or" as operator, left=left, right=right):
            check_parts(scope, inner)
            before = scope.facts
            holds, fails = check_condition(scope, left)
            scope.facts = holds if operator == "and" else fails
            then_holds, then_fails = check_condition(scope, right)
            scope.facts = before
            if operator == "and":
                return then_holds, join_facts((fails, then_fails))
            return join_facts((holds, then_holds)), then_fails
    known = type_expression(scope, node)
    if isinstance(inner, syntax.Literal) and inner.kind == "bool":
        word = "true" if inner.value else "false"
        scope.findings.add("RP401", f"this is always {word}", node.span)
        return scope.facts, scope.facts
    check_bool(scope, node, known)
    return narrow(scope, inner)


def check_bool(scope: Scope, node: syntax.Expression, known: Type) -> None:
    """A condition is true or false: nothing else counts as either."""
    if known == ANY or known.kinds == {"bool"}:
        return
    text = scope.findings.text(node.span)
    if isinstance(bare(node), syntax.Literal | syntax.Table):
        scope.findings.add("RP301", "a condition is true or false", node.span, str(known))
        return
    if isinstance(bare(node), syntax.Binary):
        text = f"({text})"
    there = known.kinds - {"nil", "null"}
    if "bool" in there:
        offer = f"{text} == true"
    elif known.kinds & {"nil", "null"}:
        offer = f"{text} ~= nil"
    elif there & {"string", "list", "object"}:
        offer = f"not blank({text})"
    else:
        offer = f"{text} ~= 0"
    scope.findings.add("RP301", "a condition is true or false", node.span, str(known), help=offer)


def check_negation(scope: Scope, node: syntax.Unary) -> None:
    """`not a == b` reads as `(not a) == b` in Lua, and as `not (a == b)` elsewhere: parentheses say which."""
    operand = node.operand
    if not isinstance(operand, syntax.Binary) or operand.operator not in COMPARISONS:
        return
    left, right = scope.findings.text(operand.left.span), scope.findings.text(operand.right.span)
    offer = f"not ({left} {operand.operator} {right})"
    if operand.operator in ("==", "~="):
        offer = f"{left} {'~=' if operand.operator == '==' else '=='} {right}"
    message = "`not` before a comparison needs parentheses"
    scope.findings.add("RP307", message, node.span, help=offer)
