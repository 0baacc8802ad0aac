"""The types of operators: what they take, what they give, and comparisons that say nothing."""

from __future__ import annotations

from ruleproxy.language import syntax
from ruleproxy.language.checking.contradictions import ALWAYS, NEVER
from ruleproxy.language.checking.kinds import ABSENT, needs
from ruleproxy.language.checking.paths import quiet_type
from ruleproxy.language.checking.scope import Scope, bare, literal_string
from ruleproxy.language.checking.spellings import check_spelled_members, check_spelling
from ruleproxy.language.diagnostics import Severity
from ruleproxy.language.roots import BODIES
from ruleproxy.language.schemas import join
from ruleproxy.language.suggestions import find_nearest
from ruleproxy.language.types import ANY, BOOL, Kind, Type, of

NUMBERS: frozenset[Kind] = frozenset(("int", "float"))
DURATIONS: frozenset[Kind] = frozenset(("int", "float", "duration"))
ORDERED: frozenset[Kind] = frozenset(("int", "float", "string", "version", "duration"))
COMPARABLE: dict[Kind, str] = {
    "int": "number",
    "float": "number",
    "version": "text",
    "string": "text",
    "secret": "text",
}
"""Kinds that may be equal to one another although they are not the same; any other is only equal to its own."""
COMPARISONS = frozenset(("==", "~=", "<", "<=", ">", ">=", "in"))


def type_binary(scope: Scope, node: syntax.Binary, left: Type, right: Type) -> Type:
    """The type of two operands with an operator between them; `and` and `or` are conditions, seen elsewhere."""
    match node.operator:
        case "..":
            return type_concatenation(scope, node, left, right)
        case "+" | "-":
            return type_arithmetic(scope, node, left, right)
        case "??":
            check_default(scope, node, left)
            return ANY if ANY in (left, right) else join(left.without("nil", "null"), right)
        case "in":
            check_membership(scope, node, left, right)
            check_spelled_members(scope, node)
        case "==" | "~=":
            check_equality(scope, node, left, right)
            check_spelling(scope, node)
        case _:
            check_order(scope, node, left, right)
    return BOOL


def type_concatenation(scope: Scope, node: syntax.Binary, left: Type, right: Type) -> Type:
    """`..` joins strings; with a secret it gives a secret."""
    for operand, known in ((node.left, left), (node.right, right)):
        needs(scope, operand, known, frozenset(("string", "secret")), "`..` joins strings", operand=True)
    secret = any("secret" in known.kinds and known != ANY for known in (left, right))
    return of("secret") if secret else of("string")


def type_arithmetic(scope: Scope, node: syntax.Binary, left: Type, right: Type) -> Type:
    """`+` and `-` take numbers, or two durations."""
    if node.operator == "+" and is_text(left) and is_text(right):
        whole = f"{scope.findings.text(node.left.span)} .. {scope.findings.text(node.right.span)}"
        scope.findings.add("RP302", "`+` takes numbers, `..` joins strings", node.span, help=whole)
        return ANY
    for operand, known in ((node.left, left), (node.right, right)):
        wanted = DURATIONS if "duration" in left.kinds and left != ANY else NUMBERS
        needs(scope, operand, known, wanted, f"`{node.operator}` takes numbers", operand=True)
    if left.kinds == right.kinds == {"int"} or left.kinds == right.kinds == {"duration"}:
        return Type(left.kinds)
    return of("int", "float")


def is_text(known: Type) -> bool:
    """Whether a value is a string, or a secret, wherever it is there at all."""
    there = known.kinds - ABSENT
    return bool(there) and there <= {"string", "secret"}


def check_default(scope: Scope, node: syntax.Binary, left: Type) -> None:
    """`a ?? b` where `a` is always there, or `b` is nil again."""
    if isinstance(bare(node.right), syntax.Literal) and bare(node.right).kind == "nil":  # type: ignore[union-attr]
        scope.findings.add(
            "RP304", "`?? nil` changes nothing", node.operator_span, help=scope.findings.text(node.left.span)
        )
        return
    known = plain_type(scope, node.left, left)
    if known == ANY or known.kinds & ABSENT:
        return
    inner = bare(node.left)
    if isinstance(inner, syntax.Path) and isinstance(inner.base, syntax.Name) and inner.base.name == "parameters":
        return
    message = "this default is never used"
    scope.findings.add("RP304", message, node.right.span, second=node.left.span, second_label="never nil",
                       help=scope.findings.text(node.left.span))  # fmt: skip


def plain_type(scope: Scope, node: syntax.Expression, known: Type) -> Type:
    """The type of a value of a message without what conditions say: at run time null may stand where nil does not."""
    inner = bare(node)
    if isinstance(inner, syntax.Path) and isinstance(inner.base, syntax.Name):
        key = scope.key_of(inner)
        place = scope.resolve(key) if key is not None else None
        if place is not None and any(place[: len(body)] == body for body in BODIES):
            return quiet_type(scope, inner, {})
    return known


def check_order(scope: Scope, node: syntax.Binary, left: Type, right: Type) -> None:
    """`<` and its like: two numbers, two strings, two durations, or a version and what spells one."""
    what = f"`{node.operator}` compares numbers"
    fine = [
        needs(scope, operand, known, ORDERED, what, operand=True, best=(other.kinds & ORDERED) or None)
        for operand, known, other in ((node.left, left, right), (node.right, right, left))
    ]
    if not all(fine) or ANY in (left, right):
        return
    if not families(left) & families(right):
        scope.findings.add("RP302", f"`{node.operator}` compares values of one kind", node.right.span, str(right),
                           second=node.left.span, second_label=str(left),
                           help=offer_number(node, left, right))  # fmt: skip


def offer_number(node: syntax.Binary, left: Type, right: Type) -> tuple[str, ...]:
    """The conversion that makes a text comparable to a number."""
    for operand, mine, other in ((node.left, left, right), (node.right, right, left)):
        inner = bare(operand)
        if mine.kinds <= {"string"} and other.kinds <= NUMBERS and isinstance(inner, syntax.Literal):
            text = str(inner.value)
            return (text,) if text.isdigit() else ()
    return ()


def families(known: Type) -> set[str]:
    """What the values of a type can be compared with; nil and null apart."""
    return {COMPARABLE.get(kind, kind) for kind in known.kinds - ABSENT}


def check_equality(scope: Scope, node: syntax.Binary, left: Type, right: Type) -> None:
    """`==` and `~=` of values that can never be equal, or always are."""
    if ANY in (left, right):
        return
    for operand, known, other in ((node.left, left, node.right), (node.right, right, node.left)):
        literal = bare(other)
        if isinstance(literal, syntax.Literal) and literal.kind in ("nil", "null"):
            check_absence(scope, node, operand, known)
            return
    if not left.kinds - ABSENT or not right.kinds - ABSENT:
        return
    if not families(left) & families(right):
        scope.findings.add("RP303", "these are never equal", node.span, f"{left} and {right}",
                           help=offer_equal(scope, node, left, right))  # fmt: skip
    elif left.kinds - ABSENT == right.kinds - ABSENT == {"string"} and left.choices and right.choices:
        if not left.choices & right.choices:
            report_choices(scope, node, left, right)


def report_choices(scope: Scope, node: syntax.Binary, left: Type, right: Type) -> None:
    """Two strings of which one is known to be one of a few that the other is not."""
    if ("parts", node.span) in scope.said:
        return  # said of the condition as a whole
    literal, known = (node.right, left) if isinstance(bare(node.right), syntax.Literal) else (node.left, right)
    label = "is " + " or ".join(f'"{choice}"' for choice in sorted(known.choices or ())[:8])
    other = node.left if literal is node.right else node.right
    if is_known_by_asking(scope, other, literal):
        holds = node.operator == "~="
        scope.findings.add("RP401", ALWAYS if holds else NEVER, node.span, second=other.span, second_label=label,
                           severity=Severity.WARNING if holds else None)  # fmt: skip
        return
    scope.findings.add("RP303", "these are never equal", literal.span, second=other.span, second_label=label,
                       help=offer_choice(literal, known))  # fmt: skip


def is_known_by_asking(scope: Scope, place: syntax.Expression, literal: syntax.Expression) -> bool:
    """Whether a place might be what a literal says if no condition around had asked."""
    inner, text = bare(place), literal_string(literal)
    if not isinstance(inner, syntax.Path) or not isinstance(inner.base, syntax.Name) or text is None:
        return False
    if inner.base.name in scope.variables and not inner.steps:
        return False
    declared = quiet_type(scope, inner, {})
    return declared.choices is None or text in declared.choices


def offer_choice(literal: syntax.Expression, known: Type) -> tuple[str, ...]:
    """The known string that a literal is nearest to."""
    text = literal_string(literal)
    nearest = None if text is None else find_nearest(text, known.choices or ())
    return () if nearest is None else (f'did you mean "{nearest}"?',)


def offer_equal(scope: Scope, node: syntax.Binary, left: Type, right: Type) -> tuple[str, ...]:
    """How values of two kinds are made comparable."""
    for operand, mine, other in ((node.left, left, right), (node.right, right, left)):
        inner = bare(operand)
        if isinstance(inner, syntax.Literal) and inner.kind == "string":
            text = str(inner.value)
            if (other.kinds & NUMBERS and text.isdecimal()) or (other.kinds & {"bool"} and text in ("true", "false")):
                return (replace_operand(scope, node, operand, text),)
        if isinstance(inner, syntax.Literal) and inner.kind in ("int", "float") and "string" in other.kinds:
            return (replace_operand(scope, node, operand, f'"{inner.value}"'),)
        if "list" in mine.kinds - ABSENT and not other.kinds & {"list"} and mine.kinds - ABSENT == {"list"}:
            member = node.right if operand is node.left else node.left
            return (f"{scope.findings.text(member.span)} in {scope.findings.text(operand.span)}",)
    return ()


def replace_operand(scope: Scope, node: syntax.Binary, operand: syntax.Expression, text: str) -> str:
    """A comparison with another value in the place of one of its operands."""
    other = scope.findings.text((node.right if operand is node.left else node.left).span)
    return f"{text} {node.operator} {other}" if operand is node.left else f"{other} {node.operator} {text}"


def check_absence(scope: Scope, node: syntax.Binary, operand: syntax.Expression, known: Type) -> None:
    """`== nil` of a value that is never nil: what every message has, or what a `local` computed."""
    inner = bare(operand)
    declared = known
    if isinstance(inner, syntax.Path) and isinstance(inner.base, syntax.Name):
        variable = scope.variables.get(inner.base.name)
        if variable is not None and (inner.steps or variable.kind != "local" or variable.origin is not None):
            return  # an element may be gone when it is read, or be null
        declared = quiet_type(scope, inner, {})
    elif isinstance(inner, syntax.Literal):
        return  # constant, and reported as such
    if declared == ANY or declared.kinds & ABSENT:
        return
    always = "false" if node.operator == "==" else "true"
    scope.findings.add("RP401", f"this is always {always}", node.span, f"{declared}, never nil")


def check_membership(scope: Scope, node: syntax.Binary, left: Type, right: Type) -> None:
    """`in`: a member of a list, or a key of an object."""
    if ANY in (left, right):
        return
    there = right.kinds - ABSENT
    text, holder = scope.findings.text(node.left.span), scope.findings.text(node.right.span)
    if there and not there & {"list", "object"}:
        offer: tuple[str, ...] = ()
        if "string" in there:
            offer = (f"{text} in values({holder})", f"contains({holder}, {text})")
        scope.findings.add(
            "RP302", "`in` takes a list or an object on its right", node.right.span, str(right), help=offer
        )
        return
    mine = left.kinds - ABSENT
    if there == {"list"} and right.item is not None and mine and right.item.kinds - ABSENT and right.item != ANY:
        if not families(left) & families(right.item):
            scope.findings.add("RP303", "this is never in the list", node.left.span, str(left), second=node.right.span,
                               second_label=f"members: {right.item}")  # fmt: skip
    elif there == {"object"} and mine and "string" not in mine:
        scope.findings.add("RP303", "this is never a key of an object", node.left.span, f"{left}, and keys are strings")
