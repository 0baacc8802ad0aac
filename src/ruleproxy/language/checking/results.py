"""What calls give, where arguments tell more than the function's signature does."""

from __future__ import annotations

import re

from ruleproxy.language import syntax
from ruleproxy.language.checking.scope import EVERY, Key, Scope, bare, literal_string
from ruleproxy.language.roots import DATA
from ruleproxy.language.schemas import Shape, join, join_all
from ruleproxy.language.types import INT, LIST, OPTIONAL_STRING, STRING, Type, of

GROUP = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?P?<(?P<name>[A-Za-z_]\w*)>|(?P<plain>\((?!\?))|(?P<other>\(\?)"
                   r"|(?P<close>\))|(?P<bar>\|)", re.DOTALL)  # fmt: skip
"""What matters of a regular expression here: its groups and alternatives, and what only looks like them."""

MAY_BE_LEFT_OUT = re.compile(r"[?*]|\{0?,")

ELEMENT_FUNCTIONS = frozenset({"first", "last", "previous", "next"})
"""Functions that give an element of a list in the message: a place, where the list is one."""


def refine(scope: Scope, call: syntax.Call, arguments: list[Type], declared: Type) -> Type:
    """The type of a call's result."""
    match call.function:
        case "first" | "last" if arguments and arguments[0].item is not None:
            return join(arguments[0].item, of("nil"))
        case "first" | "last" if arguments and arguments[0].shape == "data":
            return join(DATA, of("nil"))
        case "previous" | "next" if arguments:
            return join(arguments[0], of("nil"))
        case "list":
            return Type(LIST.kinds, item=join_all(arguments) if arguments else None)
        case "values":
            item = arguments[0].item if arguments and "list" in arguments[0].kinds else STRING
            return Type(LIST.kinds, item=item)
        case "translate":
            return Type(LIST.kinds, item=STRING)
        case "min" | "max" if arguments and all(argument.kinds == {"int"} for argument in arguments):
            return INT
        case "capture" if len(call.arguments) > 1 and (pattern := literal_string(call.arguments[1])) is not None:
            return type_capture(scope, pattern)
        case "table":
            return DATA
        case "find_error":
            return Type(frozenset(("object", "nil")), "found_error")
    return declared


def type_capture(scope: Scope, pattern: str) -> Type:
    """What a regular expression captures: a string, or an object of its named groups; nil without a match."""
    groups = find_groups(pattern)
    if not any(groups):
        return OPTIONAL_STRING
    fields = {name: OPTIONAL_STRING if optional else STRING for name, optional in groups.items()}
    shape = scope.setting.shapes.make(Shape(fields, "closed"))
    return Type(frozenset(("object", "nil")), shape)


def find_groups(pattern: str) -> dict[str, bool]:
    """The named groups of a regular expression, and whether a match may leave each of them out."""
    groups: dict[str, bool] = {}
    open_groups: list[str | None] = []
    inside: list[list[str]] = []
    alternatives = False
    for match in GROUP.finditer(pattern):
        if match["name"] or match["plain"] or match["other"]:
            open_groups.append(match["name"])
            inside.append([])
            if match["name"]:
                groups[match["name"]] = False
                for names in inside:
                    names.append(match["name"])
        elif match["bar"]:
            alternatives = alternatives or not open_groups
            for name in inside[-1] if inside else []:
                groups[name] = groups[name] or name != open_groups[-1]
        elif match["close"] and open_groups:
            open_groups.pop()
            names = inside.pop()
            if MAY_BE_LEFT_OUT.match(pattern, match.end()):
                groups.update(dict.fromkeys(names, True))
    return dict.fromkeys(groups, True) if alternatives else groups


def origin_of(scope: Scope, expression: syntax.Expression) -> Key | None:
    """The place in a message that a value stands for: None for one that was computed."""
    inner = bare(expression)
    match inner:
        case syntax.Path(base=syntax.Name()):
            key = scope.key_of(inner)
            return None if key is None else scope.resolve(key)
        case syntax.Path(base=syntax.Call(function=function, arguments=arguments), steps=steps):
            if function not in ELEMENT_FUNCTIONS or not arguments:
                return None
            place = origin_of(scope, arguments[0])
            if place is None:
                return None
            key = place if function in ("previous", "next") else (*place, EVERY)
            for step in steps:
                key = (*key, scope.step_of(step, key))
            return key
        case syntax.Binary(operator="??", left=left, right=right):
            return origin_of(scope, left) or origin_of(scope, right)
    return None
