"""The types of paths: from a root or a variable step by step, with what is known of each place on the way."""

from __future__ import annotations

from dataclasses import dataclass

from ruleproxy.language import syntax
from ruleproxy.language.checking.bodies import check_guard, type_body
from ruleproxy.language.checking.findings import did_you_mean, find_near_miss
from ruleproxy.language.checking.kinds import with_article
from ruleproxy.language.checking.scope import Facts, Key, Scope, bare, is_stable, literal_string
from ruleproxy.language.diagnostics import Severity
from ruleproxy.language.roots import ALL_ROOTS, BODIES, DATA, ROOT_SHAPES, ROOT_TYPES, ROOTS, VALUES, Stage
from ruleproxy.language.schemas import Shape
from ruleproxy.language.source import Span
from ruleproxy.language.suggestions import find_nearest
from ruleproxy.language.types import ANY, JSON, Type, of

ANYTHING = JSON.kinds - {"nil"}


@dataclass(slots=True)
class Walk:
    """A path on the way: the type so far, whether a `[*]` made a list of it, and where one is as data."""

    type: Type
    key: Key | None
    many: bool = False
    writing: bool = False
    making: bool = False


def type_path(
    scope: Scope, path: syntax.Path, base: Type | None = None, *, writing: bool = False, making: bool = False
) -> Type:
    """The type of a path, with what is wrong with its steps reported; `base` is what a call gives.

    A place that is written (`writing`) may be new: then a field is only reported where it is nearly a known one, and
    as a warning where the statement makes what is not there (`making`).
    """
    if isinstance(path.base, syntax.Name):
        base = type_name(scope, path.base)
        key: Key | None = (path.base.name,)
        if base == ANY:
            return ANY  # unknown, not on this side, or wrong where it comes from: said there
        is_root = path.base.name not in scope.variables
        if is_root and not check_bare_root(scope, path, writing=writing):
            return ANY
    else:
        key = None
    walk = Walk(base or ANY, key, writing=writing, making=making)
    for step in path.steps:
        take_step(scope, walk, step, path)
        if walk.type == ANY:
            return ANY
    return Type(frozenset(("list",)), item=without_absence(walk.type)) if walk.many else walk.type


def quiet_type(scope: Scope, path: syntax.Path, facts: Facts) -> Type:
    """The type of a path if only these facts were known; reports nothing. A call's result is not known."""
    if isinstance(path.base, syntax.Call):
        return ANY
    silent, known, said = scope.findings.silent, scope.facts, scope.said
    scope.findings.silent, scope.facts, scope.said = True, facts, set(said)
    try:
        return type_path(scope, path)
    finally:
        scope.findings.silent, scope.facts, scope.said = silent, known, said


def type_name(scope: Scope, name: syntax.Name) -> Type:
    """The type of a variable or root."""
    variable = scope.variables.get(name.name)
    if variable is not None:
        variable.used = variable.used or not scope.findings.silent
        return scope.facts.get((name.name,), variable.type)
    if name.name in ROOTS[scope.stage]:
        return ROOT_TYPES[name.name]
    if name.name in ALL_ROOTS:
        report_missing_root(scope, name)
    else:
        report_unknown_name(scope, name)
    return ANY


def report_missing_root(scope: Scope, name: syntax.Name) -> None:
    """A root that exists, but not here."""
    where: dict[Stage, str] = {"file": "at the level of the file", "test": "in a test", "attempt": "in an attempt"}
    here = where.get(scope.stage, f"on the {scope.stage} side")
    sides = [side for side in ("request", "response", "event", "failure") if name.name in ROOTS[side]]
    message = f"`{name.name}` does not exist {here}"
    offer: tuple[str, ...] = ()
    if scope.stage == "file" and sides:
        offer = ("write the `local` in a rule",)
    elif scope.stage == "event" and name.name == "response":
        offer = ("a stream is read event by event: `event.type`, `event.data`",)
    elif scope.stage == "attempt":
        offer = ("an attempt is what went out: `request`, `upstream`",)
    elif len(sides) == 1 and scope.rule is not None:
        offer = (f'rule "{scope.rule.name}" on {sides[0]}',)
    second = scope.rule.side.span if scope.rule is not None else None
    scope.findings.add(
        "RP320", message, name.span, second=second, second_label="this side" if second else "", help=offer
    )


def report_unknown_name(scope: Scope, name: syntax.Name) -> None:
    """A name that is neither a root nor a variable."""
    word = name.name
    if word in scope.findings.lost:
        return  # its `local` could not be read, which is said there
    offer: tuple[str, ...] = ()
    if word in scope.later_locals:
        offer = (f"move `local {word}` above this line",)
    elif word in ("path", "body", "method", "headers", "model", "query") and scope.stage in ("request", "response"):
        offer = (f"did you mean `request.{word}`?",)
    else:
        offer = did_you_mean(word, ROOTS[scope.stage] | scope.variables.keys() | scope.later_locals)
        if offer and (later := find_nearest(word, scope.later_locals)) and f"`{later}`" in offer[0]:
            offer = (f"did you mean `{later}`, and `local {later}` above this line?",)
        if not offer and word in scope.setting.vocabulary.functions:
            offer = (f"{word}(…)",)
    scope.findings.add("RP201", f"unknown name `{word}`", name.span, help=offer)


def check_bare_root(scope: Scope, path: syntax.Path, *, writing: bool) -> bool:
    """Whether a root is followed by a field: roots themselves are no values (of places, that is said elsewhere)."""
    assert isinstance(path.base, syntax.Name)
    root = path.base.name
    wanted = 0 if root in VALUES else 2 if root == "original" else 1
    named = [step for step in path.steps[:wanted] if isinstance(step, syntax.Member)]
    if len(named) == wanted:
        return True
    if writing:
        return False
    shape = (
        ROOT_SHAPES[root if not named else str(named[0].name)] if not named or named[0].name in ROOT_SHAPES else None
    )
    fields = sorted(shape.fields) if shape is not None else []
    best = "body" if "body" in fields else fields[0] if fields else "NAME"
    best = "request.body" if root == "original" and not named else best
    example = ".".join([root, *(step.name for step in named), best])
    shown = ".".join([root, *(step.name for step in named)])
    scope.findings.add("RP202", f"`{shown}` needs a field", path.span, help=f"such as `{example}`")
    return False


def take_step(scope: Scope, walk: Walk, step: syntax.Step, path: syntax.Path) -> None:
    """Go one step along a path."""
    before = walk.key
    walk.key = None if before is None else (*before, scope.step_of(step, before))
    match step:
        case syntax.Every():
            walk.type = type_every(scope, walk, step.span, path)
            walk.many = True
        case syntax.AnyDepth():
            walk.type, walk.many = Type(ANYTHING), True
        case syntax.Member(name=name):
            walk.type = type_member(scope, walk, name, step.span, before, deliberate=False)
        case syntax.Index(key=key):
            walk.type = type_index(scope, walk, key, step.span, path)
    if walk.key is None or walk.type == ANY:
        return
    if walk.key in BODIES:
        check_guard(scope, walk.key, Span(path.span.start, step.span.end))
        walk.type = type_body(scope, walk.key)
    elif walk.key == ("failure", "error"):
        kinds = scope.facts.get(("failure", "kind"))
        if kinds is not None and kinds.choices == frozenset(("error_event",)):
            walk.type = Type(frozenset(("object",)), "failure.error.there")
    elif walk.key[0] == "parameters" and len(walk.key) == 2:
        check_parameter(scope, walk.key[1], step.span)
        walk.type = (scope.setting.parameters or {}).get(str(walk.key[1]), walk.type)
        if walk.key[1] in scope.setting.secret_parameters:
            walk.type = of("secret")
    if not walk.many and is_stable(walk.key):
        walk.type = scope.facts.get(walk.key, walk.type)


def type_every(scope: Scope, walk: Walk, span: Span, path: syntax.Path) -> Type:
    """The elements of a list."""
    if "list" in walk.type.kinds:
        if walk.type.item is not None:
            return walk.type.item
        return DATA if walk.type.shape == "data" else Type(ANYTHING)
    text = scope.findings.text(Span(path.span.start, span.start))
    offer = (f"values({text})",) if "string" in walk.type.kinds else ()
    scope.findings.add(
        "RP302", "`[*]` stands for the members of a list", Span(path.span.start, span.end), str(walk.type), help=offer
    )
    return ANY


def report_numeric_index(scope: Scope, path: syntax.Path, span: Span) -> None:
    """An index that is a number, with the functions that stand in for it."""
    before = scope.findings.source.slice(Span(path.span.start, span.start))
    after = scope.findings.source.slice(Span(span.end, path.span.end))
    offer = (f"first({before}){after}", f"last({before}){after}")
    scope.findings.add("RP306", "there are no numeric indexes", span, help=offer)


def type_index(scope: Scope, walk: Walk, key: syntax.Expression, span: Span, path: syntax.Path) -> Type:
    """The type behind `[key]`."""
    before = walk.key[:-1] if walk.key is not None else None
    # The expressions of an index lie above this module: they are checked on the way down (see expressions).
    literal = literal_string(key)
    if literal is not None:
        return type_member(scope, walk, literal, span, before, deliberate=True)
    inner = bare(key)
    if isinstance(inner, syntax.Literal) and inner.kind in ("int", "float"):
        report_numeric_index(scope, path, span)
        return ANY
    if not check_holder(scope, walk, span, "a member is looked up in an object"):
        return ANY
    return any_member(scope, walk.type.shape)


def any_member(scope: Scope, shape: str | None) -> Type:
    """The type of a member whose name is computed."""
    if shape is None:
        return JSON
    if shape == "data":
        return Type(JSON.kinds, "data")
    known = find_shape(scope, shape)
    if known.growth == "open":
        return with_nil(known.other)
    return with_nil(scope.setting.shapes.any_member(shape))


def type_member(scope: Scope, walk: Walk, name: str, span: Span, before: Key | None, *, deliberate: bool) -> Type:
    """The type of a field; `deliberate` is written in brackets, and then taken for what it says."""
    if not check_holder(scope, walk, span, f"`{name}` is looked up in an object"):
        return ANY
    absent = "nil" in walk.type.kinds or bool(walk.type.kinds - {"object"})
    if walk.type.shape is None:
        return JSON
    shape = find_shape(scope, walk.type.shape)
    known = shape.fields.get(name)
    if known is None:
        known = shape.other
        if shape.growth == "closed":
            report_unknown_field(scope, name, span, shape, before)
            return ANY
        if shape.growth == "growing" and not deliberate:
            report_new_field(scope, walk, name, span, shape, before)
    if walk.type.shape == "data":
        return known
    return with_nil(known) if absent else known


def find_shape(scope: Scope, name: str) -> Shape:
    """The shape of a name."""
    return ROOT_SHAPES.get(name) or scope.setting.shapes.find(name)


def check_holder(scope: Scope, walk: Walk, span: Span, label: str) -> bool:
    """Whether what stands before a step can have members; reports it if not."""
    if "object" in walk.type.kinds:
        return True
    text = scope.findings.text(span)
    if walk.type.kinds <= {"list", "nil", "null"}:
        scope.findings.add("RP202", "a list has no fields", span, label, help=f"[*]{text} of each, or first(…){text}")
    elif walk.type.kinds <= {"nil"}:
        return True
    else:
        what = with_article(without_absence(walk.type))
        scope.findings.add("RP202", f"{what} has no fields", span, label)
    return False


def report_unknown_field(scope: Scope, name: str, span: Span, shape: Shape, before: Key | None) -> None:
    """A field that cannot be."""
    owner = f"`{before[0]}`" if before is not None and len(before) == 1 else "this object"
    offer = did_you_mean(name, shape.fields)
    if not offer and 0 < len(shape.fields) <= 12:
        offer = ("known: " + ", ".join(sorted(shape.fields)),)
    scope.findings.add("RP202", f"{owner} has no field `{name}`", span, help=offer)


def report_new_field(scope: Scope, walk: Walk, name: str, span: Span, shape: Shape, before: Key | None) -> None:
    """A field that the schema does not have: nearly one it has is an error, any other a note, said once a rule."""
    near = find_near_miss(name, shape.fields)
    if near is not None:
        report_near_miss(scope, name, near, span, making=walk.making)
    elif not walk.writing and scope.stage not in ("test", "attempt") and ("new", before, name) not in scope.said:
        scope.said.add(("new", before, name))
        label = "not in the schema: it may be new"
        scope.findings.add("RP202", f"unknown field `{name}`", span, label, severity=Severity.NOTE)


def report_near_miss(scope: Scope, name: str, near: str, span: Span, *, making: bool) -> None:
    """A field that is nearly a known one: an error where it is read or taken away, which would quietly do nothing; a
    warning where a rule is `making` it, for a gateway's own field may be called anything.
    """
    offer = (f"did you mean `{near}`?", f'["{name}"] if it is really called so')
    severity = Severity.WARNING if making else None
    scope.findings.add("RP202", f"unknown field `{name}`", span, help=offer, severity=severity)


def check_parameter(scope: Scope, name: object, span: Span) -> None:
    """Whether a parameter is declared."""
    if not isinstance(name, str):
        return
    scope.setting.used_parameters.add(name)
    declared = scope.setting.parameters
    if declared is not None and name not in declared:
        offer = did_you_mean(name, declared) or (f"declare `{name}` in pack.toml",)
        scope.findings.add("RP202", f"no parameter `{name}` is declared", span, help=offer)


def with_nil(known: Type) -> Type:
    """The same, or nil."""
    return Type(known.kinds | {"nil"}, known.shape, known.item, known.choices)


def without_absence(known: Type) -> Type:
    """The same without nil and null."""
    return known.without("nil", "null")
