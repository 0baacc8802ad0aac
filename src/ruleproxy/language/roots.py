"""The named roots that values come from: which there are on a side, what they hold, what of them may be written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from ruleproxy.language.schemas import Shape, load_schemas
from ruleproxy.language.types import BOOL, INT, JSON, LIST, OPTIONAL_STRING, STRING, Type, of

Stage = Literal["request", "response", "event", "failure", "file", "test", "attempt"]
"""Where an expression stands: on a side, at the level of a file, in a test, or in what it says of one attempt."""

ROOTS: Final[Mapping[Stage, frozenset[str]]] = {
    "request": frozenset({"request", "upstream", "parameters", "original"}),
    "response": frozenset({"request", "upstream", "parameters", "original", "response"}),
    "event": frozenset({"request", "upstream", "parameters", "original", "event", "stream"}),
    "failure": frozenset({"request", "upstream", "parameters", "original", "failure"}),
    "file": frozenset({"parameters"}),
    "test": frozenset({"request", "response", "upstream", "events", "notes", "cut", "original", "parameters"}),
    "attempt": frozenset({"request", "upstream", "original", "parameters"}),
}
"""The roots of each stage."""

ALL_ROOTS: Final = frozenset().union(*ROOTS.values())

VALUES: Final = frozenset({"events", "notes", "cut"})
"""The roots that are values themselves."""

BODIES: Final[Mapping[tuple[str, ...], Literal["request", "response", "event"]]] = {
    ("request", "body"): "request",
    ("original", "request", "body"): "request",
    ("response", "body"): "response",
    ("original", "response", "body"): "response",
    ("event", "data"): "event",
}
"""The fields whose shape depends on the format that the message has."""

FRAMING: Final = frozenset(
    ("connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
     "upgrade")
)  # fmt: skip
"""Headers that say how a message is framed or where it goes: the proxy writes them (RFC 9110, 7.6.1 and 8.6)."""

FAILURES: Final = ("refused", "reset", "timeout", "tls", "error_event", "empty_stream", "truncated")
"""The kinds of failures: why nothing usable came from an upstream."""

WRITABLE: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("request", "request"): frozenset({"method", "path", "raw_path", "query", "headers", "body"}),
    ("request", "upstream"): frozenset({"name", "url", "base", "timeout", "sign"}),
    ("response", "response"): frozenset({"status", "headers", "body"}),
    ("event", "event"): frozenset({"type", "data"}),
}
"""What may be written, by side and root. With `retry` on the path, an answer's sides also write the request's."""

ALWAYS_THERE: Final = frozenset(
    {("request", "method"), ("request", "path"), ("request", "raw_path"), ("response", "status"), ("event", "type"),
     ("upstream", "name"), ("upstream", "url"), ("upstream", "base"), ("request", "headers"), ("response", "headers"),
     ("request", "body"), ("response", "body"), ("event", "data")}
)  # fmt: skip
"""What a message always has: it can be rewritten and never taken away."""


def names_of(*names: str) -> Type:
    """A string that is one of these."""
    return Type(frozenset(("string",)), choices=frozenset(names))


def object_of(shape: str) -> Type:
    """An object of a shape."""
    return Type(frozenset(("object",)), shape)


APIS: Final = names_of(*(name for name in load_schemas().formats if name != "models"), "unknown")
"""Whose format a request speaks."""

DATA: Final = Type(JSON.kinds - {"nil"}, "data")
"""A value out of a file that came with the rules: what is named there is taken to be there."""

ROOT_SHAPES: Final[Mapping[str, Shape]] = {
    "request": Shape(
        {
            "method": STRING,
            "path": STRING,
            "raw_path": STRING,
            "query": object_of("query"),
            "headers": object_of("headers"),
            "body": JSON,
            "api": APIS,
            "model": OPTIONAL_STRING,
            "wants_stream": BOOL,
        },
        "closed",
    ),
    "response": Shape({"status": INT, "headers": object_of("headers"), "body": JSON, "streamed": BOOL}, "closed"),
    "upstream": Shape(
        {
            "name": STRING,
            "host": STRING,
            "url": STRING,
            "base": STRING,
            "timeout": of("duration", "nil"),
            "sign": OPTIONAL_STRING,
        },
        "closed",
    ),
    "event": Shape({"type": OPTIONAL_STRING, "data": JSON}, "closed"),
    "stream": Shape({"stop_reason": OPTIONAL_STRING, "saw_tool_use": BOOL, "events": INT}, "closed"),
    "failure": Shape({"kind": names_of(*FAILURES), "error": object_of("failure.error")}, "closed"),
    "failure.error": Shape({"type": OPTIONAL_STRING, "message": OPTIONAL_STRING, "status": of("int", "nil")}, "closed"),
    "failure.error.there": Shape({"type": STRING, "message": STRING, "status": INT}, "closed"),
    "found_error": Shape({"type": STRING, "message": STRING, "status": of("int", "nil")}, "closed"),
    "original": Shape({"request": object_of("request"), "response": object_of("response")}, "closed"),
    "headers": Shape({}, "open", OPTIONAL_STRING),
    "query": Shape({}, "open", OPTIONAL_STRING),
    "data": Shape({}, "open", DATA),
    "parameters": Shape({}, "open", of("string", "int", "float", "bool", "list", "object", "duration")),
}
"""The shapes of roots and of what stands in them. `body` and `data` have the shape of their format instead."""

ROOT_TYPES: Final[Mapping[str, Type]] = {
    "events": Type(LIST.kinds, item=object_of("event")),
    "notes": Type(LIST.kinds, item=STRING),
    "cut": BOOL,
    **{name: object_of(name) for name in ALL_ROOTS - VALUES},
}
"""What each root is."""


def is_header_step(key: tuple[object, ...]) -> bool:
    """Whether the next step after this path names a header."""
    return key[-1:] == ("headers",) and (len(key) == 2 or (len(key) == 3 and key[0] == "original"))
