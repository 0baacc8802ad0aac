"""Types of expressions: sets of kinds. A value of a rule has one kind; what the checker knows of it is a set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

Kind = Literal[
    "string", "int", "float", "bool", "null", "list", "object", "duration", "version", "secret", "nil"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Type:
    """The kinds that a value may have, and for lists and objects what is known of their insides.

    `shape` names a schema of `ruleproxy.language.schemas` for objects, `item` is the type of a list's elements,
    `choices` are the strings that a string is known to be one of.
    """

    kinds: frozenset[Kind]
    shape: str | None = None
    item: Type | None = None
    choices: frozenset[str] | None = field(default=None)

    def __or__(self, other: Type) -> Type:
        """What one or the other may be."""
        choices = self.choices | other.choices if self.choices is not None and other.choices is not None else None
        item = self.item | other.item if self.item is not None and other.item is not None else self.item or other.item
        shape = self.shape if self.shape == other.shape else None
        return Type(self.kinds | other.kinds, shape, item, choices)

    def without(self, *kinds: Kind) -> Type:
        """The same without some kinds."""
        return Type(self.kinds - set(kinds), self.shape, self.item, self.choices)

    def __str__(self) -> str:
        if self.kinds >= ANY.kinds - {"nil", "secret", "duration", "version"}:
            return "any value" if "nil" in self.kinds else "any value but nil"
        order = [kind for kind in get_args(Kind) if kind in self.kinds]
        return " or ".join([", ".join(order[:-1]), order[-1]] if len(order) > 1 else order) or "nothing"


def of(*kinds: Kind) -> Type:
    """A type of these kinds."""
    return Type(frozenset(kinds))


ANY = of(*get_args(Kind))
JSON = of("string", "int", "float", "bool", "null", "list", "object", "nil")
"""What a body field may be: clients are not trusted to follow a schema."""
STRING = of("string")
BOOL = of("bool")
INT = of("int")
NUMBER = of("int", "float")
LIST = of("list")
OBJECT = of("object")
NIL_TYPE = of("nil")
OPTIONAL_STRING = of("string", "nil")
