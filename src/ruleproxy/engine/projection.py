"""The part of a body that decides whether rules act at all, read without opening the body.

Most rules change nothing on most messages. What their conditions and their verbs look at is known when they are
compiled, so one pass of the decoder can pick just that out of a body (a third of the time of a full decoding, and
almost nothing is allocated). On what was picked out, a rule says whether it would change anything; only if so is the
body opened. The picture is right or there is none: whatever does not fit its expected shape has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

import msgspec
from msgspec import Raw

from ruleproxy.language import syntax
from ruleproxy.language.effects import Walk, every, origins_of, show_path
from ruleproxy.language.signatures import Place, Vocabulary
from ruleproxy.language.walking import children

# Asking whether such a value is there, empty or of a kind needs none of its insides.
_SHALLOW_FUNCTIONS = frozenset({"blank", "count", "is_string", "is_list", "is_object", "is_number"})
# Reading one of these as a value means reading most of a body: the body is opened instead.
_LARGE = frozenset({"content", "messages", "tools", "system", "input", "input_schema", "body"})
_DERIVED = {"request.model": "request.body.model", "request.wants_stream": "request.body.stream"}


@dataclass(slots=True)
class Looks:
    """What somebody looks at in a body: `values` are read, of `structure` only presence, kind and emptiness.

    Paths as in `effects`, from `request.body` or `response.body`. `possible` is False where they cannot be told.
    """

    values: set[str] = field(default_factory=set)
    structure: set[str] = field(default_factory=set)
    possible: bool = True

    def names(self, root: str) -> frozenset[str]:
        """The top-level members that are looked at."""
        paths = (path.removeprefix(root + ".") for path in self.values | self.structure if path != root)
        return frozenset(path.partition(".")[0].partition("[")[0] for path in paths)


class _Looker:
    def __init__(self, vocabulary: Vocabulary, root: str) -> None:
        self.vocabulary = vocabulary
        self.root = root
        self.walk = Walk({})
        self.looks = Looks()

    def note(self, paths: Iterable[str], into: set[str]) -> None:
        for path in paths:
            path = _DERIVED.get(path, path)
            if path.startswith("original."):
                self.looks.possible = False
            if path == self.root or path.startswith((self.root + ".", self.root + "[")):
                into.add(path)

    def value(self, node: syntax.Node) -> None:
        match node:
            case syntax.Path(base=syntax.Name(), steps=steps):
                self.note(show_path(self.walk, node), self.looks.values)
                self._keys(steps)
            case syntax.Path(base=syntax.Call(function=function, arguments=arguments), steps=steps):
                self._keys(steps)
                for argument in arguments:
                    if function in _SHALLOW_FUNCTIONS and isinstance(argument, syntax.Path):
                        self.shape(argument)
                    else:
                        self.value(argument)
                if function in ("previous", "next"):
                    self.looks.possible = False
            case syntax.Binary(operator="==" | "~=", left=left, right=right) if _is_nil(left) or _is_nil(right):
                for side in (left, right):
                    self.shape(side)
            case _:
                for child in children(node):
                    self.value(child)

    def shape(self, node: syntax.Node) -> None:
        if isinstance(node, syntax.Path) and isinstance(node.base, syntax.Name):
            self.note(show_path(self.walk, node), self.looks.structure)
            self._keys(node.steps)
        else:
            self.value(node)

    def _keys(self, steps: Iterable[syntax.Step]) -> None:
        for step in steps:
            if isinstance(step, syntax.Index):
                self.value(step.key)
                if not isinstance(step.key, syntax.Literal):
                    self.looks.possible = False
            elif isinstance(step, syntax.AnyDepth):
                self.looks.possible = False

    def block(self, statements: Iterable[syntax.Statement]) -> None:
        outer = dict(self.walk.origins)
        for statement in statements:
            match statement:
                case syntax.Local(name=name, value=value):
                    self.value(value)
                    self.walk.origins[name] = origins_of(self.walk, value)
                case syntax.For(variable=name, iterable=iterable, body=body):
                    self.shape(iterable)
                    hidden = dict(self.walk.origins)
                    self.walk.origins[name] = every(origins_of(self.walk, iterable))
                    self.block(body)
                    self.walk.origins = hidden
                case syntax.If(branches=branches, otherwise=otherwise):
                    for branch in branches:
                        self.value(branch.condition)
                        self.block(branch.body)
                    self.block(otherwise or ())
                case syntax.Action():
                    self.action(statement)
        self.walk.origins = outer

    def action(self, action: syntax.Action) -> None:
        try:
            _, form = self.vocabulary.forms[action.form]
        except KeyError:
            self.looks.possible = False
            return
        hidden = dict(self.walk.origins)
        binding, over = action.arguments.get("binding"), action.arguments.get("place")
        if isinstance(over, syntax.Path):
            paths = show_path(self.walk, over)
            if form.looks is not None:
                for look in form.looks(action):
                    # The members of a list are looked at for what they are, anything else for being there.
                    into = self.looks.values if look.endswith("[*]") else self.looks.structure
                    self.note((path + look for path in paths), into)
            if isinstance(binding, syntax.Word):
                self.walk.origins[binding.text] = every(paths)
        for role, argument in action.arguments.items():
            if isinstance(argument, syntax.Word):
                continue
            if isinstance(form.arguments.get(role), Place):
                self.shape(argument)
            else:
                self.value(argument)
        self.walk.origins = hidden


def condition_looks(rule: syntax.Rule, vocabulary: Vocabulary) -> Looks:
    """What the condition of a rule looks at in the body of its side."""
    looker = _Looker(vocabulary, f"{rule.side.text}.body")
    if rule.condition is not None:
        looker.value(rule.condition)
    return _settle(looker)


def action_looks(rule: syntax.Rule, vocabulary: Vocabulary) -> Looks:
    """What the statements of a rule look at before they change anything."""
    looker = _Looker(vocabulary, f"{rule.side.text}.body")
    looker.block(rule.body)
    return _settle(looker)


def _settle(looker: _Looker) -> Looks:
    looks = looker.looks
    large = (path for path in looks.values if path.rsplit(".", 1)[-1].partition("[")[0] in _LARGE)
    if any(large) or looker.root in looks.values:
        looks.possible = False
    return looks


def _is_nil(node: syntax.Expression) -> bool:
    return isinstance(node, syntax.Literal) and node.kind == "nil"


@dataclass(slots=True)
class _Shape:
    value: bool = False
    fields: dict[str, _Shape] = field(default_factory=dict)
    items: _Shape | None = None

    def reach(self, steps: Iterator[str]) -> _Shape:
        shape = self
        for step in steps:
            if step == "[*]":
                shape.items = shape.items or _Shape()
                shape = shape.items
            else:
                shape = shape.fields.setdefault(step, _Shape())
        return shape

    def type(self) -> Any:
        if self.value:
            return Any
        scalars = str | int | float | bool | None
        many: Any = list[Raw] if self.items is None else list[self.items.type()]  # type: ignore[misc]
        if not self.fields:
            return scalars | many | dict[str, Raw]
        types = {name: shape.type() for name, shape in self.fields.items()}
        return scalars | many | TypedDict("Picked", types, total=False)  # type: ignore[operator]


Pick = Callable[[bytes], dict[str, Any] | None]


def make_pick(looks: Iterable[Looks], root: str) -> tuple[Pick, frozenset[str]]:
    """What picks all these out of a body, and the names of the top-level members that it tells of.

    Gives None for a body that is no object, is not JSON, or has another shape than expected somewhere.
    """
    shape = _Shape()
    for look in looks:
        for paths, value in ((look.structure, False), (look.values, True)):
            for path in paths:
                if path != root:
                    shape.reach(_steps(path.removeprefix(root))).value |= value
    types: Mapping[str, Any] = {name: inner.type() for name, inner in shape.fields.items()}
    decode = msgspec.json.Decoder(TypedDict("Body", dict(types), total=False)).decode  # type: ignore[operator]

    def pick(source: bytes) -> dict[str, Any] | None:
        try:
            picked: dict[str, Any] = decode(source)
        except (msgspec.DecodeError, RecursionError):
            return None
        return picked

    return pick, frozenset(types)


def _steps(path: str) -> Iterator[str]:
    for part in path.split("."):
        name, *indexes = part.split("[*]")
        if name:
            yield name
        yield from ("[*]" for _ in indexes)


def goes_deep(node: syntax.Node, vocabulary: Vocabulary) -> bool:
    """Whether a rule, or a part of one, goes through the elements of lists or through anything deeper."""
    match node:
        case syntax.Every() | syntax.AnyDepth() | syntax.For():
            return True
        case syntax.Action(form=name) if name in vocabulary.forms:
            _, form = vocabulary.forms[name]
            if form.looks is not None and any("[*]" in look for look in form.looks(node)):
                return True
    return any(goes_deep(child, vocabulary) for child in children(node))
