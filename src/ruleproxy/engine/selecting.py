"""Which of many rules can match at all, by what they ask of headers and body: found by look-up, not one by one.

Of a condition that is a chain of `and`s, one leg that asks for a header or a member of the body (`== "literal"`,
`in { … }`, `~= nil`) is enough to pass the rule over where the message has no such header or member. A request has a
score of headers and its rules may be a thousand, so it is the request's headers that are looked up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruleproxy.engine.compiling import CompiledRule
from ruleproxy.engine.glancing import Glance
from ruleproxy.language import syntax
from ruleproxy.language.effects import conjuncts, may_fail

FEW = 8
"""So many rules are evaluated sooner than selected."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a leg asks for: a header or a path of members in the body, and its values (None: any)."""

    header: str | None
    path: tuple[str, ...]
    values: frozenset[str] | None


@dataclass(slots=True)
class _Waiting:
    """The positions of the rules that wait for one header or member: for some value of it, or for any."""

    any_value: list[int] = field(default_factory=list)
    by_value: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, position: int, values: frozenset[str] | None) -> None:
        for value in values or ():
            self.by_value[value].append(position)
        if values is None:
            self.any_value.append(position)

    def found(self, value: object) -> Iterator[int]:
        yield from self.any_value
        if isinstance(value, str) and value in self.by_value:
            yield from self.by_value[value]


@dataclass(slots=True)
class _Member:
    """A level of the body: who waits for this member, and for members of it."""

    waiting: _Waiting = field(default_factory=_Waiting)
    members: dict[str, _Member] = field(default_factory=dict)
    below: list[int] = field(default_factory=list)
    """Everybody who waits here or below."""


class Selector:
    """The index over some rules, in their order."""

    def __init__(self, rules: Sequence[CompiledRule]) -> None:
        self._always: list[int] = []
        self._headers: dict[str, _Waiting] = defaultdict(_Waiting)
        self._body = _Member()
        for position, rule in enumerate(rules):
            asked = _find_asked(rule)
            if asked is None:
                self._always.append(position)
            elif asked.header is not None:
                self._headers[asked.header].add(position, asked.values)
            else:
                self._add_member(position, asked)
        self.useful = len(rules) - len(self._always) >= FEW

    def _add_member(self, position: int, asked: _Asked) -> None:
        member = self._body
        for name in asked.path:
            member = member.members.setdefault(name, _Member())
            member.below.append(position)
        member.waiting.add(position, asked.values)

    def select(self, glance: Glance) -> list[int]:
        """The positions of the rules that may match the message as it is now, in order."""
        chosen = list(self._always)
        headers = glance.headers
        for name in {key.lower() for key, _ in headers.lines}:
            waiting = self._headers.get(name.decode("latin-1"))
            if waiting is not None:
                chosen += waiting.found(headers.get(name.decode("latin-1")))
        if self._body.members:
            chosen += self._select_by_body(glance)
        chosen.sort()
        return chosen

    def _select_by_body(self, glance: Glance) -> Iterator[int]:
        picked = glance.picked()
        for name, member in self._body.members.items() if picked is None else ():
            del name
            yield from member.below
        if picked is not None:
            for name, member in self._body.members.items():
                if not glance.untouched(name):
                    yield from member.below
                elif name in picked:
                    yield from _found_in(member, picked[name])


def _found_in(member: _Member, value: Any) -> Iterator[int]:
    yield from member.waiting.found(value)
    if isinstance(value, dict):
        for name, inner in member.members.items():
            if name in value:
                yield from _found_in(inner, value[name])


def _find_asked(rule: CompiledRule) -> _Asked | None:
    if rule.condition_looks is None or rule.required or rule.shadow:
        return None
    for leg in conjuncts(rule.node.condition):
        asked = _read_leg(leg)
        if asked is not None:
            return asked
        if may_fail(leg):  # what stands behind it is not reached by every message
            return None
    return None


def _read_leg(leg: syntax.Expression) -> _Asked | None:
    if not isinstance(leg, syntax.Binary) or leg.operator not in ("==", "~=", "in"):
        return None
    for path, other in ((leg.left, leg.right), (leg.right, leg.left)):
        place = _read_place(path)
        if place is None:
            continue
        header, members = place
        match other:
            case syntax.Literal(kind="nil"):
                return _Asked(header, members, None) if leg.operator == "~=" else None
            case syntax.Literal(kind="string", value=str(text)) if leg.operator == "==":
                return _Asked(header, members, frozenset((text,)))
            case syntax.Literal(kind="int" | "float" | "bool") if leg.operator == "==":
                return _Asked(header, members, None)
            case syntax.Table(fields=fields) if leg.operator == "in" and path is leg.left and fields:
                return _Asked(header, members, _texts(fields))
        if leg.operator == "in":
            return None
    return None


def _texts(fields: Sequence[syntax.Field]) -> frozenset[str] | None:
    texts: set[str] = set()
    for entry in fields:
        node = entry.key if entry.key is not None else entry.value
        if not isinstance(node, syntax.Literal) or not isinstance(node.value, str):
            return None
        texts.add(node.value)
    return frozenset(texts)


def _read_place(node: syntax.Expression) -> tuple[str | None, tuple[str, ...]] | None:
    match node:
        case syntax.Path(base=syntax.Name(name="request"), steps=(syntax.Member(name=root), *steps)) if steps:
            names = [_step_name(step) for step in steps]
            if root == "headers" and len(names) == 1 and names[0] is not None:
                return names[0].lower(), ()
            if root == "body" and None not in names:
                return None, tuple(name for name in names if name is not None)
    return None


def _step_name(step: syntax.Step) -> str | None:
    match step:
        case syntax.Member(name=name):
            return name
        case syntax.Index(key=syntax.Literal(kind="string", value=str(name))):
            return name
    return None
