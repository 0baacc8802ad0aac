"""Conditions leg by leg: what traces, tests and coverage ask for. Rules that run evaluate theirs in one piece."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ruleproxy.engine.context import RunContext
from ruleproxy.engine.expressions import ENVIRONMENT, Expressions, Scope
from ruleproxy.engine.surroundings import NOWHERE
from ruleproxy.language import syntax
from ruleproxy.language.signatures import Surroundings, Vocabulary
from ruleproxy.language.source import Source


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


class LegCompiler:
    """Takes the conditions of one file apart.

    A leg is compiled when its value is first asked for; that raises `CannotCompile`, and `EditRefused` as rules do.
    """

    def __init__(
        self,
        source: Source,
        constants: Mapping[str, Any],
        vocabulary: Vocabulary,
        parameters: Mapping[str, Any],
        surroundings: Surroundings = NOWHERE,
    ) -> None:
        self.source = source
        self._constants = constants
        self._vocabulary = vocabulary
        self._parameters = parameters
        self._surroundings = surroundings

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
        operands: tuple[syntax.Expression, ...] = ()
        if isinstance(inner, syntax.Binary) and inner.operator not in ("and", "or"):
            operands = (inner.left, inner.right)
        elif isinstance(inner, syntax.Path) and isinstance(inner.base, syntax.Call):
            operands = inner.base.arguments
        return Leg(
            self._text(node),
            self._lazily(node, condition=True),
            tuple(
                (self._text(operand), self._lazily(operand))
                for operand in operands
                if not isinstance(operand, syntax.Literal | syntax.Table)
            ),
        )

    def _text(self, node: syntax.Expression) -> str:
        return " ".join(self.source.slice(node.span).split())

    def _lazily(self, node: syntax.Expression, *, condition: bool = False) -> Callable[[RunContext], Any]:
        compiled: list[Callable[[RunContext], Any]] = []

        def evaluate(context: RunContext) -> Any:
            if not compiled:
                expressions = Expressions(self._vocabulary, self._parameters, self._surroundings)
                scope = Scope(self._constants, {}, {})
                text = expressions.condition(node, scope) if condition else expressions.source(node, scope)
                environment = {**ENVIRONMENT, **expressions.constants}
                compiled.append(eval(f"lambda c: {text}", environment))  # noqa: S307 (source made by Expressions alone)
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
