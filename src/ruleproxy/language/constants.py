"""Constants as they are written: what a string, a number, a duration or a size stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from ruleproxy.language.problems import Problem
from ruleproxy.language.source import Span

MAXIMUM_DIGITS = 400
"""Longest number in characters; any float that is not infinite has fewer digits before its point."""

SIMPLE_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "'": "'",
    "0": "\0",
}
"""Lua's escapes (Lua 5.4 reference manual, 3.1), without decimal ones but `\\0` and without `\\z`."""

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
BARE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
BYTES = {"kb": 1024, "mb": 1024 * 1024}

ESCAPE = re.compile(r"\\(?:u\{([0-9A-Fa-f]{1,8})\}|x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
LONG_OPENING = re.compile(r"\[(=*)\[\n?")
UNIT = re.compile(r"[a-z]+$")


def read_string(text: str, start: int, problems: list[Problem]) -> str:
    """The value of a string token that begins at `start`; unknown escapes are added to `problems`."""
    opening = LONG_OPENING.match(text)
    if opening is not None:
        return text[opening.end() : -2 - len(opening[1])]
    inner = text[1:-1]
    if "\\" not in inner:
        return inner

    def decode(match: re.Match[str]) -> str:
        code_point, byte, letter = match.groups()
        if letter is not None and letter in SIMPLE_ESCAPES:
            return SIMPLE_ESCAPES[letter]
        if byte is not None and int(byte, 16) < 0x80:
            return chr(int(byte, 16))
        if code_point is not None and is_scalar(int(code_point, 16)):
            return chr(int(code_point, 16))
        problems.append(explain_escape(text, match, start))
        return match[0]

    return ESCAPE.sub(decode, inner)


def is_scalar(code_point: int) -> bool:
    """Whether a number is a Unicode scalar value: a code point that is not half of a surrogate pair."""
    return code_point < 0xD800 or 0xDFFF < code_point <= 0x10FFFF


def explain_escape(text: str, match: re.Match[str], start: int) -> Problem:
    """The problem of an escape that strings do not know, within the string token `text`."""
    span = Span(start + 1 + match.start(), start + 1 + match.end())
    code_point, byte, _ = match.groups()
    if code_point is not None:
        return Problem("RP103", f"`{match[0]}` is not a character", span, "up to 10FFFF, no surrogates")
    if byte is not None:
        wanted = f"\\u{{{byte.lower()}}}"
        label = "a byte over 7f is not a character"
        return Problem("RP103", f"unknown escape `{match[0]}`", span, label, help=(f"write `{wanted}`",))
    escape = "\\" if match[0] == "\\\n" else match[0]
    return Problem("RP103", f"unknown escape `{escape}`", span, "not an escape", help=(offer_long_string(text),))


def offer_long_string(text: str) -> str:
    """The help that writes a string token with backslashes as a long string, which knows no escapes."""
    inner = text[1:-1].replace('\\"', '"')
    level = ""
    while f"]{level}]" in f"{inner}]":
        level += "="
    if len(inner) > 60:
        return "write a long string, `[[…]]`: it knows no escapes"
    return f"[{level}[{inner}]{level}]"


def read_int(text: str, start: int, problems: list[Problem]) -> int:
    """The value of whole digits."""
    if len(text) > MAXIMUM_DIGITS:
        problems.append(explain_long_number(text, start))
        return 0
    return int(text)


def read_float(text: str, start: int, problems: list[Problem]) -> float:
    """The value of digits with a point."""
    if len(text) > MAXIMUM_DIGITS or float(text) == float("inf"):
        problems.append(explain_long_number(text, start))
        return 0.0
    return float(text)


def read_duration(text: str, start: int, problems: list[Problem]) -> float:
    """The seconds of `10s`, `500ms`, `2m`, `1h`, `0.5s`."""
    unit = UNIT.search(text)
    assert unit is not None, text
    return read_float(text[: unit.start()], start, problems) * SECONDS[unit[0]]


def read_size(text: str, start: int, problems: list[Problem]) -> int:
    """The bytes of `64kb` (1024 each) and `2mb`."""
    return read_int(text[:-2], start, problems) * BYTES[text[-2:]]


def explain_long_number(text: str, start: int) -> Problem:
    """The problem of a number with too many digits."""
    span = Span(start, start + len(text))
    return Problem("RP104", "this number is too long", span, f"more than {MAXIMUM_DIGITS} digits or too large")


def write_constant(value: object) -> str:
    """The text of a value: null (None), a bool, a finite number, a string, a list or an object of these.

    Raises ValueError for what has no spelling: any other kind, and half of a surrogate pair.
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            text = format(Decimal(repr(value)), "f")
            return text if "." in text else f"{text}.0"
        case str():
            return write_string(value)
        case list():
            return f"{{ {', '.join(map(write_constant, value))} }}" if value else "list()"
        case Mapping():
            fields = (f"{write_key(key)} = {write_constant(member)}" for key, member in value.items())
            return f"{{ {', '.join(fields)} }}" if value else "{}"
    raise ValueError(f"{type(value).__name__} cannot be written out")


def write_key(key: object) -> str:
    """The key of a field, as it stands before its `=`."""
    if not isinstance(key, str):
        raise ValueError("a field is named by a string")
    return key if BARE_KEY.fullmatch(key) else f"[{write_string(key)}]"


def write_string(text: str) -> str:
    """A string in quotes; whatever a terminal would not show as itself is escaped. Raises ValueError."""
    return f'"{"".join(map(escape_character, text))}"'


def escape_character(character: str) -> str:
    """A character as it stands in a string in quotes."""
    if character in '"\\':
        return f"\\{character}"
    if character == "\n":
        return r"\n"
    if not is_scalar(ord(character)):
        raise ValueError("half of a surrogate pair cannot be written out")
    return character if character.isprintable() else f"\\u{{{ord(character):x}}}"
