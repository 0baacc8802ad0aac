"""Names that a file, a rule or a loop gives to values: none twice, none for nothing."""

from __future__ import annotations

from typing import NamedTuple

from ruleproxy.language.checking.scope import Scope, Variable
from ruleproxy.language.roots import ALL_ROOTS


class Declared(NamedTuple):
    """A variable whose block lasts, and the one of the same name that it hides."""

    variable: Variable
    hidden: Variable | None


def declare(scope: Scope, variable: Variable) -> Declared:
    """Make a variable known, and report a name that there is already."""
    hidden = scope.variables.get(variable.name)
    if hidden is not None:
        scope.findings.add("RP203", f"`{variable.name}` is a name already", variable.span, second=hidden.span,
                           second_label="the first one")  # fmt: skip
        scope.forget_variable(variable.name)
    elif variable.name in ALL_ROOTS:
        message = f"`{variable.name}` is the name of a root"
        scope.findings.add("RP203", message, variable.span, help=f"call it `my_{variable.name}`")
    scope.variables[variable.name] = variable
    return Declared(variable, hidden)


def release(scope: Scope, declared: list[Declared]) -> None:
    """End the block of some variables, and report those that nothing has read."""
    for variable, hidden in reversed(declared):
        name = variable.name
        del scope.variables[name]
        scope.forget_variable(name)
        if hidden is not None:
            hidden.used = hidden.used or variable.used
            scope.variables[name] = hidden
        elif scope.stage == "file" and not scope.findings.whole:
            continue  # what could not be read may have used it
        elif not variable.used and variable.kind == "local" and not name.startswith("_"):
            message = f"`local {name}` is never used"
            scope.findings.add("RP204", message, variable.span, help="remove it, or name it `_…`")
