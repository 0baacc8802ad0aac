"""Spellings from other languages, each with what this language writes instead (RP103)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from ruleproxy.language.constants import MAXIMUM_DIGITS
from ruleproxy.language.problems import Problem
from ruleproxy.language.source import Span
from ruleproxy.language.tokens import Place, RawToken

OPERATORS = {
    "!=": "~=",
    "!==": "~=",
    "<>": "~=",
    "===": "==",
    "&&": "and",
    "||": "or",
    "&": "and",
    "|": "or",
}

CONSTANTS = {
    "None": "nil",
    "undefined": "nil",
    "Nil": "nil",
    "NULL": "null",
    "Null": "null",
    "True": "true",
    "TRUE": "true",
    "False": "false",
    "FALSE": "false",
}

WORDS = {
    "function": "there are no functions of your own: a rule only says what to change",
    "while": "the only loop is `for element in list do … end`",
    "repeat": "the only loop is `for element in list do … end`",
    "until": "the only loop is `for element in list do … end`",
    "return": "a rule returns nothing: `stop` ends the rules of its side",
    "break": "a loop visits every element: use `if` inside it",
    "goto": "a rule runs from top to bottom: use `if`",
    "elif": "write `elseif`",
    "elsif": "write `elseif`",
    "endif": "write `end`",
    "import": "packs are named with `use`",
    "require": "packs are named with `use`",
    "var": "write `local`",
    "let": "write `local`",
    "const": "write `local`",
}

RESERVED_IN_LUA = frozenset({"function", "while", "repeat", "until", "return", "break", "goto"})

ITERATORS = ("pairs", "ipairs")
COMPOUND = {"+=": "+", "-=": "-", "..=": "..", "??=": "??"}


def find_foreign(place: Place, *, value_expected: bool, at_statement: bool) -> Problem | None:
    """The problem of a foreign spelling at a place, or None if what stands there is only in the wrong place."""
    token = place.found
    if token is None:
        return None
    if token.text in OPERATORS:
        return replace_sign(token, OPERATORS[token.text])
    if token.kind == "name" and token.text in WORDS and (at_statement or token.text in RESERVED_IN_LUA):
        return Problem("RP103", f"`{token.text}` is not a word here", token.span, help=(WORDS[token.text],))
    explain = EXPLANATIONS.get(token.text) or EXPLANATIONS.get(token.kind)
    return None if explain is None else explain(place, token, value_expected)


def replace_sign(token: RawToken, wanted: str) -> Problem:
    """The problem of a sign that is spelled otherwise here."""
    return Problem("RP103", f"`{token.text}` is written `{wanted}`", token.span, help=(f"write `{wanted}`",))


def explain_constant(text: str, span: Span) -> Problem:
    """The problem of a constant that is spelled otherwise here."""
    wanted = CONSTANTS[text]
    return Problem("RP103", f"`{text}` is written `{wanted}`", span, help=(f"write `{wanted}`",))


def explain_iterator(text: str, span: Span, inner: str) -> Problem:
    """The problem of `pairs(…)` and `ipairs(…)`: a loop goes over the list itself."""
    help_text = f"write `{shorten(inner.strip())}`"
    return Problem("RP103", f"there is no `{text}`: a loop goes over a list", span, help=(help_text,))


def explain_string(_place: Place, token: RawToken, _value: bool) -> Problem:
    """A string in single quotes or backticks."""
    quote = token.text[0]
    if len(token.text) < 2 or token.text[-1] != quote:
        return Problem("RP103", "strings are written with double quotes", token.span, "it does not end either")
    inner = token.text[1:-1].replace(f"\\{quote}", quote)
    wanted = f"[[{inner}]]" if '"' in inner or "\\" in inner else f'"{inner}"'
    return Problem("RP103", "strings are written with double quotes", token.span, help=(wanted,))


def explain_number(_place: Place, token: RawToken, _value: bool) -> Problem | None:
    """An exponent, another base, grouped digits or an unknown unit."""
    text = token.text
    if text.replace(".", "").isdigit():
        return None
    if text.replace(".", "").replace("+", "").replace("-", "").lower().count("e") == 1 and text[-1].isdigit():
        digits, _sign, power = text.lower().partition("e")
        if digits.count(".") <= 1 and digits.replace(".", "").isdigit() and abs(to_int(power)) < MAXIMUM_DIGITS:
            wanted = format(Decimal(digits).scaleb(to_int(power)), "f")
            message = f"`{text}` is written without an exponent"
            return Problem("RP103", message, token.span, help=(wanted,))
    if text[:2].lower() in ("0x", "0b", "0o") and len(text) < 40:
        try:
            wanted = str(int(text, 0))
        except ValueError:
            wanted = "a decimal number"
        return Problem("RP103", "numbers are decimal", token.span, help=(wanted,))
    if "_" in text and text.replace("_", "").isdigit():
        return Problem("RP103", "digits are not grouped", token.span, help=(text.replace("_", ""),))
    units = "durations end in `ms`, `s`, `m` or `h`, sizes in `kb` or `mb`"
    return Problem("RP101", f"`{shorten(text)}` is not a number", token.span, help=(units,))


def to_int(text: str) -> int:
    """The number in an exponent, or one that is too large where it is none."""
    return int(text) if len(text) < 6 and text.lstrip("+-").isdigit() else 10**6


def explain_exclamation(place: Place, token: RawToken, _value: bool) -> Problem:
    """`!x`."""
    wanted = f"not {read_path(place, 1) or '…'}"
    return Problem("RP103", "`!` is written `not`", token.span, help=(f"write `{wanted}`",))


def explain_slashes(place: Place, token: RawToken, _value: bool) -> Problem:
    """`// …` and `/* … */`."""
    comment = place.text[token.end :].partition("\n")[0].strip()
    if token.text == "/*":
        comment = comment.partition("*/")[0].strip()
    wanted = f"-- {shorten(comment)}".strip()
    return Problem("RP103", f"`{token.text}` does not begin a comment", token.span, help=(wanted,))


def explain_hash(place: Place, token: RawToken, value_expected: bool) -> Problem:
    """`#x` is a length in Lua and a comment elsewhere."""
    following = place.look(1)
    if value_expected and following is not None and following.start == token.end:
        path = read_path(place, 1)
        span = Span(token.start, token.end + len(path))
        return Problem(
            "RP103", "`#` does not give a length", span, help=(f"length({path}), or count({path}) of a list",)
        )
    return explain_slashes(place, token, value_expected)


def explain_colon(place: Place, token: RawToken, _value: bool) -> Problem | None:
    """`x:lower()` and `{ a: 1 }`."""
    before, name, after = place.look(-1), place.look(1), place.text_at(2)
    if before is None:
        return None
    if name is not None and name.kind == "name" and after == "(":
        path = read_path_back(place)
        span = Span(token.start, name.end)
        wanted = f"{name.text}({path})" if place.text_at(3) == ")" else f"{name.text}({path}, …)"
        return Problem("RP103", "values have no methods", span, help=(f"write `{wanted}`",))
    if before.kind in ("name", "string"):
        key = before.text if before.kind == "name" else f"[{before.text}]"
        return Problem("RP103", "`:` is written `=` in a table", token.span, help=(f"{shorten(key)} = …",))
    return None


def explain_equals(place: Place, token: RawToken, value_expected: bool) -> Problem | None:
    """`=` between two values."""
    if value_expected or place.text_at(-1) in ("", "then", "do", "else"):
        return None
    key = place.look(-1)
    if key is not None and key.kind == "string" and place.text_at(-2) in ("{", ","):
        return Problem("RP103", "a key that is a string stands in brackets", key.span, help=(f"[{key.text}]",))
    return Problem("RP103", "`=` does not compare", token.span, help=("write `==`",))


def explain_compound(place: Place, token: RawToken, _value: bool) -> Problem:
    """`+=` and its kin."""
    path = read_path_back(place)
    wanted = f"rewrite {path} = {path} {COMPOUND[token.text]} …"
    return Problem("RP103", f"`{token.text}` is written out", token.span, help=(wanted,))


def explain_semicolon(_place: Place, token: RawToken, _value: bool) -> Problem:
    """`;` after a statement."""
    return Problem("RP103", "statements end without `;`", token.span, help=("one statement a line",))


def explain_question(_place: Place, token: RawToken, _value: bool) -> Problem:
    """`a ? b : c` and `a?.b`."""
    if token.text == "?.":
        return Problem("RP103", "`?.` is written `.`", token.span, help=("reading through nil gives nil",))
    return Problem("RP103", "there is no `?`", token.span, help=("use `if … then … else … end`, or `a ?? b`",))


def explain_list(_: Place, token: RawToken, value_expected: bool) -> Problem | None:
    """`[1, 2]`."""
    if not value_expected:
        return None
    return Problem("RP103", "lists are written with braces", token.span, help=("{ 1, 2 }, or list() for none",))


def explain_loop(place: Place, token: RawToken, _value: bool) -> Problem | None:
    """`for key, value in …`."""
    if place.text_at(-2) != "for":
        return None
    variable = place.text_at(1) or "value"
    help_text = f"for {variable} in … do"
    return Problem("RP103", "a loop has one variable, the element", token.span, help=(help_text,))


Explanation = Callable[[Place, RawToken, bool], Problem | None]

EXPLANATIONS: dict[str, Explanation] = {
    "foreign_string": explain_string,
    "number": explain_number,
    "!": explain_exclamation,
    "//": explain_slashes,
    "/*": explain_slashes,
    "#": explain_hash,
    ":": explain_colon,
    "=": explain_equals,
    ";": explain_semicolon,
    "?": explain_question,
    "?.": explain_question,
    "[": explain_list,
    ",": explain_loop,
    **dict.fromkeys(COMPOUND, explain_compound),
}


def read_path(place: Place, distance: int) -> str:
    """The path `a.b["c"]` that begins at a token, as text; empty if none begins there."""
    first = place.look(distance)
    if first is None or first.kind != "name":
        return ""
    end, at, open_brackets = first.end, distance + 1, 0
    while (token := place.look(at)) is not None and place.same_line(first, token):
        before = place.text_at(at - 1)
        if token.text == "[":
            open_brackets += 1
        elif token.text == "]" and open_brackets:
            open_brackets -= 1
        elif not open_brackets and token.text != "." and before != ".":
            break
        end, at = token.end, at + 1
    return place.text[first.start : end]


def first_after(place: Place, offset: int) -> RawToken | None:
    """The first token that begins at an offset or after it."""
    return next((token for token in place.tokens[place.at :] if token.start >= offset), None)


def read_path_back(place: Place) -> str:
    """The path that ends before the offending token, as text."""
    start = place.look(-1)
    for distance in range(-1, -40, -1):
        token = place.look(distance)
        if token is None or not (token.kind in ("name", "string") or token.text in (".", "[", "]")):
            break
        start = token
        if token.kind == "name" and place.text_at(distance - 1) not in (".", "["):
            break
    found = place.found
    if start is None or found is None:
        return "…"
    return shorten(place.text[start.start : found.start].strip())


def shorten(text: str, width: int = 60) -> str:
    """Text for one line of a message: its first line, cut where it is long."""
    line = text.partition("\n")[0]
    return line if len(line) <= width and line == text else f"{line[: width - 1]}…"
