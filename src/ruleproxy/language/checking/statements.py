"""Blocks of statements: branches, loops, what ends a block, and what is known after each."""

from __future__ import annotations

from collections.abc import Sequence

from ruleproxy.language import syntax
from ruleproxy.language.checking.actions import check_action
from ruleproxy.language.checking.expressions import check_condition, type_expression
from ruleproxy.language.checking.kinds import ABSENT
from ruleproxy.language.checking.paths import without_absence
from ruleproxy.language.checking.places import element_of
from ruleproxy.language.checking.results import origin_of
from ruleproxy.language.checking.scope import Facts, Key, Scope, Setting, Variable, bare, join_facts
from ruleproxy.language.checking.variables import Declared, declare, release
from ruleproxy.language.roots import DATA
from ruleproxy.language.signatures import Element, Place
from ruleproxy.language.source import Span
from ruleproxy.language.types import ANY, JSON, NIL_TYPE, Type

DEEPEST_LOOP = 2


def check_block(scope: Scope, statements: Sequence[syntax.Statement]) -> bool:
    """Check the statements of a block; whether its end is never reached."""
    declared: list[Declared] = []
    after = scope.retry_follows
    follows = retries_after(scope.setting, statements)
    ended: syntax.Statement | None = None
    said = False
    for statement, retried in zip(statements, follows, strict=True):
        if ended is not None and not said:
            said = True
            report_unreachable(scope, statement, ended)
        scope.retry_follows = after or retried
        if check_statement(scope, statement, declared) and ended is None:
            ended = statement
    scope.retry_follows = after
    release(scope, declared)
    return ended is not None


def retries_after(setting: Setting, statements: Sequence[syntax.Statement]) -> list[bool]:
    """For each statement of a block, whether a `retry` stands in it or after it."""
    found, follows = False, []
    for statement in reversed(statements):
        # What stands in the same statement follows only for its own blocks, which ask again for themselves.
        follows.append(found or (isinstance(statement, syntax.For) and may_retry(setting, statement)))
        found = found or may_retry(setting, statement)
    return follows[::-1]


def may_retry(setting: Setting, statement: syntax.Statement) -> bool:
    """Whether a statement is or holds a verb that sends the request again; unknown verbs may."""
    waiting: list[syntax.Statement] = [statement]
    while waiting:
        current = waiting.pop()
        match current:
            case syntax.Action(verb=name):
                verb = setting.vocabulary.verbs.get(name)
                if name == "retry" if verb is None else verb.retries:
                    return True
            case syntax.For(body=body):
                waiting.extend(body)
            case syntax.If(branches=branches, otherwise=otherwise):
                for branch in branches:
                    waiting.extend(branch.body)
                waiting.extend(otherwise or ())
    return False


def report_unreachable(scope: Scope, statement: syntax.Statement, ended: syntax.Statement) -> None:
    """Statements that nothing reaches."""
    if isinstance(ended, syntax.Action):
        message, second = f"nothing after `{ended.verb}` runs", ended.verb_span
    else:
        message, second = "every branch before this ends", Span(ended.span.start, ended.span.start + 2)
    scope.findings.add("RP405", message, statement.span, "never reached", second=second)


def check_statement(scope: Scope, statement: syntax.Statement, declared: list[Declared]) -> bool:
    """Check one statement; whether nothing after it is reached."""
    match statement:
        case syntax.Action():
            return check_action(scope, statement)
        case syntax.Local():
            declared.append(check_local(scope, statement))
            return False
        case syntax.If():
            return check_if(scope, statement)
        case syntax.For():
            check_loop(scope, statement)
            return False


def check_local(scope: Scope, node: syntax.Local) -> Declared:
    """A `local`: its value first, then its name."""
    inner = bare(node.value)
    if isinstance(inner, syntax.Literal) and inner.kind == "nil":
        scope.findings.add("RP306", "nil is absence: a `local` names a value", node.value.span, help="null")
        known = NIL_TYPE
    else:
        known = type_expression(scope, node.value)
    constant = isinstance(inner, syntax.Literal)
    if constant:
        known = Type(known.kinds)
    origin = None
    if known.kinds & {"object", "list"} and known != ANY:
        origin = origin_of(scope, node.value)
    return declare(scope, Variable(node.name, node.name_span, known, "local", origin, node.value))


def check_if(scope: Scope, node: syntax.If) -> bool:
    """`if`: each branch under what its condition makes sure of; whether every way through it ends."""
    ways: list[Facts] = []
    for branch in node.branches:
        before, scope.in_condition = scope.in_condition, True
        holds, fails = check_condition(scope, branch.condition)
        scope.in_condition = before
        scope.facts = holds
        asked, scope.asked = scope.asked, (*scope.asked, branch.condition)
        if not check_block(scope, branch.body):
            ways.append(scope.facts)
        scope.asked = asked
        scope.facts = fails
    if node.otherwise is None or not check_block(scope, node.otherwise):
        ways.append(scope.facts)
    scope.facts = join_facts(ways)
    return not ways


def check_loop(scope: Scope, node: syntax.For) -> None:
    """`for`: what its body writes is not known when the body begins again."""
    known = type_expression(scope, node.iterable)
    origin = origin_of(scope, node.iterable)
    there = known.kinds - ABSENT
    if known != ANY and "list" not in there:
        text = scope.findings.text(node.iterable.span)
        offer = (f"values({text})",) if "string" in there else ()
        scope.findings.add("RP302", "a loop goes over a list", node.iterable.span, str(known), help=offer)
    scope.loops += 1
    if scope.loops == DEEPEST_LOOP + 1:
        message = f"loops are nested deeper than {DEEPEST_LOOP}"
        scope.findings.add("RP701", message, node.variable_span, f"loop {scope.loops}")
    element = element_of(origin) if origin else None
    variable = Variable(node.variable, node.variable_span, type_member(known), "loop", element)
    for written in written_places(scope, node, element):
        scope.forget(written)
    before = scope.facts
    declared = declare(scope, variable)
    check_block(scope, node.body)
    release(scope, [declared])
    scope.facts = join_facts((before, scope.facts))
    scope.loops -= 1


def type_member(known: Type) -> Type:
    """The type of a member of what a loop goes over."""
    if known == ANY or "list" not in known.kinds:
        return ANY
    if known.item is not None:
        return without_absence(known.item)
    return DATA if known.shape == "data" else Type(JSON.kinds - {"nil"})


def written_places(scope: Scope, loop: syntax.For, element: Key | None) -> list[Key]:
    """The places that the body of a loop writes, through the variables that it makes."""
    inner = Scope(scope.setting, scope.findings, scope.stage, dict(scope.variables))
    name_place(inner, loop.variable, element)
    found: list[Key] = []
    collect_written(inner, loop.body, found)
    return found


def name_place(scope: Scope, name: str, origin: Key | None) -> None:
    """Make a variable known for what it stands for alone."""
    scope.variables[name] = Variable(name, Span(0, 0), ANY, "loop", origin)


def collect_written(scope: Scope, statements: Sequence[syntax.Statement], found: list[Key]) -> None:
    """Add the places that statements write."""
    for statement in statements:
        match statement:
            case syntax.Local(name=name, value=value):
                name_place(scope, name, origin_of(scope, value))
            case syntax.For(variable=name, iterable=iterable, body=body):
                origin = origin_of(scope, iterable)
                name_place(scope, name, element_of(origin) if origin else None)
                collect_written(scope, body, found)
            case syntax.If(branches=branches, otherwise=otherwise):
                for branch in branches:
                    collect_written(scope, branch.body, found)
                collect_written(scope, otherwise or (), found)
            case syntax.Action(form=name, arguments=arguments) if name in scope.setting.forms:
                kinds = scope.setting.forms[name][1].arguments
                for role, argument in arguments.items():
                    if isinstance(kinds.get(role), Place | Element) and isinstance(argument, syntax.Path):
                        key = scope.key_of(argument)
                        place = scope.resolve(key) if key is not None else None
                        if place is not None:
                            found.append(place)
