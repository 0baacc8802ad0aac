"""Functions on strings. Regular expressions run in linear time (RE2): message content is not the rule author's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

import re2

from ruleproxy.functions.arguments import text_of, whole_number
from ruleproxy.language.signatures import Function, FunctionExample, Parameter
from ruleproxy.language.types import ANY, BOOL, INT, OBJECT, STRING, of
from ruleproxy.messages.nodes import ListNode, ObjectNode
from ruleproxy.messages.values import LONGEST_TEXT, NIL, EditRefused, Value

MOST_REPLACED = 200_000
"""Matches that one call of `replace` replaces: each takes microseconds."""

_options = re2.Options()
_options.log_errors = False
_options.max_mem = 8 << 20


def compile_regex(pattern: str) -> Any:
    """A pattern compiled by RE2. Raises `EditRefused` with RE2's own reason."""
    try:
        return re2.compile(pattern, _options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        raise EditRefused(
            f"not a regular expression: {reason.decode() if isinstance(reason, bytes) else reason}"
        ) from None


def _prepare_matches(_: object, pattern: str) -> Callable[..., bool]:
    search = compile_regex(pattern).search
    return lambda text, _pattern: isinstance(text, str) and search(text) is not None


def _prepare_replace(_: object, pattern: str, replacement: str | None) -> Callable[..., str]:
    substitute = compile_regex(pattern).subn
    del replacement

    def replaced(text: Value, _pattern: str, new: Value) -> str:
        text, new = text_of("replace", text), text_of("replace", new)
        most = min(MOST_REPLACED, LONGEST_TEXT // max(1, len(new)))
        result: tuple[str, int] = substitute(new.replace("\\", "\\\\"), text, count=most + 1)
        if result[1] > most:
            raise EditRefused(f"replace would replace more than {most} matches in one text")
        return result[0]

    return replaced


def _prepare_capture(_: object, pattern: str) -> Callable[..., Value]:
    compiled = compile_regex(pattern)
    search = compiled.search
    if compiled.groupindex:
        names = tuple(compiled.groupindex)

        def named(text: Value, _pattern: str) -> Value:
            match = search(text) if isinstance(text, str) else None
            return (
                NIL if match is None else {name: match.group(name) for name in names if match.group(name) is not None}
            )

        return named
    if compiled.groups != 1:
        raise EditRefused("capture takes a pattern with one group, or with named groups")

    def single(text: Value, _pattern: str) -> Value:
        match = search(text) if isinstance(text, str) else None
        return NIL if match is None or match.group(1) is None else match.group(1)

    return single


def _never(*_: object) -> Value:
    raise EditRefused("a regular expression has to be written out")


def _glob(text: Value, pattern: Value) -> bool:
    return isinstance(text, str) and _glob_of(text_of("glob", pattern)).fullmatch(text) is not None


def _prepare_glob(_: object, pattern: str) -> Callable[..., bool]:
    match = _glob_of(pattern).fullmatch
    return lambda text, _pattern: isinstance(text, str) and match(text) is not None


def _glob_of(pattern: str) -> Any:
    wildcards = {"*": ".*", "?": "."}
    return compile_regex("(?s:" + "".join(wildcards.get(c) or re2.escape(c) for c in pattern) + ")")


def _contains(text: Value, part: Value) -> bool:
    return isinstance(text, str) and isinstance(part, str) and part in text


def _starts_with(text: Value, part: Value) -> bool:
    return isinstance(text, str) and isinstance(part, str) and text.startswith(part)


def _ends_with(text: Value, part: Value) -> bool:
    return isinstance(text, str) and isinstance(part, str) and text.endswith(part)


def _lower(text: Value) -> str:
    return text_of("lower", text).lower()


def _upper(text: Value) -> str:
    return text_of("upper", text).upper()


def _length(value: Value) -> int:
    return len(text_of("length", value))


def _truncate(text: Value, limit: Value) -> str:
    return text_of("truncate", text)[: max(0, whole_number("truncate", limit))]


def _blank(value: Value) -> bool:
    match value:
        case str():
            return not value.strip()
        case list() | dict() | ListNode() | ObjectNode():
            return len(value) == 0
        case _:
            return value is NIL or value is None


def _hash(text: Value) -> str:
    return hashlib.sha256(text_of("hash", text).encode("utf-8", "surrogatepass")).hexdigest()


def _safe_name(text: Value, limit: Value) -> str:
    name = text_of("safe_name", text)
    longest = whole_number("safe_name", limit)
    if longest < 16:
        raise EditRefused("safe_name needs room for at least 16 characters")
    cleaned = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in name)
    if cleaned == name and 0 < len(name) <= longest:
        return name
    return f"{cleaned[: longest - 9]}_{_hash(name)[:8]}"


def _url_encode(text: Value, options: Value = NIL) -> str:
    keep = options.get("keep", "") if isinstance(options, dict) else ""
    return quote(text_of("url_encode", text), safe="-._~" + text_of("url_encode", keep))


def _url_decode(text: Value) -> str:
    return unquote(text_of("url_decode", text))


_TEXT = Parameter("text", STRING)
_ANY_TEXT = Parameter("text", ANY)
_PATTERN = Parameter("pattern", STRING, literal=True)

FUNCTIONS = (
    Function(
        "matches",
        "whether a regular expression occurs in a text (false for anything but a string)",
        (_ANY_TEXT, _PATTERN),
        BOOL,
        _never,
        _prepare_matches,
        examples=(FunctionExample('matches("Stream refused", [[(?i)\\bstream]])', "true"),),
    ),
    Function(
        "replace",
        "a text with every match of a regular expression replaced",
        (_TEXT, _PATTERN, Parameter("replacement", STRING)),
        STRING,
        _never,
        _prepare_replace,
        examples=(FunctionExample('replace("a-b-c", "-", ".")', '"a.b.c"'),),
    ),
    Function(
        "capture",
        "what the one group of a regular expression matched, or an object of its named groups; nil without a match",
        (_ANY_TEXT, _PATTERN),
        of("string", "object", "nil"),
        _never,
        _prepare_capture,
        examples=(FunctionExample('capture("max_tokens: Field required", "^([a-z_]+):")', '"max_tokens"'),),
    ),
    Function(
        "glob",
        "whether a text as a whole fits a pattern with `*` (any characters, `/` too) and `?` (one)",
        (_ANY_TEXT, _PATTERN),
        BOOL,
        _glob,
        _prepare_glob,
        examples=(FunctionExample('glob("bedrock-runtime.eu-west-1.amazonaws.com", "bedrock-runtime.*")', "true"),),
    ),
    Function(
        "contains",
        "whether a text has a part",
        (_ANY_TEXT, Parameter("part", STRING)),
        BOOL,
        _contains,
        examples=(FunctionExample('contains("abc", "b")', "true"),),
    ),
    Function(
        "starts_with",
        "whether a text begins with a part",
        (_ANY_TEXT, Parameter("part", STRING)),
        BOOL,
        _starts_with,
        examples=(FunctionExample('starts_with("claude-x", "claude")', "true"),),
    ),
    Function(
        "ends_with",
        "whether a text ends with a part",
        (_ANY_TEXT, Parameter("part", STRING)),
        BOOL,
        _ends_with,
        examples=(FunctionExample('ends_with("claude-x", "x")', "true"),),
    ),
    Function(
        "lower", "a text in lower case", (_TEXT,), STRING, _lower, examples=(FunctionExample('lower("ABC")', '"abc"'),)
    ),
    Function(
        "upper", "a text in upper case", (_TEXT,), STRING, _upper, examples=(FunctionExample('upper("abc")', '"ABC"'),)
    ),
    Function(
        "length",
        "the number of characters of a text",
        (_TEXT,),
        INT,
        _length,
        examples=(FunctionExample('length("abc")', "3"),),
    ),
    Function(
        "truncate",
        "the first so many characters of a text",
        (_TEXT, Parameter("limit", INT)),
        STRING,
        _truncate,
        examples=(FunctionExample('truncate("abcdef", 3)', '"abc"'),),
    ),
    Function(
        "blank",
        "whether a value is absent, null, white space, or a list or object without members",
        (Parameter("value"),),
        BOOL,
        _blank,
        examples=(FunctionExample('blank("  ")', "true"), FunctionExample("blank(0)", "false")),
    ),
    Function(
        "hash",
        "the SHA-256 of a text, in hexadecimal digits",
        (_TEXT,),
        STRING,
        _hash,
        examples=(FunctionExample('truncate(hash("a"), 8)', '"ca978112"'),),
    ),
    Function(
        "safe_name",
        "a text of ASCII letters, digits, `_` and `-` within a limit: what does not fit is cleaned, cut and "
        "told apart by a hash",
        (_TEXT, Parameter("limit", INT)),
        STRING,
        _safe_name,
        examples=(
            FunctionExample('safe_name("Read", 64)', '"Read"'),
            FunctionExample('safe_name("a.b", 64)', '"a_b_2e7336dc"'),
        ),
    ),
    Function(
        "url_encode",
        'a text percent-encoded; `{ keep = ":" }` names characters to leave',
        (_TEXT, Parameter("options", OBJECT, optional=True)),
        STRING,
        _url_encode,
        examples=(FunctionExample('url_encode("a/b:c", { keep = ":" })', '"a%2Fb:c"'),),
    ),
    Function(
        "url_decode",
        "a text with its percent-encoding undone",
        (_TEXT,),
        STRING,
        _url_decode,
        examples=(FunctionExample('url_decode("a%2Fb")', '"a/b"'),),
    ),
)
