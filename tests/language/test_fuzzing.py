"""Any text at all: the parser answers, and never raises."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ruleproxy.language.parsing import parse
from ruleproxy.language.reading import source_from_bytes, source_from_text
from ruleproxy.language.reporting import render_all
from ruleproxy.language.source import Source
from support.fuzzing import KINDS, make_trial

EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.rules"))
TEXTS = [path.read_text(encoding="utf-8") for path in EXAMPLES]
PIECES = [
    *("rule", "test", "local", "if", "for", "then", "do", "end", "else", "elseif", "in", "not", "and", "expect"),
    *("(", ")", "[", "]", "{", "}", "[[", "]]", "[=[", "--", "--[[", '"', "'", "\\", "\n", "=", "==", "!=", "&&"),
    *("#", "//", "/*", ";", ":", ".", "..", "??", "?", "1e5", "0x", "10s", "9" * 500, "é", "\t", "\x00", "\u202e"),
    *("request.body", "strip", "rewrite", "function", "None", "pairs(", "\ud800", "\nrule", "\nlocal", "\nend\n"),
]


def check_answer(text: str) -> None:
    source = source_from_text("any.rules", text)
    tree, diagnostics = parse(source)
    for diagnostic in diagnostics:
        assert 0 <= diagnostic.primary.span.start <= diagnostic.primary.span.end <= len(source.text)
    for item in tree.items:
        assert 0 <= item.span.start < item.span.end <= len(source.text)
    if not tree.items:
        assert diagnostics or not has_content(source.text, tree.comments)
    render_all(diagnostics, colour=True)


def has_content(text: str, comments: tuple[object, ...]) -> bool:
    return bool(text.strip(" \t\n")) and not comments


@settings(max_examples=150, deadline=None)
@given(st.text())
def test_arbitrary_text(text: str) -> None:
    """Text that is no rules file at all is reported."""
    check_answer(text)


@settings(max_examples=250, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40), st.sampled_from(["", " "]))
def test_words_in_any_order(pieces: list[str], between: str) -> None:
    """The language's own words, and those of others, in an order that means nothing."""
    check_answer(between.join(pieces))


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(st.data())
def test_mutated_examples(data: st.DataObject) -> None:
    """A good file in which something was cut out, put in or doubled."""
    text = data.draw(st.sampled_from(TEXTS))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    put_in = data.draw(st.one_of(st.sampled_from(PIECES), st.text(max_size=5), st.just(text[start:end] * 2)))
    check_answer(text[:start] + put_in + text[end:])


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes(data: bytes) -> None:
    """Bytes are a source or a diagnostic."""
    source = source_from_bytes("any.rules", data)
    if isinstance(source, Source):
        check_answer(source.text)


@pytest.mark.parametrize("kind", KINDS)
def test_any_input_is_checked_and_formatted(kind: str) -> None:
    """Text, bytes, made rules and broken ones: each finding has its place, what is formatted stays what it is."""
    make_trial(kind, 100)()


ODD = {
    "one word": "x" * 1_000_000,
    "no line end": 'note "a" ' * 110_000,
    "an endless string": f'local a = "{"x" * 1_000_000}',
    "many quotes": "local a = " + '"' * 999_999,
    "backslashes": f'local a = "{chr(92) * 999_999}',
    "an endless long string": f"local a = [[{'x' * 1_000_000}",
    "many long strings": "local a = [[\n" * 70_000,
    "long strings of all levels": "".join(f"[{'=' * level}[\n" for level in range(1_000)),
    "open parentheses": "local a = " + "(" * 1_000_000,
    "open tables": "local a = " + "{" * 1_000_000,
    "open brackets": "local a = x" + "[x" * 500_000,
    "many nots": "local a = " + "not " * 100_000,
    "many signs": "local a = " + "-1" * 50_000,
    "a chain": "local a = b" + " .. b" * 50_000,
    "nested ifs": 'rule "a" on request then\n' + "if a then\n" * 20_000,
    "rules without end": 'rule "a" on request then\n' * 5_000,
    "rules and locals": ('rule "a" on request then\n' + "local a = 1\n" * 5) * 500,
    "a rule and many locals": 'rule "a" on request then\n' + "local a = 1\n" * 5_000,
    "spaces": "local a = { b" + " " * 1_000_000,
    "keys": "local a = { " + "b " * 200_000,
    "comments": "--" * 500_000,
    "many comments": "--\n" * 100_000,
    "digits": f"local a = {'9' * 1_000_000}",
    "dots": "local a = b" + "." * 1_000_000,
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_odd_text_ends(text: str) -> None:
    """Text made to be slow or deep gets its answer like any other."""
    tree, diagnostics = parse(source_from_text("odd.rules", text))
    assert diagnostics or tree.comments
    assert render_all(diagnostics[:3]) or tree.comments
