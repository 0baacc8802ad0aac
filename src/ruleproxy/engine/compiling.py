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
from ruleproxy.engine.legs import Leg, LegCompiler
from ruleproxy.engine.placing import Places
from ruleproxy.engine.projection import Looks, action_looks, condition_looks, goes_deep
from ruleproxy.engine.statements import StatementWriter, Watch
from ruleproxy.engine.surroundings import NOWHERE
from ruleproxy.language import syntax
from ruleproxy.language.checking.lessons import find_lessons
from ruleproxy.language.effects import Effects, rule_effects
from ruleproxy.language.problems import move_span
from ruleproxy.language.signatures import Side, Surroundings, Vocabulary
from ruleproxy.language.source import Position, Source, Span
from ruleproxy.messages.secrets import Secret

_BODY = "request.body"


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
    def secrets(self) -> list[bytes]:
        """The values of the secrets that the rule writes: what fails in it may repeat them."""
        return [value.reveal().encode() for value in self.act.__globals__.values() if isinstance(value, Secret)]

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


class RuleCompiler(LegCompiler):
    """Compiles the rules of one file, and what is asked of their conditions leg by leg."""

    def compile(self, node: syntax.Rule, name: str, watch: Watch | None = None) -> CompiledRule:
        """One rule. Raises `CannotCompile` where the checker should have spoken, `EditRefused` for a bad literal."""
        flags = {flag.text for flag in node.flags}
        scope = Scope(self._constants, {}, {})
        expressions = Places(self._vocabulary, self._parameters, self._surroundings)
        writer = StatementWriter(
            expressions, self._vocabulary, find_lessons(node, self.source, self._vocabulary), watch
        )
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

    def _run(self, writer: StatementWriter, expressions: Expressions, filename: str) -> dict[str, Any]:
        code: CodeType = compile("\n".join(writer.lines), filename, "exec")
        environment: dict[str, Any] = {**ENVIRONMENT, **expressions.constants}
        exec(code, environment)  # noqa: S102 (source made by Expressions and StatementWriter alone)
        return environment


def _filename(source: Source, node: syntax.Rule) -> str:
    return f"<rule {source.name}:{node.span.start}>"
