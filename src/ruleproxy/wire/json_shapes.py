"""JSON that somebody else wrote, read as far as a shape asks."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from ruleproxy.messages.surrogates import replace_halves

_Shape = TypeVar("_Shape")


def read_shape(data: bytes, shape: type[_Shape]) -> _Shape | None:
    """What `data` says of a shape (a msgspec.Struct); None for what is no JSON, of another shape or not to be read.

    msgspec has an exception for the first two only: text that is not UTF-8 and values that are nested more deeply
    than it reads have others, and any upstream can send either.
    """
    try:
        return msgspec.json.decode(data, type=shape)
    except msgspec.DecodeError:
        seen = replace_halves(data)  # which msgspec refuses, wherever they stand
    except (UnicodeDecodeError, RecursionError):
        return None
    try:
        return None if seen == data else msgspec.json.decode(seen, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
