"""Bodies and data of events: when they may be read, and which shape they have by what is known of the request."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from ruleproxy.language import syntax
from ruleproxy.language.checking.scope import Key, Scope, bare
from ruleproxy.language.roots import BODIES
from ruleproxy.language.schemas import format_of, join_names, load_schemas
from ruleproxy.language.source import Span
from ruleproxy.language.types import JSON, Type

STREAMED: Key = ("response", "streamed")


def check_guard(scope: Scope, key: Key, span: Span) -> None:
    """Whether a response's body is only read where it is known that the answer is no stream."""
    if scope.stage != "response" or "response" not in key or "guard" in scope.said:
        return
    streamed = scope.facts.get(STREAMED)
    if streamed is not None and streamed.choices == frozenset(("false",)):
        return
    scope.said.add("guard")
    condition = scope.rule.condition if scope.rule is not None else None
    text = "not response.streamed"
    if condition is not None and "response.streamed" not in scope.findings.source.slice(condition.span):
        rest = scope.findings.text(condition.span)
        inner = bare(condition)
        text += f" and ({rest})" if isinstance(inner, syntax.Binary) and inner.operator == "or" else f" and {rest}"
    scope.findings.add(
        "RP330",
        "a streamed response has no body",
        span,
        "read without knowing that the response is whole",
        second=scope.rule.then_span if scope.rule is not None and not scope.in_condition else None,
        second_label="nothing before this asks for it" if scope.rule is not None and not scope.in_condition else "",
        help=f"when {text} then",
    )


def type_body(scope: Scope, key: Key) -> Type:
    """The type of a body or of an event's data, by the format that the conditions so far leave."""
    what = BODIES[tuple(str(step) for step in key)]
    formats = known_formats(scope)
    if what == "event":
        return Type(JSON.kinds, event_shape(scope, formats))
    return Type(JSON.kinds, body_shape(what, tuple(formats)))


@lru_cache(maxsize=256)
def body_shape(what: Literal["request", "response"], formats: tuple[str, ...]) -> str | None:
    """The shape of a body of one of these formats; None where nothing is known."""
    schemas = load_schemas()
    shape: str | None = None
    for name in formats:
        parts = schemas.formats[name].request if what == "request" else schemas.formats[name].response
        if not parts:
            return None
        for part in parts:
            shape = part if shape is None else join_names(shape, part)
            if shape is None:
                return None
    return shape


def known_formats(scope: Scope) -> list[str]:
    """The formats that are possible here: all of them where nothing is known, none for a path of no format."""
    formats = load_schemas().formats
    for root in (("request",), ("original", "request")):
        api = scope.facts.get((*root, "api"))
        if api is not None and api.choices is not None:
            return sorted(name for name in api.choices if name in formats)
    for root in (("request",), ("original", "request")):
        path = scope.facts.get((*root, "path"))
        if path is not None and path.choices is not None:
            found = {format_of(choice) for choice in path.choices}
            return [] if None in found else sorted(name for name in found if name is not None)
    return sorted(name for name in formats if formats[name].request)


def event_shape(scope: Scope, formats: list[str]) -> str | None:
    """The shape of an event's data; None for types that no format has."""
    schemas = load_schemas()
    known = scope.facts.get(("event", "type"))
    shape: str | None = None
    for name in sorted({schemas.formats[name].event or "" for name in formats}):
        candidates = [shape for shape in schemas.shapes if shape.startswith(f"{name}.event.")] if name else []
        if name in schemas.shapes and (known is None or known.choices is None):
            candidates = [name]
        for candidate in candidates:
            if known is not None and known.choices is not None:
                if candidate.removeprefix(f"{name}.event.") not in known.choices:
                    continue
            shape = candidate if shape is None else join_names(shape, candidate)
    return shape
