"""Functions that speak of errors in the client's own words."""

from __future__ import annotations

from typing import Protocol

import msgspec

from ruleproxy.functions.arguments import text_of
from ruleproxy.language.signatures import Function, FunctionExample, Parameter
from ruleproxy.language.types import OBJECT, STRING, Type
from ruleproxy.messages.nodes import Node, plain
from ruleproxy.messages.values import NIL, Value
from ruleproxy.wire.formats import ERROR_TYPES, Api, error_object, error_type


class Asker(Protocol):
    """Who wants to know: the format of the client's request."""

    api: Api


def _error(asker: Asker, kind: Value, message: Value) -> Value:
    return error_object(asker.api, text_of("error", kind), text_of("error", message))


_WRAPPERS = ("error", "errors", "detail", "details", "body", "response", "data", "cause", "message")
_MESSAGES = ("message", "errorMessage", "error_message", "msg", "detail", "title", "description")
_KINDS = ("type", "errorCode", "error_code", "code", "__type", "error")
_STATUSES = ("status", "status_code", "statusCode", "code", "http_status", "httpStatus")
_DEEPEST = 8


def _find_error(body: Value) -> Value:
    found = _unwrap(plain(body) if isinstance(body, Node) else body, None, _DEEPEST)
    return NIL if found is None else found


def _unwrap(value: Value, status: int | None, depth: int) -> dict[str, Value] | None:
    """The innermost object that has a message; the status nearest to it."""
    if isinstance(value, str):
        value = _read_object(value)
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, dict) or depth == 0:
        return None
    status = next((code for name in _STATUSES if (code := _status_of(value.get(name))) is not None), status)
    for name in _WRAPPERS:
        inner = _unwrap(value.get(name), status, depth - 1)
        if inner is not None:
            return inner
    message = next((text for name in _MESSAGES if isinstance(text := value.get(name), str) and text), None)
    if message is None:
        return None
    kind = next((text for name in _KINDS if isinstance(text := value.get(name), str) and _is_kind(text)), None)
    known = {} if status is None else {"status": status}
    return {"type": kind or error_type(status or 500), "message": message, **known}


def _read_object(text: str) -> Value:
    start = text.find("{")
    if start < 0:
        return None
    try:
        # Gateways put words before the JSON that they wrap: `400 Bad Request: {"error": …}`.
        return msgspec.json.decode(text[start : text.rfind("}") + 1])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def _status_of(value: Value) -> int | None:
    if isinstance(value, str) and value.isdecimal():
        value = int(value[:4])
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 400 <= value <= 599 else None


def _is_kind(text: str) -> bool:
    return text != "error" and not text.isdigit()


FUNCTIONS = (
    Function(
        "error",
        "an error body in the shape that this client reads; `type` is one of the Anthropic error types",
        (Parameter("type", STRING), Parameter("message", STRING)),
        OBJECT,
        _error,
        prose=f"The types: {', '.join(f'`{name}`' for name in ERROR_TYPES)}. It changes no status: `respond`, or a "
        "`rewrite` of `response.status`, says that one.",
        contextual=True,
    ),
    Function(
        "find_error",
        "the error that a gateway wrapped in objects or in JSON inside strings; nil where there is none",
        (Parameter("body"),),
        Type(frozenset(("object", "nil")), "found_error"),
        _find_error,
        prose="Gives an object with `type`, `message` and, where one is told, `status`: those of the innermost object "
        "that has a message.",
        examples=(
            FunctionExample(
                'find_error({ statusCode = 429, body = "{\\"error\\":{\\"message\\":\\"slow down\\"}}" })',
                '{ type = "rate_limit_error", message = "slow down", status = 429 }',
            ),
        ),
    ),
)
