"""Regular expressions that ask for no more than a plain test does (RP710)."""

from __future__ import annotations

import re

from ruleproxy.language import syntax
from ruleproxy.language.checking.scope import Scope, literal_string

PIECE = re.compile(r"(?P<any>\.\*)|\\(?P<escaped>[^0-9A-Za-z])|(?P<plain>[^\\.+*?()\[\]{}|^$])", re.DOTALL)
ALTERNATIVES = re.compile(r"(?:\^|\\A)\((?:\?:)?(?P<inside>[^()]*)\)(?:\$|\\z)", re.DOTALL)
GLOB_SIGNS = "*?[]\\"
LONGEST_SET = 12
"""Alternatives that are written out as a set in the help."""


def check_pattern(scope: Scope, call: syntax.Call) -> None:
    """Offer the plain test for `matches(value, pattern)`, where there is one."""
    if call.function != "matches" or len(call.arguments) != 2:
        return
    value, pattern = call.arguments
    text = literal_string(pattern)
    offer = None if text is None else offer_plain(scope.findings.text(value.span), text)
    if offer is not None:
        what, written = offer
        message = f"this regular expression asks for {what}"
        scope.findings.add("RP710", message, pattern.span, help=written)


def offer_plain(value: str, pattern: str) -> tuple[str, str] | None:
    """What a pattern asks for, and the test that says so; None for one that needs to be a pattern."""
    alternatives = ALTERNATIVES.fullmatch(pattern)
    if alternatives is not None:
        words = [read_literal(part) for part in split_alternatives(alternatives["inside"])]
        known = [word for word in words if word]
        if len(known) < len(words) or not 1 < len(words) <= LONGEST_SET:
            return None
        return "one of a few texts", f"{value} in {{ {', '.join(quote(word) for word in known)} }}"
    pieces = read_pieces(pattern)
    texts = [piece for piece in pieces or () if piece is not None]
    if pieces is None or not any(texts):
        return None
    match pieces:
        case [str(text)]:
            return "one text", f"{value} == {quote(text)}"
        case [str(text), None]:
            return "a prefix", f"starts_with({value}, {quote(text)})"
        case [None, str(text)]:
            return "a suffix", f"ends_with({value}, {quote(text)})"
        case [None, str(text), None]:
            return "a part", f"contains({value}, {quote(text)})"
    if any(sign in text for text in texts for sign in GLOB_SIGNS):
        return None
    pattern = "".join("*" if piece is None else piece for piece in pieces)
    return "what a glob does", f"glob({value}, {quote(pattern)})"


def read_pieces(pattern: str) -> list[str | None] | None:
    """The literal texts of a pattern, with None where anything may stand; None for a pattern with more in it."""
    start = re.match(r"\^|\\A", pattern)
    end = re.search(r"(?<!\\)\$\Z|\\z\Z", pattern)
    inside = pattern[start.end() if start else 0 : end.start() if end else len(pattern)]
    pieces: list[str | None] = [] if start else [None]
    position = 0
    while position < len(inside):
        piece = PIECE.match(inside, position)
        if piece is None or inside[piece.end() : piece.end() + 1] in ("*", "+", "?", "{"):
            return None
        position = piece.end()
        text = piece["escaped"] or piece["plain"]
        last = pieces[-1] if pieces else None
        if piece["any"]:
            if not pieces or last is not None:
                pieces.append(None)
        elif last is not None:
            pieces[-1] = last + text
        else:
            pieces.append(text)
    if not end and (not pieces or pieces[-1] is not None):
        pieces.append(None)
    return pieces


def read_literal(pattern: str) -> str | None:
    """The one text that a pattern stands for."""
    pieces = read_pieces(rf"^{pattern}\z")
    return pieces[0] if pieces is not None and len(pieces) == 1 else None


def split_alternatives(inside: str) -> list[str]:
    """The alternatives of a group, by the bars that no backslash stands before."""
    return re.split(r"(?<!\\)\|", inside)


def quote(text: str) -> str:
    """A text as a string of the language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
