"""Credentials that are known by the name before them: `"password": "…"`, `API_KEY=…`, `authorization: Bearer …`.

Works on text, not on parsed JSON: a body that no rule touched has to be written as it came, JSON is often text within
JSON (`{\\"token\\": \\"…\\"}`), and a shell line or a settings file within a message is no JSON at all. Whatever the
text is, valid JSON stays valid: a value is taken up to the quotation mark of its own depth, or without any.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ruleproxy.captures.secret_names import is_password_name, is_secret_header, is_secret_name, split_words
from ruleproxy.captures.secret_values import compile_bytes
from ruleproxy.captures.spans import MASK, Span, mask, span_of

_NAME: Final = compile_bytes(
    rb"([A-Za-z0-9_.-]*(?i:key|token|secret|passw|passphrase|pwd|credential|authorization|cookie)[A-Za-z0-9_.-]*)"
    rb"(\\*[\"'])?(?:[ \t\r\n]|\\[nrt])*(=>|:=|[=!~]?==?|:)(?:[ \t\r\n])*"
)
_PAIR: Final = compile_bytes(
    rb"\\*\"(?:name|key|Name|Key)\\*\"\s*:\s*\\*\"([A-Za-z0-9_.-]+)\\*\"\s*,\s*\\*\"[vV]alue\\*\"\s*:\s*\\*\""
)
_SCHEME: Final = compile_bytes(rb"(?i)(?:bearer|basic|token|digest|negotiate|aws4-hmac-sha256|apikey)\s+")
_BARE: Final = compile_bytes(rb"[^\s\"'\\,;<>&|(){}\[\]`]{4,}")
_QUOTED_BARE: Final = compile_bytes(rb"[^\s\"'\\,:;{}\[\]<>()]{4,}")
_LINE: Final = compile_bytes(rb"[^\"'\\\r\n]{4,}")
_COOKIE: Final = compile_bytes(rb"[^=;\s]+=[^;\s]")
_NUMBER: Final = compile_bytes(rb"-?[0-9][0-9.eE+-]*")
# Names may follow each other so closely that each stands in the value of the one before: this much is read for each.
_BEGINNING: Final = 512
_DIGITS: Final = b"0123456789\xb2\xb3\xb9"
_BLANK: Final = b" \t\r\n"
_PLACEHOLDERS: Final = frozenset((b"none", b"null", b"true", b"false", b"undefined", b"string", b"required"))


def find_named(text: bytes) -> Iterator[Span]:
    """The places of credentials that are known by their names."""
    covered = 0
    for found in _NAME.finditer(text):
        # What stands within a value is masked with it; to take it for a name would be quadratic.
        if found.start() < covered:
            continue
        for span in _find_value(text, found):
            covered = max(covered, span.end)
            yield span
    for found in _PAIR.finditer(text):
        name = found.group(1).decode("ascii")
        if is_secret_name(name) or is_secret_header(name):
            depth = _count_backslashes(text, found.end() - 1)
            yield from _mask_quoted(text, found.end(), find_string_end(text, found.end(), depth))


def _find_value(text: bytes, found: Any) -> Iterator[Span]:
    name = found.group(1)
    if text[found.start() - 1 : found.start()] == b"\\" and name[:1] in (b"n", b"r", b"t"):
        name = name[1:]
    shown = name.decode("ascii")
    if is_secret_name(shown):
        quote = found.group(2)
        if quote is not None and found.group(3) != b"=":
            yield from _member_value(text, found.end(), quote, shown)
        else:
            tight = found.group(3) == b"=" and text[found.end() - 1 : found.end()] == b"="
            yield from _setting_value(text, found.end(), shown, tight=tight)


def skip_scheme(text: bytes, position: int) -> int:
    """Where the credential begins behind the scheme of an authorization, if there is one: `Bearer `, `Basic `."""
    found = _SCHEME.match(text, position)
    return position if found is None else int(found.end())


def find_string_end(text: bytes, start: int, depth: int) -> int:
    """Where the content of a JSON string ends whose quotation marks have `depth` backslashes; -1 if it does not.

    Every level of text within text turns n backslashes before a mark into 2n + 1. So a mark closes that has `depth`
    of them besides escaped backslashes (2 · depth + 2 each), and one that is text has depth + 1 more.
    """
    position = start
    while (position := text.find(b'"', position)) >= 0:
        backslashes = _count_backslashes(text, position, start)
        match (backslashes - depth) % (2 * (depth + 1)):
            case 0:
                return position - depth
            case remainder if remainder != depth + 1:
                return -1
        position += 1
    return -1


def _count_backslashes(text: bytes, end: int, start: int = 0) -> int:
    first = end
    while first > start and text[first - 1] == 0x5C:
        first -= 1
    return end - first


def _member_value(text: bytes, position: int, quote: bytes, name: str) -> Iterator[Span]:
    if text.startswith(quote, position):
        yield from _string(text, position, quote)
    elif text.startswith(b"[", position):
        position += 1
        while text.startswith(quote, position := _skip_blank(text, position)):
            spans = list(_string(text, position, quote))
            yield from spans
            end = _string_end(text, position, quote)
            if end < 0:
                return
            position = _skip_blank(text, end + len(quote))
            if not text.startswith(b",", position):
                return
            position += 1
    elif is_password_name(name) and (number := _NUMBER.match(text, position)) is not None:
        yield Span(position, number.end(), quote + mask(number.group()) + quote)


def _string(text: bytes, position: int, quote: bytes) -> Iterator[Span]:
    yield from _mask_quoted(text, position + len(quote), _string_end(text, position, quote))


def _string_end(text: bytes, position: int, quote: bytes) -> int:
    start = position + len(quote)
    if quote.endswith(b"'"):
        end = text.find(b"'", start)
        # What a Python dictionary prints stands on one line, and within a JSON string.
        return -1 if end < 0 or any(mark in text[start:end] for mark in (b'"', b"\n")) else end
    return find_string_end(text, start, len(quote) - 1)


def _mask_quoted(text: bytes, start: int, end: int) -> Iterator[Span]:
    if end < 0:
        # The text was cut off within the string.
        line = _LINE.match(text, start)
        end = start if line is None else line.end()
    after_scheme = skip_scheme(text, start)
    if after_scheme < end:
        start = after_scheme
    if text[start:end].strip():
        yield span_of(text, start, end)


def _setting_value(text: bytes, position: int, name: str, *, tight: bool) -> Iterator[Span]:
    words = split_words(name)
    if words[-1] == "cookie":
        if words not in (("cookie",), ("set", "cookie")):
            return
        if _COOKIE.match(text, position) is not None and (line := _LINE.match(text, position)) is not None:
            yield span_of(text, position, line.end())
        return
    position = skip_scheme(text, position)
    depth = 0
    while text[position + depth : position + depth + 1] == b"\\":
        depth += 1
    mark = text[position + depth : position + depth + 1]
    if mark in (b'"', b"'") and mark:
        start = position + depth + 1
        found = _QUOTED_BARE.match(text, start)
        if found is not None and text.startswith(text[position:start], found.end()):
            if not _is_placeholder(found.group(), name):
                yield span_of(text, start, found.end())
        return
    # A look at its beginning tells what it is.
    found = _BARE.match(text[position : position + _BEGINNING]) if not depth else None
    if found is not None and looks_secret(found.group().rstrip(b".:"), name, tight=tight):
        found = _BARE.match(text, position)
        if not text.startswith(b"(", found.end()):
            yield span_of(text, position, position + len(found.group().rstrip(b".:")))


def _skip_blank(text: bytes, position: int) -> int:
    while text[position : position + 1] in _BLANK and position < len(text):
        position += 1
    return position


def _is_placeholder(value: bytes, name: str) -> bool:
    return (
        value[:1] in b"$<{%*[(." or value.lower() in _PLACEHOLDERS or value.lower() == name.lower().encode()
    ) and MASK.fullmatch(value) is None


def looks_secret(value: bytes, name: str, *, tight: bool = False) -> bool:
    """Whether a value without quotation marks behind a name of credentials is one, and no word or placeholder.

    `tight`: an equals sign stood between them and nothing else.
    """
    if _is_placeholder(value, name) or MASK.fullmatch(value):
        return False
    text = value.decode("latin-1")
    if tight and name.isupper():
        return True
    if is_password_name(name):
        return not text.replace(".", "a").replace("_", "a").isalpha()
    return len(value) >= 8 and value.translate(None, _DIGITS) != value and any(map(str.isalpha, text))
