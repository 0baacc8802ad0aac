"""What shapes are made of, and how a value is compared with one.

The wordings are those of Pydantic, which is what the provider's own validator prints: a dotted path in which a
member of a union is named by its tag (`tools.0.custom.name`, `system.2.cache_control.ephemeral.scope`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, a number or a flag; `choices` and `minimum` narrow it."""

    kind: Literal["string", "integer", "number", "boolean"]
    choices: tuple[str, ...] = ()
    minimum: int | None = None


@dataclass(frozen=True, slots=True)
class Anything:
    """An object of any members, or with `any_type` any value at all."""

    any_type: bool = False


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list; with `or_string` a plain string will do as well."""

    element: Shape
    or_string: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """An object of known members; those not `required` may be absent or null."""

    members: Mapping[str, Shape]
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tagged:
    """One of several records, told apart by their `type`; `absent` is the tag of one that has no `type`."""

    records: Mapping[str, Record]
    absent: str = ""


Shape = Scalar | Anything | ListOf | Record | Tagged

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def find_faults(shape: Shape, value: object, path: str = "") -> Iterator[str]:
    """Each way in which a value departs from its shape, as `path: words`, members before strangers."""
    match shape:
        case Scalar():
            yield from _scalar_faults(shape, value, path)
        case Anything(any_type):
            if not any_type and not isinstance(value, dict):
                yield f"{path}: Input should be a valid dictionary"
        case ListOf(element, or_string):
            if isinstance(value, list):
                for index, each in enumerate(value):
                    yield from find_faults(element, each, _join(path, index))
            elif not (or_string and isinstance(value, str)):
                yield f"{path}: Input should be a valid {'string' if or_string else 'list'}"
        case Record():
            yield from _record_faults(shape, value, path)
        case Tagged():
            yield from _tagged_faults(shape, value, path)


def _join(path: str, name: str | int) -> str:
    return f"{path}.{name}" if path else str(name)


def _scalar_faults(shape: Scalar, value: object, path: str) -> Iterator[str]:
    wrong = not isinstance(value, _PYTHON_TYPES[shape.kind])
    if wrong or (isinstance(value, bool) and shape.kind != "boolean"):
        yield f"{path}: Input should be a valid {shape.kind}"
    elif shape.choices and value not in shape.choices:
        yield f"{path}: Input should be {' or '.join(repr(choice) for choice in shape.choices)}"
    elif shape.minimum is not None and isinstance(value, int | float) and value < shape.minimum:
        yield f"{path}: Input should be greater than or equal to {shape.minimum}"


def _record_faults(shape: Record, value: object, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: Input should be a valid dictionary"
        return
    for name, member in shape.members.items():
        if name in value:
            if value[name] is not None or name in shape.required:
                yield from find_faults(member, value[name], _join(path, name))
        elif name in shape.required:
            yield f"{_join(path, name)}: Field required"
    for name in value:
        if name not in shape.members:
            yield f"{_join(path, name)}: Extra inputs are not permitted"


def _tagged_faults(shape: Tagged, value: object, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: Input should be a valid dictionary"
        return
    tag = value.get("type", shape.absent or None)
    if tag is None:
        yield f"{path}: Unable to extract tag using discriminator 'type'"
    elif not isinstance(tag, str) or tag not in shape.records:
        expected = ", ".join(repr(known) for known in shape.records)
        yield (f"{path}: Input tag {str(tag)!r} found using 'type' does not match any of the expected tags: {expected}")
    else:
        yield from _record_faults(shape.records[tag], value, _join(path, tag))
