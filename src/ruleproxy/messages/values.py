"""The values that rules compute with, and their way back to JSON text.

JSON            here
null            None
absent          NIL
true, false     bool
string          str   (SourceText where the text holds a lone surrogate)
number          int, or float (SourceNumber: the spelling is kept for a copy)
array, object   a node of a document (json_bytes), or list and dict for what a rule wrote out
"""

from __future__ import annotations

from enum import Enum
from math import isfinite
from typing import Any, Final

import orjson


class Nil(Enum):
    """The type of `NIL`."""

    # A value that is no JSON: orjson writes enums as their values, and nil must never be written.
    NIL = ...

    def __repr__(self) -> str:
        return "nil"

    def __bool__(self) -> bool:
        return False


NIL: Final = Nil.NIL
"""Absence: what reading through an absent parent gives. JSON null is None."""

Value = Any
"""A value of the table above. Node types live above this module, so the union cannot be written here."""


LONGEST_TEXT: Final = 64 * 1024 * 1024
"""Characters of a text, or bytes of a JSON text, that a rule makes."""


class SourceNumber(float):
    """A number with the JSON token it was read from, so that copying it does not spell it anew."""

    __slots__ = ("token",)
    token: bytes

    def __new__(cls, token: bytes) -> SourceNumber:
        """The number that a token spells."""
        number = super().__new__(cls, token)
        number.token = token
        return number


class SourceText(str):
    """A string whose JSON token holds lone surrogates: its characters have U+FFFD there, its token has not."""

    __slots__ = ("token",)
    token: bytes


class EditRefused(Exception):
    """An edit that cannot be made safely; the rule that asked for it fails with this message and is undone."""


def encode(value: Value) -> bytes:
    """Compact JSON for a value; nodes are embedded as their current bytes.

    Raises `EditRefused` for what JSON cannot say: nil, infinities, lone surrogates built by a rule; and for what is
    longer than `LONGEST_TEXT`, as a value is that holds itself twice, again and again.
    """
    try:
        text = orjson.dumps(value, default=_embed, option=orjson.OPT_PASSTHROUGH_SUBCLASS)
    except orjson.JSONEncodeError as error:
        if isinstance(error.__cause__, EditRefused):
            raise error.__cause__ from None
        text = _encode_slowly(value)
    if len(text) > LONGEST_TEXT:
        raise EditRefused(f"a value would be longer than {LONGEST_TEXT} bytes")
    return text


def _embed(value: Value) -> orjson.Fragment:
    # orjson asks here for every type that it does not know.
    match value:
        case SourceNumber() | SourceText():
            return orjson.Fragment(value.token)
        case _ if hasattr(value, "to_json"):
            return orjson.Fragment(value.to_json())
    raise EditRefused("nil has no place in JSON" if value is NIL.value else f"a {type(value).__name__} is not JSON")


def _encode_slowly(value: Value) -> bytes:
    # What orjson refuses and JSON can say: integers past 64 bits.
    match value:
        case bool() | None | float():
            return encode(value)
        case int():
            return str(value).encode()
        case dict():
            return b"{%s}" % b",".join(encode(str(k)) + b":" + encode(v) for k, v in value.items())
        case list():
            return b"[%s]" % b",".join(encode(item) for item in value)
        case _:
            raise EditRefused("this text holds half a surrogate pair, which JSON cannot carry")


def number(token: bytes) -> int | float:
    """The number that a JSON number token spells; the spelling stays with a float, an int needs none."""
    if b"." in token or b"e" in token or b"E" in token or len(token) > 4_000:
        # Python refuses to convert very long integers (a guard against quadratic time): those stay tokens too.
        return SourceNumber(token)
    return int(token)


def equal(left: Value, right: Value) -> bool:
    """Structural equality of plain values as JSON knows it: true is not 1, 1 is 1.0."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)


def finite(value: float) -> float:
    """The number itself; raises `EditRefused` where a computation left the range of JSON numbers."""
    if not isfinite(value):
        raise EditRefused("the result is not a finite number")
    return value
