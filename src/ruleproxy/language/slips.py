"""What was likely meant where a text stops making sense within a line: offered beside what was expected there."""

from __future__ import annotations

import re

from ruleproxy.language.problems import Problem
from ruleproxy.language.source import Span
from ruleproxy.language.tokens import Place, RawToken
from ruleproxy.language.words import VERBS

HYPHENATED = re.compile(r"\b(?P<holder>[A-Za-z_][\w.]*)\.(?P<name>[A-Za-z_]\w*(?:-\w+)+)")
"""A field after a dot whose name has a hyphen, such as `request.headers.x-api-key`."""

CONDITION_WORDS = {
    "contains": "contains({}, …)",
    "starts": "starts_with({}, …)",
    "starts_with": "starts_with({}, …)",
    "startswith": "starts_with({}, …)",
    "ends": "ends_with({}, …)",
    "ends_with": "ends_with({}, …)",
    "endswith": "ends_with({}, …)",
    "matches": "matches({}, …)",
    "like": "glob({}, …)",
    "exists": "{} ~= nil",
    "is": "{} == …",
    "equals": "{} == …",
}
"""Words that other languages put behind a value to ask something of it."""


def explain_hyphen(place: Place) -> Problem | None:
    """The problem of a name with a hyphen behind a dot, where it is what the line stumbled over."""
    found, before = place.found, place.look(-1)
    if before is None or (found is not None and place.same_line(before, found) and found.text != "-"):
        return None
    start = place.text.rfind("\n", 0, before.start) + 1
    end = place.text.find("\n", before.end)
    line = place.text[start : end if end >= 0 else len(place.text)]
    for match in HYPHENATED.finditer(line.partition("--")[0]):
        if start + match.start() < before.end <= start + match.end():
            span = Span(start + match.start(), start + match.end())
            wanted = f'{match["holder"]}["{match["name"]}"]'
            return Problem("RP103", "a name with a dash stands in brackets", span, help=(wanted,))
    return None


def find_hints(place: Place, options: list[str]) -> tuple[str, ...]:
    """Help for what stands in a wrong place, by the words around it."""
    found, before = place.found, place.look(-1)
    if before is None:
        return ()
    on_line = found is not None and place.same_line(before, found)
    if found is not None and on_line and found.text in CONDITION_WORDS:
        return (CONDITION_WORDS[found.text].format(path_before(place)),)
    if options in (["`then`"], ["`do`"]):
        return (
            f"add {options[0]}" if not on_line or place.text_at(0) not in ("do", "then") else f"write {options[0]}",
        )
    verb = verb_of_line(place)
    return () if verb is None else (f"`ruleproxy explain {verb.text}` shows how it is written",)


def path_before(place: Place) -> str:
    """The path that ends before the offending token, as it is written."""
    depth, first = 0, place.look(-1)
    distance = -1
    while (token := place.look(distance)) is not None:
        depth += (token.text == "]") - (token.text == "[")
        after = place.look(distance + 1)
        joined = distance == -1 or (after is not None and token.end == after.start)
        if depth == 0 and (not joined or not (token.kind == "name" or token.text in (".", "[", "]"))):
            break
        first = token
        distance -= 1
    last = place.look(-1)
    return "…" if first is None or last is None or last.text == ")" else place.text[first.start : last.end]


def verb_of_line(place: Place) -> RawToken | None:
    """The verb that begins the line which the offending token goes on with, or comes after."""
    distance = -1
    token = place.look(distance)
    while token is not None:
        before = place.look(distance - 1)
        if before is None or not place.same_line(before, token):
            return token if token.text.upper() in VERBS else None
        distance -= 1
        token = before
    return None
