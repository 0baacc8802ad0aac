"""Expressions of a rule, as Python source text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ruleproxy.engine import asking, runtime
from ruleproxy.engine.surroundings import NOWHERE
from ruleproxy.language import syntax
from ruleproxy.language.signatures import Function, Surroundings, Vocabulary
from ruleproxy.language.types import BOOL
from ruleproxy.messages import places
from ruleproxy.messages.values import NIL

# Roots as attributes of the context `c`: path of names -> source text. What stands behind `headers`, `query` and
# `body` is a step of its own.
READS: Mapping[tuple[str, str], str] = {
    ("request", "method"): "{m}.method",
    ("request", "path"): "{m}.path",
    ("request", "raw_path"): "{m}.raw_path",
    ("request", "api"): "request_api({m})",
    ("request", "model"): "request_model({m})",
    ("request", "wants_stream"): "wants_stream({m})",
    ("request", "query"): "QueryFieldsPlace({m}.query).read()",
    ("request", "headers"): "HeadersPlace({m}.headers).read()",
    ("request", "body"): "{m}.body.root",
    ("response", "status"): "{m}.status",
    ("response", "headers"): "HeadersPlace({m}.headers).read()",
    ("response", "body"): "{m}.body.root",
    ("response", "streamed"): "{m}.streamed",
    ("upstream", "name"): "{m}.name",
    ("upstream", "host"): "{m}.host",
    ("upstream", "base"): "{m}.base",
    ("upstream", "timeout"): "({m}.timeout or NIL)",
    ("upstream", "sign"): "({m}.sign or NIL)",
    ("upstream", "url"): "c.request.url",
    ("event", "type"): "{m}.type",
    ("event", "data"): "{m}.body.root",
    ("stream", "stop_reason"): "{m}.stop_reason",
    ("stream", "saw_tool_use"): "{m}.saw_tool_use",
    ("stream", "events"): "{m}.events",
    ("failure", "kind"): "{m}.kind",
    ("failure", "error"): "{m}.error",
}
BODIES: Mapping[str, str] = {"request": "body", "response": "body", "event": "data"}
_ROOTS: Mapping[str, str] = {
    "request": "c.request",
    "response": "c.response",
    "upstream": "c.request.upstream",
    "event": "c.event",
    "stream": "c.stream",
    "failure": "c.failure",
}
_COMPARISONS = {
    "==": "equals({l}, {r})",
    "~=": "(not equals({l}, {r}))",
    "<": "less({l}, {r})",
    "<=": "less_or_equal({l}, {r})",
    ">": "less({r}, {l})",
    ">=": "less_or_equal({r}, {l})",
    "..": "concat({l}, {r})",
    "in": "is_in({l}, {r})",
    "+": "plus({l}, {r})",
    "-": "minus({l}, {r})",
}

_SHORT = 1_000
"""Characters of a string that is spelled in the source text."""

ENVIRONMENT: Mapping[str, Any] = {
    **{name: getattr(runtime, name) for name in vars(runtime) if not name.startswith("_")},
    **{name: getattr(places, name) for name in ("AttributePlace", "BodyPlace", "HeaderPlace", "HeadersPlace",
                                                "QueryFieldsPlace", "QueryPlace")},
    "NIL": NIL,
    "request_api": asking.request_api,
    "request_model": asking.request_model,
    "wants_stream": asking.wants_stream,
}  # fmt: skip


class CannotCompile(Exception):
    """A rule that the checker would have refused, or that this version cannot run; `node` is the place."""

    def __init__(self, node: syntax.Node, message: str) -> None:
        super().__init__(message)
        self.node = node


@dataclass(slots=True)
class Scope:
    """What the names of a rule stand for: constants of the file, and Python names of locals and loop variables."""

    constants: Mapping[str, Any]
    names: dict[str, str]
    places: dict[str, str]
    repeated: bool = False
    """Whether what stands here is evaluated for each element of a list, so that what it costs is counted."""

    def inner(self, *, repeated: bool = False) -> Scope:
        """A scope inside this one."""
        return Scope(self.constants, dict(self.names), dict(self.places), self.repeated or repeated)


class Expressions:
    """Turns expressions into Python source; constants that the source names are collected in `constants`."""

    def __init__(
        self, vocabulary: Vocabulary, parameters: Mapping[str, Any], surroundings: Surroundings = NOWHERE
    ) -> None:
        self.vocabulary = vocabulary
        self.surroundings = surroundings
        self.parameters = parameters
        self.constants: dict[str, Any] = {}
        self._temporaries = 0
        self.element_names: set[str] = set()
        """Python names of elements of lists."""

    def constant(self, value: Any) -> str:
        """Source text for a value that is known at load time."""
        if value is NIL:
            return "NIL"
        if value is None or isinstance(value, bool | int) or (type(value) is str and len(value) <= _SHORT):
            return repr(value)
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name

    def fresh(self) -> str:
        """A Python name that is used nowhere else."""
        self._temporaries += 1
        return f"t{self._temporaries}"

    def source(self, node: syntax.Expression, scope: Scope) -> str:
        """Source text that evaluates to the value of an expression."""
        match node:
            case syntax.Literal():
                return self.constant(NIL if node.kind == "nil" else node.value)
            case syntax.Group():
                return self.source(node.inner, scope)
            case syntax.Table():
                return self._table(node, scope)
            case syntax.Unary():
                return self._unary(node, scope)
            case syntax.Binary():
                return self._binary(node, scope)
            case syntax.Path():
                return self.path(node, scope)
        raise CannotCompile(node, "not an expression")

    def condition(self, node: syntax.Expression, scope: Scope) -> str:
        """Source text that evaluates to True or False, or raises."""
        text = self.source(node, scope)
        return text if self._is_bool(node) else f"truth({text})"

    def _is_bool(self, node: syntax.Expression) -> bool:
        match node:
            case syntax.Group():
                return self._is_bool(node.inner)
            case syntax.Literal():
                return node.kind == "bool"
            case syntax.Unary():
                return node.operator == "not"
            case syntax.Binary():
                return node.operator in ("and", "or", "==", "~=", "<", "<=", ">", ">=", "in")
            case syntax.Path(base=syntax.Call(function=name), steps=()):
                function = self.vocabulary.functions.get(name)
                return function is not None and function.returns == BOOL
        return False

    def _unary(self, node: syntax.Unary, scope: Scope) -> str:
        match node.operator:
            case "not":
                return f"(not {self.condition(node.operand, scope)})"
            case "-":
                return f"minus(0, {self.source(node.operand, scope)})"
            case _:
                return f"plus(0, {self.source(node.operand, scope)})"

    def _binary(self, node: syntax.Binary, scope: Scope) -> str:
        operator = node.operator
        if operator in ("and", "or"):
            return f"({self.condition(node.left, scope)} {operator} {self.condition(node.right, scope)})"
        left, right = self.source(node.left, scope), self.source(node.right, scope)
        if operator == "??":
            name = self.fresh()
            return f"({name} if (({name} := {left}) is not NIL and {name} is not None) else {right})"
        if operator in ("==", "~="):
            for side, other in ((node.left, right), (node.right, left)):
                literal = side.inner if isinstance(side, syntax.Group) else side
                if isinstance(literal, syntax.Literal) and literal.kind in ("nil", "null", "bool"):
                    return f"({other} {'is' if operator == '==' else 'is not'} {self.source(side, scope)})"
        if operator in ("==", "~=") and (is_text(node.left) or is_text(node.right)) and not self._versions(node):
            return f"({left} {'==' if operator == '==' else '!='} {right})"
        text = _COMPARISONS[operator].format(l=left, r=right)
        if not scope.repeated:
            return text
        match operator:
            case "==" | "~=":
                # Its own two sides are counted there, once it is known that they are compared to their depths.
                return text.replace("equals(", "equals_counted(c, ", 1)
            case "in":
                return text.replace("is_in(", "is_in_counted(c, ", 1)
            case "..":
                return f"counted(c, {text})"
        return text

    def _versions(self, node: syntax.Binary) -> bool:
        # A version equals the text that spells it: only what surely holds none takes Python's own `==`.
        return not all(_holds_no_version(side) for side in (node.left, node.right))

    def _table(self, node: syntax.Table, scope: Scope) -> str:
        if all(field.key is None for field in node.fields) and node.fields:
            return f"make_list({', '.join(self.source(field.value, scope) for field in node.fields)})"
        pairs: list[str] = []
        for field in node.fields:
            if field.key is None:
                raise CannotCompile(field, "a list and an object in one table")
            pairs.append(f"({self.source(field.key, scope)}, {self.source(field.value, scope)})")
        return f"make_object({', '.join(pairs)})"

    def _call(self, node: syntax.Call, scope: Scope) -> str:
        function = self.vocabulary.functions.get(node.function)
        if function is None:
            raise CannotCompile(node, f"unknown function `{node.function}`")
        if function.load is not None:
            return self.constant(function.load(self.surroundings, *_literals(function, node)))
        evaluate = self._prepared(function, node)
        arguments = [self.source(argument, scope) for argument in node.arguments]
        if scope.repeated:
            arguments = [
                f"counted(c, {text})" if self._is_of_all(argument, scope) else text
                for argument, text in zip(node.arguments, arguments, strict=True)
            ]
        if function.contextual:
            arguments.insert(0, "c")
        if scope.repeated and function.returns != BOOL:
            return f"counted(c, {self.constant(evaluate)}({', '.join(arguments)}))"
        return f"{self.constant(evaluate)}({', '.join(arguments)})"

    def _is_of_all(self, node: syntax.Expression, scope: Scope) -> bool:
        """Whether a value is the same one for each element of a list, and not part of the element."""
        if not isinstance(node, syntax.Path) or not isinstance(node.base, syntax.Name):
            return False
        name = node.base.name
        of_element = name in scope.places or scope.names.get(name) in self.element_names
        return not of_element and name not in scope.constants and name != "parameters"

    def _prepared(self, function: Function, node: syntax.Call) -> Callable[..., Any]:
        if function.prepare is None:
            return function.evaluate
        literals = [argument.value if isinstance(argument, syntax.Literal) and argument.kind == "string" else None
                    for argument in node.arguments]  # fmt: skip
        for parameter, argument, literal in zip(function.parameters, node.arguments, literals, strict=False):
            if parameter.literal and literal is None:
                return function.evaluate if function.name == "glob" else _refuse(argument, function)
        return function.prepare(*literals)

    def path(self, node: syntax.Path, scope: Scope) -> str:
        """Source text for the value of a path, a list where it names many."""
        if isinstance(node.base, syntax.Call):
            return self.steps(self._call(node.base, scope), node.steps, scope)
        name = node.base.name
        if name in scope.names:
            return self.steps(scope.names[name], node.steps, scope)
        if name in scope.constants:
            return self.steps(self.constant(scope.constants[name]), node.steps, scope)
        if name == "parameters":
            return self.steps(self.constant(self.parameters), node.steps, scope)
        return self._rooted(node, scope)

    def _rooted(self, node: syntax.Path, scope: Scope) -> str:
        assert isinstance(node.base, syntax.Name)
        root, message, steps = self.root(node)
        if not steps or not isinstance(steps[0], syntax.Member):
            raise CannotCompile(node, f"`{node.base.name}` needs a field")
        field, rest = steps[0].name, steps[1:]
        if field in ("headers", "query") and rest:
            return f"{message}.{field}.get({self.key(rest[0], scope)})"
        read = READS.get((root, field))
        if read is None:
            raise CannotCompile(steps[0], f"{root} has no field `{field}`")
        return self.steps(read.format(m=message), rest, scope)

    def root(self, node: syntax.Path) -> tuple[str, str, tuple[syntax.Step, ...]]:
        """The root that a path begins with, source text for its message, and the steps behind it."""
        assert isinstance(node.base, syntax.Name)
        root, steps = node.base.name, node.steps
        if root == "original":
            if not steps or not isinstance(steps[0], syntax.Member):
                raise CannotCompile(node, "`original` needs request or response")
            root, steps = steps[0].name, steps[1:]
            return root, f"c.original.{root}", steps
        if root not in _ROOTS:
            raise CannotCompile(node, f"unknown name `{root}`")
        return root, _ROOTS[root], steps

    def key(self, step: syntax.Step, scope: Scope) -> str:
        """Source text for the name that a step asks for."""
        match step:
            case syntax.Member():
                return repr(step.name)
            case syntax.Index():
                return self.source(step.key, scope)
        raise CannotCompile(step, "a name is needed here")

    def steps(self, text: str, steps: tuple[syntax.Step, ...], scope: Scope) -> str:
        """Source text for what steps find in the value of another text."""
        many = False
        if text in self.element_names and steps and isinstance(steps[0], syntax.Member):
            # Mostly plain data, whose members can be read without a call: there are hundreds of elements.
            name = repr(steps[0].name)
            text = f"({text}.get({name}, NIL) if type({text}) is dict else member({text}, {name}))"
            steps = steps[1:]
        for step in steps:
            match step:
                case syntax.Every():
                    text = f"every_of_each({text})" if many else f"every({text})"
                    text = f"counted(c, {text})" if scope.repeated else text
                    many = True
                case syntax.AnyDepth():
                    counter = ", c" if scope.repeated else ""
                    text = f"any_depth_of_each({text}{counter})" if many else f"any_depth({text}{counter})"
                    many = True
                case _:
                    text = f"member{'_of_each' if many else ''}({text}, {self.key(step, scope)})"
        return text


def _literals(function: Function, node: syntax.Call) -> list[str]:
    found: list[str] = []
    for argument in node.arguments:
        if not isinstance(argument, syntax.Literal) or argument.kind != "string" or not isinstance(argument.value, str):
            raise CannotCompile(argument, f"{function.name} takes a name that is written out")
        found.append(argument.value)
    if len(found) != len(function.parameters):
        raise CannotCompile(node, f"{function.name} takes one name")
    return found


def is_text(node: syntax.Expression) -> bool:
    """Whether an expression is a string that is written out."""
    return isinstance(node, syntax.Literal) and node.kind == "string"


def _holds_no_version(node: syntax.Expression) -> bool:
    # A field of a message: versions come out of functions, and may wait in locals.
    return is_text(node) or (isinstance(node, syntax.Path) and isinstance(node.base, syntax.Name) and bool(node.steps))


def _refuse(argument: syntax.Expression, function: Function) -> Callable[..., Any]:
    raise CannotCompile(argument, f"{function.name} takes a pattern that is written out")
