"""Diagnostics as text, as data and as annotations."""

from ruleproxy.language.diagnostics import Diagnostic, Label, Severity
from ruleproxy.language.exporting import to_annotation, to_dict
from ruleproxy.language.reporting import render, render_all
from ruleproxy.language.source import Source, Span

RULE = """\
-- a file
edition 1
rule "x-api-key becomes a bearer token" on request then
  rewrite request.headers["authorization"] = "Bearer " .. request.headers["x-api-key"]
end
"""
SOURCE = Source("rules/20-auth.rules", RULE)


def label(source: Source, text: str, says: str = "") -> Label:
    start = source.text.rindex(text)
    return Label(source, Span(start, start + len(text)), says)


def bearer() -> Diagnostic:
    return Diagnostic(
        "RP305",
        Severity.ERROR,
        "this value may be nil",
        label(SOURCE, 'request.headers["x-api-key"]', "string or nil"),
        label(SOURCE, "then", "nothing before this makes sure it exists"),
        ('when request.headers["x-api-key"] ~= nil then',),
    )


def test_the_page_of_the_language() -> None:
    """A diagnostic looks as the language's own page shows it."""
    assert render(bearer()) == (
        "error[RP305]: this value may be nil\n"
        " --> rules/20-auth.rules:4:59\n"
        "  |\n"
        '3 | rule "x-api-key becomes a bearer token" on request then\n'
        "  |                                                    ---- nothing before this makes sure it exists\n"
        '4 |   rewrite request.headers["authorization"] = "Bearer " .. request.headers["x-api-key"]\n'
        "  |                                                           "
        "^^^^^^^^^^^^^^^^^^^^^^^^^^^^ string or nil\n"
        "  |\n"
        '  = help: when request.headers["x-api-key"] ~= nil then\n'
    )


def test_colour_adds_nothing_but_colour() -> None:
    """With its escape sequences taken out, the coloured text is the plain one."""
    coloured = render(bearer(), colour=True)
    assert "\x1b[1;31m" in coloured
    plain = coloured
    for code in ("\x1b[1;31m", "\x1b[1;34m", "\x1b[1m", "\x1b[0m"):
        plain = plain.replace(code, "")
    assert plain == render(bearer())


def test_lines_between_are_left_out() -> None:
    """One line between two labels is shown, more are not."""
    source = Source("a", "one\ntwo\nthree\nfour\nfive\n")
    near = Diagnostic("RP101", Severity.NOTE, "m", label(source, "three"), label(source, "one"))
    assert "2 | two\n" in render(near)
    far = Diagnostic("RP101", Severity.NOTE, "m", label(source, "five"), label(source, "one"))
    assert "\n...\n" in render(far)
    assert "two" not in render(far)


def test_span_over_several_lines() -> None:
    """Each line of a span is underlined without its indentation; the text stands beside the last."""
    source = Source("a", "x = {\n  one,\n  two,\n}\n")
    whole = Diagnostic("RP101", Severity.ERROR, "m", Label(source, Span(4, 21), "all of it"))
    assert render(whole).splitlines()[3:] == [
        "1 | x = {",
        "  |     ^",
        "2 |   one,",
        "  |   ^^^^",
        "3 |   two,",
        "  |   ^^^^",
        "4 | }",
        "  | ^ all of it",
    ]


def test_wide_and_dangerous_characters() -> None:
    """Underlines stand under what they mean, and nothing in a source reaches the terminal as a command."""
    source = Source("a", "\t日本e\u0301\x1b\u202e end\n")
    lines = render(Diagnostic("RP101", Severity.ERROR, "m", label(source, "end"))).splitlines()
    assert lines[3] == "1 |     日本e\u0301<001b><202e> end"
    assert lines[4] == f"  | {' ' * (4 + 4 + 1 + 6 + 6 + 1)}^^^"


def test_other_file() -> None:
    """A second label in another file has its own place."""
    other = Source("b", "rule here\n")
    found = Diagnostic("RP203", Severity.ERROR, "m", label(SOURCE, "end"), label(other, "rule", "the first"))
    assert render(found).splitlines()[-4:] == [" ::: b:1:1", "  |", "1 | rule here", "  | ---- the first"]


def test_order_is_by_file_and_place() -> None:
    """The order of a report does not depend on the order in which things were found."""
    first = Diagnostic("RP101", Severity.ERROR, "m1", label(Source("a", "x y"), "y"))
    second = Diagnostic("RP101", Severity.ERROR, "m2", label(Source("b", "x y"), "x"))
    third = Diagnostic("RP101", Severity.ERROR, "m3", label(Source("b", "x y"), "y"))
    assert render_all([third, second, first]) == render_all([first, second, third])
    assert [line[-2:] for line in render_all([third, second, first]).splitlines() if "error" in line] == [
        "m1",
        "m2",
        "m3",
    ]
    assert render_all([]) == ""


def test_data() -> None:
    """As data a diagnostic has its places as lines and columns."""
    data = to_dict(bearer())
    assert data["code"] == "RP305"
    assert data["severity"] == "error"
    assert data["primary"] == {
        "file": "rules/20-auth.rules",
        "line": 4,
        "column": 59,
        "end_line": 4,
        "end_column": 87,
        "text": "string or nil",
    }
    assert data["secondary"] is not None
    assert data["help"] == ['when request.headers["x-api-key"] ~= nil then']


def test_annotation() -> None:
    """An annotation is one line whatever stands in it."""
    source = Source("a,b:c.rules", "x\n")
    found = Diagnostic("RP204", Severity.WARNING, "100% unused", label(source, "x"), help=("one\ntwo",))
    assert to_annotation(found) == (
        "::warning file=a%2Cb%3Ac.rules,line=1,col=1,endLine=1,endColumn=2,title=RP204::100%25 unused%0Ahelp: one%0Atwo"
    )
