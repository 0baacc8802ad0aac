"""Where a secret is in a value: in a call that gives one, in what holds one, or in a table around either."""

from __future__ import annotations

from ruleproxy.language import syntax
from ruleproxy.language.checking.operators import COMPARISONS
from ruleproxy.language.checking.scope import Scope
from ruleproxy.language.signatures import Function
from ruleproxy.language.source import Span
from ruleproxy.language.walking import children


def find_secret(scope: Scope, value: syntax.Expression) -> Span | None:
    """The span of the first secret in a value, or None."""
    functions = scope.setting.vocabulary.functions
    if "secret" not in functions:
        return None
    # What is looked at, the scope that it stands in, and the name in `value` that stands for it, if one does.
    waiting: list[tuple[syntax.Node, Scope, Span | None]] = [(value, scope, None)]
    # A local that names another one twice, which names another one twice, and so on: each is looked at once.
    looked: set[int] = set()
    while waiting:
        node, around, named = waiting.pop()
        match node:
            case syntax.Binary(operator=operator) if operator in COMPARISONS:
                continue
            case syntax.Call(function="secret"):
                return named or node.span
            case syntax.Call(function=name) if name in functions and not takes_secrets(functions[name]):
                continue  # said of the call
            case syntax.Path(base=syntax.Name(name="parameters"), steps=(syntax.Member(name=name), *_), span=span):
                if name in around.setting.secret_parameters:
                    return named or span
            case syntax.Path(base=syntax.Name(name=name), span=span) if name in around.variables:
                held = around.variables[name].value
                if held is not None and id(held) not in looked:
                    looked.add(id(held))
                    waiting.append((held, without(around, name), named or span))
        waiting.extend((child, around, named) for child in reversed(list(children(node))))
    return None


def takes_secrets(function: Function) -> bool:
    """Whether a secret passes through a function, so that it has to be looked for in what comes out."""
    return any("secret" in parameter.type.kinds for parameter in function.parameters)


def without(scope: Scope, name: str) -> Scope:
    """The scope as it was before a variable: what a `local` was given cannot name itself."""
    variables = dict(scope.variables)
    del variables[name]
    return Scope(scope.setting, scope.findings, scope.stage, variables)
