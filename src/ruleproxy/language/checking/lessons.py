"""What `learn` takes out of a rule: each edit of the request that a run made, as a statement of another rule.

The statement is the author's own text, with gaps where something stood that only that run knew: what was captured
from the answer, a `local`, a parameter, a constant of the file. A gap is filled with its value, written out. What a
condition asked of the request goes along as a guard; what it asked of the answer has been answered. Nothing that is
the request's own is ever written out: an edit that would need it is not learned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ruleproxy.language import syntax
from ruleproxy.language.checking.constraints import split_parts
from ruleproxy.language.roots import ALL_ROOTS
from ruleproxy.language.signatures import Condition, Element, Form, Options, Place, Value, Verb, Vocabulary
from ruleproxy.language.source import Source, Span
from ruleproxy.language.walking import children

_LEARNED_FIELDS = frozenset({"body", "headers", "query"})
_Origins = frozenset[str]
"""Where a value comes from: "request", "answer", "element" (what a condition binds); of none of them, a constant."""

_NOTHING: _Origins = frozenset()
_REQUEST: _Origins = frozenset({"request"})
_KEPT: _Origins = frozenset({"request", "element"})


@dataclass(frozen=True, slots=True)
class Template:
    """Text with gaps: `pieces` is one longer than `gaps`."""

    pieces: tuple[str, ...]
    gaps: tuple[syntax.Expression, ...] = ()

    def fill(self, values: Sequence[str]) -> str:
        """The text, its gaps filled with constants."""
        between = zip(self.pieces, (*values, ""), strict=True)
        return "".join(piece + value for piece, value in between)


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """One statement that edits the request: its text and what has to hold where it is repeated.

    `refusal` is why it is not repeated, None where it is; `place` is where it stands, `FILE:LINE`.
    """

    node: syntax.Action
    place: str
    statement: Template = Template(("",))
    guards: tuple[Template, ...] = ()
    refusal: str | None = None

    @property
    def gaps(self) -> tuple[syntax.Expression, ...]:
        """The expressions whose values fill statement and guards, in order."""
        return (*self.statement.gaps, *(gap for guard in self.guards for gap in guard.gaps))

    def fill(self, values: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        """The text of the statement and those of its guards."""
        start = len(self.statement.gaps)
        guards: list[str] = []
        for guard in self.guards:
            guards.append(guard.fill(values[start : start + len(guard.gaps)]))
            start += len(guard.gaps)
        return self.statement.fill(values[: len(self.statement.gaps)]), tuple(guards)


def find_lessons(rule: syntax.Rule, source: Source, vocabulary: Vocabulary) -> Mapping[int, Lesson]:
    """The lessons of a rule, by the identity of their statements; none where the rule does not learn."""
    finder = _Finder(source, vocabulary)
    if not any(finder.find_verb(action).learns for action in _actions(rule.body)):
        return {}
    finder.walk(rule.body, tuple(finder.guards_of(rule.condition)))
    return finder.lessons


class _Cannot(Exception):
    """Why a statement is not learned."""


@dataclass
class _Finder:
    source: Source
    vocabulary: Vocabulary
    lessons: dict[int, Lesson] = field(default_factory=dict)
    names: dict[str, _Origins] = field(default_factory=dict)
    """The names of the rule: locals, loop variables, what a condition binds."""
    doubt: str | None = None
    """Why no statement from here on is learned."""

    def walk(self, statements: Sequence[syntax.Statement], guards: tuple[Template | _Cannot, ...]) -> None:
        for statement in statements:
            match statement:
                case syntax.Local(name=name, value=value):
                    self.names[name] = self.origins(value)
                case syntax.If():
                    self.walk_branches(statement, guards)
                case syntax.For():
                    self.walk_loop(statement, guards)
                case syntax.Action():
                    self.visit(statement, guards)

    def walk_branches(self, node: syntax.If, guards: tuple[Template | _Cannot, ...]) -> None:
        failed = guards
        for branch in node.branches:
            self.walk(branch.body, (*failed, *self.guards_of(branch.condition)))
            failed = (*failed, *self.guards_of(branch.condition, negated=True))
        self.walk(node.otherwise or (), failed)
        ends = any(self.find_verb(action).ends for action in _actions([node]))
        if ends and any(self.origins(condition) & _KEPT for condition in _conditions(node)):
            self.doubt = self.doubt or f"`if` on line {self.line(node.span)} may end the rule, as the request is"

    def walk_loop(self, node: syntax.For, guards: tuple[Template | _Cannot, ...]) -> None:
        found = self.origins(node.iterable)
        self.names[node.variable] = found
        before = self.doubt
        if found & _KEPT:
            self.doubt = self.doubt or f"the loop on line {self.line(node.span)} goes over the request: write `[*]`"
        self.walk(node.body, guards)
        self.doubt = before

    def visit(self, action: syntax.Action, guards: tuple[Template | _Cannot, ...]) -> None:
        verb = self.find_verb(action)
        form = next((form for form in verb.forms if form.name == action.form), None)
        if form is None or not self.edits_request(action, verb, form):
            return
        place = f"{self.source.name}:{self.line(action.span)}"
        try:
            if self.doubt is not None:
                raise _Cannot(self.doubt)
            self.lessons[id(action)] = Lesson(action, place, self.statement(action, form), tuple(map(_demand, guards)))
        except _Cannot as error:
            self.lessons[id(action)] = Lesson(action, place, refusal=str(error))

    def edits_request(self, action: syntax.Action, verb: Verb, form: Form) -> bool:
        for role, kind in form.arguments.items():
            argument = action.arguments.get(role)
            if isinstance(kind, Place | Element) and isinstance(argument, syntax.Path):
                return "answer" not in self.origins(syntax.Path(argument.span, argument.base, argument.steps[:1]))
        return verb.steers

    # Text

    def statement(self, action: syntax.Action, form: Form) -> Template:
        holes: list[tuple[Span, syntax.Expression]] = []
        for role, kind in form.arguments.items():
            argument = action.arguments.get(role)
            if argument is None or isinstance(argument, syntax.Word):
                continue
            match kind:
                case Place() if isinstance(argument, syntax.Path):
                    holes += self.place(argument)
                case Condition():
                    binding = action.arguments.get("binding")
                    assert isinstance(binding, syntax.Word)
                    self.names[binding.text] = frozenset({"element"})
                    holes += self.holes(argument)
                    del self.names[binding.text]
                case Value() | Options():
                    if self.origins(argument) & _KEPT:
                        raise _Cannot(f"`{self.text(argument.span)}` is of that one request")
                    holes += self.holes(argument)
                case _:
                    raise _Cannot(f"`{self.text(argument.span)}` is an element of that one request")
        return self.cut(action.span, holes)

    def place(self, path: syntax.Path) -> Iterator[tuple[Span, syntax.Expression]]:
        first = path.steps[0] if path.steps else None
        name = path.base.name if isinstance(path.base, syntax.Name) else ""
        if name in self.names:
            raise _Cannot(f"`{self.text(path.span)}` stands for a place in that one request: write it in full")
        if name != "request" or not isinstance(first, syntax.Member) or first.name not in _LEARNED_FIELDS:
            raise _Cannot(f"only body, headers and query are edited up front, not `{self.text(path.span)}`")
        for step in path.steps:
            if isinstance(step, syntax.Index):
                if self.origins(step.key) & _KEPT:
                    raise _Cannot(f"`{self.text(step.key.span)}` is of that one request")
                yield from self.holes(step.key)

    def guards_of(self, node: syntax.Expression | None, *, negated: bool = False) -> list[Template | _Cannot]:
        """What a condition asks of the request, each part that has to hold; what it cannot be asked again in is kept
        as the reason."""
        if node is None:
            return []
        parts = [node] if negated else list(split_parts(node, "and"))
        found: list[Template | _Cannot] = []
        for part in parts:
            if not self.origins(part) & _KEPT:
                continue
            try:
                template = self.cut(part.span, list(self.holes(part)))
            except _Cannot as error:
                found.append(error)
                continue
            wrapped = negated or (isinstance(part, syntax.Binary) and part.operator == "or")
            found.append(_wrap(template, "not (" if negated else "(") if wrapped else template)
        return found

    def holes(self, node: syntax.Node) -> Iterator[tuple[Span, syntax.Expression]]:
        """The largest parts that are neither of the request nor written out already."""
        if isinstance(node, syntax.Literal | syntax.Table | syntax.Unary | syntax.Group) and _is_constant(node):
            return
        if isinstance(node, syntax.Expression) and not self.origins(node) & _KEPT:
            yield node.span, node
            return
        if isinstance(node, syntax.Path) and isinstance(node.base, syntax.Name):
            name = node.base.name
            if "element" not in self.names.get(name, ()) and (name in self.names or name not in ALL_ROOTS):
                raise _Cannot(f"`{self.text(node.span)}` stands for a value of that one request: write it out")
        for child in children(node):
            if not isinstance(child, syntax.Name):
                yield from self.holes(child)

    def cut(self, span: Span, holes: Sequence[tuple[Span, syntax.Expression]]) -> Template:
        pieces: list[str] = []
        start = span.start
        ordered = sorted(holes, key=lambda hole: hole[0].start)
        for hole, _ in ordered:
            pieces.append(self.source.text[start : hole.start])
            start = hole.end
        return Template((*pieces, self.source.text[start : span.end]), tuple(gap for _, gap in ordered))

    # Facts

    def origins(self, node: syntax.Node) -> _Origins:
        if isinstance(node, syntax.Path):
            return self.origins_of_path(node)
        own = _REQUEST if isinstance(node, syntax.Call) and self.is_contextual(node) else _NOTHING
        return own.union(*(self.origins(child) for child in children(node)))

    def origins_of_path(self, path: syntax.Path) -> _Origins:
        found = _NOTHING.union(*(self.origins(step) for step in path.steps))
        if isinstance(path.base, syntax.Call):
            return found | self.origins(path.base)
        name = path.base.name
        if name in self.names:
            return found | self.names[name]
        if name == "original":
            first = path.steps[0] if path.steps else None
            name = first.name if isinstance(first, syntax.Member) else "request"
        match name:
            case "request" | "upstream":
                return found | _REQUEST
            case "response" | "failure" | "stream" | "event":
                return found | {"answer"}
            case _:
                return found

    def is_contextual(self, call: syntax.Call) -> bool:
        function = self.vocabulary.functions.get(call.function)
        return function is None or function.contextual

    def find_verb(self, action: syntax.Action) -> Verb:
        return self.vocabulary.verbs.get(action.verb) or Verb(action.verb, "", "", ())

    def line(self, span: Span) -> int:
        return self.source.position(span.start).line

    def text(self, span: Span) -> str:
        text = " ".join(self.source.slice(span).split())
        return text if len(text) <= 60 else f"{text[:59]}…"


def _demand(guard: Template | _Cannot) -> Template:
    if isinstance(guard, _Cannot):
        raise guard
    return guard


def _wrap(template: Template, opening: str) -> Template:
    first, *rest = template.pieces
    pieces = [opening + first, *rest]
    return Template((*pieces[:-1], f"{pieces[-1]})"), template.gaps)


def _is_constant(node: syntax.Node) -> bool:
    match node:
        case syntax.Literal():
            return True
        case syntax.Table() | syntax.Field() | syntax.Unary() | syntax.Group():
            return all(map(_is_constant, children(node)))
        case _:
            return False


def _select(statements: Sequence[syntax.Statement]) -> Iterator[syntax.Statement]:
    waiting: list[syntax.Statement] = list(statements)
    while waiting:
        current = waiting.pop()
        yield current
        match current:
            case syntax.For(body=body):
                waiting += body
            case syntax.If(branches=branches, otherwise=otherwise):
                waiting += [inner for branch in branches for inner in branch.body]
                waiting += otherwise or ()


def _actions(statements: Sequence[syntax.Statement]) -> Iterator[syntax.Action]:
    return (statement for statement in _select(statements) if isinstance(statement, syntax.Action))


def _conditions(node: syntax.If) -> Iterator[syntax.Expression]:
    for statement in _select([node]):
        match statement:
            case syntax.If(branches=branches):
                yield from (branch.condition for branch in branches)
            case syntax.For(iterable=iterable):
                yield iterable
