"""All verbs and functions by name: what checker, compiler and documentation are handed."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import ruleproxy.functions
import ruleproxy.verbs
from ruleproxy.language.signatures import Function, Verb, Vocabulary
from ruleproxy.messages.values import EditRefused


@cache
def load_vocabulary() -> Vocabulary:
    """The vocabulary of this version: every module in the folders of verbs and functions."""
    verbs: dict[str, Verb] = {}
    for module in iter_modules(ruleproxy.verbs.__path__):
        verb = getattr(import_module(f"ruleproxy.verbs.{module.name}"), "VERB", None)
        if verb is not None:
            verbs[verb.name] = verb
    functions: dict[str, Function] = {}
    for module in iter_modules(ruleproxy.functions.__path__):
        for function in getattr(import_module(f"ruleproxy.functions.{module.name}"), "FUNCTIONS", ()):
            functions[function.name] = function
    return Vocabulary(verbs, functions)


def check_literal(function: Function, literals: list[str]) -> str | None:
    """What is wrong with literal arguments that a function prepares at load time, for people; None if nothing."""
    if function.prepare is None:
        return None
    try:
        function.prepare(*literals)
    except EditRefused as refused:
        return str(refused)
    return None
