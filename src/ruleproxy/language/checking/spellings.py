"""Texts that a place never holds as they are spelled: a path with its query, a method in lower case, a star in `==`."""

from __future__ import annotations

import json
import re

from ruleproxy.language import syntax
from ruleproxy.language.checking.paths import quiet_type
from ruleproxy.language.checking.scope import Scope, bare, literal_string
from ruleproxy.language.diagnostics import Severity
from ruleproxy.language.suggestions import find_nearest

URL = re.compile(r"[a-z]+://[^/]*", re.IGNORECASE)
GLOBBED = frozenset({("request", "path"), ("request", "model"), ("request", "body", "model")})
"""Places of which people write patterns with a star; none of them ever holds one."""


def check_spelling(scope: Scope, node: syntax.Binary) -> None:
    """`place == "text"` where the place never holds such a text."""
    for place, literal in ((node.left, node.right), (node.right, node.left)):
        text = literal_string(literal)
        if text is not None:
            check_text(scope, place, literal, text, node.operator)


def check_spelled_members(scope: Scope, node: syntax.Binary) -> None:
    """`place in { "text", … }` where the place never holds one of the texts, while it may hold the others."""
    table, place = bare(node.right), bare(node.left)
    if not isinstance(table, syntax.Table) or not isinstance(place, syntax.Path):
        return
    # What conditions around say is another matter (RP401).
    choices = quiet_type(scope, place, {}).choices
    for field in table.fields:
        text = literal_string(field.value) if field.key is None else None
        if text is None:
            continue
        check_text(scope, node.left, field.value, text, node.operator)
        if choices and text not in choices:
            nearest = find_nearest(text, choices)
            label = "is " + " or ".join(f'"{choice}"' for choice in sorted(choices)[:8])
            scope.findings.add("RP303", "these are never equal", field.value.span, second=node.left.span,
                               second_label=label, severity=Severity.WARNING,
                               help=() if nearest is None else (f'did you mean "{nearest}"?',))  # fmt: skip


def check_text(scope: Scope, place: syntax.Expression, literal: syntax.Expression, text: str, operator: str) -> None:
    """One text that is compared with a place, by `==`, `~=` or as one of several (`in`)."""
    inner = bare(place)
    key = scope.key_of(inner) if isinstance(inner, syntax.Path) else None
    resolved = None if key is None else scope.resolve(key)
    if resolved is None:
        return
    if resolved[:1] == ("original",):
        resolved = resolved[1:]
    found = find_misspelling(resolved, text)
    if found is None:
        return
    message, label, spelled = found
    shown, quoted = scope.findings.text(place.span), json.dumps(spelled, ensure_ascii=False)
    if "*" in spelled:
        before = {"~=": "not ", "in": "… or "}.get(operator, "")
        offer = f"{before}glob({shown}, {quoted})"
    else:
        offer = f"did you mean {quoted}?" if operator == "in" else f"{shown} {operator} {quoted}"
    scope.findings.add("RP303", message, literal.span, label, severity=Severity.WARNING, help=(offer,))


def find_misspelling(key: tuple[object, ...], text: str) -> tuple[str, str, str] | None:
    """What is wrong with a text for a place, what the place holds, and the text that may have been meant."""
    if key == ("request", "path"):
        path = URL.sub("", text, count=1)
        if path != text:
            return "a path is no URL", "it begins with /", path.partition("?")[0] or "/"
        if "?" in text:
            return "a path has no query", "what follows is `request.query`", text.partition("?")[0]
        if "*" not in text and not text.startswith("/"):
            return "a path begins with /", "", f"/{text}"
    if key == ("request", "method") and text != text.upper():
        return "methods are in upper case", "", text.upper()
    if key in GLOBBED and "*" in text:
        return "`*` is a star here", "`==` and `in` compare letter by letter", text
    return None
