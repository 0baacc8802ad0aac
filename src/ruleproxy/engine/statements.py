"""Statements as lines of Python, each with the place in the rules file that it came from.

Written once to act, and for rules that a picture of the body can answer (`glancing`) once more to tell whether acting
would change nothing: then each action becomes the question that its verb has for that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ruleproxy.engine.expressions import CannotCompile, Scope
from ruleproxy.engine.placing import Places
from ruleproxy.language import syntax
from ruleproxy.language.checking.lessons import Lesson
from ruleproxy.language.signatures import Binding, Choice, Condition, Element, Form, Options, Place, Value, Vocabulary
from ruleproxy.language.source import Span

Watch = Callable[[Span], Callable[[bool], bool]]
"""Who sees what the legs of the `if`s of a rule come to: for a leg, what its value goes through."""


class StatementWriter:
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
        """The condition of an `if` or a `where`, each leg of it watched where somebody does."""
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
        inner = scope.inner(repeated=True)
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
                text = self._expressions.source(argument, scope)
                return f"counted_whole(c, {text})" if scope.repeated and _may_be_large(argument) else text
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
                inner = scope.inner(repeated=True)
                binding = node.arguments["binding"]
                assert isinstance(binding, syntax.Word)
                name = f"{self._expressions.fresh()}_bound"
                inner.names[binding.text] = name
                inner.places.pop(binding.text, None)
                self._expressions.element_names.add(name)
                condition = self._decide(argument, inner)
                return f"lambda lists: [{condition} for them in lists for {name} in them]"
            case Binding():
                return None
        raise CannotCompile(argument, f"this is not what {node.verb} takes here")


def _may_be_large(node: syntax.Expression) -> bool:
    """Whether the rule's own text does not tell how large a value is."""
    match node:
        case syntax.Group():
            return _may_be_large(node.inner)
        case syntax.Literal():
            return False
        case syntax.Table():
            return any(_may_be_large(field.value) for field in node.fields)
    return True


def _condition_of(node: syntax.Action) -> tuple[str, syntax.Expression] | None:
    """The name and the condition that an action has for the elements of lists."""
    binding, condition = node.arguments.get("binding"), node.arguments.get("condition")
    if isinstance(binding, syntax.Word) and condition is not None and not isinstance(condition, syntax.Word):
        return binding.text, condition
    return None
