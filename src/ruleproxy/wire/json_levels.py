"""Open one level of a JSON text and leave every value in it as the bytes that stood there.

A value that is only carried from one place to another must not be read and written again: `1e5`, integers
past 64 bits, escapes and the order of keys would come out otherwise. msgspec reads a level that way, and
it checks the whole text while it skips. It does refuse one thing that JSON allows and real bodies
contain, the escape of half a surrogate pair (`\\ud83d` alone): such escapes are masked while a level is opened.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import msgspec

from ruleproxy.messages.surrogates import Masking, TooManyHalves, mask_lone_surrogates

_INSIDE_OF_STRING = (
    rb"(?:"
    rb"[^\\\x80-\xff]"
    rb"|[\xc2-\xf4][\x80-\xbf]+"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|\\u[0-9a-fA-F]{4}"
    rb"|\\."
    rb"){1,%d}"
)

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


class BadJsonError(ValueError):
    """The text is not JSON, or not the object or list that was asked for."""


def open_object(text: bytes) -> dict[str, bytes]:
    """The members of an object, each value as its JSON text. The last of several equal keys counts.

    Raises BadJsonError. The caller has made sure that `text` is UTF-8: skipped strings are not looked at.
    """
    try:
        return {key: bytes(value) for key, value in _OBJECT.decode(text).items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        masked, masking = _mask(text, error)
    try:
        members = _OBJECT.decode(masked)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadJsonError(_reason(error)) from error
    if any(map(masking.shows_half, members)):
        raise BadJsonError("a key contains half a surrogate pair")
    return {key: masking.unmask(bytes(value)) for key, value in members.items()}


def open_list(text: bytes) -> list[bytes]:
    """The elements of a list, each as its JSON text; otherwise like `open_object`."""
    try:
        return [bytes(element) for element in _LIST.decode(text)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        masked, masking = _mask(text, error)
    try:
        return [masking.unmask(bytes(element)) for element in _LIST.decode(masked)]
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadJsonError(_reason(error)) from error


def read_string(text: bytes | None) -> str | None:
    """The string that a JSON text spells; None where it is absent or something else."""
    if text is None or not text.startswith(b'"'):
        return None
    value = json.loads(text)
    assert isinstance(value, str)
    return value


def cut_string(text: bytes, size: int) -> list[bytes]:
    """A string in pieces of so many characters (an escape counts as one), at least one, each a JSON string itself.

    Its spelling is kept, and no escape or character is cut.
    """
    pieces = re.findall(_INSIDE_OF_STRING % size, text[1:-1]) or [b""]
    return [b'"' + piece + b'"' for piece in pieces]


def write_string(value: str, *, ascii_only: bool = False) -> bytes:
    """A string as JSON text."""
    return json.dumps(value, ensure_ascii=ascii_only).encode()


def write_object(members: dict[str, bytes]) -> bytes:
    """An object of values that are JSON texts already."""
    return b"{" + b",".join(write_string(key) + b":" + value for key, value in members.items()) + b"}"


def write_list(elements: Iterable[bytes]) -> bytes:
    """A list of values that are JSON texts already."""
    return b"[" + b",".join(elements) + b"]"


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _mask(text: bytes, error: Exception) -> tuple[bytes, Masking]:
    """The text with stand-ins, and what they stand for. Raises BadJsonError where that is no remedy."""
    try:
        masked, masking = mask_lone_surrogates(text, text, None)
    except TooManyHalves as too_many:
        raise BadJsonError(str(too_many)) from error
    if masking is None:
        raise BadJsonError(_reason(error)) from error
    return masked, masking
