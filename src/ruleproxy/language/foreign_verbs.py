"""Verbs of other languages and other proxies, each with the statement that does the same here (RP103, RP201)."""

from __future__ import annotations

from dataclasses import replace

from ruleproxy.language.foreign import first_after, read_path, read_path_back, shorten
from ruleproxy.language.problems import Problem
from ruleproxy.language.source import Span
from ruleproxy.language.tokens import Place, RawToken

WRITING = frozenset({"assign", "change", "modify", "override", "overwrite", "put", "replace", "set", "update"})
REMOVING = frozenset({"del", "delete", "erase", "omit", "remove", "unset"})
OTHERS = {
    "abort": "respond",
    "append": "add",
    "block": "respond",
    "deny": "respond",
    "error": "respond",
    "insert": "add",
    "log": "note",
    "prepend": "add",
    "print": "note",
    "push": "add",
    "reject": "respond",
    "reply": "respond",
    "skip": "stop",
    "warn": "note",
}
BETWEEN = frozenset({"=", "to", "with", "as", ":=", ",", ":"})
LONGEST_LINE = 100


def explain_foreign_verb(token: RawToken, place: Place) -> Problem | None:
    """The problem of a statement that begins with a verb which is called otherwise here; None for other words."""
    if token.text not in WRITING | REMOVING | OTHERS.keys():
        return None
    other = OTHERS.get(token.text)
    if other is not None:
        return _called(token.text, other, token.span)
    following = place.look(1)
    path = read_path(place, 1) if following is not None and place.same_line(token, following) else ""
    verb = "rewrite" if token.text in WRITING else "strip"
    if not path:
        return _called(token.text, verb, token.span)
    start = place.text.index(path, token.end)
    after = first_after(place, start + len(path))
    rest = "" if after is None or not place.same_line(token, after) else _rest_of_line(place, after.start)
    if verb == "strip":
        statement = f"strip {path} {rest}".strip()
    elif after is not None and after.text in BETWEEN:
        statement = f"rewrite {path} = {_rest_of_line(place, after.end)}"
    else:
        return _called(token.text, verb, token.span)
    return replace(_called(token.text, verb, token.span), help=(f"write `{shorten(statement, LONGEST_LINE)}`",))


def explain_verb_that_assigns(place: Place) -> Problem | None:
    """The problem of `inject PLACE = VALUE` and its kin: a verb before an assignment that takes none."""
    sign = place.found
    if sign is None or sign.text != "=":
        return None
    path = read_path_back(place)
    line = place.text.rfind("\n", 0, sign.start) + 1
    before = place.text[line : sign.start].strip().removesuffix(path).split()
    value = _rest_of_line(place, sign.end)
    parent, _, name = path.rpartition(".")
    match before:
        case ["inject" | "add"]:
            statement = f"rewrite {path} = {value}"
        case ["inject", "default"] if parent and name.isidentifier():
            statement = f"inject default {{ {name} = {value} }} into {parent}"
        case ["strip"]:
            statement = f"strip {value} from {path}"
        case _:
            return None
    verb = " ".join(before)
    span = Span(place.text.index(before[0], line), sign.end)
    message = f"`{verb}` gives no place a value"
    return Problem("RP103", message, span, help=(f"write `{shorten(statement, LONGEST_LINE)}`",))


def _called(word: str, verb: str, span: Span) -> Problem:
    return Problem("RP201", f"unknown verb `{word}`", span, help=(f"here it is called `{verb}`",))


def _rest_of_line(place: Place, start: int) -> str:
    end = place.text.find("\n", start)
    return place.text[start : end if end >= 0 else len(place.text)].strip()
