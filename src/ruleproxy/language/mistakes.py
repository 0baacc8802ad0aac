"""Why a piece of text does not parse, said of the text and not of the parser's state (RP101, 102, 103, 201)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

from ruleproxy.language.blocks import find_unclosed_block
from ruleproxy.language.foreign import COMPOUND, find_foreign, first_after, read_path, shorten
from ruleproxy.language.foreign_verbs import explain_foreign_verb, explain_verb_that_assigns
from ruleproxy.language.problems import Problem
from ruleproxy.language.slips import explain_hyphen, find_hints
from ruleproxy.language.source import Span
from ruleproxy.language.suggestions import find_nearest
from ruleproxy.language.tokens import Place, RawToken, find_place
from ruleproxy.language.words import (
    BLOCKS,
    CLOSERS,
    CONTINUATIONS,
    END_OF_TEXT,
    ITEMS,
    KINDS,
    RESERVED,
    SOFT_WORDS,
    VALUE_STARTS,
    VALUES,
    VERBS,
)

MOST_EXPECTED = 3
STATEMENT = "a statement"
VERDICTS = ("changed", "matched", "unmatched", "shadowed", "failed", "unreached")
COMPARISONS = ("==", "~=", "<", "<=", ">", ">=", "in")


def explain_failure(text: str, offset: int, expected: frozenset[str], words: Mapping[str, str]) -> Problem:
    """The problem of a chunk that the parser refused at `offset`.

    `expected` are the names of the tokens that could have stood there, `words` says how a token is written that is
    always written the same.
    """
    place = find_place(text, offset)
    at_statement = expected >= VERBS
    value_expected = expected >= VALUES
    found = place.found
    if "END" in expected and (found is None or begins_item(place, found, words)):
        problem = explain_open_block(place)
    else:
        problem = explain_verb_that_assigns(place) or find_foreign(
            place, value_expected=value_expected, at_statement=at_statement
        )
    if problem is None and at_statement:
        problem = explain_statement(place, [words[name] for name in VERBS | BLOCKS])
    if problem is None and END_OF_TEXT in expected:
        problem = explain_item(place, [words[name] for name in ITEMS | {"LOCAL"}])
    return problem or explain_expectation(place) or explain_unexpected(place, expected, words)


def explain_open_block(place: Place) -> Problem | None:
    """The problem of a block without `end`: where it was expected, and where the block begins."""
    block = find_unclosed_block(place)
    if block is None:
        return None
    nested = find_else_if(place)
    if nested is not None:
        return Problem("RP103", "`else if` opens a second block", nested, help=("write `elseif`",))
    opener, before = block
    span = end_of_line_before(place, before)
    message = f"this `{opener.text}` has no `end`"
    return Problem("RP102", message, span, "expected `end` here", opener.span, "opened here", ("add `end`",))


def begins_item(place: Place, token: RawToken, words: Mapping[str, str]) -> bool:
    """Whether a token begins a rule or test, or was meant to: then the block before it was meant to be closed."""
    items = [words[name] for name in ITEMS]
    if token.text in items:
        return True
    at_line_start = token.start == 0 or place.text[token.start - 1] == "\n"
    if not at_line_start or token.kind != "name" or find_nearest(token.text, [words[name] for name in VERBS]):
        return False
    return find_nearest(token.text, items) is not None


def find_else_if(place: Place) -> Span | None:
    """Where `else if` stands on one line, as other languages write `elseif`."""
    for left, right in pairwise(place.tokens[: place.at]):
        if left.text == "else" and right.text == "if" and place.same_line(left, right):
            return Span(left.start, right.end)
    return None


def end_of_line_before(place: Place, token: RawToken | None) -> Span:
    """The empty span after the last token before this one."""
    earlier = [other for other in place.tokens[: place.at] if token is None or other.end <= token.start]
    end = earlier[-1].end if earlier else 0
    return Span(end, end)


def explain_statement(place: Place, verbs: Iterable[str]) -> Problem | None:
    """The problem of a word where a statement should begin."""
    token = place.found
    if token is None or token.kind != "name" or is_inside_line(place) or token.text in RESERVED:
        return None
    path = read_path(place, 0)
    after = first_after(place, token.start + len(path))
    if after is not None and after.text in ("=", *COMPOUND):
        return explain_assignment(place, token, path, after)
    if after is not None and after.text == "(" and path == token.text:
        label = "functions only compute"
        return Problem("RP101", "a call is not a statement", token.span, label, help=("begin with a verb",))
    if (foreign := explain_foreign_verb(token, place)) is not None:
        return foreign
    nearest = find_nearest(token.text, verbs)
    help_text = (f"did you mean `{nearest}`?",) if nearest else ("a statement begins with its verb",)
    return Problem("RP201", f"unknown verb `{shorten(token.text)}`", token.span, help=help_text)


def explain_assignment(place: Place, token: RawToken, path: str, sign: RawToken) -> Problem:
    """The problem of `place = value` without its verb."""
    line_end = place.text.find("\n", sign.end)
    value = place.text[sign.end : line_end if line_end >= 0 else len(place.text)].strip()
    operator = f" {path} {COMPOUND[sign.text]}" if sign.text in COMPOUND else ""
    span = Span(token.start, token.start + len(path))
    wanted = shorten(f"rewrite {path} ={operator} {value}", 100)
    return Problem("RP103", "an assignment begins with `rewrite`", span, "no verb", help=(wanted,))


def is_inside_line(place: Place) -> bool:
    """Whether the offending token continues a line: then it is no new statement to its writer."""
    token, before = place.found, place.look(-1)
    if token is None or before is None or before.text in ("then", "do", "else"):
        return False
    return place.same_line(before, token)


def explain_expectation(place: Place) -> Problem | None:
    """The problem of an `expect` whose first word is nearly one, or lacks what it is said of."""
    word, before, found = place.look(-1), place.look(-2), place.found
    if word is not None and place.text_at(-3) == "attempt" and word.text in VERDICTS:
        offer = (f"expect {word.text} …",)
        return Problem(
            "RP101", f"`{word.text}` is said of the whole exchange, not of an attempt", word.span, help=offer
        )
    if word is None or before is None or before.text != "expect" or word.kind != "name":
        return None
    if word.text == "attempt" and found is not None and found.kind == "name":
        offer = ("expect attempt 1 …",)
        return Problem("RP101", "`attempt` takes which one, in digits, counted from 1", found.span, help=offer)
    if found is not None and found.kind == "string":
        if word.text == "stopped":
            span = Span(word.start, found.end)
            return Problem("RP101", "a rule is named behind `stopped by`", span, help=(f"stopped by {found.text}",))
        nearest = find_nearest(word.text, [*VERDICTS, "snapshot"])
        help_text = f"did you mean `{nearest}`?" if nearest else f"one of: {', '.join(VERDICTS)}, snapshot"
        return Problem("RP201", f"unknown verdict `{shorten(word.text)}`", word.span, help=(help_text,))
    if word.text in VERDICTS:
        help_text = f'{word.text} "the rule\'s name"'
        return Problem("RP101", f"`{word.text}` is said of a rule by its name", word.span, help=(help_text,))
    if word.text == "unchanged":
        return Problem("RP101", "`unchanged` is said of a place", word.span, help=("unchanged request.body",))
    if word.text == "snapshot":
        help_text = 'snapshot "the-test.expected.json"'
        return Problem("RP101", "a snapshot is a file beside the rules", word.span, help=(help_text,))
    if word.text == "retried" and found is not None and found.kind == "name" and place.same_line(word, found):
        return Problem("RP101", "`retried` takes how often, in digits", found.span, help=("2",))
    return None


def explain_item(place: Place, items: Iterable[str]) -> Problem | None:
    """The problem of text outside of rules and tests."""
    token = place.found
    if token is None or is_inside_line(place):
        return None
    if token.text == "end":
        help_text = ("remove it, or look for an `end` too many above",)
        return Problem("RP101", "this `end` closes nothing", token.span, help=help_text)
    if token.kind != "name":
        return None
    if token.text.upper() in VERBS | BLOCKS:
        message = f"`{token.text}` stands outside of a rule"
        return Problem("RP101", message, token.span, help=('rule "…" on request then … end',))
    nearest = find_nearest(token.text, items)
    help_text = (f"did you mean `{nearest}`?" if nearest else "a file holds edition, use, local, rule and test",)
    return Problem("RP101", f"`{shorten(token.text)}` begins nothing here", token.span, help=help_text)


def explain_unexpected(place: Place, expected: frozenset[str], words: Mapping[str, str]) -> Problem:
    """The problem of a token in the wrong place, with what could have stood there."""
    token = place.found
    found = describe(token)
    keywords = {words[name] for name in expected if name in words and words[name].isalpha()}
    if token is not None and token.kind == "name" and token.text not in RESERVED:
        nearest = find_nearest(token.text, keywords)
        if nearest is not None:
            message = f"expected `{nearest}`, found {found}"
            return Problem("RP101", message, token.span, help=(f"did you mean `{nearest}`?",))
    if "GIVEN" not in expected and "EXPECT" in expected and token is not None and token.text == "given":
        return Problem("RP101", "`given` stands before the first `expect`", token.span, help=("move it up",))
    if token is not None and token.text in COMPARISONS and "AND" in expected:
        help_text = ("join two comparisons with `and`",)
        return Problem("RP101", "comparisons do not chain", token.span, help=help_text)
    if (hyphen := explain_hyphen(place)) is not None:
        return hyphen
    options, second = list_options(place, expected, words)
    hints = find_hints(place, options) if second is None else ()
    span = token.span if token is not None and STATEMENT in options else point_at(place)
    label = "expected here" if span.start == span.end else ""
    if not options:
        return Problem("RP101", f"unexpected {found}", token.span if token else span, help=hints)
    if token is not None and token.text in RESERVED and place.text_at(-1) in ("local", "for"):
        return Problem("RP101", f"{found} is a reserved word", token.span, help=("choose another name",))
    message = f"expected {join_options(options)}, found {found}"
    second_label = "" if second is None else "opened here"
    return Problem("RP101", message, span, label, second, second_label, hints)


def list_options(place: Place, expected: frozenset[str], words: Mapping[str, str]) -> tuple[list[str], Span | None]:
    """What could have stood there, named for people, and the bracket that is open if it is one to be closed."""
    closer = next((name for name in CLOSERS if name in expected), None)
    bracket = find_open_bracket(place) if closer is not None else None
    if closer is not None and bracket is not None and bracket.text == CLOSERS[closer]:
        if not expected >= VALUES:
            token = place.found
            separates = "COMMA" in expected and token is not None and starts_field(token)
            return [words["COMMA" if separates else closer].join("``")], bracket.span
    left = set(expected) - {END_OF_TEXT, "COMMA"}
    if left >= {"WHEN", "THEN"}:
        token = place.found
        if token is not None and is_plain_name(token) and is_inside_line(place):
            return ["`,`" if place.text_at(1) in ("then", "when", ",") else "`when`"], None
        left -= {"THEN" if token is not None and is_plain_name(token) else "WHEN"}
    if "COMPARISON" in left:
        left -= {"IN"}
    if left - CONTINUATIONS - {"LPAREN"} and not left >= VALUES:
        left -= CONTINUATIONS | {"LPAREN"}
    options = []
    if left >= VERBS:
        left -= VERBS | BLOCKS | ITEMS
        options.append(STATEMENT)
    if left >= VALUES:
        left -= VALUE_STARTS | SOFT_WORDS | CLOSERS.keys() | {"KEY", "LSQB"}
        options.append("a value")
    options += sorted(KINDS[name] if name in KINDS else f"`{words.get(name, name.lower())}`" for name in left)
    return (options if len(options) <= MOST_EXPECTED else []), None


def starts_field(token: RawToken) -> bool:
    """Whether a token would go on with a list or table after a comma."""
    return token.kind in ("string", "number") or token.text in "[{" or is_plain_name(token)


def is_plain_name(token: RawToken) -> bool:
    """Whether a token is a name and no reserved word."""
    return token.kind == "name" and token.text not in RESERVED


def find_open_bracket(place: Place) -> RawToken | None:
    """The innermost bracket that is open before the offending token."""
    open_brackets: list[RawToken] = []
    for token in place.tokens[: place.at]:
        if token.text in ("(", "[", "{"):
            open_brackets.append(token)
        elif token.text in (")", "]", "}") and open_brackets:
            open_brackets.pop()
    return open_brackets[-1] if open_brackets else None


def point_at(place: Place) -> Span:
    """What to underline: the offending token, or the end of the line before where it begins a later line."""
    token, before = place.found, place.look(-1)
    if token is not None and (before is None or place.same_line(before, token)):
        return token.span
    end = before.end if before is not None else 0
    return Span(end, end)


def describe(token: RawToken | None) -> str:
    """A token as a message calls it."""
    if token is None:
        return "the end of the text"
    return "a long string" if token.text.startswith("[[") else f"`{shorten(token.text, 30)}`"


def join_options(options: list[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return options[0] if len(options) == 1 else f"{', '.join(options[:-1])} or {options[-1]}"
