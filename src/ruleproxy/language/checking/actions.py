"""Statements that begin with a verb: their form, their arguments, and what they do to what is known."""

from __future__ import annotations

from ruleproxy.language import syntax
from ruleproxy.language.checking.expressions import check_condition, type_expression, type_steps
from ruleproxy.language.checking.findings import did_you_mean, find_near_miss
from ruleproxy.language.checking.kinds import needs, with_article
from ruleproxy.language.checking.paths import find_shape, quiet_type, report_near_miss, without_absence
from ruleproxy.language.checking.places import (
    check_framing_names,
    check_kind_of_field,
    check_origin,
    check_place,
    check_secret,
    check_written_kind,
    element_of,
)
from ruleproxy.language.checking.results import origin_of
from ruleproxy.language.checking.scope import Key, Scope, Variable, bare, is_stable, literal_string
from ruleproxy.language.checking.variables import declare, release
from ruleproxy.language.checking.writes import note_write
from ruleproxy.language.signatures import (
    Binding,
    Choice,
    Condition,
    Element,
    Form,
    Options,
    Place,
    Value,
    Verb,
)
from ruleproxy.language.types import ANY, Type


def check_action(scope: Scope, node: syntax.Action) -> bool:
    """Check a statement; whether nothing after it in the same block runs."""
    found = scope.setting.forms.get(node.form)
    if found is None:
        report_unknown_form(scope, node)
        for argument in node.arguments.values():
            if not isinstance(argument, syntax.Word) and "binding" not in node.arguments:
                type_expression(scope, argument)
        return False
    verb, form = found
    if verb.retries and scope.stage == "event":
        message = f"`{verb.name}` comes too late: events have reached the client"
        second = scope.rule.side.span if scope.rule is not None else None
        offer = 'on response, or on failure when failure.kind == "error_event"'
        scope.findings.add("RP430", message, node.verb_span, second=second, second_label="this side", help=offer)
    elif scope.stage not in verb.sides and scope.rule is not None:
        sides = " and ".join(verb.sides)
        scope.findings.add("RP320", f"`{verb.name}` does not exist on the {scope.stage} side", node.verb_span,
                           f"stands on {sides}", second=scope.rule.side.span, second_label="this side")  # fmt: skip
    if verb.learns and not scope.retry_follows:
        message = f"`{verb.name}` without a `retry` behind it: there is nothing that could succeed"
        scope.findings.add("RP431", message, node.verb_span, "never learns anything", help="retry")
    check_arguments(scope, node, verb, form)
    return verb.ends


def report_unknown_form(scope: Scope, node: syntax.Action) -> None:
    """A verb, or a way to write it, that the vocabulary does not have."""
    verbs = scope.setting.vocabulary.verbs
    verb = verbs.get(node.verb)
    if verb is None:
        scope.findings.add("RP201", f"unknown verb `{node.verb}`", node.verb_span, help=did_you_mean(node.verb, verbs))
        return
    offer = tuple(form.syntax for form in verb.forms[:3])
    message = f"`{node.verb}` has no form `{node.form.replace('_', ' ')}`"
    scope.findings.add("RP201", message, node.verb_span, help=offer)


def check_arguments(scope: Scope, node: syntax.Action, verb: Verb, form: Form) -> None:
    """The arguments of a form by what it says of them, and the facts that hold after it."""
    values: dict[str, Type] = {}
    for role, kind in form.arguments.items():
        argument = node.arguments.get(role)
        if isinstance(kind, Value) and argument is not None and not isinstance(argument, syntax.Word):
            values[role] = check_value(scope, verb, role, argument, kind)
    place: Key | None = None
    for role, kind in form.arguments.items():
        argument = node.arguments.get(role)
        match kind:
            case Place() if isinstance(argument, syntax.Path):
                place = check_written_place(scope, node, argument, kind, values)
                if place is not None:
                    note_write(scope, node, argument, place)
            case Choice() if isinstance(argument, syntax.Word):
                check_word(scope, argument, kind)
            case Options() if argument is not None and not isinstance(argument, syntax.Word):
                check_options(scope, verb, argument, kind)
            case Element() if isinstance(argument, syntax.Path):
                place = check_element(scope, verb, argument)
                if place is not None:
                    note_write(scope, node, argument, place)
    for role, kind in form.arguments.items():
        condition = node.arguments.get(role)
        if isinstance(kind, Condition) and condition is not None and not isinstance(condition, syntax.Word):
            check_bound_condition(scope, node, form, condition)
    secret_place = place if any(isinstance(kind, Place | Element) for kind in form.arguments.values()) else None
    for role, kind in form.arguments.items():
        argument = node.arguments.get(role)
        if isinstance(kind, Value | Options) and argument is not None and not isinstance(argument, syntax.Word):
            check_secret(scope, secret_place, argument)
    if place is not None:
        settle(scope, node, form, place, values)


def check_value(scope: Scope, verb: Verb, role: str, node: syntax.Expression, kind: Value) -> Type:
    """An argument that is a value."""
    inner = bare(node)
    if isinstance(inner, syntax.Literal) and inner.kind == "nil":
        offer = "strip …" if verb.name == "rewrite" else "null"
        scope.findings.add("RP306", "nil is absence: it cannot be written", node.span, help=offer)
        return ANY
    known = type_expression(scope, node)
    if known.kinds == {"secret"} and known != ANY:
        return known  # said as a flow, not as a kind
    wanted = with_article(Type(kind.type.kinds - {"nil"}))
    needs(scope, node, known, kind.type.kinds, f"`{verb.name}` takes {wanted} as its {role}")
    return known


def check_written_place(
    scope: Scope, node: syntax.Action, path: syntax.Path, kind: Place, values: dict[str, Type]
) -> Key | None:
    """A place that an action writes, and whether what is written fits there."""
    known = type_steps(scope, path, writing=True, making=kind.creates)
    removing = kind.holds == "value" and not kind.creates and len(node.arguments) == 1
    place = check_place(scope, path, removing=removing)
    if place is None:
        return None
    value = node.arguments.get("value") or node.arguments.get("object")
    if value is None or isinstance(value, syntax.Word):
        return place
    if kind.holds == "value" and kind.creates:
        check_written_kind(scope, place, value, values.get("value", ANY))
        check_kind_of_field(scope, place, known, value, values.get("value", ANY))
        check_origin(scope, place, value)
    if kind.holds == "object":
        check_framing_names(scope, place, value)
        check_new_names(scope, path, value, known)
    return place


def check_new_names(scope: Scope, path: syntax.Path, value: syntax.Expression, known: Type) -> None:
    """Fields that are merged into an object, where one is nearly a known one."""
    table = bare(value)
    if known.shape is None or not isinstance(table, syntax.Table) or is_many(path):
        return
    shape = find_shape(scope, known.shape)
    if shape.growth != "growing":
        return
    for field in table.fields:
        name = None if field.key is None else literal_string(field.key)
        if (
            name is None
            or field.key is None
            or name in shape.fields
            or field.key.span.end - field.key.span.start != len(name)
        ):
            continue
        near = find_near_miss(name, shape.fields)
        if near is not None:
            report_near_miss(scope, name, near, field.key.span, making=True)


def is_many(path: syntax.Path) -> bool:
    """Whether a path names several places."""
    return any(isinstance(step, syntax.Every | syntax.AnyDepth) for step in path.steps)


def check_word(scope: Scope, word: syntax.Word, kind: Choice) -> None:
    """A word out of a few."""
    if word.text not in kind.words:
        offer = did_you_mean(word.text, kind.words) or (f"one of: {', '.join(kind.words)}",)
        scope.findings.add("RP201", f"unknown word `{word.text}`", word.span, help=offer)


def check_options(scope: Scope, verb: Verb, node: syntax.Expression, kind: Options) -> None:
    """A table with names that the verb knows."""
    table = bare(node)
    known = type_expression(scope, node)
    if not isinstance(table, syntax.Table):
        needs(scope, node, known, frozenset(("object",)), f"`{verb.name}` takes an object")
        return
    given: set[str] = set()
    for field in table.fields:
        name = None if field.key is None else literal_string(field.key)
        if field.key is None:
            message = f"`{verb.name}` takes its options by name"
            scope.findings.add("RP302", message, field.span, help=f"{next(iter(kind.fields), 'name')} = …")
        elif name is not None and name not in kind.fields:
            offer = did_you_mean(name, kind.fields) or (f"known: {', '.join(kind.fields)}",)
            scope.findings.add("RP201", f"`{verb.name}` has no option `{name}`", field.key.span, help=offer)
        elif name is not None:
            given.add(name)
            check_option(scope, name, field.value, kind.fields[name])
    for name in kind.required:
        if name not in given:
            scope.findings.add("RP302", f"`{verb.name}` needs `{name}`", node.span, help=f"{name} = …")


def check_option(scope: Scope, name: str, node: syntax.Expression, wanted: Type) -> None:
    """The kind of an option's value; nil leaves it out."""
    inner = bare(node)
    if isinstance(inner, syntax.Literal) and inner.kind == "nil":
        return  # said where the table is read
    silent, scope.findings.silent = scope.findings.silent, True
    known = type_expression(scope, node)
    scope.findings.silent = silent
    if known.kinds <= {"nil"}:
        return
    what = f"`{name}` takes {with_article(Type(wanted.kinds - {'nil'}))}"
    needs(scope, node, known, wanted.kinds | {"nil"}, what)


def check_element(scope: Scope, verb: Verb, path: syntax.Path) -> Key | None:
    """A loop variable that names an element of a list."""
    type_steps(scope, path)
    if isinstance(path.base, syntax.Name) and not path.steps:
        variable = scope.variables.get(path.base.name)
        if variable is not None and variable.kind == "loop":
            return check_place(scope, path)
        if variable is None:
            if quiet_type(scope, path, {}) == ANY:
                return None
    message = f"`{verb.name}` takes the variable of a loop here"
    scope.findings.add("RP302", message, path.span, help="for element in … do … end")
    return None


def check_bound_condition(scope: Scope, node: syntax.Action, form: Form, condition: syntax.Expression) -> None:
    """A condition on each element of a place."""
    role, binding = next(
        ((role, kind) for role, kind in form.arguments.items() if isinstance(kind, Binding)), (None, None)
    )
    word = node.arguments.get(role) if role is not None else None
    over = node.arguments.get(binding.over) if binding is not None else None
    variable: Variable | None = None
    if isinstance(word, syntax.Word) and isinstance(over, syntax.Path):
        origin = origin_of(scope, over)
        variable = Variable(
            word.text, word.span, type_element(scope, over), "element", element_of(origin) if origin else None
        )
    names = [declare(scope, variable)] if variable is not None else []
    before, in_condition = scope.facts, scope.in_condition
    scope.in_condition = True
    check_condition(scope, condition)
    scope.facts, scope.in_condition = before, in_condition
    release(scope, names)


def type_element(scope: Scope, path: syntax.Path) -> Type:
    """The type of an element of what a path names: of a list, or of a header's comma list."""
    known = quiet_type(scope, path, scope.facts)
    if known == ANY:
        return ANY
    if is_many(path) and known.item is not None:
        known = known.item
    if "list" in known.kinds:
        if known.item is not None:
            return without_absence(known.item)
        return Type(ANY.kinds - {"nil", "secret", "version", "duration"})
    return Type(frozenset(("string",))) if "string" in known.kinds else ANY


def settle(scope: Scope, node: syntax.Action, form: Form, place: Key, values: dict[str, Type]) -> None:
    """What is known after a write: nothing of what it wrote to, but for the value that it wrote."""
    kind = form.arguments.get("place")
    path = node.arguments.get("place")
    scope.forget(place)
    if not isinstance(kind, Place) or kind.holds != "value" or not kind.creates or not isinstance(path, syntax.Path):
        return
    known = values.get("value")
    key = scope.key_of(path)
    if known is None or key is None or not is_stable(key) or known == ANY:
        return
    if known.kinds & {"nil", "secret"} or (key[1:2] == ("headers",) and "list" in known.kinds):
        return
    if place[0] in ("request", "response", "event") and place[1:2] in (("body",), ("data",)) and len(place) == 2:
        return
    scope.learn(key, known)
