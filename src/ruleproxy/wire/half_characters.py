"""JSON with halves of characters in it: a stream may cut an emoji between two deltas, each an escape of half a pair.

RFC 8259, section 8.2, names such escapes as unpredictable; msgspec refuses them, the clients' own parsers do not.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec


def read_json(data: bytes) -> Any:
    """The value of a JSON text; a half stays one in its string. Raises ValueError."""
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if b"\\u" not in data:
            raise
        reason = error
    try:
        return read_with_halves(data)
    except (ValueError, RecursionError):
        raise reason from None


def read_with_halves(data: bytes) -> Any:
    """The value of a JSON text, read as the clients' own parsers do. Raises ValueError and RecursionError."""
    return json.loads(data.decode(), parse_constant=_refuse_constant)


def write_json(value: Any) -> bytes:
    """A value as JSON: halves that met are a character, one that stayed alone is the escape that it came as."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_join(value))


def compact_json(text: str) -> bytes:
    """A JSON text without the spaces between its values, otherwise as it is spelled. Raises ValueError."""
    # A half can only stand within a string there, where its escape says the same.
    spelled = "".join(f"\\u{ord(each):04x}" if _is_half(each) else each for each in _join_text(text)).encode()
    try:
        return msgspec.json.format(spelled, indent=-1)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except msgspec.DecodeError:
        read_json(spelled)
        return spelled  # msgspec leaves no half alone


def _join_text(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _is_half(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


def _join(value: Any) -> Any:
    match value:
        case str():
            joined = _join_text(value)
            return msgspec.Raw(json.dumps(joined).encode()) if any(map(_is_half, joined)) else joined
        case dict():
            return {name: _join(member) for name, member in value.items()}
        case list():
            return [_join(member) for member in value]
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no value of JSON")
