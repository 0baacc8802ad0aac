"""What a rule reads, writes and may do, and what its condition asks of method and path: always an over-estimate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ruleproxy.language import syntax
from ruleproxy.language.roots import ALL_ROOTS
from ruleproxy.language.signatures import Element, Form, Place, Verb, Vocabulary
from ruleproxy.language.walking import children

READ_FROM_BODY = ("request.body", "request.model", "request.wants_stream", "original.request.body",
                  "original.request.model", "original.request.wants_stream")  # fmt: skip
"""What can only be read by opening the request's body: clients put model and stream flag there."""

OPENS_REQUEST = frozenset({"fake_stream", "collect_stream", "repair_stream"})
"""Verbs that look into the request's body although no argument of theirs names it."""

PICKING = frozenset({"first", "last", "previous", "next"})
"""Functions that give an element of a list in the message."""

MAY_FAIL = ("..", "<", "<=", ">", ">=", "+", "-")
"""Operators that fail the rule on a value of the wrong kind."""

Origins = tuple[str, ...]

Required = frozenset[str] | None
"""The values that a condition asks for; None where any will do."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What a rule may do. Paths are as written, through variables, with `[*]` where an index is not known.

    `methods` and `paths` are those that the condition asks of the request; None where it may hold for any.
    """

    side: str
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()
    methods: Required = None
    paths: Required = None
    needs_request_body: bool = False
    needs_response_body: bool = False
    can_stop: bool = False
    can_respond: bool = False
    can_retry: bool = False
    can_fake: bool = False
    can_drop: bool = False


@dataclass(slots=True)
class Walk:
    """What has been seen of a rule so far; `origins` are its variables and the paths that each may stand for."""

    forms: Mapping[str, tuple[Verb, Form]]
    reads: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)
    verbs: set[str] = field(default_factory=set)
    origins: dict[str, Origins] = field(default_factory=dict)


def rule_effects(rule: syntax.Rule, vocabulary: Vocabulary) -> Effects:
    """What a rule may do, read off its tree; never less than it does."""
    walk = Walk(vocabulary.forms)
    if rule.condition is not None:
        read_expression(walk, rule.condition)
    read_block(walk, rule.body)
    verbs = frozenset(walk.verbs)
    touched = walk.reads | walk.writes
    careful = any(flag.text == "required" for flag in rule.flags)
    retries = any(vocabulary.verbs[name].retries for name in verbs if name in vocabulary.verbs)
    return Effects(
        side=rule.side.text,
        reads=frozenset(walk.reads),
        writes=frozenset(walk.writes),
        verbs=verbs,
        methods=required_values(rule.condition, "method", careful=careful),
        paths=required_values(rule.condition, "path", careful=careful),
        needs_request_body=bool(verbs & OPENS_REQUEST) or any(path.startswith(READ_FROM_BODY) for path in touched),
        needs_response_body=any(path.startswith(("response.body", "original.response.body")) for path in touched),
        can_stop="stop" in verbs,
        can_respond="respond" in verbs,
        can_retry=retries or "retry" in verbs,
        can_fake="fake_stream" in verbs,
        can_drop="drop" in verbs,
    )


def read_block(walk: Walk, statements: Sequence[syntax.Statement]) -> None:
    """Follow the statements of a block."""
    outer = dict(walk.origins)
    for statement in statements:
        match statement:
            case syntax.Local(name=name, value=value):
                read_expression(walk, value)
                walk.origins[name] = origins_of(walk, value)
            case syntax.For(variable=name, iterable=iterable, body=body):
                read_expression(walk, iterable)
                hidden = dict(walk.origins)
                walk.origins[name] = every(origins_of(walk, iterable))
                read_block(walk, body)
                walk.origins = hidden
            case syntax.If(branches=branches, otherwise=otherwise):
                for branch in branches:
                    read_expression(walk, branch.condition)
                    read_block(walk, branch.body)
                read_block(walk, otherwise or ())
            case syntax.Action():
                read_action(walk, statement)
    walk.origins = outer


def read_action(walk: Walk, action: syntax.Action) -> None:
    """Follow a statement that begins with its verb."""
    walk.verbs.add(action.verb)
    _, form = walk.forms.get(action.form, (None, None))
    hidden = dict(walk.origins)
    binding, over = action.arguments.get("binding"), action.arguments.get("place")
    if isinstance(binding, syntax.Word) and isinstance(over, syntax.Path):
        walk.origins[binding.text] = every(show_path(walk, over))
    for role, argument in action.arguments.items():
        if isinstance(argument, syntax.Word):
            continue
        # A place is read as well: what a verb does depends on what is there.
        read_expression(walk, argument)
        if isinstance(argument, syntax.Path) and is_written(form, role):
            walk.writes.update(show_path(walk, argument))
    walk.origins = hidden


def is_written(form: Form | None, role: str) -> bool:
    """Whether an argument is a place that is written; of forms that are not known, any may be."""
    return form is None or isinstance(form.arguments.get(role), Place | Element)


def read_expression(walk: Walk, node: syntax.Node) -> None:
    """Add every path of a message in an expression."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, syntax.Path):
            walk.reads.update(show_path(walk, current))
        waiting.extend(children(current))


def origins_of(walk: Walk, value: syntax.Expression) -> Origins:
    """The paths in a message that a value may be; none for a value of its own."""
    match value:
        case syntax.Group(inner=inner):
            return origins_of(walk, inner)
        case syntax.Path(base=syntax.Name()):
            return show_path(walk, value)
        case syntax.Path(base=syntax.Call(function=function, arguments=arguments), steps=steps):
            inside = tuple(path for argument in arguments for path in origins_of(walk, argument))
            # What a function gives may be anything in what it was given: only of these is more known.
            within = inside if function in ("previous", "next") else tuple(f"{path}[**]" for path in inside)
            within = every(inside) if function in ("first", "last") else within
            return tuple(follow(path, steps) for path in within)
        case syntax.Binary(operator="??", left=left, right=right):
            return origins_of(walk, left) + origins_of(walk, right)
    return ()


def every(paths: Origins) -> Origins:
    """The members of what paths name."""
    return tuple(path if path.endswith("[*]") else f"{path}[*]" for path in paths)


def show_path(walk: Walk, path: syntax.Path) -> Origins:
    """A path as text, through the variable that it begins with; nothing for what is in no message."""
    if isinstance(path.base, syntax.Call):
        # What computes gives a value of its own; what picks an element gives a place in the message.
        return origins_of(walk, path) if path.base.function in PICKING and path.steps else ()
    name = path.base.name
    bases = walk.origins.get(name, (name,) if name in ALL_ROOTS else ())
    return tuple(follow(base, path.steps) for base in bases)


def follow(base: str, steps: Sequence[syntax.Step]) -> str:
    """A path with some more steps; names of headers are in lower case."""
    for step in steps:
        text = show_step(step)
        base += text.lower() if base.endswith(("request.headers", "response.headers")) else text
    return base


def show_step(step: syntax.Step) -> str:
    """A step as text."""
    match step:
        case syntax.Member(name=name):
            return f".{name}"
        case syntax.Index(key=syntax.Literal(kind="string", value=value)):
            text = str(value)
            return f".{text}" if text.isidentifier() else f'["{text}"]'
        case syntax.AnyDepth():
            return "[**]"
    return "[*]"


def required_values(condition: syntax.Expression | None, attribute: str, *, careful: bool) -> Required:
    """The values of `request.method` or `request.path` without which a condition cannot hold.

    `careful` looks no further than the first part that may fail: a rule that is required acts by failing, too.
    """
    required: Required = None
    for leg in conjuncts(condition):
        if careful and may_fail(leg):
            return required
        required = both(required, values_of(leg, attribute))
    return required


def conjuncts(node: syntax.Expression | None) -> Iterator[syntax.Expression]:
    """The parts of a condition that all have to hold, from left to right."""
    match node:
        case None:
            return
        case syntax.Group(inner=inner):
            yield from conjuncts(inner)
        case syntax.Binary(operator="and", left=left, right=right):
            yield from conjuncts(left)
            yield from conjuncts(right)
        case _:
            yield node


def may_fail(leg: syntax.Expression) -> bool:
    """Whether evaluating a condition may fail the rule: by an operator, a function, or a value that is no bool."""
    match leg:
        case syntax.Path():
            return True
        case syntax.Group(inner=inner) | syntax.Unary(operator="not", operand=inner):
            return may_fail(inner)
        case syntax.Binary(operator="and" | "or", left=left, right=right):
            return may_fail(left) or may_fail(right)
    waiting: list[syntax.Node] = [leg]
    while waiting:
        current = waiting.pop()
        if isinstance(current, syntax.Call | syntax.Unary):
            return True
        if isinstance(current, syntax.Binary) and current.operator in MAY_FAIL:
            return True
        waiting.extend(children(current))
    return False


def values_of(node: syntax.Expression, attribute: str) -> Required:
    """The values of an attribute of the request for which an expression may hold; None for any."""
    match node:
        case syntax.Group(inner=inner):
            return values_of(inner, attribute)
        case syntax.Binary(operator="and", left=left, right=right):
            return both(values_of(left, attribute), values_of(right, attribute))
        case syntax.Binary(operator="or", left=left, right=right):
            mine, other = values_of(left, attribute), values_of(right, attribute)
            return None if mine is None or other is None else mine | other
        case syntax.Binary(operator="==", left=left, right=right):
            for operand, literal in ((left, right), (right, left)):
                if is_attribute(operand, attribute) and (text := text_of(literal)) is not None:
                    return frozenset((text,))
        case syntax.Binary(operator="in", left=left, right=syntax.Table(fields=fields)):
            texts = [text_of(entry.value) if entry.key is None else None for entry in fields]
            if is_attribute(left, attribute) and texts and None not in texts:
                return frozenset(text for text in texts if text is not None)
    return None


def both(left: Required, right: Required) -> Required:
    """What is asked for by two parts that both have to hold."""
    return right if left is None else left if right is None else left & right


def is_attribute(node: syntax.Expression, attribute: str) -> bool:
    """Whether an expression is `request.<attribute>`."""
    match node:
        case syntax.Group(inner=inner):
            return is_attribute(inner, attribute)
        case syntax.Path(base=syntax.Name(name="request"), steps=(syntax.Member(name=name),)):
            return name == attribute
    return False


def text_of(node: syntax.Expression) -> str | None:
    """The value of a string that is written out."""
    match node:
        case syntax.Group(inner=inner):
            return text_of(inner)
        case syntax.Literal(kind="string", value=str(text)):
            return text
    return None
