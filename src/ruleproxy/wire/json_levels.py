"""Open one level of a JSON text and leave every value in it as the bytes that stood there.

A value that is only carried from one place to another must not be read and written again: `1e5`, integers
past 64 bits, escapes and the order of keys would come out otherwise. msgspec reads a level that way, and
it checks the whole text while it skips. It does refuse one thing that JSON allows and real bodies
contain: the escape of half a surrogate pair (`\\ud83d` alone). Such escapes are swapped for stand-ins of
the private use area, which the text does not contain, before the level is opened, and swapped back in
what was found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import msgspec

_ESCAPE = re.compile(
    rb"\\\\"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\."
)
_PRIVATE_ESCAPE = re.compile(rb"\\u[ef][0-9a-f]{3}")
_PRIVATE_USE_AREA = range(0xE000, 0xF900)

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
        masked, stand_ins = _mask(text, error)
    try:
        members = _OBJECT.decode(masked)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadJsonError(_reason(error)) from error
    if any(stand_in in write_string(key, ascii_only=True) for key in members for stand_in in stand_ins):
        raise BadJsonError("a key contains half a surrogate pair")
    return {key: _unmask(bytes(value), stand_ins) for key, value in members.items()}


def open_list(text: bytes) -> list[bytes]:
    """The elements of a list, each as its JSON text; otherwise like `open_object`."""
    try:
        return [bytes(element) for element in _LIST.decode(text)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        masked, stand_ins = _mask(text, error)
    try:
        return [_unmask(bytes(element), stand_ins) for element in _LIST.decode(masked)]
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadJsonError(_reason(error)) from error


def replace_halves(text: bytes) -> bytes:
    """A JSON text with U+FFFD in place of each escape of half a surrogate pair, for who only looks at it."""
    return _ESCAPE.sub(lambda found: b"\\ufffd" if found["half"] else found[0], text)


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


def _mask(text: bytes, error: Exception) -> tuple[bytes, dict[bytes, bytes]]:
    """The text with stand-ins, and what each stands for. Raises BadJsonError where that is no remedy."""
    halves = {found["half"] for found in _ESCAPE.finditer(text)} - {None}
    taken = set(_PRIVATE_ESCAPE.findall(text))
    free = (escape for code in _PRIVATE_USE_AREA if (escape := b"\\u%04x" % code) not in taken)
    stand_ins = dict(zip(free, sorted(halves), strict=False))
    if not halves or len(stand_ins) < len(halves):
        raise BadJsonError(_reason(error)) from error
    of_half = {half: stand_in for stand_in, half in stand_ins.items()}
    return _ESCAPE.sub(lambda found: of_half.get(found["half"], found[0]), text), stand_ins


def _unmask(text: bytes, stand_ins: dict[bytes, bytes]) -> bytes:
    for stand_in, half in stand_ins.items():
        text = text.replace(stand_in, half)
    return text
