"""The upstream origins that a rule writes out, so that its tests need not declare them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ruleproxy.language import syntax
from ruleproxy.language.walking import children
from ruleproxy.messages.upstreams import split_url


def find_origins(rule: syntax.Rule, constants: Mapping[str, Any]) -> list[str]:
    """The origins (`scheme://host[:port]`) in what a rule writes to `upstream.url` and `upstream.base`, in order."""
    found: list[str] = []
    for action in _actions(rule):
        place, value = action.arguments.get("place"), action.arguments.get("value")
        if action.form == "rewrite" and value is not None and _is_address(place):
            for text in _texts(value, constants):
                try:
                    found.append(split_url(text)[0])
                except ValueError:
                    continue  # not a URL by itself: the rule says so when it runs
    return found


def _actions(node: syntax.Node) -> Iterator[syntax.Action]:
    if isinstance(node, syntax.Action):
        yield node
    for child in children(node):
        yield from _actions(child)


def _is_address(place: syntax.Argument | None) -> bool:
    match place:
        case syntax.Path(base=syntax.Name(name="upstream"), steps=(syntax.Member(name="url" | "base"),)):
            return True
        case _:
            return False


def _texts(node: syntax.Node, constants: Mapping[str, Any]) -> Iterator[str]:
    match node:
        case syntax.Literal(kind="string", value=str(text)):
            yield text
        case syntax.Path(base=syntax.Name(name=name)) if name in constants:
            yield from _strings(constants[name])
    for child in children(node):
        yield from _texts(child, constants)


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for item in value.values():
                yield from _strings(item)
        case list():
            for item in value:
                yield from _strings(item)
