"""The vocabulary that the language's design names: the shipped one, and stand-ins for words that it does not have."""

from __future__ import annotations

from functools import cache

from ruleproxy.engine.vocabulary import load_vocabulary
from ruleproxy.language.signatures import Form, Verb, Vocabulary


def do_nothing(*_: object, **__: object) -> None:
    """What a stand-in does."""


def form(name: str, **arguments: object) -> Form:
    """A form that does nothing."""
    return Form(name, name, arguments, do_nothing)  # type: ignore[arg-type]


VERBS = (Verb("repair_stream", "", "", (form("repair_stream"),), ("request", "response")),)


@cache
def design_vocabulary() -> Vocabulary:
    """Everything that the design names; a shipped word comes before its stand-in."""
    shipped = load_vocabulary()
    verbs = {verb.name: verb for verb in VERBS} | dict(shipped.verbs)
    return Vocabulary(verbs, shipped.functions)
