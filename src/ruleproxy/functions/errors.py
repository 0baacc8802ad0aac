"""Functions that speak of errors in the client's own words."""

from __future__ import annotations

from typing import Protocol

from ruleproxy.functions.arguments import text_of
from ruleproxy.language.signatures import Function, Parameter
from ruleproxy.language.types import OBJECT, STRING
from ruleproxy.messages.values import Value
from ruleproxy.wire.formats import Api, error_object


class Asker(Protocol):
    """Who wants to know: the format of the client's request."""

    api: Api


def _error(asker: Asker, kind: Value, message: Value) -> Value:
    return error_object(asker.api, text_of("error", kind), text_of("error", message))


FUNCTIONS = (
    Function(
        "error",
        "an error body in the shape that this client reads; `type` is one of the Anthropic error types",
        (Parameter("type", STRING), Parameter("message", STRING)),
        OBJECT,
        _error,
        contextual=True,
    ),
)
