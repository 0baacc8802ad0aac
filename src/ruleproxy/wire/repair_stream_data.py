"""The JSON of events as it is read and edited in a repair: what is left alone stays as it was spelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

import orjson

from ruleproxy.wire.half_characters import read_with_halves
from ruleproxy.wire.json_levels import BadJsonError, open_object, write_object
from ruleproxy.wire.repair_stream import UnrepairableError


def read_data(data: bytes) -> Any:
    """The value that an event's data spells. Raises UnrepairableError, whose message says of the event what is wrong.

    Half a surrogate pair is valid JSON, and real: the other half of the character comes with the next event.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        return read_with_halves(data)
    except UnicodeDecodeError as error:
        raise UnrepairableError(f"is not UTF-8 at byte {error.start} of its data") from None
    except RecursionError:
        raise UnrepairableError("is nested too deeply") from None
    except ValueError as error:
        raise UnrepairableError(f"is not JSON: {error}") from None


def is_json(data: bytes) -> bool:
    """Whether the data of an event is all there."""
    try:
        read_data(data)
    except UnrepairableError:
        return False
    return True


def edit_members(data: bytes, changes: Mapping[str, bytes]) -> bytes:
    """An object with other members, each given as JSON text; new ones come last. Raises UnrepairableError."""
    return write_object(open_members(data) | dict(changes))


def open_members(data: bytes) -> dict[str, bytes]:
    """The members of an object, each as it was spelled. Raises UnrepairableError."""
    try:
        return open_object(data)
    except BadJsonError as error:
        raise UnrepairableError(f"cannot be edited: {error}") from None


def is_count(value: Any) -> TypeGuard[int]:
    """Whether a value is a number of tokens."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
