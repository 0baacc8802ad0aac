"""Functions that turn a value into one of another kind, or ask which kind it is."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from ruleproxy.functions.arguments import text_of
from ruleproxy.language.signatures import Function, FunctionExample, Parameter
from ruleproxy.language.types import ANY, BOOL, JSON, OPTIONAL_STRING, STRING, of
from ruleproxy.messages.locations import find_members
from ruleproxy.messages.nodes import ListNode, Node, ObjectNode, plain
from ruleproxy.messages.values import NIL, Value, encode


def _text(value: Value) -> str:
    return value if isinstance(value, str) else encode(value).decode("utf-8", "replace")


def _number(value: Value) -> Value:
    try:
        found = msgspec.json.decode(text_of("number", value).strip())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return NIL
    return found if isinstance(found, int | float) and not isinstance(found, bool) else NIL


def _parse_json(value: Value) -> Value:
    if not isinstance(value, str):
        return NIL
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return NIL


def _json_text(value: Value) -> str:
    return encode(value).decode("utf-8", "replace")


def _plain_text(content: Value) -> str:
    """Text of string content, or of the text blocks of a list, two line breaks between them."""
    if isinstance(content, str):
        return content
    blocks = plain(content) if isinstance(content, Node) else content
    if not isinstance(blocks, list):
        return ""
    texts = (block.get("text") for block in blocks if isinstance(block, dict) and block.get("type") == "text")
    return "\n\n".join(text for text in texts if isinstance(text, str))


def _pick(value: Value, path: Value) -> Value:
    for holder, name in find_members(value, text_of("pick", path)):
        return holder.get(name)
    return NIL


def _rfc3339(moment: Value) -> Value:
    """Seconds since 1970, or a time in any spelling of ISO 8601, as RFC 3339 writes it in UTC."""
    try:
        if isinstance(moment, str):
            seconds = _number(moment)
            found = datetime.fromisoformat(moment.strip()) if seconds is NIL else _from_seconds(seconds)
        elif isinstance(moment, int | float) and not isinstance(moment, bool):
            found = _from_seconds(moment)
        else:
            return NIL
    except (ValueError, OverflowError, OSError):
        return NIL
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return found.isoformat(timespec="milliseconds" if found.microsecond else "seconds").replace("+00:00", "Z")


def _from_seconds(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


_VALUE = Parameter("value", ANY)

FUNCTIONS = (
    Function(
        "text",
        "a value as text: a string as it is, anything else as JSON",
        (_VALUE,),
        STRING,
        _text,
        examples=(FunctionExample("text(12)", '"12"'),),
    ),
    Function(
        "number",
        "the number that a text spells; nil where it spells none",
        (Parameter("text", STRING),),
        of("int", "float", "nil"),
        _number,
        examples=(FunctionExample('number("12")', "12"),),
    ),
    Function(
        "parse_json",
        "the value of a JSON text; nil where it is none",
        (_VALUE,),
        JSON,
        _parse_json,
        examples=(FunctionExample('parse_json("{\\"a\\":1}").a', "1"),),
    ),
    Function(
        "json_text",
        "a value as compact JSON text",
        (_VALUE,),
        STRING,
        _json_text,
        examples=(FunctionExample("json_text({ a = 1 })", '"{\\"a\\":1}"'),),
    ),
    Function(
        "pick",
        "what stands at a location that is known only as text, as validators print it; nil where nothing is",
        (_VALUE, Parameter("path", STRING)),
        JSON,
        _pick,
        prose="The location is read as `strip … at` reads it: dots between names, tags of unions passed over. An index "
        "stands for every element; the first that has what follows is taken.",
        examples=(FunctionExample('pick({ a = { { b = 1 } } }, "a.0.b")', "1"),),
    ),
    Function(
        "rfc3339",
        "a moment as RFC 3339 writes it, in UTC: from seconds since 1970 or from text; nil for what is none",
        (Parameter("moment", of("int", "float", "string", "nil")),),
        OPTIONAL_STRING,
        _rfc3339,
        examples=(
            FunctionExample("rfc3339(1700000000)", '"2023-11-14T22:13:20Z"'),
            FunctionExample('rfc3339("2023-11-14T23:13:20+01:00")', '"2023-11-14T22:13:20Z"'),
        ),
    ),
    Function(
        "plain_text",
        "the text of a message's content, which may be a string or a list of blocks",
        (_VALUE,),
        STRING,
        _plain_text,
        examples=(FunctionExample('plain_text({ { type = "text", text = "a" } })', '"a"'),),
    ),
    Function(
        "is_string",
        "whether a value is a string",
        (_VALUE,),
        BOOL,
        lambda value: isinstance(value, str),
        examples=(FunctionExample('is_string("a")', "true"),),
    ),
    Function(
        "is_list",
        "whether a value is a list",
        (_VALUE,),
        BOOL,
        lambda value: isinstance(value, ListNode | list),
        examples=(FunctionExample("is_list(list())", "true"),),
    ),
    Function(
        "is_object",
        "whether a value is an object",
        (_VALUE,),
        BOOL,
        lambda value: isinstance(value, ObjectNode | dict),
        examples=(FunctionExample("is_object({})", "true"),),
    ),
    Function(
        "is_number",
        "whether a value is a number",
        (_VALUE,),
        BOOL,
        lambda value: isinstance(value, int | float) and not isinstance(value, bool),
        examples=(FunctionExample("is_number(1)", "true"),),
    ),
)
