"""What is known of bodies and events: shapes by format, read from the files beside this one."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast, get_args

from ruleproxy.language.types import JSON, Kind, Type, of

FOLDER = Path(__file__).with_name("schemas")
MOST_MERGED = 12
"""Shapes that are joined into one; of more than that nothing is known but that they are objects."""

Growth = Literal["closed", "growing", "open"]


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields of an object.

    Other fields cannot be ("closed"), are probably new ("growing"), or are as good as these ("open"), and hold `other`.
    """

    fields: Mapping[str, Type]
    growth: Growth = "growing"
    other: Type = JSON


@dataclass(frozen=True, slots=True)
class Format:
    """The shapes of one provider format; `event` is the prefix of its events, or the one shape that they all have."""

    request: tuple[str, ...] = ()
    response: tuple[str, ...] = ()
    event: str | None = None


@dataclass(frozen=True, slots=True)
class Schemas:
    """Everything that the files say."""

    shapes: Mapping[str, Shape]
    formats: Mapping[str, Format]
    paths: Mapping[str, str]


@cache
def load_schemas() -> Schemas:
    """The schemas that are shipped, read once in a process."""
    shapes: dict[str, Shape] = {}
    formats: dict[str, Format] = {}
    paths: dict[str, str] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        paths.update(tables.pop("paths", {}))
        for name, parts in tables.pop("formats", {}).items():
            formats[name] = Format(
                tuple(parts.get("request", ())), tuple(parts.get("response", ())), parts.get("event")
            )
        for name, fields in tables.items():
            shapes[name] = Shape({key: join(parse_type(text), of("nil")) for key, text in fields.items()})
    return Schemas(shapes, formats, paths)


def parse_type(text: str) -> Type:
    """The type that a schema file spells: kinds, `[element]` and `{shape}`, with ` | ` between them.

    In brackets stands a kind or the name of a shape. Raises `ValueError` for a word that is neither.
    """
    return join_all([parse_alternative(part.strip()) for part in text.split("|")])


def parse_alternative(text: str) -> Type:
    """One of the alternatives of a type."""
    if text.startswith("["):
        inner = text.strip("[]")
        item = parse_alternative(inner) if inner in get_args(Kind) else Type(frozenset(("object",)), inner)
        return Type(frozenset(("list",)), item=item)
    if text.startswith("{"):
        return Type(frozenset(("object",)), text.strip("{}"))
    if text == "number":
        return of("int", "float")
    if text not in get_args(Kind):
        raise ValueError(f"a schema knows no type {text!r}")
    return of(cast(Kind, text))


def format_of(path: str) -> str | None:
    """The format that a request path (decoded, without query) carries, as far as it is known."""
    for ending, name in load_schemas().paths.items():
        if path.endswith(ending) and (name != "bedrock.invoke" or "/model/" in path):
            return name
    return None


def join(left: Type, right: Type) -> Type:
    """What one or the other may be, with what is known of their insides where it goes together."""
    if left == right:
        return left
    kinds = left.kinds | right.kinds
    shape = join_known(left, right, "object", left.shape, right.shape, join_names)
    item = join_known(left, right, "list", left.item, right.item, join)
    choices = join_known(left, right, "string", left.choices, right.choices, frozenset.union)
    if "bool" in kinds and "string" not in kinds:
        choices = join_known(left, right, "bool", left.choices, right.choices, frozenset.union)
    return Type(kinds, shape, item, choices)


def join_all(types: Sequence[Type]) -> Type:
    """What any of these may be, at least one: in halves, or what is known of thousands is copied for each."""
    if len(types) == 1:
        return types[0]
    middle = len(types) // 2
    return join(join_all(types[:middle]), join_all(types[middle:]))


def join_known(left: Type, right: Type, kind: Kind, mine: Any, other: Any, both: Any) -> Any:
    """What is known of a kind of value after a join: what one side says where only it can be of that kind."""
    if kind not in left.kinds:
        return other
    if kind not in right.kinds:
        return mine
    return None if mine is None or other is None else both(mine, other)


def join_names(left: str, right: str) -> str | None:
    """The name of two shapes as one."""
    names = sorted({*left.split("|"), *right.split("|")})
    return "|".join(names) if len(names) <= MOST_MERGED else None


def merge_shapes(shapes: Iterable[Shape]) -> Shape:
    """One shape for values that may have any of these; a field that not all of them have may be nil."""
    merged = list(shapes)
    growths = {shape.growth for shape in merged}
    growth: Growth = "open" if "open" in growths else "growing" if "growing" in growths else "closed"
    fields: dict[str, Type] = {}
    for name in dict.fromkeys(name for shape in merged for name in shape.fields):
        known = [shape.fields[name] for shape in merged if name in shape.fields]
        fields[name] = join_all(known if len(known) == len(merged) else [*known, of("nil")])
    return Shape(fields, growth, join_all([shape.other for shape in merged]))


@dataclass(slots=True)
class Shapes:
    """All shapes by name: those of the files, those of roots, and those made of tables during one check."""

    known: dict[str, Shape] = field(default_factory=dict)
    names: dict[object, str] = field(default_factory=dict)
    members: dict[str, Type] = field(default_factory=dict)

    def make(self, shape: Shape) -> str:
        """The name of a shape that a rules file spells; equal ones have one name."""
        key = (frozenset(shape.fields.items()), shape.growth, shape.other)
        name = self.names.get(key)
        if name is None:
            name = self.names[key] = f"#{len(self.names)}"
            self.known[name] = shape
        return name

    def find(self, name: str) -> Shape:
        """The shape of a name, or of several names with `|` between them."""
        shape = load_schemas().shapes.get(name) or self.known.get(name)
        if shape is None:
            shape = self.known[name] = merge_shapes(self.find(part) for part in name.split("|"))
        return shape

    def any_member(self, name: str) -> Type:
        """The type of a member whose name is not known."""
        found = self.members.get(name)
        if found is None:
            shape = self.find(name)
            types = [*shape.fields.values(), of("nil")]
            found = self.members[name] = join_all(types if shape.growth == "closed" else [shape.other, *types])
        return found
