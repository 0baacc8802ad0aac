"""Edits of the cached part of a prompt with a value that varies from request to request (RP610).

Providers cache a prompt by its beginning in their reading order (tools, system, messages) up to the last cache mark,
and clients set one on the newest message: nearly all of a prompt stands before it. What an element is computed from
itself, or from the elements before it, is the same in the next request, for a conversation only grows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ruleproxy.language import syntax
from ruleproxy.language.checking.scope import Key, Scope, Variable, bare
from ruleproxy.language.checking.writes import MESSAGES, Write
from ruleproxy.language.walking import children

CACHED = ("tools", "system", "messages")
"""The members of a body that a prompt consists of, in the provider's reading order."""

STEADY_HEADERS = frozenset(
    ("anthropic-beta", "anthropic-version", "authorization", "content-type", "accept", "user-agent", "x-api-key",
     "x-app", "x-claude-code-session-id")
)  # fmt: skip
"""Headers that a client sends alike with every request of a session."""

STEADY_FUNCTIONS = frozenset({"first"})
"""Functions that give the same of a list when it has grown."""


def check_prompts(scope: Scope, writes: Iterable[Write]) -> None:
    """Report values that vary, where they are written into the prompt."""
    for write in writes:
        if write.rule.side.text != "request" or not write.applies or not is_cached(write):
            continue
        for value in write.expressions():
            varying = next(find_varying(scope, write, value), None)
            if varying is not None:
                message = "this may differ from request to request, and the prompt is cached by its beginning"
                write.findings.add("RP610", message, varying.span, second=write.path.span,
                                   second_label="stands before the last cache mark",
                                   help="write it into a header, or outside of the prompt")  # fmt: skip
                break


def is_cached(write: Write) -> bool:
    """Whether a write is into what is cached; a message that is added last stands after it."""
    place = write.place
    if place[:2] != ("request", "body") or len(place) < 3 or place[2] not in CACHED:
        return False
    return not (write.action.verb == "add" and place == MESSAGES)


def find_varying(
    scope: Scope, write: Write, node: syntax.Node, seen: frozenset[str] = frozenset()
) -> Iterator[syntax.Node]:
    """The parts of a value that are not the same in the next request, from left to right."""
    inner = bare(node) if isinstance(node, syntax.Group) else node
    if isinstance(inner, syntax.Call) and inner.function in STEADY_FUNCTIONS:
        return
    if isinstance(inner, syntax.Path) and isinstance(inner.base, syntax.Name):
        variable = write.variables.get(inner.base.name)
        if variable is not None and inner.base.name not in seen:
            if any(find_varying_local(scope, write, variable, seen | {inner.base.name})):
                yield inner
            return
        key = scope.key_of(inner)
        if variable is None and key is not None and varies(key, write.place):
            yield inner
            return
    for child in children(inner):
        yield from find_varying(scope, write, child, seen)


def find_varying_local(scope: Scope, write: Write, variable: Variable, seen: frozenset[str]) -> Iterator[syntax.Node]:
    """What varies in the value of a `local`; elements of lists are the same when the list has grown."""
    if variable.kind == "local" and variable.value is not None:
        yield from find_varying(scope, write, variable.value, seen)


def varies(key: Key, place: Key) -> bool:
    """Whether what a path names is not the same in the next request of a session."""
    key = key[1:] if key[0] == "original" else key
    if key[:2] == ("request", "headers"):
        return len(key) < 3 or key[2] not in STEADY_HEADERS
    if key[:3] != MESSAGES:
        return False
    return key[: len(place)] != place
