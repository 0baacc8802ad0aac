"""Calls of functions: which there are, what they take, and what is wrong with what is written out for them."""

from __future__ import annotations

import re

from ruleproxy.language import syntax
from ruleproxy.language.checking.findings import did_you_mean
from ruleproxy.language.checking.kinds import needs, with_article
from ruleproxy.language.checking.patterns import check_pattern
from ruleproxy.language.checking.results import refine
from ruleproxy.language.checking.scope import Scope, bare, literal_string
from ruleproxy.language.counts import count
from ruleproxy.language.diagnostics import Severity
from ruleproxy.language.signatures import Function
from ruleproxy.language.source import Span
from ruleproxy.language.types import ANY, Type

REGEX_FUNCTIONS = frozenset({"matches", "replace", "capture"})
"""Functions whose literal argument is a regular expression, where Lua writes a pattern of its own kind."""

TEXT_TESTS = frozenset({"starts_with", "ends_with", "contains", "matches", "glob", "capture"})
"""Functions that ask something of a text, their first argument."""

READERS_OF_VARIABLES = frozenset({"env", "getenv", "environ"})
"""What reads the environment in other languages."""

LUA_PATTERN = re.compile(r"%(?![0-9A-Fa-f]{2})([adlpsuwxADLPSUWX.])")
"""A class or the escaped point of a Lua pattern (Lua 5.4 reference manual, 6.4.1), but no percent-encoded byte."""

RE2_CLASSES = {
    "a": "[A-Za-z]", "d": r"\d", "l": "[a-z]", "p": "[[:punct:]]", "s": r"\s", "u": "[A-Z]", "w": "[0-9A-Za-z]",
    "x": "[0-9A-Fa-f]", "A": "[^A-Za-z]", "D": r"\D", "L": "[^a-z]", "P": "[^[:punct:]]", "S": r"\S", "U": "[^A-Z]",
    "W": "[^0-9A-Za-z]", "X": "[^0-9A-Fa-f]",
}  # fmt: skip


def check_call(scope: Scope, call: syntax.Call, arguments: list[Type]) -> Type:
    """The type of a call, given those of its arguments."""
    function = scope.setting.vocabulary.functions.get(call.function)
    if function is None:
        offer = did_you_mean(call.function, scope.setting.vocabulary.functions)
        if call.function in READERS_OF_VARIABLES:
            offer = ('secret("NAME") reads a variable, for headers, the query and upstream',)
        scope.findings.add("RP201", f"unknown function `{call.function}`", call.name_span, help=offer)
        return ANY
    if scope.stage == "file" and function.contextual:
        label = "needs a message"
        scope.findings.add("RP320", f"`{function.name}` does not exist at the level of the file", call.name_span, label)
    if scope.stage != "file" and function.file_level:
        offer_local = f"local data = {scope.findings.text(call.span)}"
        message = f"`{function.name}` stands in a `local` at the level of the file"
        scope.findings.add("RP320", message, call.name_span, "read when the rules are loaded", help=offer_local)
    if check_count(scope, call, function):
        check_arguments(scope, call, function, arguments)
    return refine(scope, call, arguments, function.returns)


def check_count(scope: Scope, call: syntax.Call, function: Function) -> bool:
    """Whether a function has as many arguments as it takes."""
    least = sum(not parameter.optional for parameter in function.parameters)
    most = None if function.variadic else len(function.parameters)
    given = len(call.arguments)
    if given >= least and (most is None or given <= most):
        return True
    names = ", ".join(parameter.name for parameter in function.parameters) + (", …" if function.variadic else "")
    message = f"`{function.name}` takes {count_words(least, most)}, this is {given}"
    excess = call.arguments[most].span if most is not None and given > most else None
    scope.findings.add("RP302", message, excess or call.span, help=f"its form is `{function.name}({names})`")
    return False


def count_words(least: int, most: int | None) -> str:
    """How many arguments, as words."""
    if most is None:
        return f"at least {count(least, 'argument')}"
    numbers = str(least) if least == most else f"{least} to {most}"
    return f"{numbers if most else 'no'} argument{'' if most == 1 else 's'}"


def check_arguments(scope: Scope, call: syntax.Call, function: Function, arguments: list[Type]) -> None:
    """The kinds of a call's arguments, and those that have to be written out."""
    literals: list[str] = []
    whole = True
    for at, (node, known) in enumerate(zip(call.arguments, arguments, strict=True)):
        parameter = function.parameters[min(at, len(function.parameters) - 1)]
        literal = literal_string(node)
        literals.append(literal or "")
        if parameter.literal:
            if literal is None and function.name != "glob":
                label = f"`{function.name}` takes its {parameter.name} written out"
                name = bare(node)
                plain = isinstance(name, syntax.Path) and isinstance(name.base, syntax.Name) and not name.steps
                offer = f'"{scope.findings.text(node.span)}"' if plain else ()
                scope.findings.add("RP302", label, node.span, "known only when it runs", help=offer)
                whole = False
                continue
            if literal is not None and function.name in REGEX_FUNCTIONS:
                check_lua_pattern(scope, node)
            whole = whole and literal is not None
        if known.kinds == {"secret"} and "secret" not in parameter.type.kinds:
            scope.findings.add("RP310", f"a secret flows into `{function.name}`", node.span, "secret")
            continue
        what = f"`{function.name}` takes {with_article(Type(parameter.type.kinds - {'nil'}))} as its {parameter.name}"
        needs(scope, node, known, parameter.type.kinds, what)
    check_pattern(scope, call)
    if function.name in TEXT_TESTS and call.arguments:
        check_text_of_body(scope, call)
    check = scope.setting.check_literal
    if whole and check is not None and function.prepare is not None:
        report_literal(scope, call, function, check(function, literals))


def check_text_of_body(scope: Scope, call: syntax.Call) -> None:
    """A body that is asked as if it were its text."""
    inner = bare(call.arguments[0])
    key = scope.key_of(inner) if isinstance(inner, syntax.Path) else None
    place = None if key is None else scope.resolve(key)
    if place not in (("request", "body"), ("response", "body")):
        return
    offer = f"{scope.findings.text(inner.span)} == nil"
    scope.findings.add("RP302", "a body is what its JSON says: one that is no JSON is nil", call.span, "never a text",
                       help=offer, severity=Severity.WARNING)  # fmt: skip


def report_literal(scope: Scope, call: syntax.Call, function: Function, problem: str | None) -> None:
    """What a function says of its literal arguments."""
    if problem is None:
        return
    places = [node for node, parameter in zip(call.arguments, function.parameters, strict=False) if parameter.literal]
    scope.findings.add("RP701", problem, places[0].span if places else call.span)


def check_lua_pattern(scope: Scope, node: syntax.Expression) -> None:
    """A Lua pattern where a regular expression stands, with the spelling that RE2 reads."""
    literal = bare(node)
    text = scope.findings.source.slice(literal.span)
    found = LUA_PATTERN.search(text)
    if found is not None:
        letter = found[1]
        wanted = RE2_CLASSES.get(letter, f"\\{letter}")
        span = Span(literal.span.start + found.start(), literal.span.start + found.end())
        message = f"`{found[0]}` is a Lua pattern, not a regular expression"
        scope.findings.add("RP103", message, span, help=wanted)
