"""Rules compiled to Python, once per load.

Each rule becomes two functions of a run context `c`: its condition and its statements, one Python line a statement,
so that the line of a failure is the place in the rules file. Nothing of a rule's text is ever put into the source
but through `repr` of a string, a number, or a name made here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Any

from ruleproxy.engine.context import RunContext
from ruleproxy.engine.expressions import ENVIRONMENT, CannotCompile, Expressions, Scope
from ruleproxy.engine.placing import Places
from ruleproxy.engine.projection import Looks, action_looks, condition_looks, goes_deep
from ruleproxy.engine.surroundings import NOWHERE
from ruleproxy.language import syntax
from ruleproxy.language.checking.lessons import Lesson, find_lessons
from ruleproxy.language.effects import Effects, rule_effects
from ruleproxy.language.problems import move_span
from ruleproxy.language.signatures import (
    Binding,
    Choice,
    Condition,
    Element,
    Form,
    Options,
    Place,
    Side,
    Surroundings,
    Value,
    Vocabulary,
)
from ruleproxy.language.source import Position, Source, Span

_BODY = "request.body"


Watch = Callable[[Span], Callable[[bool], bool]]
"""Who sees what the legs of the `if`s of a rule come to: for a leg, what its value goes through."""


@dataclass(slots=True)
class CompiledRule:
    """A rule that runs. `applies` and `act` raise `EditRefused`; `place_of` tells where in the file that was."""

    name: str
    side: Side
    source: Source
    node: syntax.Rule
    required: bool
    shadow: bool
    applies: Callable[[RunContext], bool] | None
    act: Callable[[RunContext], None]
    spans: Mapping[int, Span]
    compiler: RuleCompiler = field(repr=False)
    effects: Effects = field(default_factory=lambda: Effects("request"))
    idle: Callable[[RunContext], bool] | None = None
    """On a picture of the body: whether `act` would surely change nothing (see `glancing`)."""
    condition_looks: frozenset[str] | None = None
    action_looks: frozenset[str] | None = None
    """The top-level members of the body that condition and statements look at; None where that cannot be told."""
    looks: tuple[Looks, ...] = ()
    deep: bool = False
    """Whether it goes through the elements of lists, or anything deeper, so that most of a body is looked at."""
    _legs: tuple[Leg, ...] | None = field(default=None, init=False, repr=False)

    @property
    def legs(self) -> tuple[Leg, ...]:
        """The legs of the condition: only traces ask for them."""
        if self._legs is None:
            self._legs = self.compiler.legs(self.node.condition)
        return self._legs

    def moved(self, node: syntax.Rule, compiler: RuleCompiler) -> CompiledRule:
        """The same rule where the same text stands now, with the compiler of the file that it stands in."""
        distance = node.span.start - self.node.span.start
        spans = self.spans
        if distance:
            spans = {line: move_span(span, distance) for line, span in spans.items()}
        return replace(self, source=compiler.source, node=node, spans=spans, compiler=compiler)

    @property
    def position(self) -> Position:
        """Where the rule begins."""
        return self.source.position(self.node.span.start)

    @property
    def place(self) -> str:
        """`file:line` of the rule."""
        return f"{self.source.name}:{self.position.line}"

    def place_of(self, error: BaseException) -> Position:
        """Where in the rules file an error came from."""
        trace = error.__traceback__
        span = self.node.span
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self.act.__code__.co_filename:
                span = self.spans.get(trace.tb_lineno, span)
            trace = trace.tb_next
        return self.source.position(span.start)


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of the `and`s of a condition: its text, its value, and its operands for the trace."""

    text: str
    holds: Callable[[RunContext], bool]
    operands: tuple[tuple[str, Callable[[RunContext], Any]], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Branch:
    """A part of a condition: two that `and` or `or` joins, or one leg."""

    operator: str = ""
    parts: tuple[Branch, ...] = ()
    leg: Leg | None = None


def evaluate_constant(
    node: syntax.Expression,
    constants: Mapping[str, Any],
    vocabulary: Vocabulary,
    parameters: Mapping[str, Any],
    surroundings: Surroundings = NOWHERE,
) -> Any:
    """The value of a file-level `local` or of a parameter, at load time. Raises `CannotCompile`, `EditRefused`."""
    expressions = Expressions(vocabulary, parameters, surroundings)
    text = expressions.source(node, Scope(constants, {}, {}))
    code = compile(text, "constant", "eval")
    if "c" in code.co_names:
        raise CannotCompile(node, "a message is not there at the level of the file")
    return eval(code, {**ENVIRONMENT, **expressions.constants})  # noqa: S307 (source made by Expressions alone)


class RuleCompiler:
    """Compiles the rules of one file."""

    def __init__(
        self,
        source: Source,
        constants: Mapping[str, Any],
        vocabulary: Vocabulary,
        parameters: Mapping[str, Any],
        surroundings: Surroundings = NOWHERE,
    ) -> None:
        self._surroundings = surroundings
        self.source = source
        self._constants = constants
        self._vocabulary = vocabulary
        self._parameters = parameters

    def compile(self, node: syntax.Rule, name: str, watch: Watch | None = None) -> CompiledRule:
        """One rule. Raises `CannotCompile` where the checker should have spoken, `EditRefused` for a bad literal."""
        flags = {flag.text for flag in node.flags}
        scope = Scope(self._constants, {}, {})
        expressions = Places(self._vocabulary, self._parameters, self._surroundings)
        writer = _Writer(expressions, self._vocabulary, find_lessons(node, self.source, self._vocabulary), watch)
        writer.line("def act(c):", node.span)
        writer.block(node.body, scope.inner(), depth=0)
        condition = None
        if node.condition is not None:
            writer.line("def applies(c):", node.condition.span, outer=True)
            writer.line(f" return {expressions.condition(node.condition, scope)}", node.condition.span, outer=True)
        looks = action_looks(node, self._vocabulary), condition_looks(node, self._vocabulary)
        on_request = node.side.text == "request"
        acting = on_request and looks[0].possible
        if acting:
            writer.probing = True
            writer.line("def idle(c):", node.span, outer=True)
            writer.block(node.body, scope.inner(), depth=0)
            writer.line("return True", node.span, depth=0)
        environment = self._run(writer, expressions, _filename(self.source, node))
        if node.condition is not None:
            condition = environment["applies"]
        return CompiledRule(
            name=name,
            side=node.side.text,  # type: ignore[arg-type]  # the checker knows the sides
            source=self.source,
            node=node,
            required="required" in flags,
            shadow="shadow" in flags,
            applies=condition,
            act=environment["act"],
            spans=writer.spans,
            compiler=self,
            effects=rule_effects(node, self._vocabulary),
            idle=environment.get("idle"),
            condition_looks=looks[1].names(_BODY) if on_request and looks[1].possible else None,
            action_looks=looks[0].names(_BODY) if acting else None,
            looks=tuple(look for look in looks if on_request and look.possible),
            deep=goes_deep(node, self._vocabulary),
        )

    def _run(self, writer: _Writer, expressions: Expressions, filename: str) -> dict[str, Any]:
        code: CodeType = compile("\n".join(writer.lines), filename, "exec")
        environment: dict[str, Any] = {**ENVIRONMENT, **expressions.constants}
        exec(code, environment)  # noqa: S102 (source made by Expressions and _Writer alone)
        return environment

    def legs(self, condition: syntax.Expression | None) -> tuple[Leg, ...]:
        """The legs of the `and`s of a condition, none where there is none."""
        return tuple(self._leg(leg) for leg in _conjuncts(condition))

    def branch(self, condition: syntax.Expression) -> Branch:
        """A condition down to what its `and`s and `or`s join."""
        match condition:
            case syntax.Group(inner=inner):
                return self.branch(inner)
            case syntax.Binary(operator="and" | "or" as operator):
                return Branch(operator, (self.branch(condition.left), self.branch(condition.right)))
            case _:
                return Branch(leg=self._leg(condition))

    def _leg(self, node: syntax.Expression) -> Leg:
        inner = node.inner if isinstance(node, syntax.Group) else node
        operands: list[syntax.Expression] = []
        if isinstance(inner, syntax.Binary) and inner.operator not in ("and", "or"):
            operands = [
                side for side in (inner.left, inner.right) if not isinstance(side, syntax.Literal | syntax.Table)
            ]
        elif isinstance(inner, syntax.Path) and isinstance(inner.base, syntax.Call):
            operands = [side for side in inner.base.arguments if not isinstance(side, syntax.Literal | syntax.Table)]
        return Leg(
            " ".join(self.source.slice(node.span).split()),
            self._lazily(node, condition=True),
            tuple((" ".join(self.source.slice(side.span).split()), self._lazily(side)) for side in operands),
        )

    def _lazily(self, node: syntax.Expression, *, condition: bool = False) -> Callable[[RunContext], Any]:
        # Only traces ask for legs: most are never compiled.
        compiled: list[Callable[[RunContext], Any]] = []

        def evaluate(context: RunContext) -> Any:
            if not compiled:
                expressions = Expressions(self._vocabulary, self._parameters, self._surroundings)
                scope = Scope(self._constants, {}, {})
                text = expressions.condition(node, scope) if condition else expressions.source(node, scope)
                environment = {**ENVIRONMENT, **expressions.constants}
                compiled.append(eval(f"lambda c: {text}", environment))  # noqa: S307 (as above)
            return compiled[0](context)

        return evaluate


def _conjuncts(node: syntax.Expression | None) -> list[syntax.Expression]:
    match node:
        case None:
            return []
        case syntax.Binary(operator="and"):
            return _conjuncts(node.left) + _conjuncts(node.right)
        case _:
            return [node]


def _filename(source: Source, node: syntax.Rule) -> str:
    return f"<rule {source.name}:{node.span.start}>"


class _Writer:
    """Python lines of one rule and the spans they came from."""

    def __init__(
        self, expressions: Places, vocabulary: Vocabulary, lessons: Mapping[int, Lesson], watch: Watch | None
    ) -> None:
        self.lines: list[str] = []
        self.spans: dict[int, Span] = {}
        self.probing = False
        self._expressions = expressions
        self._vocabulary = vocabulary
        self._lessons = lessons
        self._watch = watch

    def line(self, text: str, span: Span, *, depth: int = -1, outer: bool = False) -> None:
        """One line of source, indented by depth."""
        self.lines.append(text if outer else " " * (depth + 1) + text)
        self.spans[len(self.lines)] = span

    def block(self, statements: tuple[syntax.Statement, ...], scope: Scope, depth: int) -> None:
        """The lines of a block of statements."""
        start = len(self.lines)
        for statement in statements:
            self._statement(statement, scope, depth)
        if len(self.lines) == start:
            self.lines.append(" " * (depth + 1) + "pass")

    def _statement(self, node: syntax.Statement, scope: Scope, depth: int) -> None:
        match node:
            case syntax.Local():
                value = self._expressions.source(node.value, scope)
                name = f"{self._expressions.fresh()}_local"
                self.line(f"{name} = {value}", node.span, depth=depth)
                scope.names[node.name] = name
                scope.places.pop(node.name, None)
            case syntax.If():
                for index, branch in enumerate(node.branches):
                    condition = self._decide(branch.condition, scope)
                    self.line(f"{'elif' if index else 'if'} {condition}:", branch.condition.span, depth=depth)
                    self.block(branch.body, scope.inner(), depth + 1)
                if node.otherwise is not None:
                    self.line("else:", node.span, depth=depth)
                    self.block(node.otherwise, scope.inner(), depth + 1)
            case syntax.For():
                self._loop(node, scope, depth)
            case syntax.Action():
                self._action(node, scope, depth)

    def _decide(self, node: syntax.Expression, scope: Scope) -> str:
        """The condition of an `if`, each leg of it watched where somebody does."""
        match node:
            case _ if self._watch is None or self.probing:
                return self._expressions.condition(node, scope)
            case syntax.Group(inner=inner):
                return self._decide(inner, scope)
            case syntax.Binary(operator="and" | "or" as operator):
                return f"({self._decide(node.left, scope)} {operator} {self._decide(node.right, scope)})"
        return f"{self._expressions.constant(self._watch(node.span))}({self._expressions.condition(node, scope)})"

    def _loop(self, node: syntax.For, scope: Scope, depth: int) -> None:
        values = self._expressions.fresh()
        element = f"{values}_element"
        self.line(
            f"{values} = elements({self._expressions.source(node.iterable, scope)})", node.iterable.span, depth=depth
        )
        self.line(f"c.spend(len({values}))", node.iterable.span, depth=depth)
        self.line(f"for {element} in {values}:", node.span, depth=depth)
        inner = scope.inner()
        inner.names[node.variable] = f"current({element})"
        inner.places[node.variable] = element
        self.block(node.body, inner, depth + 1)

    def _action(self, node: syntax.Action, scope: Scope, depth: int) -> None:
        try:
            verb, form = self._vocabulary.forms[node.form]
        except KeyError:
            raise CannotCompile(node, f"unknown verb `{node.verb}`") from None
        arguments: list[str] = []
        for role, kind in form.arguments.items():
            argument = node.arguments.get(role)
            if argument is not None and (text := self._argument(node, kind, argument, scope)) is not None:
                arguments.append(f"{role}={text}")
        if self.probing:
            self._probe(node, form, arguments, depth)
            return
        if (lesson := self._lessons.get(id(node))) is not None:
            gaps = "".join(f"{self._expressions.source(gap, scope)}, " for gap in lesson.gaps)
            self.line(f"c.record({self._expressions.constant(lesson)}, lambda: ({gaps}))", node.span, depth=depth)
        call = f"{self._expressions.constant(form.apply)}({', '.join(['c', *arguments])})"
        self.line(f"return {call}" if verb.ends else call, node.span, depth=depth)

    def _probe(self, node: syntax.Action, form: Form, arguments: list[str], depth: int) -> None:
        if form.idle is None:
            self.line("return False", node.span, depth=depth)
        else:
            call = f"{self._expressions.constant(form.idle)}({', '.join(['c', *arguments])})"
            self.line(f"if not {call}: return False", node.span, depth=depth)

    def _argument(self, node: syntax.Action, kind: object, argument: syntax.Argument, scope: Scope) -> str | None:
        match kind:
            case Value() | Options() if not isinstance(argument, syntax.Word):
                return self._expressions.source(argument, scope)
            case Place(each=True) if isinstance(argument, syntax.Path):
                return self._expressions.lists(argument, scope, _condition_of(node), picture=self.probing)
            case Place() if (
                isinstance(argument, syntax.Path)
                and self.probing
                and (values := self._expressions.body_values(argument, scope))
            ):
                return values
            case Place() if isinstance(argument, syntax.Path):
                return self._expressions.place(argument, scope)
            case Element() if isinstance(argument, syntax.Path):
                return f"{self._expressions.place(argument, scope)}[0]"
            case Choice() if isinstance(argument, syntax.Word):
                return repr(argument.text)
            case Condition() if not isinstance(argument, syntax.Word):
                inner = scope.inner()
                binding = node.arguments["binding"]
                assert isinstance(binding, syntax.Word)
                name = f"{self._expressions.fresh()}_bound"
                inner.names[binding.text] = name
                inner.places.pop(binding.text, None)
                condition = self._expressions.condition_on(name, argument, inner)
                return f"lambda lists: [{condition} for them in lists for {name} in them]"
            case Binding():
                return None
        raise CannotCompile(argument, f"this is not what {node.verb} takes here")


def _condition_of(node: syntax.Action) -> tuple[str, syntax.Expression] | None:
    """The name and the condition that an action has for the elements of lists."""
    binding, condition = node.arguments.get("binding"), node.arguments.get("condition")
    if isinstance(binding, syntax.Word) and condition is not None and not isinstance(condition, syntax.Word):
        return binding.text, condition
    return None
