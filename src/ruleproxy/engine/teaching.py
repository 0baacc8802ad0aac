"""What a rule that learns did, as the text of a rule: guarded by upstream and model, and loaded as any other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ruleproxy.engine.asking import request_model
from ruleproxy.engine.compiling import CompiledRule, RuleCompiler
from ruleproxy.engine.context import Recorded, Recording, RunContext
from ruleproxy.engine.expressions import CannotCompile
from ruleproxy.engine.masking import mask_text
from ruleproxy.engine.vocabulary import check_literal, load_vocabulary
from ruleproxy.language import syntax
from ruleproxy.language.checking import check_files
from ruleproxy.language.constants import write_constant, write_string
from ruleproxy.language.diagnostics import Severity
from ruleproxy.language.formatting import format_file
from ruleproxy.language.parsing import parse
from ruleproxy.language.source import Source
from ruleproxy.messages.nodes import Node, plain
from ruleproxy.messages.secrets import Secret
from ruleproxy.messages.values import NIL, EditRefused, Value

LONGEST_VALUE = 500
"""Characters of a constant that a learned rule writes out."""

LONGEST_NAME = 60
"""Characters of a statement or of a model in the name of a rule: it stands in one line of the log."""

_KEPT_MEMBERS = frozenset({"model", "messages", "max_tokens"})
_KEPT_IN_MESSAGES = frozenset({"role", "content"})
_LIST_FORMS = frozenset({"strip_where", "strip_from", "move", "add", "limit"})
_OBJECT_FORMS = frozenset({"inject", "inject_default"})


class NotLearned(Exception):
    """Why edits are not made up front; the message is for people."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """Edits to make up front: the text of a rule's condition and statements, and where they come from.

    `rule` and `place` name the rule that made them, `host` is the upstream's.
    """

    rule: str
    place: str
    upstream: str
    host: str
    model: str
    body: str
    first: str
    number: int = 1

    @property
    def name(self) -> str:
        """The name of the rule; `number` tells it from others that begin alike."""
        last = f" {self.number}" if self.number > 1 else ""
        return _printable(f"learned: {self.rule}: {self.first} ({self.model[:LONGEST_NAME]} at {self.upstream}){last}")

    @property
    def text(self) -> str:
        """The rule as it would stand in a file, not yet formatted."""
        origin = " ".join(f'"{self.rule}" ({self.place}), of {self.host}'.split())
        return f"-- learned by {_printable(origin)}\nrule {write_string(self.name)} on request\n{self.body}\nend\n"


def write_lesson(recording: Recording, context: RunContext) -> Lesson:
    """The lesson of a run; `context` is that of the run. Raises `NotLearned`."""
    model, upstream = request_model(context.request), context.request.upstream
    if not isinstance(model, str):
        raise NotLearned("the request names no model")
    if not recording.statements:
        raise NotLearned("the rule edited nothing of the request")
    written = list(map(_write_statement, recording.statements))
    common = _common_guards([guards for _, guards in written])
    asked = [f"upstream.name == {_write(upstream.name)}", f"request.model == {_write(model)}", *common]
    lines = [f"when {' and '.join(asked)} then"]
    for guards, group in groupby(written, key=lambda pair: pair[1]):
        inner = [guard for guard in guards if guard not in common]
        statements = [statement for statement, _ in group]
        lines += [f"if {' and '.join(inner)} then", *statements, "end"] if inner else statements
    first = " ".join(written[0][0].split())
    if len(first) > LONGEST_NAME or len(written) > 1:
        first = f"{first[:LONGEST_NAME].rstrip()}…"
    return Lesson(recording.rule, recording.place, upstream.name, upstream.host, model, "\n".join(lines), first)


def load_lesson(lesson: Lesson, secrets: Collection[str]) -> tuple[str, CompiledRule]:
    """The text of a learned rule as the formatter writes it, and the rule. Raises `NotLearned`."""
    if any(secret in lesson.text for secret in secrets) or mask_text(lesson.body) != lesson.body:
        raise NotLearned("a credential would stand in it")
    tree, problems = parse(Source("learned", lesson.text))
    rules = [item for item in tree.items if isinstance(item, syntax.Rule)]
    if problems or len(rules) != 1 or len(tree.items) != 1:
        raise NotLearned(f"it cannot be written as a rule: {_first(problems)}")
    text = format_file(tree)
    tree, _ = parse(Source("learned", text))
    vocabulary = load_vocabulary()
    errors = [
        found
        for found in check_files([tree], vocabulary, check_literal=check_literal)
        if found.severity is Severity.ERROR
    ]
    if errors:
        raise NotLearned(f"it would not be a right rule: {_first(errors)}")
    (rule,) = tree.items
    assert isinstance(rule, syntax.Rule)
    for action in _actions(rule.body):
        _refuse_kept(action)
    try:
        return text, RuleCompiler(tree.source, {}, vocabulary, {}).compile(rule, rule.name)
    except (CannotCompile, EditRefused) as error:
        raise NotLearned(f"it would not be a right rule: {error}") from None


def _write_statement(recorded: Recorded) -> tuple[str, tuple[str, ...]]:
    lesson = recorded.lesson
    if lesson.refusal is not None:
        raise NotLearned(f"{lesson.place}: {lesson.refusal}")
    if isinstance(recorded.values, str):
        raise NotLearned(f"{lesson.place}: {recorded.values}")
    try:
        return lesson.fill(tuple(map(_write, recorded.values)))
    except NotLearned as error:
        raise NotLearned(f"{lesson.place}: {error}") from None


def _write(value: Value) -> str:
    value = plain(value) if isinstance(value, Node) else value
    if value is NIL:
        return "nil"
    if _holds_secret(value):
        raise NotLearned("a secret would stand in it")
    try:
        text = write_constant(value)
    except ValueError as error:
        raise NotLearned(str(error)) from None
    if len(text) > LONGEST_VALUE:
        raise NotLearned(f"a value of {len(text)} characters would stand in it, {LONGEST_VALUE} are the most")
    return text


def _holds_secret(value: Value) -> bool:
    match value:
        case Secret():
            return True
        case dict():
            return any(map(_holds_secret, value.values()))
        case list():
            return any(map(_holds_secret, value))
        case _:
            return False


def _common_guards(all_guards: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    first, *others = all_guards
    length = 0
    while length < len(first) and all(guards[: length + 1] == first[: length + 1] for guards in others):
        length += 1
    return first[:length]


def _actions(statements: Sequence[syntax.Statement]) -> Iterator[syntax.Action]:
    for statement in statements:
        match statement:
            case syntax.Action():
                yield statement
            case syntax.If(branches=branches):
                for branch in branches:
                    yield from _actions(branch.body)


def _refuse_kept(action: syntax.Action) -> None:
    """Refuse what would take a request's substance away, whatever an upstream says. Raises `NotLearned`."""
    place = action.arguments.get("place")
    if not isinstance(place, syntax.Path):
        return
    names = [_name_of(step) for step in place.steps]
    if names[:1] != ["body"] or action.form == "strip_at":  # which guards itself
        return
    kept = _kept_by(action, names[1:])
    if kept is not None:
        raise NotLearned(f"{kept} of a request is never edited up front")


def _kept_by(action: syntax.Action, names: Sequence[str]) -> str | None:
    written = _names_written(action)
    if not names:
        if action.form not in _OBJECT_FORMS or not written:
            return "the body as a whole"
        return next((name for name in written if name in _KEPT_MEMBERS), None)
    if names[0] in _KEPT_MEMBERS and len(names) == 1:
        return names[0]
    if names[0] != "messages":
        return next((name for name in written if len(names) == 1 and name in _KEPT_MEMBERS), None)
    if action.form in _OBJECT_FORMS and len(names) == 2:
        return "a message" if not written else next((n for n in written if n in _KEPT_IN_MESSAGES), None)
    if len(names) == 2 or (len(names) == 3 and names[2] in _KEPT_IN_MESSAGES and action.form not in _LIST_FORMS):
        return "a message" if len(names) == 2 else f"the {names[2]} of a message"
    return None


def _names_written(action: syntax.Action) -> list[str]:
    """The names that an action gives to members: of the object that it merges, or its new name."""
    match action.arguments.get("object") or action.arguments.get("name"):
        case syntax.Table(fields=fields):
            keys = (field.key for field in fields)
            return [key.value for key in keys if isinstance(key, syntax.Literal) and isinstance(key.value, str)]
        case syntax.Literal(value=str() as name):
            return [name]
        case _:
            return []


def _name_of(step: syntax.Step) -> str:
    match step:
        case syntax.Member(name=name):
            return name
        case syntax.Index(key=syntax.Literal(value=str() as name)):
            return name
        case _:
            return "[*]"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _first(found: Sequence[object]) -> str:
    return getattr(found[0], "message", "several things") if found else "several things"
