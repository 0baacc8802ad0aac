"""The vocabulary that the language's design names: the shipped one, and stand-ins for words that it does not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from ruleproxy.engine.vocabulary import load_vocabulary
from ruleproxy.language.signatures import Choice, Form, Function, Options, Parameter, Place, Value, Verb, Vocabulary
from ruleproxy.language.types import ANY, JSON, OPTIONAL_STRING, STRING, of


def do_nothing(*_: object, **__: object) -> None:
    """What a stand-in does."""


def form(name: str, **arguments: object) -> Form:
    """A form that does nothing."""
    return Form(name, name, arguments, do_nothing)  # type: ignore[arg-type]


EVENT: Mapping[str, object] = {
    "event": Options({"type": STRING, "data": ANY}, ("type",)),
    "side": Choice(("before", "after")),
}

VERBS = (
    Verb("retry", "", "", (form("retry"),), ("response", "failure"), ends=True, retries=True),
    Verb("learn", "", "", (form("learn"),), ("response", "failure")),
    Verb("drop", "", "", (form("drop"),), ("event",), ends=True),
    Verb("emit", "", "", (form("emit", **EVENT),), ("event",)),
    Verb("collect_stream", "", "", (form("collect_stream"),), ("request",)),
    Verb("repair_stream", "", "", (form("repair_stream"),), ("request", "response")),
)

FORMS = {"strip": form("strip_at", place=Place(), location=Value(STRING))}

FUNCTIONS = (
    Function("secret", "", (Parameter("name", STRING, literal=True),), of("secret"), do_nothing),
    Function("table", "", (Parameter("file", STRING, literal=True),), JSON, do_nothing, file_level=True),
    Function("pick", "", (Parameter("value"), Parameter("path", STRING)), JSON, do_nothing),
    Function("rfc3339", "", (Parameter("seconds", of("int", "float", "nil")),), OPTIONAL_STRING, do_nothing),
    Function("find_error", "", (Parameter("body"),), of("object", "nil"), do_nothing),
)


@cache
def design_vocabulary() -> Vocabulary:
    """Everything that the design names; a shipped word comes before its stand-in."""
    shipped = load_vocabulary()
    verbs = {verb.name: verb for verb in VERBS} | dict(shipped.verbs)
    for name, extra in FORMS.items():
        if extra.name not in {known.name for known in verbs[name].forms}:
            verbs[name] = replace(verbs[name], forms=(*verbs[name].forms, extra))
    verbs["fake_stream"] = replace(verbs["fake_stream"], sides=("request", "response", "failure"))
    functions = {function.name: function for function in FUNCTIONS} | dict(shipped.functions)
    return Vocabulary(verbs, functions)
